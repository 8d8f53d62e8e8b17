#include "codecs/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <functional>
#include <thread>

#include "codecs/facts.h"
#include "image/preprocess.h"
#include "tests/codecs/test_pictures.h"

namespace sightline::codecs {
namespace {

using testing::HasSubstr;

using Rgb = std::array<int, 3>;
using Shows = std::function<Rgba(std::size_t x, std::size_t y)>;

image::Image decode_file(const std::string& name, AlphaRule alpha = AlphaRule::kWhite) {
  DecodeOptions options;
  options.alpha = alpha;
  auto picture = decode(load_picture(name), options);
  EXPECT_TRUE(picture) << name << ": " << picture.error().message;
  return picture ? *std::move(picture) : image::Image{};
}

Rgb at(const image::Image& picture, std::size_t x, std::size_t y) {
  const std::uint8_t* rgb = &picture.rgb[(y * picture.width + x) * 3];
  return {rgb[0], rgb[1], rgb[2]};
}

Rgb flattened(const Rgba& rgba, AlphaRule rule) {
  Rgb out{rgba[0], rgba[1], rgba[2]};
  if (rule == AlphaRule::kDrop) return out;
  for (int& value : out) {
    value = static_cast<int>(std::lround(value * rgba[3] / 255.0)) + 255 - rgba[3];
  }
  return out;
}

int distance(const Rgb& a, const Rgb& b) {
  int most = 0;
  for (std::size_t c = 0; c < 3; ++c) most = std::max(most, std::abs(a[c] - b[c]));
  return most;
}

int worst(const image::Image& picture, const Shows& shows, AlphaRule rule) {
  int most = 0;
  for (std::size_t y = 0; y < picture.height; ++y) {
    for (std::size_t x = 0; x < picture.width; ++x) {
      most = std::max(most, distance(at(picture, x, y), flattened(shows(x, y), rule)));
    }
  }
  return most;
}

Rgba opaque(std::size_t x, std::size_t y) {
  Rgba rgba = drawn(x, y);
  rgba[3] = 255;
  return rgba;
}
Rgba gray(std::size_t x, std::size_t y) {
  const int value = drawn(x, y)[0];
  return {value, value, value, 255};
}
Rgba gray_alpha(std::size_t x, std::size_t y) {
  const int value = drawn(x, y)[0];
  return {value, value, value, drawn(x, y)[3]};
}
Rgba gray4(std::size_t x, std::size_t y) {
  const int value = static_cast<int>((x + y) % 16) * 17;
  return {value, value, value, 255};
}
Rgba bilevel(std::size_t x, std::size_t y) {
  const int value = (x + y) % 2 ? 255 : 0;
  return {value, value, value, 255};
}
Rgba rgb565(std::size_t x, std::size_t y) {
  const Rgba rgba = drawn(x, y);
  const auto widened = [](int value, int most) {
    return static_cast<int>(std::lround(value * 255.0 / most));
  };
  return {widened(rgba[0] >> 3, 31), widened(rgba[1] >> 2, 63), widened(rgba[2] >> 3, 31), 255};
}
Rgba palette(std::size_t x, std::size_t) {
  const int i = static_cast<int>(x);
  return {i * 11, 255 - i * 11, i * 5, 255};
}
Rgba palette_trns(std::size_t x, std::size_t y) {
  Rgba rgba = palette(x, y);
  if (x < 10) rgba[3] = 255 - static_cast<int>(x) * 9;
  return rgba;
}
Rgba rgb_trns(std::size_t x, std::size_t y) {
  Rgba rgba = opaque(x, y);
  if (x == 5 && y == 7) rgba[3] = 0;
  return rgba;
}
Rgba gif_frame(std::size_t x, std::size_t y) { return palette((x + y) % 5 ? x : 3, 0); }
Rgba gif_transparent(std::size_t x, std::size_t y) {
  const std::size_t index = (x + y) % 5 ? x : 3;
  Rgba rgba = palette(index, 0);
  if (index == 3) rgba[3] = 0;
  return rgba;
}
Rgba multiplied(std::size_t x, std::size_t y) {
  const Rgba rgba = drawn(x, y);
  const int a = rgba[3];
  const auto back = [a](int value) { return a == 0 ? 0 : value * a / 255 * 255 / a; };
  return {back(rgba[0]), back(rgba[1]), back(rgba[2]), a};
}

struct PixelCase {
  std::string file;
  Shows shows;
  int tolerance = 0;  // where the format stores rounded values
};
class LosslessPixels : public testing::TestWithParam<PixelCase> {};

TEST_P(LosslessPixels, AreThoseThatWereDrawn) {
  for (const AlphaRule rule : {AlphaRule::kWhite, AlphaRule::kDrop}) {
    const image::Image picture = decode_file(GetParam().file, rule);
    ASSERT_EQ(picture.width, kDrawnWidth);
    ASSERT_EQ(picture.height, kDrawnHeight);
    ASSERT_EQ(picture.rgb.size(), kDrawnWidth * kDrawnHeight * 3);
    EXPECT_LE(worst(picture, GetParam().shows, rule), GetParam().tolerance)
        << (rule == AlphaRule::kWhite ? "on white" : "alpha dropped");
  }
}

std::string case_name(std::string file) {
  for (char& c : file) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return file;
}

INSTANTIATE_TEST_SUITE_P(Files, LosslessPixels,
                         testing::ValuesIn(std::vector<PixelCase>{
                             {"rgb.png", opaque},
                             {"rgb_interlaced.png", opaque},
                             {"rgba.png", drawn},
                             {"rgba_interlaced.png", drawn},
                             {"rgb16.png", opaque},
                             {"rgba16.png", drawn},
                             {"gray.png", gray},
                             {"gray16.png", gray},
                             {"gray_alpha.png", gray_alpha},
                             {"gray4.png", gray4},
                             {"bilevel.png", bilevel},
                             {"palette_trns.png", palette_trns},
                             {"rgb_trns.png", rgb_trns},
                             {"animated.png", opaque},
                             {"broken_profile.png", opaque},
                             {"rgb.webp", opaque},
                             {"rgba.webp", drawn},
                             {"animated.webp", opaque},
                             {"rgb.tif", opaque},
                             {"rgb_big_endian.tif", opaque},
                             {"rgb_bigtiff.tif", opaque},
                             {"rgb_separate.tif", opaque},
                             {"rgb_tiled.tif", opaque},
                             {"rgb16_big_endian.tif", opaque},
                             {"rgb16_separate_tiled.tif", opaque},
                             {"gray16.tif", gray},
                             {"gray_inverted.tif", gray},
                             {"rgba.tif", drawn},
                             {"rgbx.tif", opaque},
                             {"rgba_separate.tif", drawn},
                             {"rgba_multiplied.tif", multiplied, 1},
                             {"rgb_lzw.tif", opaque},
                             {"rgb_deflate.tif", opaque},
                             {"cmyk.tif", opaque},
                             {"bilevel_g4.tif", bilevel},
                             {"rgb.bmp", opaque},
                             {"rgb_top_down.bmp", opaque},
                             {"rgb_os2.bmp", opaque},
                             {"rgbx.bmp", opaque},
                             {"rgba_v4.bmp", drawn},
                             {"rgb565.bmp", rgb565},
                             {"bilevel.bmp", bilevel},
                             {"gray4.bmp", gray4},
                             {"gray4_rle4.bmp", gray4},
                             {"palette.bmp", palette},
                             {"palette_rle8.bmp", palette},
                             {"palette.gif", gif_frame},
                             {"interlaced.gif", gif_frame},
                             {"transparent.gif", gif_transparent},
                             {"animated.gif", gif_frame},
                             {"no_screen.gif", gif_frame},
                         }),
                         [](const auto& test) { return case_name(test.param.file); });

class Upright : public testing::TestWithParam<std::string> {};

TEST_P(Upright, OrientationIsAppliedOnce) {
  const image::Image picture = decode_file(GetParam());
  // HEIC cannot be smaller than a block, so its quarters are twice as large.
  const std::size_t scale = picture.width / 48;
  ASSERT_EQ(picture.width, 48 * scale);
  ASSERT_EQ(picture.height, 32 * scale);
  const auto quarter = [&](std::size_t x, std::size_t y) {
    return at(picture, x * scale, y * scale);
  };
  EXPECT_LE(distance(quarter(4, 4), {255, 0, 0}), 3);
  EXPECT_LE(distance(quarter(43, 4), {0, 255, 0}), 3);
  EXPECT_LE(distance(quarter(4, 27), {0, 0, 255}), 3);
  EXPECT_LE(distance(quarter(43, 27), {255, 255, 0}), 3);
}

INSTANTIATE_TEST_SUITE_P(Files, Upright,
                         testing::Values("upright_1.jpg", "upright_2.jpg", "upright_3.jpg",
                                         "upright_4.jpg", "upright_5.jpg", "upright_6.jpg",
                                         "upright_7.jpg", "upright_8.jpg", "upright_6.png",
                                         "upright_6.webp", "upright_6.tif", "upright_6_palette.tif",
                                         "upright_3_strips.tif", "upright.heic", "rgb.heic",
                                         "rgb.avif"),
                         [](const auto& test) { return case_name(test.param); });

TEST(Decode, LossyPicturesStayClose) {
  const Shows smooth = [](std::size_t column, std::size_t row) {
    const int x = static_cast<int>(column), y = static_cast<int>(row);
    return Rgba{x * 4, y * 5, 255 - x * 2 - y, 255};
  };
  const Shows gray_smooth = [&](std::size_t x, std::size_t y) {
    const Rgba c = smooth(x, y);
    const int value = static_cast<int>(std::lround(0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2]));
    return Rgba{value, value, value, 255};
  };
  for (const char* file :
       {"smooth.jpg", "smooth_progressive.jpg", "smooth.webp", "smooth_jpeg.tif"}) {
    EXPECT_LE(worst(decode_file(file), smooth, AlphaRule::kWhite), 12) << file;
  }
  EXPECT_LE(worst(decode_file("smooth_gray.jpg"), gray_smooth, AlphaRule::kWhite), 4);
}

// Rows of 51 bytes begin at every place between two vector boundaries; some take a way of their
// own.
TEST(Decode, JpegRowsAreEqualWhereverTheyLie) {
  constexpr std::size_t kWidth = 17, kHeight = 128;
  image::Image drawn{kWidth, kHeight, {}};
  for (std::size_t i = 0; i < kWidth * kHeight * 3; ++i)
    drawn.rgb.push_back(static_cast<std::uint8_t>(i % (3 * kWidth) * 5));
  const std::string jpeg = make_thumbnail(drawn.view()).value();
  const image::Image picture = decode(std::as_bytes(std::span(jpeg)), {}).value();
  ASSERT_EQ(picture.height, kHeight);
  const auto row = [&](std::size_t y) {
    const auto begin = picture.rgb.begin() + static_cast<std::ptrdiff_t>(y * 3 * kWidth);
    return std::vector<std::uint8_t>(begin, begin + 3 * kWidth);
  };
  EXPECT_GT(row(0).back(), row(0).front());
  for (std::size_t y = 1; y < kHeight; ++y) EXPECT_EQ(row(y), row(0)) << y;
}

TEST(Decode, MemoryOfASparePictureLeavesNoTrace) {
  for (const std::string file : {"smooth.jpg", "smooth_gray.jpg", "cmyk.jpg", "rgb.png"}) {
    const auto bytes = load_picture(file);
    const image::Image clean = decode(bytes, {}).value();
    const std::size_t fitting = clean.width * 3 / 2;
    for (const std::size_t spare_width : {std::size_t{1}, fitting, 8 * clean.width}) {
      image::Image spare{spare_width, clean.height,
                         std::vector<std::uint8_t>(spare_width * clean.height * 3, 0xAB)};
      const std::uint8_t* memory = spare.rgb.data();
      const image::Image picture = decode(bytes, {}, std::move(spare)).value();
      EXPECT_EQ(picture.width, clean.width) << file;
      EXPECT_EQ(picture.rgb, clean.rgb) << file << ", spare of width " << spare_width;
      if (file == "smooth.jpg" && spare_width == fitting) {
        EXPECT_EQ(picture.rgb.data(), memory);
      }
      EXPECT_LT(picture.rgb.capacity(), 5 * clean.width * clean.height * 3);
    }
  }
}

TEST(Decode, CmykIsPillowsPlainFormula) {
  for (const std::string kind : {"cmyk", "ycck"}) {
    const image::Image expected = decode_file(kind + "_expected.png");
    EXPECT_EQ(decode_file(kind + ".jpg").rgb, expected.rgb) << kind;
  }
}

TEST(Decode, PaletteOfTiff) {
  EXPECT_EQ(decode_file("palette.tif").rgb, decode_file("palette_expected.png").rgb);
}

TEST(Decode, HeifAlphaIsFlattened) {
  for (const char* file : {"rgba.heic", "rgba.avif"}) {
    const image::Image white = decode_file(file);
    const image::Image dropped = decode_file(file, AlphaRule::kDrop);
    EXPECT_LE(distance(at(white, 8, 1), {255, 255, 255}), 2) << file;  // fully transparent row
    EXPECT_LE(distance(at(dropped, 8, 1), {255, 0, 0}), 2) << file;
    EXPECT_LE(distance(at(white, 8, 62), {0, 0, 255}), 3) << file;  // opaque row
  }
}

TEST(Decode, FirstFrameLiesOnItsCanvas) {
  const image::Image webp = decode_file("animated_offset.webp");
  ASSERT_EQ(webp.width, 40u);
  ASSERT_EQ(webp.height, 30u);
  EXPECT_EQ(at(webp, 3, 2), (Rgb{255, 255, 255}));
  EXPECT_EQ(at(webp, 4 + 7, 2 + 5), flattened(opaque(7, 5), AlphaRule::kWhite));
  EXPECT_EQ(at(decode_file("animated_offset.webp", AlphaRule::kDrop), 3, 2), (Rgb{0, 0, 0}));

  const image::Image gif = decode_file("offset_local.gif");
  ASSERT_EQ(gif.width, 40u);
  ASSERT_EQ(gif.height, 30u);
  EXPECT_EQ(at(gif, 3, 2), (Rgb{255, 255, 255}));
  const Rgba shown = gif_frame(7, 5);
  EXPECT_EQ(at(gif, 4 + 7, 2 + 5), (Rgb{255 - shown[0], 255 - shown[1], 255 - shown[2]}));
  EXPECT_EQ(at(gif, 4 + 22, 2 + 17), (Rgb{255, 255, 255}));
}

TEST(Decode, ThinPicturesBecomeTensors) {
  const auto spec = image::parse_preprocess_spec(Json::object());
  ASSERT_TRUE(spec);
  std::vector<float> values(3 * 224 * 224);
  for (const char* file : {"dot.png", "dot.jpg", "line.png", "line.jpg", "pole.png", "pole.jpg"}) {
    const image::Image picture = decode_file(file);
    EXPECT_LE(distance(at(picture, 0, picture.height - 1), {200, 100, 50}), 3) << file;
    const auto start = std::chrono::steady_clock::now();
    ASSERT_TRUE(image::preprocess(picture.view(), *spec, values)) << file;
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(200)) << file;
    EXPECT_NEAR(values[0], (200 / 255.0 - spec->mean[0]) / spec->std[0], 0.05) << file;
  }
}

TEST(Decode, GarbageBehindTheEndIsIgnored) {
  for (const char* file :
       {"smooth.jpg", "rgb.png", "rgb.webp", "palette.gif", "rgb.bmp", "rgb.tif"}) {
    std::vector<std::byte> bytes = load_picture(file);
    const auto clean = decode(bytes, {});
    bytes.resize(bytes.size() + 1000, std::byte{0x5A});
    const auto longer = decode(bytes, {});
    ASSERT_TRUE(clean && longer) << file;
    EXPECT_EQ(clean->rgb, longer->rgb) << file;
  }
}

TEST(Decode, ManyThreadsAtOnce) {
  const std::vector<std::string> files = {"smooth.jpg", "rgba.png",    "rgba.webp", "rgb_lzw.tif",
                                          "rgb.bmp",    "palette.gif", "rgb.heic",  "rgb.avif"};
  std::vector<image::Image> expected;
  for (const std::string& file : files) expected.push_back(decode_file(file));
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (std::size_t t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < 24; ++i) {
        const std::size_t which = (i + t) % files.size();
        const auto picture = decode(load_picture(files[which]), {});
        if (!picture || picture->rgb != expected[which].rgb) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Decode, NothingIsPrinted) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  for (const char* file : {"smooth.jpg", "rgb.png", "broken_profile.png", "rgb_lzw.tif", "rgb.bmp",
                           "palette_rle8.bmp", "palette.gif", "rgb.webp", "rgb.heic"}) {
    std::vector<std::byte> bytes = load_picture(file);
    (void)decode(bytes, {});
    for (std::size_t i = bytes.size() / 2; i < bytes.size(); i += 7) bytes[i] ^= std::byte{0x55};
    (void)decode(bytes, {});
    bytes.resize(bytes.size() / 2);
    (void)decode(bytes, {});
  }
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(Decode, AlphaRuleHasTwoNames) {
  EXPECT_EQ(*parse_alpha_rule("white"), AlphaRule::kWhite);
  EXPECT_EQ(*parse_alpha_rule("drop"), AlphaRule::kDrop);
  const auto other = parse_alpha_rule("black");
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().message, HasSubstr("\"black\""));
}

}  // namespace
}  // namespace sightline::codecs
