#include "apps/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

namespace sightline::apps {
namespace {

Status write_error(const std::filesystem::path& file, int error) {
  const std::string message = file.string() + ": cannot be written: " + std::strerror(error);
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
    return {StatusCode::kResourceExhausted, message};
  }
  if (error == EACCES || error == EPERM || error == EROFS) {
    return {StatusCode::kPermissionDenied, message};
  }
  return io_error(message);
}

/// 0 or an errno.
int write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

}  // namespace

Result<void> write_file(const std::filesystem::path& file, std::string_view bytes) {
  struct stat status {};
  const bool special = ::stat(file.c_str(), &status) == 0 && !S_ISREG(status.st_mode);
  if (special) {
    const int descriptor = ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
    if (descriptor < 0) return write_error(file, errno);
    const int error = write_all(descriptor, bytes);
    if (::close(descriptor) != 0 && error == 0) return write_error(file, errno);
    if (error != 0) return write_error(file, error);
    return {};
  }
  // A link is followed, so that it stays a link.
  std::error_code ignored;
  std::filesystem::path target = std::filesystem::canonical(file, ignored);
  if (ignored) target = file;
  std::string scratch = target.string() + ".XXXXXX";
  const int descriptor = ::mkostemp(scratch.data(), O_CLOEXEC);
  if (descriptor < 0) return write_error(file, errno);
  int error = write_all(descriptor, bytes);
  const mode_t mask = ::umask(0);
  ::umask(mask);
  if (error == 0 && ::fchmod(descriptor, 0666 & ~mask) != 0) error = errno;
  if (::close(descriptor) != 0 && error == 0) error = errno;
  if (error == 0 && ::rename(scratch.c_str(), target.c_str()) != 0) error = errno;
  if (error != 0) {
    ::unlink(scratch.c_str());
    return write_error(file, error);
  }
  return {};
}

}  // namespace sightline::apps
