#include "pipeline/internal/csv_reader.h"

#include <cerrno>
#include <cstring>
#include <utility>

namespace sightline::pipeline {
namespace {

Status open_error(const std::string& path, int reason) {
  const StatusCode code = reason == ENOENT                      ? StatusCode::kNotFound
                          : reason == EACCES || reason == EPERM ? StatusCode::kPermissionDenied
                                                                : StatusCode::kIoError;
  return Status{code, path + ": cannot be opened: " + std::strerror(reason)};
}

}  // namespace

Result<TextFile> TextFile::open(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rbe");
  if (file == nullptr) return open_error(path, errno);
  TextFile text(path, file);
  char mark[3];
  const std::size_t got = std::fread(mark, 1, sizeof mark, file);
  if (got != sizeof mark || std::memcmp(mark, "\xEF\xBB\xBF", sizeof mark) != 0) {
    std::rewind(file);
  }
  return text;
}

int TextFile::peek() {
  const int c = std::getc(file_.get());
  if (c != EOF) std::ungetc(c, file_.get());
  return c;
}

Status TextFile::error() const {
  return io_error(path_ + ": cannot be read near line " + std::to_string(line_));
}

Result<std::optional<std::string>> TextFile::next_line() {
  const std::uint64_t first = line_;
  std::string line;
  bool too_long = false;
  int c = get();
  if (c == EOF) {
    if (failed()) return error();
    return std::optional<std::string>();
  }
  for (; c != EOF && c != '\n'; c = get()) {
    too_long = too_long || line.size() == kMaxRecordBytes;
    if (!too_long) line += static_cast<char>(c);
  }
  if (failed()) return error();
  if (too_long) {
    return invalid_argument(path_ + ":" + std::to_string(first) + ": the line is longer than " +
                            std::to_string(kMaxRecordBytes) + " bytes");
  }
  if (line.ends_with('\r')) line.pop_back();
  return std::optional<std::string>(std::move(line));
}

Result<std::optional<CsvRecord>> CsvReader::next() {
  int c = file_.get();
  while (c == '\n' || (c == '\r' && file_.peek() == '\n')) c = file_.get();
  if (c == EOF) {
    if (file_.failed()) return file_.error();
    return std::optional<CsvRecord>();
  }

  CsvRecord record;
  record.line = file_.line();
  std::size_t bytes = 0;
  std::string field;
  enum class At { kFieldStart, kPlain, kQuoted, kAfterQuote } at = At::kFieldStart;
  const auto end_field = [&] {
    record.fields.push_back(std::move(field));
    field.clear();
    at = At::kFieldStart;
  };
  const auto keep = [&](int byte) {
    if (++bytes <= kMaxRecordBytes) field += static_cast<char>(byte);
  };

  for (; c != EOF; c = file_.get()) {
    if (at == At::kQuoted) {
      if (c != '"') {
        keep(c);
        // An unclosed quote would swallow the rest of the file: give up on it in time.
        if (c == '\n' && bytes > kMaxRecordBytes) break;
      } else if (file_.peek() == '"') {
        keep(file_.get());
      } else {
        at = At::kAfterQuote;
      }
      continue;
    }
    if (c == '\n' || (c == '\r' && (file_.peek() == '\n' || file_.peek() == EOF))) {
      if (c == '\r') file_.get();
      break;
    }
    if (c == ',') {
      end_field();
    } else if (c == '"' && at == At::kFieldStart) {
      at = At::kQuoted;
    } else if (at == At::kAfterQuote) {
      if (record.problem.empty()) record.problem = "has text behind a closing quote";
    } else {
      at = At::kPlain;
      keep(c);
    }
  }
  if (file_.failed()) return file_.error();
  if (at == At::kQuoted) record.problem = "has a quote that is never closed";
  if (bytes > kMaxRecordBytes) {
    record.problem = "is longer than " + std::to_string(kMaxRecordBytes) + " bytes";
  }
  end_field();
  return std::optional<CsvRecord>(std::move(record));
}

}  // namespace sightline::pipeline
