// index/file_writer.h: how index files reach the disk: every call checked, files synced, folders
// renamed into place and synced, so that after a crash there is the whole or nothing.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/checksum.h"
#include "core/result.h"

namespace sightline::index {

/// The calls that files are written with; a test hands in ones that fail, or that remember.
/// All return what the system call returns, or a negated errno. Thread-safety: any thread.
class FileCalls {
 public:
  virtual ~FileCalls() = default;
  virtual int create(const std::filesystem::path& path);  ///< A new file; its descriptor.
  virtual ssize_t write(int file, std::span<const std::byte> bytes, std::uint64_t offset);
  virtual int sync(int file);
  virtual int close(int file);
  virtual int make_folder(const std::filesystem::path& path);
  virtual int sync_folder(const std::filesystem::path& path);
  virtual int rename(const std::filesystem::path& from, const std::filesystem::path& to);
  virtual int remove_all(const std::filesystem::path& path);
  static FileCalls& system();
};

/// kResourceExhausted: disk full; kPermissionDenied, kNotFound, kIoError. "cannot ACTION PATH:
/// ...".
Status file_error(int error, const std::filesystem::path& path, std::string_view action);

/// A run of bytes of a file and its XXH3-128, in hex.
struct FileRegion {
  std::uint64_t size = 0;
  std::string checksum;
  bool operator==(const FileRegion&) const = default;
};

FileRegion region_of(std::span<const std::byte> bytes);

/// Writes one file from front to back, in regions. Thread-safety: one thread.
class FileWriter {
 public:
  /// errors  kIoError: the file exists, ...; as file_error().
  static Result<std::unique_ptr<FileWriter>> create(const std::filesystem::path& path,
                                                    FileCalls& calls = FileCalls::system());
  /// Closes. A file that was not finished stays, to be removed with its folder.
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  Result<void> append(std::span<const std::byte> bytes);
  Result<void> append(std::string_view bytes) {
    return append(std::as_bytes(std::span(bytes.data(), bytes.size())));
  }
  /// What was appended since the last region ended, or since the start.
  FileRegion end_region();
  /// Replaces what lies at `offset`; the checksums of regions do not follow.
  Result<void> overwrite(std::uint64_t offset, std::span<const std::byte> bytes);
  std::uint64_t size() const { return flushed_ + buffer_.size(); }
  /// Writes what is buffered, syncs, closes.
  Result<void> finish();

 private:
  FileWriter(std::filesystem::path path, FileCalls& calls, int file);
  Result<void> write_at(std::span<const std::byte> bytes, std::uint64_t offset);
  Result<void> flush();

  const std::filesystem::path path_;
  FileCalls& calls_;
  int file_;
  std::vector<std::byte> buffer_;
  std::uint64_t flushed_ = 0;
  std::uint64_t region_start_ = 0;
  std::unique_ptr<Checksum128> checksum_;
};

/// Makes a folder under the name "NAME.tmp" and gives it its own name once it is whole.
/// Thread-safety: one thread.
class FolderWriter {
 public:
  /// Removes what a crash left under the temporary name.
  /// errors  kAlreadyExists: `folder` is there; as file_error().
  static Result<std::unique_ptr<FolderWriter>> create(const std::filesystem::path& folder,
                                                      FileCalls& calls = FileCalls::system());
  /// Removes the temporary folder, unless it was published.
  ~FolderWriter();
  FolderWriter(const FolderWriter&) = delete;
  FolderWriter& operator=(const FolderWriter&) = delete;

  const std::filesystem::path& temporary() const { return temporary_; }
  /// The files are finished: syncs the folder, renames it, syncs its parent. After an error there
  /// is neither.
  Result<void> publish();

 private:
  FolderWriter(std::filesystem::path folder, FileCalls& calls);

  const std::filesystem::path folder_, temporary_;
  FileCalls& calls_;
  bool published_ = false;
};

}  // namespace sightline::index
