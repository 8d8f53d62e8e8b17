#include "index/file_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sightline::index {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{256} << 10;

template <typename T>
T or_errno(T result) {
  return result < 0 ? static_cast<T>(-errno) : result;
}

// A file or folder named without a folder lies in ".".
std::filesystem::path parent_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

}  // namespace

int FileCalls::create(const std::filesystem::path& path) {
  return or_errno(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
}

ssize_t FileCalls::write(int file, std::span<const std::byte> bytes, std::uint64_t offset) {
  return or_errno(::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset)));
}

int FileCalls::sync(int file) { return or_errno(::fsync(file)); }

int FileCalls::close(int file) { return or_errno(::close(file)); }

int FileCalls::make_folder(const std::filesystem::path& path) {
  return or_errno(::mkdir(path.c_str(), 0755));
}

int FileCalls::sync_folder(const std::filesystem::path& path) {
  const int folder = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return -errno;
  const int synced = or_errno(::fsync(folder));
  ::close(folder);
  return synced;
}

int FileCalls::rename(const std::filesystem::path& from, const std::filesystem::path& to) {
  return or_errno(::rename(from.c_str(), to.c_str()));
}

int FileCalls::remove_all(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  return -error.value();
}

FileCalls& FileCalls::system() {
  static FileCalls calls;
  return calls;
}

Status file_error(int error, const std::filesystem::path& path, std::string_view action) {
  const std::string message =
      "cannot " + std::string(action) + " " + path.string() + ": " + std::strerror(error);
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case ENOMEM:
      return {StatusCode::kResourceExhausted, message};
    case EACCES:
    case EPERM:
    case EROFS:
      return {StatusCode::kPermissionDenied, message};
    case ENOENT:
    case ENOTDIR:
      return not_found(message);
    default:
      return io_error(message);
  }
}

FileRegion region_of(std::span<const std::byte> bytes) {
  Checksum128 checksum;
  checksum.update(bytes);
  return {bytes.size(), checksum.hex()};
}

Result<std::unique_ptr<FileWriter>> FileWriter::create(const std::filesystem::path& path,
                                                       FileCalls& calls) {
  const int file = calls.create(path);
  if (file < 0) return file_error(-file, path, "create");
  return std::unique_ptr<FileWriter>(new FileWriter(path, calls, file));
}

FileWriter::FileWriter(std::filesystem::path path, FileCalls& calls, int file)
    : path_(std::move(path)),
      calls_(calls),
      file_(file),
      checksum_(std::make_unique<Checksum128>()) {
  buffer_.reserve(kBufferBytes);
}

FileWriter::~FileWriter() {
  if (file_ >= 0) calls_.close(file_);
}

Result<void> FileWriter::append(std::span<const std::byte> bytes) {
  checksum_->update(bytes);
  if (buffer_.size() + bytes.size() > kBufferBytes) SIGHTLINE_TRY_DO(flush());
  if (bytes.size() < kBufferBytes) {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    return {};
  }
  SIGHTLINE_TRY_DO(write_at(bytes, flushed_));
  flushed_ += bytes.size();
  return {};
}

FileRegion FileWriter::end_region() {
  FileRegion region{size() - region_start_, checksum_->hex()};
  region_start_ = size();
  checksum_ = std::make_unique<Checksum128>();
  return region;
}

Result<void> FileWriter::overwrite(std::uint64_t offset, std::span<const std::byte> bytes) {
  SIGHTLINE_CHECK(offset + bytes.size() <= size());
  SIGHTLINE_TRY_DO(flush());
  return write_at(bytes, offset);
}

Result<void> FileWriter::write_at(std::span<const std::byte> bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t written = calls_.write(file_, bytes, offset);
    if (written == -EINTR) continue;
    // A write of nothing would be tried forever.
    if (written <= 0) {
      return file_error(written < 0 ? static_cast<int>(-written) : EIO, path_, "write");
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return {};
}

Result<void> FileWriter::flush() {
  SIGHTLINE_TRY_DO(write_at(buffer_, flushed_));
  flushed_ += buffer_.size();
  buffer_.clear();
  return {};
}

Result<void> FileWriter::finish() {
  SIGHTLINE_TRY_DO(flush());
  if (const int synced = calls_.sync(file_); synced < 0) return file_error(-synced, path_, "sync");
  const int closed = calls_.close(std::exchange(file_, -1));
  if (closed < 0) return file_error(-closed, path_, "close");
  return {};
}

FolderWriter::FolderWriter(std::filesystem::path folder, FileCalls& calls)
    : folder_(std::move(folder)), temporary_(folder_.string() + ".tmp"), calls_(calls) {}

Result<std::unique_ptr<FolderWriter>> FolderWriter::create(const std::filesystem::path& folder,
                                                           FileCalls& calls) {
  std::error_code ignored;
  if (std::filesystem::exists(std::filesystem::symlink_status(folder, ignored))) {
    return Status{StatusCode::kAlreadyExists, folder.string() + " exists already"};
  }
  std::unique_ptr<FolderWriter> writer(new FolderWriter(folder, calls));
  if (const int removed = calls.remove_all(writer->temporary_); removed < 0) {
    return file_error(-removed, writer->temporary_, "remove");
  }
  if (const int made = calls.make_folder(writer->temporary_); made < 0) {
    return file_error(-made, writer->temporary_, "create");
  }
  return writer;
}

FolderWriter::~FolderWriter() {
  if (!published_) calls_.remove_all(temporary_);
}

Result<void> FolderWriter::publish() {
  if (const int synced = calls_.sync_folder(temporary_); synced < 0) {
    return file_error(-synced, temporary_, "sync");
  }
  if (const int renamed = calls_.rename(temporary_, folder_); renamed < 0) {
    return file_error(-renamed, folder_, "create");
  }
  if (const int synced = calls_.sync_folder(parent_of(folder_)); synced < 0) {
    calls_.remove_all(folder_);  // whoever is told of an error must not find the folder
    return file_error(-synced, parent_of(folder_), "sync");
  }
  published_ = true;
  return {};
}

}  // namespace sightline::index
