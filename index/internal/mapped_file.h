// index/internal/mapped_file.h: a file as memory, read-only, shared with the page cache.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

#include "core/result.h"
#include "index/file_writer.h"

namespace sightline::index {

/// Thread-safety: immutable.
class MappedFile {
 public:
  /// errors  kNotFound, kIoError, kPermissionDenied, kResourceExhausted: names the path.
  static Result<std::shared_ptr<const MappedFile>> open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::span<const std::byte> bytes_;
};

/// Reads `region` of the file from `offset` and compares. Read rather than mapped: a bad sector is
/// an error then, and not a signal.
/// errors  kCorruption: another checksum, or the file ends early; `what` names the part in the
///         message; kNotFound, kIoError.
Result<void> verify_region(const std::filesystem::path& path, std::uint64_t offset,
                           const FileRegion& region, std::string_view what);

}  // namespace sightline::index
