#include "core/half.h"

#include <bit>

namespace sightline {

float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = std::uint32_t{half & 0x8000U} << 16;
  const std::uint32_t exponent = half >> 10 & 0x1FU, fraction = half & 0x3FFU;
  if (exponent == 0) {
    const float size = static_cast<float>(fraction) * 0x1p-24F;
    return sign != 0 ? -size : size;
  }
  const std::uint32_t wide = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

std::uint16_t float_to_half(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16 & 0x8000U;
  std::uint32_t size = bits & 0x7FFFFFFFU;
  constexpr std::uint32_t kSmallestNormal = 0x38800000;  // 2^-14
  if (size < kSmallestNormal) {
    // The last place of 0.5 is that of a subnormal half: the addition rounds.
    const float sum = std::bit_cast<float>(size) + 0.5F;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(sum) - 0x3F000000U));
  }
  size += 0xFFFU + (size >> 13 & 1U);
  return static_cast<std::uint16_t>(sign | ((size - (112U << 23)) >> 13));
}

}  // namespace sightline
