// encoders/safetensors.h: reads and writes tensors in Hugging Face's safetensors format
// (https://github.com/huggingface/safetensors).
//
// A file is: u64 little-endian header length; the header, JSON: name -> {dtype, shape,
// data_offsets: [begin, end) behind the header}; the data, without gaps or overlaps. Headers are
// treated as hostile: whatever they say is checked before a byte of data is touched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace sightline::encoders {

enum class DType {
  kBool,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kF64,
  kI64,
  kU64,
};
std::size_t dtype_size(DType dtype);       ///< Bytes of one element.
std::string_view dtype_name(DType dtype);  ///< The format's name: "F32", "BF16", ...
Result<DType> parse_dtype(std::string_view name);

/// A tensor that somebody else owns. Bytes are row-major, little-endian, and aligned to nothing.
struct TensorView {
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;  ///< Empty for a scalar.
  std::span<const std::byte> bytes;

  std::int64_t num_elements() const;
  std::string describe() const;  ///< "F32 [77, 48]"
};

inline constexpr std::uint64_t kMaxSafetensorsHeader = 100'000'000;  ///< bytes, as the reference

/// The tensors of one file. Views borrow from `file_bytes`.
/// errors  kCorruption: whatever is wrong with the header, names the tensor and the rule: its
/// length
///         against the file and kMaxSafetensorsHeader, JSON, unknown type, negative or overflowing
///         shape, offsets outside the data, gaps, overlaps, a size that does not fit the shape, a
///         name that comes twice.
Result<std::map<std::string, TensorView, std::less<>>> parse_safetensors(
    std::span<const std::byte> file_bytes, std::map<std::string, std::string>* metadata = nullptr);

/// The weights of a model: model.safetensors, or the shards model.safetensors.index.json lists.
/// Files are memory-mapped while the object lives. Thread-safety: const.
class Checkpoint {
 public:
  /// `path` is a folder or one .safetensors file.
  /// errors  kNotFound: nothing there; kCorruption, kInvalidArgument: names file and fault.
  static Result<Checkpoint> open(const std::filesystem::path& path);

  const std::map<std::string, TensorView, std::less<>>& tensors() const { return tensors_; }
  const TensorView* find(std::string_view name) const;  ///< Null when there is none.
  const std::vector<std::filesystem::path>& files() const { return files_; }

 private:
  std::vector<std::filesystem::path> files_;
  std::vector<std::shared_ptr<const void>> mappings_;
  std::map<std::string, TensorView, std::less<>> tensors_;
};

/// Writes `tensors` to `path`: a temporary file beside it, synced, renamed over it. Order within
/// the file is the reference's: largest elements first, then by name. errors  kInvalidArgument:
/// bytes that do not fit the shape; kIoError.
Result<void> write_safetensors(const std::filesystem::path& path,
                               const std::map<std::string, TensorView, std::less<>>& tensors,
                               const std::map<std::string, std::string>& metadata = {
                                   {"format", "pt"}});

}  // namespace sightline::encoders
