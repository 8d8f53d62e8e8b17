// Truncated and damaged files of every format: a Result each time, and never a crash. Run it with
// the sanitizers to learn more.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "codecs/facts.h"
#include "tests/codecs/test_pictures.h"

namespace sightline::codecs {
namespace {

const std::vector<std::string> kFiles = {
    "smooth.jpg",
    "smooth_progressive.jpg",
    "ycck.jpg",
    "upright_6.jpg",
    "facts.jpg",
    "rgb.png",
    "rgba_interlaced.png",
    "palette_trns.png",
    "gray16.png",
    "rgb.webp",
    "smooth.webp",
    "rgba.webp",
    "animated.webp",
    "animated_offset.webp",
    "rgb.tif",
    "rgb_bigtiff.tif",
    "rgb_lzw.tif",
    "rgb16_separate_tiled.tif",
    "palette.tif",
    "smooth_jpeg.tif",
    "bilevel_g4.tif",
    "rgb.bmp",
    "palette_rle8.bmp",
    "rgba_v4.bmp",
    "palette.gif",
    "interlaced.gif",
    "offset_local.gif",
    "rgb.heic",
    "rgba.avif",
};

// Small enough that a damaged size is refused instead of being allocated many times.
DecodeOptions small_limit() {
  DecodeOptions options;
  options.max_pixels = 1'000'000;
  return options;
}

class Damaged : public testing::TestWithParam<std::string> {};

void expect_sane(const Result<image::Image>& picture) {
  if (picture) {
    EXPECT_GT(picture->width * picture->height, 0u);
    EXPECT_EQ(picture->rgb.size(), picture->width * picture->height * 3);
  } else {
    EXPECT_FALSE(picture.error().message.empty());
    EXPECT_NE(picture.error().code, StatusCode::kInternal) << picture.error().message;
  }
}

TEST_P(Damaged, TruncatedFilesAreErrors) {
  const std::vector<std::byte> bytes = load_picture(GetParam());
  ASSERT_TRUE(decode(bytes, small_limit()));
  const std::size_t step = std::max<std::size_t>(1, bytes.size() / 60);
  for (std::size_t length = 0; length < bytes.size(); length += step) {
    // A copy of just that length, so that a sanitizer sees reads past its end.
    const std::vector<std::byte> cut(bytes.begin(),
                                     bytes.begin() + static_cast<std::ptrdiff_t>(length));
    expect_sane(decode(cut, small_limit()));
    (void)read_metadata(cut);
  }
  // Half of a file is never a whole picture. (An animation's first half may hold its first frame.)
  std::vector<std::byte> half(bytes.begin(),
                              bytes.begin() + static_cast<std::ptrdiff_t>(bytes.size() / 2));
  const auto picture = decode(half, small_limit());
  ASSERT_FALSE(picture);
  EXPECT_EQ(picture.error().code, StatusCode::kCorruption) << picture.error().message;
}

TEST_P(Damaged, FlippedBytesNeverCrash) {
  const std::vector<std::byte> original = load_picture(GetParam());
  const unsigned seed = 20240607;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 60; ++round) {
    std::vector<std::byte> bytes = original;
    const std::size_t flips = 1 + random() % 6;
    // Every other round strikes the headers.
    const std::size_t range = round % 2 ? bytes.size() : std::min<std::size_t>(bytes.size(), 96);
    for (std::size_t i = 0; i < flips; ++i) {
      bytes[random() % range] ^= static_cast<std::byte>(1 + random() % 255);
    }
    expect_sane(decode(bytes, small_limit()));
    (void)read_metadata(bytes);
  }
}

INSTANTIATE_TEST_SUITE_P(Files, Damaged, testing::ValuesIn(kFiles), [](const auto& test) {
  std::string name = test.param;
  for (char& c : name) c = c == '.' ? '_' : c;
  return name;
});

class LastBytes : public testing::TestWithParam<std::string> {};

// These formats say where they end, so a file that lost only its last bytes is an error, too.
TEST_P(LastBytes, AreMissed) {
  std::vector<std::byte> bytes = load_picture(GetParam());
  bytes.resize(bytes.size() - 3);
  const auto picture = decode(bytes, {});
  ASSERT_FALSE(picture);
  EXPECT_EQ(picture.error().code, StatusCode::kCorruption);
  EXPECT_THAT(picture.error().message, testing::HasSubstr("truncated"));
}

INSTANTIATE_TEST_SUITE_P(Files, LastBytes,
                         testing::Values("smooth.jpg", "smooth_progressive.jpg", "rgb.png",
                                         "rgba_interlaced.png", "rgb.bmp"),
                         [](const auto& test) {
                           std::string name = test.param;
                           for (char& c : name) c = c == '.' ? '_' : c;
                           return name;
                         });

TEST(Damaged, JpegWithoutPictureData) {
  std::vector<std::byte> bytes = load_picture("smooth.jpg");
  for (std::size_t i = bytes.size() / 2; i < bytes.size() - 2; ++i) bytes[i] = std::byte{0xFF};
  const auto picture = decode(bytes, {});
  ASSERT_FALSE(picture);
  EXPECT_EQ(picture.error().code, StatusCode::kCorruption);
}

}  // namespace
}  // namespace sightline::codecs
