// pipeline/internal/csv_reader.h: CSV as RFC 4180 has it, one record at a time, and text by lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"

namespace sightline::pipeline {

/// Records and lines longer than this are refused.
inline constexpr std::size_t kMaxRecordBytes = std::size_t{16} << 20;

/// Bytes of a text file in order, without a UTF-8 byte order mark; counts lines.
/// Thread-safety: one thread.
class TextFile {
 public:
  /// errors  kNotFound, kPermissionDenied, kIoError; names the path.
  static Result<TextFile> open(const std::string& path);

  /// The next byte, or EOF; check failed() then.
  int get() {
    const int c = std::getc(file_.get());
    if (c == '\n') ++line_;
    return c;
  }
  int peek();
  bool failed() const { return std::ferror(file_.get()) != 0; }
  Status error() const;                         ///< After failed().
  std::uint64_t line() const { return line_; }  ///< Of the next byte, from 1.

  /// One line without its end ("\n" or "\r\n"); nullopt at the end of the file.
  /// errors  kIoError; kInvalidArgument: longer than kMaxRecordBytes (the rest is passed over).
  Result<std::optional<std::string>> next_line();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  TextFile(std::string path, std::FILE* file) : path_(std::move(path)), file_(file) {}

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  std::uint64_t line_ = 1;
};

struct CsvRecord {
  std::uint64_t line = 0;  ///< Where it begins, from 1.
  std::vector<std::string> fields;
  std::string problem;  ///< Why its fields cannot be trusted; empty if they can.
};

/// Fields separated by commas; quoted ones may hold commas, line breaks and doubled quotes; lines
/// end in LF or CRLF; empty lines are passed over. A quote inside an unquoted field stands for
/// itself. Thread-safety: one thread.
class CsvReader {
 public:
  explicit CsvReader(TextFile file) : file_(std::move(file)) {}

  /// nullopt at the end. A record with text behind a closing quote, without a closing quote or too
  /// long comes with a `problem`; reading goes on behind it.
  /// errors  kIoError.
  Result<std::optional<CsvRecord>> next();

 private:
  TextFile file_;
};

}  // namespace sightline::pipeline
