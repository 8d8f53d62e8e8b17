// image/kernels/kernel_table.h: the hot loops of resampling for one CPU level.
//
// A weight is a 23-bit signed fixed-point number kept as two 16-bit halves,
// weight = high * 4096 + low with low in 0..4095, so that 16-bit multipliers give exact sums:
// sums are taken modulo 2^32, and the true sum fits an int32.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sightline::image {

/// Weights of one output row or column come in groups of four taps, filled up with zeros.
struct TapGroup {
  std::int16_t low[4];
  std::int16_t high[4];
};

/// What one output column reads: `groups` groups of four pixels from pixel `first` on.
struct TapSpan {
  std::size_t first;   ///< pixel of the source row
  std::size_t groups;  ///< in TapGroup
  std::size_t offset;  ///< of the first group in the table
};

inline constexpr int kWeightBits = 22;                   ///< 1.0 is 1 << kWeightBits
inline constexpr int kLowBits = 12;                      ///< weight = high << kLowBits + low
inline constexpr std::size_t kRowSlack = 4 * 3 * 4 + 4;  ///< Bytes readable behind a source row.

struct KernelTable {
  const char* name;  ///< "generic", "avx2", "avx512"
  /// One row: out[i] = round(sum of taps) for `count` columns of RGB; `row` is packed RGB with
  /// kRowSlack readable bytes behind the last pixel that has a weight.
  void (*horizontal)(const std::uint8_t* row, const TapSpan* spans, std::size_t count,
                     const TapGroup* groups, std::uint8_t* out);
  /// One output row of `bytes` bytes from `num_groups` * 4 source rows, `stride` bytes apart;
  /// rows from `num_rows` on have no weight and are not read.
  void (*vertical)(const std::uint8_t* rows, std::size_t stride, std::size_t num_rows,
                   const TapGroup* groups, std::size_t num_groups, std::uint8_t* out,
                   std::size_t bytes);
};

}  // namespace sightline::image
