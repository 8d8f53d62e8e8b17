// index/row_spool.h: rows for a build that no shard holds as they were: a file that is filled once,
// then mapped, and that goes with its owner.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

#include "core/result.h"
#include "index/file_writer.h"

namespace sightline::index {

class MappedFile;  // internal/mapped_file.h

/// Thread-safety: one thread until finish(), then immutable.
class RowSpool {
 public:
  /// A new file of rows of `dim` floats. What a crash left there is replaced.
  /// errors  as FileWriter::create.
  static Result<std::unique_ptr<RowSpool>> create(const std::filesystem::path& path,
                                                  std::size_t dim);
  /// Removes the file.
  ~RowSpool();
  RowSpool(const RowSpool&) = delete;
  RowSpool& operator=(const RowSpool&) = delete;

  /// `row`: dim floats. errors  kResourceExhausted: disk full; kIoError.
  Result<void> append(std::span<const float> row);
  /// After the last row.
  Result<void> finish();
  /// Row number `row` of those appended; dim floats that stay as long as this.
  const std::byte* row(std::size_t row) const;

 private:
  RowSpool(std::filesystem::path path, std::size_t dim, std::unique_ptr<FileWriter> writer);

  const std::filesystem::path path_;
  const std::size_t dim_;
  std::unique_ptr<FileWriter> writer_;
  std::shared_ptr<const MappedFile> file_;
};

}  // namespace sightline::index
