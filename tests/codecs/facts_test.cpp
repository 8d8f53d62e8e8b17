#include "codecs/facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>

#include "codecs/internal/metadata_text.h"
#include "core/checksum.h"
#include "image/resample.h"
#include "tests/codecs/test_pictures.h"

namespace sightline::codecs {
namespace {

TEST(Sha256, KnownDigests) {  // FIPS 180-2, appendix B
  EXPECT_EQ(to_hex(sha256(std::string_view("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(sha256(std::string_view())),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Metadata, ExifIptcAndXmpTogether) {
  const Json facts = read_metadata(load_picture("facts.jpg"));
  EXPECT_EQ(facts["taken_at"], "2021-03-04T05:06:07+02:00");
  EXPECT_EQ(facts["camera"], "Nikon D90");
  EXPECT_EQ(facts["caption"], "A lighthouse at dusk");  // not "SONY DSC"
  EXPECT_EQ(facts["title"], "Der Leuchtturm");
  EXPECT_EQ(facts["credit"], "Erika Mustermann");
  EXPECT_EQ(facts["rights"], "CC BY 4.0");
  EXPECT_EQ(facts["keywords"], (Json{"sea", "evening", "lighthouse"}));
  const Json& place = facts["place"];
  EXPECT_NEAR(place["lat"].get<double>(), -(33 + 51 / 60.0 + 30.5 / 3600), 1e-6);
  EXPECT_NEAR(place["lon"].get<double>(), 151 + 12 / 60.0 + 36 / 3600.0, 1e-6);
  EXPECT_EQ(place["city"], "Sydney");
  EXPECT_EQ(place["country"], "Australia");
}

TEST(Metadata, NothingIsKnownOfPlainOrForeignBytes) {
  for (const char* file : {"rgb.png", "rgb.bmp", "palette.gif", "rgb.avif"}) {
    EXPECT_EQ(read_metadata(load_picture(file)), Json::object()) << file;
  }
  EXPECT_EQ(read_metadata(std::as_bytes(std::span("no picture"))), Json::object());
  EXPECT_EQ(read_metadata({}), Json::object());
}

struct DateCase {
  std::string name;
  std::string text, offset;
  std::optional<std::string> expected;
};
class Dates : public testing::TestWithParam<DateCase> {};

TEST_P(Dates, AreReadAsPeopleWriteThem) {
  EXPECT_EQ(parse_date(GetParam().text, GetParam().offset), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, Dates,
    testing::ValuesIn(std::vector<DateCase>{
        {"Exif", "2024:05:06 07:08:09", "", "2024-05-06T07:08:09Z"},
        {"ExifWithOffset", "2024:05:06 07:08:09", "-03:30", "2024-05-06T07:08:09-03:30"},
        {"Iso", "2024-05-06T07:08:09+02:00", "", "2024-05-06T07:08:09+02:00"},
        {"IsoZulu", "2024-05-06T07:08:09Z", "+01:00", "2024-05-06T07:08:09Z"},
        {"Fraction", "2024-05-06T07:08:09.125-0800", "", "2024-05-06T07:08:09-08:00"},
        {"NoSeconds", "2024-05-06T07:08", "", "2024-05-06T07:08:00Z"},
        {"DateAlone", "2024-05-06", "", "2024-05-06T00:00:00Z"},
        {"Iptc", "20240506", "", "2024-05-06T00:00:00Z"},
        {"LeapDay", "2024:02:29 00:00:00", "", "2024-02-29T00:00:00Z"},
        {"LeapSecond", "2016:12:31 23:59:60", "", "2016-12-31T23:59:59Z"},
        {"BadTime", "2024:05:06 27:08:09", "", "2024-05-06T00:00:00Z"},
        {"BadOffset", "2024:05:06 07:08:09", "+99:99", "2024-05-06T07:08:09Z"},
        {"NoLeapDay", "2023:02:29 00:00:00", "", std::nullopt},
        {"Zeros", "0000:00:00 00:00:00", "", std::nullopt},
        {"Blanks", "    :  :     :  :  ", "", std::nullopt},
        {"YearAlone", "2024", "", std::nullopt},
        {"Words", "yesterday", "", std::nullopt},
        {"Empty", "", "", std::nullopt},
    }),
    [](const auto& test) { return test.param.name; });

TEST(CleanText, IsValidUtf8WithoutRubbish) {
  EXPECT_EQ(clean_text("  plain \n"), "plain");
  EXPECT_EQ(clean_text(std::string_view("cut\0rest", 8)), "cut");
  EXPECT_EQ(clean_text("caf\xC3\xA9"), "café");
  EXPECT_EQ(clean_text("caf\xE9 \x93quoted\x94"), "café “quoted”");
  EXPECT_EQ(clean_text("tab\there\x07"), "tab here");
  EXPECT_EQ(clean_text(""), "");
  EXPECT_EQ(clean_text("   "), "");
  std::string longer;
  for (int i = 0; i < 3000; ++i) longer += "é";
  EXPECT_EQ(clean_text(longer).size(), 4096u);
  EXPECT_EQ(clean_text("x" + longer).size(), 4095u);  // no half character
}

image::Image load_image(const std::string& name) {
  auto picture = decode(load_file(data_folder() / "preprocess/images" / name), {});
  EXPECT_TRUE(picture);
  return picture ? *std::move(picture) : image::Image{};
}

TEST(PerceptualHash, LooksAndNotBytes) {
  const image::Image original = load_image("large_1600x1200.jpg");
  const std::uint64_t hash = perceptual_hash(original.view());
  const auto smaller = image::resample(original.view(), 400, 300, image::Filter::kBicubic);
  EXPECT_LE(std::popcount(hash ^ perceptual_hash(smaller->view())), 4);
  image::Image brighter = original;
  for (std::uint8_t& value : brighter.rgb) value = static_cast<std::uint8_t>(value / 2 + 60);
  EXPECT_LE(std::popcount(hash ^ perceptual_hash(brighter.view())), 6);
  EXPECT_GE(std::popcount(hash ^ perceptual_hash(load_image("odd_225x227.png").view())), 16);
  EXPECT_EQ(perceptual_hash(image::ImageView{}), 0u);
}

TEST(Facts, SayWhatIsSeen) {
  const std::vector<std::byte> bytes = load_picture("upright_6.jpg");
  const auto header = parse_header(bytes);
  const auto pixels = decode(bytes, {});
  ASSERT_TRUE(header && pixels);
  const Json facts = picture_facts(bytes, *header, pixels->view(), sha256(bytes));
  EXPECT_EQ(facts["width"], 48);  // upright, though stored as 32 x 48
  EXPECT_EQ(facts["height"], 32);
  EXPECT_EQ(facts["format"], "jpeg");
  EXPECT_EQ(facts["bytes"], bytes.size());
  EXPECT_EQ(facts["content_hash"], "sha256:" + to_hex(sha256(bytes)));
  EXPECT_THAT(facts["perceptual_hash"].get<std::string>(), testing::MatchesRegex("[0-9a-f]{16}"));
  EXPECT_FALSE(facts.contains("caption"));
}

TEST(Thumbnail, FitsAndIsNeverEnlarged) {
  struct Case {
    std::size_t width, height, expected_width, expected_height;
  };
  for (const Case& c : {Case{1000, 40, 256, 10},
                        {33, 700, 12, 256},
                        {5, 7, 5, 7},
                        {30'000, 1, 256, 1},
                        {256, 256, 256, 256},
                        {1, 1, 1, 1}}) {
    const image::Image picture{c.width, c.height,
                               std::vector<std::uint8_t>(c.width * c.height * 3, 77)};
    const auto jpeg = make_thumbnail(picture.view());
    ASSERT_TRUE(jpeg) << jpeg.error().message;
    const auto bytes = std::as_bytes(std::span(*jpeg));
    const auto shown = decode(bytes, {});
    ASSERT_TRUE(shown);
    EXPECT_EQ(parse_header(bytes)->format, Format::kJpeg);
    EXPECT_EQ(shown->width, c.expected_width);
    EXPECT_EQ(shown->height, c.expected_height);
    EXPECT_NEAR(shown->rgb[0], 77, 2);
  }
}

TEST(Thumbnail, KeepsColours) {
  const auto jpeg = make_thumbnail(decode(load_picture("upright_1.jpg"), {})->view(), 24);
  ASSERT_TRUE(jpeg);
  const auto shown = decode(std::as_bytes(std::span(*jpeg)), {});
  ASSERT_TRUE(shown);
  EXPECT_GT(shown->rgb[0], 200);  // red, not blue
  EXPECT_LT(shown->rgb[2], 60);
}

TEST(Thumbnail, RefusesEmptyPicturesAndSizes) {
  EXPECT_FALSE(make_thumbnail(image::ImageView{}));
  const image::Image dot{1, 1, {1, 2, 3}};
  const auto none = make_thumbnail(dot.view(), 0);
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message, testing::HasSubstr("longest_edge is 0"));
}

}  // namespace
}  // namespace sightline::codecs
