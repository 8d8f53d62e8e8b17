#include "image/resample.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <random>

#include "core/json.h"
#include "image/internal/resample_with.h"
#include "image/kernels/kernels.h"

namespace sightline::image {
namespace {

using testing::HasSubstr;

Image noise(std::size_t width, std::size_t height, std::uint32_t seed = 1) {
  Image picture{width, height, std::vector<std::uint8_t>(width * height * 3)};
  for (std::uint8_t& value : picture.rgb) {
    seed = seed * 1664525u + 1013904223u;
    value = static_cast<std::uint8_t>(seed >> 24);
  }
  return picture;
}

std::string fnv1a(std::span<const std::uint8_t> bytes) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (std::uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001B3u;
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

Image cut(const Image& whole, const Window& window) {
  Image part{window.width, window.height, {}};
  for (std::size_t y = 0; y < window.height; ++y) {
    const auto begin = whole.rgb.begin() +
                       static_cast<std::ptrdiff_t>(((window.y + y) * whole.width + window.x) * 3);
    part.rgb.insert(part.rgb.end(), begin, begin + static_cast<std::ptrdiff_t>(window.width * 3));
  }
  return part;
}

class Kernels : public testing::TestWithParam<const KernelTable*> {};

TEST_P(Kernels, EqualPillowToTheBit) {
  const auto golden = read_json_file(std::filesystem::path(SIGHTLINE_TEST_DATA) /
                                     "preprocess/resample_golden.json");
  ASSERT_TRUE(golden) << golden.error().message;
  ASSERT_GE((*golden)["cases"].size(), 30u);
  for (const Json& c : (*golden)["cases"]) {
    const Image source = noise(c["from"][0], c["from"][1]);
    const std::size_t width = c["to"][0], height = c["to"][1];
    const auto got = resample_with(*GetParam(), source.view(), width, height,
                                   c["filter"] == "bicubic" ? Filter::kBicubic : Filter::kBilinear,
                                   Window{0, 0, width, height});
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(fnv1a(got->rgb), c["fnv1a"].get<std::string>()) << c;
  }
}

TEST_P(Kernels, AnyWindowIsThatPartOfTheWhole) {
  std::mt19937 random(7);
  const auto upto = [&](std::size_t n) { return random() % n; };
  for (int round = 0; round < 200; ++round) {
    const Image source = noise(1 + upto(90), 1 + upto(90), random());
    const std::size_t width = 1 + upto(70), height = 1 + upto(70);
    const Filter filter = round % 2 ? Filter::kBicubic : Filter::kBilinear;
    Window window{upto(width), upto(height), 0, 0};
    window.width = 1 + upto(width - window.x);
    window.height = 1 + upto(height - window.y);
    const auto whole =
        resample_with(kernels(), source.view(), width, height, filter, Window{0, 0, width, height});
    const auto part = resample_with(*GetParam(), source.view(), width, height, filter, window);
    ASSERT_TRUE(whole && part);
    ASSERT_EQ(part->rgb, cut(*whole, window).rgb)
        << "round " << round << ": " << source.width << "x" << source.height << " -> " << width
        << "x" << height << ", window " << window.width << "x" << window.height << " at "
        << window.x << "," << window.y;
  }
}

TEST_P(Kernels, ReadRowsOfAnyStride) {
  const Image wide = noise(50, 20);
  const ImageView left{wide.rgb.data(), 31, 20, 150};
  const Image packed = cut(wide, Window{0, 0, 31, 20});
  const Window all{0, 0, 17, 9};
  const auto strided = resample_with(*GetParam(), left, 17, 9, Filter::kBicubic, all);
  const auto plain = resample_with(*GetParam(), packed.view(), 17, 9, Filter::kBicubic, all);
  ASSERT_TRUE(strided && plain);
  EXPECT_EQ(strided->rgb, plain->rgb);
}

INSTANTIATE_TEST_SUITE_P(Levels, Kernels, testing::ValuesIn(supported_kernels()),
                         [](const auto& kernel) { return std::string(kernel.param->name); });

TEST(Resample, ConstantStaysConstant) {
  for (const int level : {0, 1, 127, 254, 255}) {
    const Image flat{37, 23,
                     std::vector<std::uint8_t>(37 * 23 * 3, static_cast<std::uint8_t>(level))};
    for (const Filter filter : {Filter::kBilinear, Filter::kBicubic}) {
      const auto got = resample(flat.view(), 50, 9, filter);
      ASSERT_TRUE(got);
      EXPECT_THAT(got->rgb, testing::Each(level));
    }
  }
}

TEST(Resample, CostFollowsTheWindow) {
  // The whole result would be 6,720,000 x 224 pixels: 4.5 GB.
  for (const bool tall : {false, true}) {
    const Image line = tall ? noise(1, 30'000) : noise(30'000, 1);
    const std::size_t longer = 30'000 * 224;
    const Window middle{tall ? 0 : (longer - 224) / 2, tall ? (longer - 224) / 2 : 0, 224, 224};
    const auto start = std::chrono::steady_clock::now();
    const auto got =
        resample(line.view(), tall ? 224 : longer, tall ? longer : 224, Filter::kBicubic, middle);
    const auto time = std::chrono::steady_clock::now() - start;
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(got->rgb.size(), 224u * 224 * 3);
    EXPECT_LT(time, std::chrono::milliseconds(200));
  }
}

struct BadCall {
  std::string name;
  std::size_t from_width, from_height, width, height;
  Window window;
  std::string message;
};
class ResampleRefuses : public testing::TestWithParam<BadCall> {};

TEST_P(ResampleRefuses, WithTheRuleInTheMessage) {
  const BadCall& c = GetParam();
  const Image source = noise(8, 8);
  const ImageView view{source.rgb.data(), c.from_width, c.from_height, 24};
  const auto got = resample(view, c.width, c.height, Filter::kBicubic, c.window);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, StatusCode::kInvalidArgument);
  EXPECT_THAT(got.error().message, HasSubstr(c.message));
}

INSTANTIATE_TEST_SUITE_P(
    Cases, ResampleRefuses,
    testing::ValuesIn(std::vector<BadCall>{
        {"EmptySource", 0, 8, 4, 4, {0, 0, 4, 4}, "must not be empty"},
        {"NoRows", 8, 0, 4, 4, {0, 0, 4, 4}, "must not be empty"},
        {"ZeroWidth", 8, 8, 0, 4, {0, 0, 1, 4}, "edges must be"},
        {"EmptyWindow", 8, 8, 4, 4, {0, 0, 0, 4}, "outside the result"},
        {"WindowTooFarRight", 8, 8, 4, 4, {2, 0, 3, 4}, "outside the result"},
        {"WindowTooLow", 8, 8, 4, 4, {0, 4, 4, 1}, "outside the result"},
        {"WindowOverflows", 8, 8, 4, 4, {1, 0, SIZE_MAX, 4}, "outside the result"},
    }),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace sightline::image
