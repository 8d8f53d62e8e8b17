#include "pipeline/internal/source_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "pipeline/internal/tar_reader.h"

namespace sightline::pipeline {
namespace {

class FileReader final : public SourceReader {
 public:
  FileReader(std::string path, int file) : path_(std::move(path)), file_(file) {}
  ~FileReader() override { close(file_); }
  FileReader(const FileReader&) = delete;
  FileReader& operator=(const FileReader&) = delete;

  Result<void> look() {
    struct stat status {};
    if (fstat(file_, &status) != 0) return io_error(path_ + ": " + std::strerror(errno));
    if (!S_ISREG(status.st_mode)) return io_error(path_ + ": is not a regular file");
    size_ = static_cast<std::uint64_t>(status.st_size);
    mtime_ns_ = std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
    return {};
  }

  Result<void> read_to(std::uint64_t total, std::vector<std::byte>& bytes) override {
    std::size_t got = bytes.size();
    bytes.resize(static_cast<std::size_t>(std::min(total, size_)));
    while (got < bytes.size()) {
      const ssize_t n = ::read(file_, bytes.data() + got, bytes.size() - got);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return io_error(path_ + ": cannot be read: " + std::strerror(errno));
      if (n == 0) return io_error(path_ + ": became shorter while it was read");
      got += static_cast<std::size_t>(n);
    }
    return {};
  }

 private:
  const std::string path_;
  const int file_;
};

class MemberReader final : public SourceReader {
 public:
  MemberReader(TarStream stream, const Source& source)
      : stream_(std::move(stream)), label_(source.path + "#" + source.member) {
    mtime_ns_ = stream_.mtime_ns();
  }

  Result<void> look(const Source& source) {
    TarMember member;
    SIGHTLINE_TRY(const bool found, stream_.next(member));
    if (!found || member.name != source.member) {
      return io_error(label_ + ": the tar was changed while it was read");
    }
    size_ = member.size;
    return {};
  }

  Result<void> read_to(std::uint64_t total, std::vector<std::byte>& bytes) override {
    const std::uint64_t wanted = std::min(total, size_);
    if (bytes.size() >= wanted) return {};
    if (auto read = stream_.read(wanted - bytes.size(), bytes); !read) {
      return read.error().with_context(label_);
    }
    if (bytes.size() < wanted) return corruption(label_ + ": the tar ends within this member");
    return {};
  }

 private:
  TarStream stream_;
  const std::string label_;
};

}  // namespace

Result<std::unique_ptr<SourceReader>> open_source(const Source& source) {
  if (!source.member.empty()) {
    SIGHTLINE_TRY(auto stream, TarStream::open(source.path, source.tar_offset));
    auto reader = std::make_unique<MemberReader>(std::move(stream), source);
    SIGHTLINE_TRY_DO(reader->look(source));
    return std::unique_ptr<SourceReader>(std::move(reader));
  }
  // O_NONBLOCK: a FIFO that took the file's place must not hang the job.
  const int file = open(source.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (file < 0) {
    const int reason = errno;
    if (reason == ENOENT || reason == ENOTDIR) return not_found(source.path + ": no such file");
    const bool denied = reason == EACCES || reason == EPERM;
    return Status{denied ? StatusCode::kPermissionDenied : StatusCode::kIoError,
                  source.path + ": cannot be opened: " + std::strerror(reason)};
  }
  auto reader = std::make_unique<FileReader>(source.path, file);
  SIGHTLINE_TRY_DO(reader->look());
  return std::unique_ptr<SourceReader>(std::move(reader));
}

}  // namespace sightline::pipeline
