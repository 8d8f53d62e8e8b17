#include "image/kernels/kernel_table.h"

namespace sightline::image {
extern const KernelTable kGenericKernels;

namespace {

constexpr std::size_t kBlock = 256;  // bytes whose sums stay in the first-level cache

std::uint8_t round_and_clip(std::uint32_t sum) {
  const std::int32_t value =
      static_cast<std::int32_t>(sum + (std::uint32_t{1} << (kWeightBits - 1))) >> kWeightBits;
  return static_cast<std::uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
}

std::uint32_t weight_of(const TapGroup& group, std::size_t tap) {
  return (static_cast<std::uint32_t>(group.high[tap]) << kLowBits) +
         static_cast<std::uint32_t>(group.low[tap]);
}

void horizontal(const std::uint8_t* row, const TapSpan* spans, std::size_t count,
                const TapGroup* groups, std::uint8_t* out) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t* pixel = row + 3 * spans[i].first;
    const TapGroup* group = groups + spans[i].offset;
    std::uint32_t red = 0, green = 0, blue = 0;
    for (std::size_t g = 0; g < spans[i].groups; ++g, ++group) {
      for (std::size_t tap = 0; tap < 4; ++tap, pixel += 3) {
        const std::uint32_t weight = weight_of(*group, tap);
        red += weight * pixel[0];
        green += weight * pixel[1];
        blue += weight * pixel[2];
      }
    }
    out[3 * i] = round_and_clip(red);
    out[3 * i + 1] = round_and_clip(green);
    out[3 * i + 2] = round_and_clip(blue);
  }
}

void vertical(const std::uint8_t* rows, std::size_t stride, std::size_t num_rows,
              const TapGroup* groups, std::size_t num_groups, std::uint8_t* out,
              std::size_t bytes) {
  for (std::size_t begin = 0; begin < bytes; begin += kBlock) {
    const std::size_t size = bytes - begin < kBlock ? bytes - begin : kBlock;
    std::uint32_t sums[kBlock] = {};
    for (std::size_t row = 0; row < num_rows && row < 4 * num_groups; ++row) {
      const std::uint32_t weight = weight_of(groups[row / 4], row % 4);
      const std::uint8_t* source = rows + row * stride + begin;
      for (std::size_t i = 0; i < size; ++i) sums[i] += weight * source[i];
    }
    for (std::size_t i = 0; i < size; ++i) out[begin + i] = round_and_clip(sums[i]);
  }
}

}  // namespace

constinit const KernelTable kGenericKernels{"generic", horizontal, vertical};

}  // namespace sightline::image
