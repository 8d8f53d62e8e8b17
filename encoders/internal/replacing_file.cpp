#include "encoders/internal/replacing_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>

namespace sightline::encoders {
namespace {

std::string unique_suffix() {
  static std::atomic<unsigned> counter = 0;
  return ".tmp." + std::to_string(::getpid()) + "." + std::to_string(++counter);
}

}  // namespace

ReplacingFile::ReplacingFile(std::filesystem::path goal)
    : goal_(std::move(goal)), temporary_(goal_.string() + unique_suffix()) {}

ReplacingFile::~ReplacingFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  if (!done_) ::unlink(temporary_.c_str());
}

Result<void> ReplacingFile::open() {
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (descriptor_ < 0) return failed("create");
  return {};
}

Result<void> ReplacingFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed("write");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Result<void> ReplacingFile::write(std::string_view text) {
  return write(std::as_bytes(std::span(text.data(), text.size())));
}

Result<void> ReplacingFile::finish() {
  if (::fsync(descriptor_) != 0) return failed("sync");
  if (::rename(temporary_.c_str(), goal_.c_str()) != 0) return failed("rename");
  done_ = true;
  std::filesystem::path folder = goal_.parent_path();
  if (folder.empty()) folder = ".";
  const int directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return failed("open the folder of");
  const int synced = ::fsync(directory);
  ::close(directory);
  if (synced != 0) return failed("sync the folder of");
  return {};
}

Status ReplacingFile::failed(const char* action) const {
  return io_error(goal_.string() + ": cannot " + action + ": " + std::strerror(errno));
}

}  // namespace sightline::encoders
