// pipeline/internal/line_file.h: the lines of a text file, one after the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/deadline.h"
#include "core/result.h"

namespace sightline::pipeline {

/// Thread-safety: one thread.
class LineFile {
 public:
  /// errors  kNotFound, kIoError: names the path.
  static Result<LineFile> open(const std::filesystem::path& path,
                               std::size_t buffer_bytes = std::size_t{1} << 20);

  /// The next line without its end (LF or CRLF) and, at the start of the file, without a byte order
  /// mark. False at the end. errors  kIoError.
  Result<bool> next(std::string& line);
  Result<void> skip(std::uint64_t count);
  /// Goes to a byte at which a line begins.
  Result<void> go_to(std::uint64_t offset);

  /// Lines up to the last that is not blank; reads the whole file. errors  as open(); kCancelled.
  static Result<std::uint64_t> count(const std::filesystem::path& path, const Deadline& deadline);

 private:
  friend class LineTable;
  LineFile() = default;
  /// `seen(begin, is_blank)` for every line; reads on to the end of the file.
  Result<void> scan(const std::function<void(std::uint64_t begin, bool is_blank)>& seen,
                    const Deadline& deadline);

  std::filesystem::path path_;
  std::unique_ptr<std::vector<char>> buffer_;  // outlives the stream
  std::unique_ptr<std::ifstream> stream_;
  bool at_start_ = true;
};

/// The lines of a text file, in any order; holds eight bytes a line. Thread-safety: one thread.
class LineTable {
 public:
  /// errors  as LineFile's; kCancelled.
  static Result<LineTable> open(const std::filesystem::path& path, const Deadline& deadline);

  std::uint64_t num_lines() const { return begins_.size(); }  ///< As LineFile::count().
  /// Line `number` < num_lines(), as LineFile::next() gives it. errors  kIoError, kCorruption: the
  /// file has become shorter.
  Result<std::string> line(std::uint64_t number);

 private:
  std::optional<LineFile> file_;
  std::vector<std::uint64_t> begins_;
};

}  // namespace sightline::pipeline
