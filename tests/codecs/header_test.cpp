#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <fstream>

#include "codecs/decode.h"
#include "tests/codecs/test_pictures.h"
#include "tests/support/temp_dir.h"

namespace sightline::codecs {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

struct HeaderCase {
  std::string file;
  std::string format;
  std::size_t width, height;
  int orientation = 1;
  bool animated = false, has_alpha = false, buffered = false;
};
class Headers : public testing::TestWithParam<HeaderCase> {};

TEST_P(Headers, TellWithoutDecoding) {
  const HeaderCase& c = GetParam();
  const auto header = parse_header(load_picture(c.file));
  ASSERT_TRUE(header) << header.error().message;
  EXPECT_EQ(format_name(header->format), c.format);
  EXPECT_EQ(header->width, c.width);
  EXPECT_EQ(header->height, c.height);
  EXPECT_EQ(header->orientation, c.orientation);
  EXPECT_EQ(header->animated, c.animated);
  EXPECT_EQ(header->has_alpha, c.has_alpha);
  EXPECT_EQ(header->buffered, c.buffered);
}

INSTANTIATE_TEST_SUITE_P(Files, Headers,
                         testing::ValuesIn(std::vector<HeaderCase>{
                             {"smooth.jpg", "jpeg", 64, 48},
                             {"smooth_progressive.jpg", "jpeg", 64, 48, 1, false, false, true},
                             {"upright_6.jpg", "jpeg", 32, 48, 6},
                             {"rgb.png", "png", 23, 17},
                             {"rgba_interlaced.png", "png", 23, 17, 1, false, true, true},
                             {"palette_trns.png", "png", 23, 17, 1, false, true},
                             {"animated.png", "png", 23, 17, 1, true},
                             {"upright_6.png", "png", 32, 48, 6},
                             {"rgb.webp", "webp", 23, 17},
                             {"rgba.webp", "webp", 23, 17, 1, false, true},
                             {"smooth.webp", "webp", 64, 48},
                             {"animated_offset.webp", "webp", 40, 30, 1, true, true},
                             {"upright_6.webp", "webp", 32, 48, 6},
                             {"rgb.tif", "tiff", 23, 17},
                             {"rgb_big_endian.tif", "tiff", 23, 17},
                             {"rgb_bigtiff.tif", "tiff", 23, 17},
                             {"rgba.tif", "tiff", 23, 17, 1, false, true},
                             {"upright_6.tif", "tiff", 32, 48, 6},
                             {"rgb_os2.bmp", "bmp", 23, 17},
                             {"rgb_top_down.bmp", "bmp", 23, 17},
                             {"rgba_v4.bmp", "bmp", 23, 17, 1, false, true},
                             {"palette.gif", "gif", 23, 17},
                             {"animated.gif", "gif", 23, 17, 1, true},
                             {"transparent.gif", "gif", 23, 17, 1, false, true},
                             {"offset_local.gif", "gif", 40, 30, 1, false, true},
                             {"no_screen.gif", "gif", 23, 17},
                             {"rgb.heic", "heic", 96, 64},
                             {"upright.heic", "heic", 96, 64},
                             {"rgba.avif", "avif", 96, 64, 1, false, true},
                         }),
                         [](const auto& test) {
                           std::string name = test.param.file;
                           for (char& c : name) c = c == '.' ? '_' : c;
                           return name;
                         });

TEST(Header, WhatIsNoPictureIsRefused) {
  for (const char* text : {"hello, this is a text called .jpg\n", "BM is how this text begins",
                           "GIF99a......", "RIFF....WAVEfmt ", "<svg></svg>", "II", "\x89PNG"}) {
    const auto header = parse_header(bytes_of(text));
    ASSERT_FALSE(header) << text;
    EXPECT_EQ(header.error().code, StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(header.error().message, HasSubstr("not a picture")) << text;
    EXPECT_FALSE(decode(bytes_of(text), {}));
  }
  const auto empty = parse_header({});
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().code, StatusCode::kInvalidArgument);
  EXPECT_THAT(empty.error().message, HasSubstr("empty"));
}

TEST(Header, ZeroSizedPicturesAreDamaged) {
  std::vector<std::byte> png = load_picture("rgb.png");
  std::fill_n(png.begin() + 16, 4, std::byte{0});
  const auto header = parse_header(png);
  ASSERT_FALSE(header);
  EXPECT_EQ(header.error().code, StatusCode::kCorruption);
  EXPECT_THAT(header.error().message, HasSubstr("0 x 17"));
}

// Width and height of the file set to `edge`, big-endian at `at`.
std::vector<std::byte> claiming(const char* file, std::size_t at, std::uint32_t edge) {
  std::vector<std::byte> bytes = load_picture(file);
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[at + i] = static_cast<std::byte>(edge >> (24 - 8 * (i % 4)));
  }
  return bytes;
}

TEST(Limits, PixelsAreCountedBeforeDecoding) {
  DecodeOptions options;
  options.max_pixels = 390;
  const auto over = decode(load_picture("rgb.png"), options);  // 23 x 17 = 391
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().code, StatusCode::kResourceExhausted);
  EXPECT_THAT(over.error().message,
              AllOf(HasSubstr("391"), HasSubstr("390"), HasSubstr("image.max_pixels")));
  options.max_pixels = 391;
  EXPECT_TRUE(decode(load_picture("rgb.png"), options));
}

// A GIF whose screen and first frame are 65535 x 65535.
std::vector<std::byte> huge_gif() {
  std::vector<std::byte> gif = load_picture("palette.gif");
  const auto flags = std::to_integer<unsigned>(gif[10]);
  const std::size_t frame = 13 + (std::size_t{3} << ((flags & 7) + 1));
  EXPECT_EQ(gif.at(frame), std::byte{0x2C});
  std::fill_n(gif.begin() + 6, 4, std::byte{0xFF});
  std::fill_n(gif.begin() + static_cast<std::ptrdiff_t>(frame) + 5, 4, std::byte{0xFF});
  return gif;
}

TEST(Limits, ComeBeforeWhatATinyFileCanHold) {
  for (const auto& [bytes, size] : {std::pair(claiming("rgb.png", 16, 20'000), "20000 x 20000"),
                                    std::pair(claiming("rgb.png", 16, 0x7FFFFFFF),
                                              "2147483647 x 2147483647 = 4611686014132420609"),
                                    std::pair(huge_gif(), "65535 x 65535 = 4294836225")}) {
    const auto picture = decode(bytes, {});
    ASSERT_FALSE(picture);
    EXPECT_EQ(picture.error().code, StatusCode::kResourceExhausted) << picture.error().message;
    EXPECT_THAT(picture.error().message,
                AllOf(HasSubstr(size), HasSubstr("the limit image.max_pixels is 100000000")));
  }
  const auto below = decode(claiming("rgb.png", 16, 9'000), {});
  ASSERT_FALSE(below);
  EXPECT_EQ(below.error().code, StatusCode::kCorruption);
  EXPECT_THAT(below.error().message, HasSubstr("cannot hold 9000 x 9000"));
}

TEST(Limits, TinyFilesCannotClaimHugePictures) {
  const auto start = std::chrono::steady_clock::now();
  DecodeOptions options;
  options.max_pixels = UINT64_MAX;
  const auto png = decode(claiming("rgb.png", 16, 0x7FFFFFFF), options);
  ASSERT_FALSE(png);
  EXPECT_EQ(png.error().code, StatusCode::kCorruption);
  EXPECT_THAT(png.error().message, HasSubstr("cannot hold"));

  std::vector<std::byte> jpeg = load_picture("smooth.jpg");
  for (std::size_t i = 0; i + 9 < jpeg.size(); ++i) {
    if (jpeg[i] == std::byte{0xFF} && jpeg[i + 1] == std::byte{0xC0}) {
      std::fill_n(jpeg.begin() + static_cast<std::ptrdiff_t>(i) + 5, 4, std::byte{0xFF});
      break;
    }
  }
  const auto huge = decode(jpeg, options);
  ASSERT_FALSE(huge);
  EXPECT_THAT(huge.error().message, HasSubstr("cannot hold 65535 x 65535"));
  const auto gif = decode(huge_gif(), options);
  ASSERT_FALSE(gif);
  EXPECT_THAT(gif.error().message, HasSubstr("cannot hold 65535 x 65535"));

  std::vector<std::byte> bmp = load_picture("rgb.bmp");
  bmp[20] = bmp[24] = std::byte{0x7F};
  const auto cut = decode(bmp, options);
  ASSERT_FALSE(cut);
  EXPECT_THAT(cut.error().message, HasSubstr("truncated"));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
}

TEST(Limits, CostCountsWorkingCopies) {
  ImageHeader header{Format::kJpeg, 1000, 1000};
  const std::uint64_t plain = decode_cost_bytes(header);
  EXPECT_GE(plain, 3'000'000u);
  EXPECT_LT(plain, 4'000'000u);
  header.orientation = 6;
  EXPECT_GE(decode_cost_bytes(header), 6'000'000u);
  header.buffered = true;
  EXPECT_GE(decode_cost_bytes(header), 9'000'000u);
}

TEST(Extensions, OfPictures) {
  for (const char* name : {"a.jpg", "A.JPEG", "x/y.Png", "b.webp", "c.tiff", "c.tif", "d.bmp",
                           "e.gif", "f.heic", "g.HEIF", "h.avif", "with space.JPG"}) {
    EXPECT_TRUE(has_picture_extension(name)) << name;
  }
  for (const char* name : {"a.txt", "jpg", ".jpg", "a.jpg.txt", "b.svg", "c", "d.mp4", ""}) {
    EXPECT_FALSE(has_picture_extension(name)) << name;
  }
}

TEST(ReadFile, NamesPathAndReason) {
  const testing_support::TempDir folder;
  const std::filesystem::path file = folder.path() / "a b\n.bin";
  std::ofstream(file) << "12345";
  const auto bytes = read_file(file);
  ASSERT_TRUE(bytes) << bytes.error().message;
  EXPECT_EQ(bytes->size(), 5u);
  EXPECT_EQ((*bytes)[4], std::byte{'5'});

  const auto expect = [&](const Result<std::vector<std::byte>>& result, StatusCode code,
                          const std::filesystem::path& path) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, code) << result.error().message;
    EXPECT_THAT(result.error().message, HasSubstr(path.string()));
  };
  expect(read_file(file, 4), StatusCode::kResourceExhausted, file);
  expect(read_file(folder.path() / "none"), StatusCode::kNotFound, folder.path() / "none");
  expect(read_file(folder.path()), StatusCode::kInvalidArgument, folder.path());
  const std::filesystem::path pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  expect(read_file(pipe), StatusCode::kInvalidArgument, pipe);
  std::ofstream(folder.path() / "empty");
  EXPECT_TRUE(read_file(folder.path() / "empty")->empty());
}

}  // namespace
}  // namespace sightline::codecs
