// pipeline/internal/source_reader.h: the bytes of a source, the first ones first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/result.h"
#include "pipeline/internal/sources.h"

namespace sightline::pipeline {

/// Reads a file or a tar member. Thread-safety: one thread.
class SourceReader {
 public:
  virtual ~SourceReader() = default;

  /// Extends `bytes`, which holds what was read before, to `total` bytes or to the end.
  /// errors  kIoError; kCorruption: the file or member is shorter than it was said to be.
  virtual Result<void> read_to(std::uint64_t total, std::vector<std::byte>& bytes) = 0;

  std::uint64_t size() const { return size_; }         ///< bytes, as it is now
  std::int64_t mtime_ns() const { return mtime_ns_; }  ///< As it is now.

 protected:
  std::uint64_t size_ = 0;
  std::int64_t mtime_ns_ = 0;
};

/// errors  kNotFound, kPermissionDenied, kIoError; kCorruption (tars); name the path.
Result<std::unique_ptr<SourceReader>> open_source(const Source& source);

}  // namespace sightline::pipeline
