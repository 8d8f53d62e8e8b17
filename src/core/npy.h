// core/npy.h: arrays as NumPy keeps them (.npy, numpy.org/neps/nep-0001-npy-format.html).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/result.h"

namespace sightline {

/// The bytes before the values of a little-endian float32 array ("<f4") in C order. Shapes of
/// equally many dimensions have headers of one length (a count may be filled in later).
std::string npy_header(std::span<const std::uint64_t> shape);
/// Header and values.
std::string npy_bytes(std::span<const std::uint64_t> shape, std::span<const float> values);

/// A .npy file opened for reading row by row: a row is all that shares the first index. Nothing of
/// the file's size is held. Format versions 1 to 3, C order, little-endian.
/// Thread-safety: const methods may run on many threads at once.
class NpyFile {
 public:
  /// errors  kNotFound, kPermissionDenied, kIoError; kInvalidArgument: no .npy file, an array in
  ///         Fortran order or of another element type, bytes behind the array (a file that several
  ///         arrays were saved to); kCorruption: shorter than its header says. Names the path.
  static Result<NpyFile> open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  const std::vector<std::uint64_t>& shape() const { return shape_; }
  const std::string& type() const { return type_; }     ///< "<f4"
  std::uint64_t num_rows() const { return num_rows_; }  ///< shape()[0]
  std::uint64_t row_size() const { return row_size_; }  ///< Numbers of a row.
  bool holds_floats() const { return type_[1] == 'f'; }
  std::string shape_text() const;  ///< "(1000, 512)", as Python writes it.

  /// Rows [first, first + out.size() / row_size()), which must exist, of an array of float16,
  /// float32 or float64. What float32 cannot hold becomes infinite.
  /// errors  kInvalidArgument: no floats; kCorruption: the file has become shorter; kIoError.
  Result<void> read_floats(std::uint64_t first, std::span<float> out) const;
  /// `count` numbers from `first` on of an array of one dimension that holds whole numbers; nullopt
  /// for a negative one. errors  as read_floats().
  Result<std::vector<std::optional<std::uint64_t>>> read_unsigned(std::uint64_t first,
                                                                  std::size_t count) const;

 private:
  struct Descriptor;
  NpyFile() = default;
  Result<void> parse(std::uint64_t file_bytes);
  Result<void> read_bytes(std::uint64_t offset, std::span<std::byte> out) const;
  Result<void> read_raw(std::uint64_t first, std::size_t count, std::vector<std::byte>& raw) const;
  Status wrong(const std::string& what) const;

  std::filesystem::path path_;
  std::shared_ptr<const Descriptor> file_;
  std::string type_;
  std::size_t item_bytes_ = 0;
  std::vector<std::uint64_t> shape_;
  std::uint64_t num_rows_ = 0, row_size_ = 0, data_offset_ = 0;
};

}  // namespace sightline
