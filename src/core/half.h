// core/half.h: fp16, the 16-bit floats of IEEE 754 (binary16).
#pragma once

#include <cstdint>

namespace sightline {

inline constexpr float kLargestHalf = 65504.0F;

/// Exact, also of subnormal numbers and infinities.
float half_to_float(std::uint16_t half);
/// The nearest value, ties to even. `value` is at most kLargestHalf in magnitude.
std::uint16_t float_to_half(float value);

}  // namespace sightline
