#include "core/half.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace sightline {
namespace {

TEST(Half, OfEveryNumberAndBackIsTheSame) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float value = half_to_float(half);
    if (!std::isfinite(value)) continue;
    ASSERT_LE(std::abs(value), kLargestHalf);
    ASSERT_EQ(float_to_half(value), half) << value;
  }
}

// Between any two neighbours: the middle goes to the even one, all else to the nearer one.
TEST(Half, IsTheNearestAndOfTiesTheEvenOne) {
  for (std::uint16_t half = 0; half < 0x7bff; ++half) {
    const auto next = static_cast<std::uint16_t>(half + 1);
    const float low = half_to_float(half), high = half_to_float(next);
    ASSERT_LT(low, high);
    const float middle = low + (high - low) / 2;
    const std::uint16_t even = half % 2 == 0 ? half : next;
    ASSERT_EQ(float_to_half(middle), even) << middle;
    ASSERT_EQ(float_to_half(-middle), even | 0x8000) << middle;
    ASSERT_EQ(float_to_half(std::nextafter(middle, low)), half) << middle;
    ASSERT_EQ(float_to_half(std::nextafter(middle, high)), next) << middle;
  }
}

TEST(Half, KnowsItsEnds) {
  EXPECT_EQ(half_to_float(0x0001), 0x1p-24F);
  EXPECT_EQ(half_to_float(0x0400), 0x1p-14F);
  EXPECT_EQ(half_to_float(0x7bff), kLargestHalf);
  EXPECT_EQ(half_to_float(0xfc00), -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(half_to_float(0x7e00)));
  EXPECT_EQ(float_to_half(0x1p-26F), 0);
  EXPECT_EQ(float_to_half(std::numeric_limits<float>::denorm_min()), 0);
  EXPECT_EQ(float_to_half(-0.0F), 0x8000);
  EXPECT_EQ(float_to_half(kLargestHalf), 0x7bff);
}

}  // namespace
}  // namespace sightline
