#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>

#include "codecs/decode.h"

namespace sightline::codecs {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

Status failed(const std::filesystem::path& path, int error) {
  const std::string message = path.string() + ": " + std::strerror(error);
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return not_found(message);
    case EACCES:
    case EPERM:
      return {StatusCode::kPermissionDenied, message};
    default:
      return io_error(message);
  }
}

}  // namespace

Result<std::vector<std::byte>> read_file(const std::filesystem::path& path,
                                         std::uint64_t max_bytes) {
  // O_NONBLOCK: opening a pipe without a writer would wait for ever.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return failed(path, errno);
  struct stat facts {};
  if (::fstat(file.get(), &facts) != 0) return failed(path, errno);
  if (!S_ISREG(facts.st_mode)) {
    return invalid_argument(path.string() + (S_ISDIR(facts.st_mode)
                                                 ? ": is a folder; a regular file is wanted"
                                                 : ": is not a regular file"));
  }
  const auto too_large = [&](std::uint64_t size) {
    return Status{StatusCode::kResourceExhausted, path.string() + ": has " + std::to_string(size) +
                                                      " bytes; at most " +
                                                      std::to_string(max_bytes) + " are read"};
  };
  const auto size = static_cast<std::uint64_t>(facts.st_size);
  if (size > max_bytes) return too_large(size);

  try {
    std::vector<std::byte> bytes(size);
    std::size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t count = ::read(file.get(), bytes.data() + done, bytes.size() - done);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return failed(path, errno);
      if (count == 0) break;  // shorter than it was a moment ago
      done += static_cast<std::size_t>(count);
    }
    bytes.resize(done);
    return bytes;
  } catch (const std::bad_alloc&) {
    return Status{StatusCode::kResourceExhausted,
                  path.string() + ": no memory for its " + std::to_string(size) + " bytes"};
  }
}

}  // namespace sightline::codecs
