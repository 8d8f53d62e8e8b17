#include "storage/data_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

namespace sightline::storage {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "unknown host";
  return name.data();
}

std::string now_text() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text.data();
}

std::string read_all(int file) {
  std::array<char, 4096> buffer{};
  const ssize_t n = pread(file, buffer.data(), buffer.size(), 0);
  std::string text(buffer.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace

Status system_error(int error, const std::filesystem::path& path, std::string_view action) {
  const std::string message =
      "cannot " + std::string(action) + " " + path.string() + ": " + std::strerror(error);
  switch (error) {
    case EACCES:
    case EPERM:
    case EROFS:
      return {StatusCode::kPermissionDenied, message};
    case ENOSPC:
    case EDQUOT:
      return {StatusCode::kResourceExhausted, message};
    case ENOENT:
    case ENOTDIR:
      return not_found(message);
    default:
      return io_error(message);
  }
}

Result<std::unique_ptr<DataLock>> DataLock::acquire(const std::filesystem::path& folder,
                                                    const std::string& owner) {
  const auto path = folder / "LOCK";
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0) return system_error(errno, path, "write");
  if (flock(file, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    const std::string holder = read_all(file);
    close(file);
    if (error != EWOULDBLOCK) return system_error(error, path, "lock");
    return failed_precondition("data folder " + folder.string() + " is in use by " +
                               (holder.empty() ? "another process" : holder) +
                               "; only one process may write to it (searching works meanwhile)");
  }
  std::unique_ptr<DataLock> lock(new DataLock(file));  // it wipes the text, which is ours now
  const std::string text = "pid " + std::to_string(getpid()) +
                           (owner.empty() ? std::string() : " (" + owner + ")") + " on " +
                           host_name() + " since " + now_text() + "\n";
  if (ftruncate(file, 0) != 0 ||
      pwrite(file, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    return system_error(errno, path, "write");
  }
  return lock;
}

DataLock::~DataLock() {
  if (ftruncate(file_, 0) != 0) {
    // The text is only a courtesy; closing the file is what unlocks.
  }
  close(file_);
}

}  // namespace sightline::storage
