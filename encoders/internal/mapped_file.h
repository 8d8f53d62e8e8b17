// encoders/internal/mapped_file.h: a file's bytes, read-only, paged in by the kernel.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

#include "core/result.h"

namespace sightline::encoders {

/// Owns the mapping. Thread-safety: const. A file that another process cuts short while it is
/// mapped raises SIGBUS on access, as with every mapping.
class MappedFile {
 public:
  /// errors  kNotFound: no such file; kIoError: not a regular file, or the system refuses.
  static Result<std::shared_ptr<const MappedFile>> open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::span<const std::byte> bytes_;
};

}  // namespace sightline::encoders
