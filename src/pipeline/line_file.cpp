#include "pipeline/internal/line_file.h"

#include <cerrno>
#include <cstring>

namespace sightline::pipeline {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{1} << 20;
constexpr std::size_t kLineBufferBytes = std::size_t{4} << 10;  // jumps throw the buffer away
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

Result<LineFile> LineFile::open(const std::filesystem::path& path, std::size_t buffer_bytes) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) {
    return not_found(path.string() + ": no such file");
  }
  if (std::filesystem::is_directory(status)) return io_error(path.string() + ": is a folder");
  LineFile file;
  file.path_ = path;
  file.buffer_ = std::make_unique<std::vector<char>>(buffer_bytes);
  file.stream_ = std::make_unique<std::ifstream>();
  file.stream_->rdbuf()->pubsetbuf(file.buffer_->data(),
                                   static_cast<std::streamsize>(file.buffer_->size()));
  file.stream_->open(path, std::ios::binary);
  if (!*file.stream_) {
    return io_error(path.string() + ": cannot be opened: " + std::strerror(errno));
  }
  return file;
}

Result<bool> LineFile::next(std::string& line) {
  if (!std::getline(*stream_, line)) {
    if (stream_->bad()) return io_error(path_.string() + ": cannot be read");
    return false;
  }
  if (at_start_ && line.starts_with(kByteOrderMark)) line.erase(0, kByteOrderMark.size());
  at_start_ = false;
  if (line.ends_with('\r')) line.pop_back();
  return true;
}

Result<void> LineFile::skip(std::uint64_t count) {
  std::string line;
  for (; count > 0; --count) {
    SIGHTLINE_TRY(const bool there, next(line));
    if (!there) break;
  }
  return {};
}

Result<void> LineFile::go_to(std::uint64_t offset) {
  stream_->clear();
  stream_->seekg(static_cast<std::streamoff>(offset));
  at_start_ = offset == 0;
  if (!*stream_) return io_error(path_.string() + ": cannot be read");
  return {};
}

Result<void> LineFile::scan(const std::function<void(std::uint64_t, bool)>& seen,
                            const Deadline& deadline) {
  std::vector<char> block(kBlockBytes);
  std::uint64_t begin = 0, offset = 0;
  bool is_blank = true;
  for (;;) {
    SIGHTLINE_TRY_DO(deadline.check("counting the lines of " + path_.string()));
    stream_->read(block.data(), static_cast<std::streamsize>(block.size()));
    const auto got = static_cast<std::size_t>(stream_->gcount());
    if (got == 0) break;
    for (std::size_t i = 0; i < got; ++i) {
      const char c = block[i];
      if (c == '\n') {
        seen(begin, is_blank);
        begin = offset + i + 1;
        is_blank = true;
      } else if (c != ' ' && c != '\t' && c != '\r') {
        is_blank = false;
      }
    }
    offset += got;
  }
  if (stream_->bad()) return io_error(path_.string() + ": cannot be read");
  if (begin < offset) seen(begin, is_blank);
  return {};
}

Result<std::uint64_t> LineFile::count(const std::filesystem::path& path, const Deadline& deadline) {
  SIGHTLINE_TRY(LineFile file, open(path));
  std::uint64_t num_seen = 0, num_lines = 0;
  const auto seen = [&](std::uint64_t, bool is_blank) {
    ++num_seen;
    if (!is_blank) num_lines = num_seen;
  };
  SIGHTLINE_TRY_DO(file.scan(seen, deadline));
  return num_lines;
}

Result<LineTable> LineTable::open(const std::filesystem::path& path, const Deadline& deadline) {
  LineTable table;
  SIGHTLINE_TRY(table.file_, LineFile::open(path, kLineBufferBytes));
  std::size_t num_lines = 0;
  const auto seen = [&](std::uint64_t begin, bool is_blank) {
    table.begins_.push_back(begin);
    if (!is_blank) num_lines = table.begins_.size();
  };
  SIGHTLINE_TRY_DO(table.file_->scan(seen, deadline));
  table.begins_.resize(num_lines);
  return table;
}

Result<std::string> LineTable::line(std::uint64_t number) {
  SIGHTLINE_TRY_DO(file_->go_to(begins_[number]));
  std::string line;
  SIGHTLINE_TRY(const bool there, file_->next(line));
  if (!there) return corruption("a file of lines has become shorter");
  return line;
}

}  // namespace sightline::pipeline
