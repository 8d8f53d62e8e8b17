#include "pipeline/file_uri.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace sightline::pipeline {
namespace {

struct UriCase {
  std::string name, path, member, id, uri;
};
class FileUri : public testing::TestWithParam<UriCase> {};

TEST_P(FileUri, IsAsWrittenAndParsesBack) {
  const UriCase& c = GetParam();
  std::string uri = c.member.empty() ? to_file_uri(c.path) : to_member_uri(c.path, c.member);
  if (!c.id.empty()) uri = with_id(uri, PointId::parse(c.id).value());
  EXPECT_EQ(uri, c.uri);
  const auto parsed = parse_source_uri(uri);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->path, c.path);
  EXPECT_EQ(parsed->member, c.member);
  EXPECT_EQ(parsed->id.has_value() ? parsed->id->to_string() : "", c.id);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, FileUri,
    testing::ValuesIn(std::vector<UriCase>{
        {"Plain", "/photos/a-b_c.~1.jpg", "", "", "file:///photos/a-b_c.~1.jpg"},
        {"Space", "/my photos/a b.jpg", "", "", "file:///my%20photos/a%20b.jpg"},
        {"Utf8", "/f/gr\xC3\xBC\xC3\x9F.png", "", "", "file:///f/gr%C3%BC%C3%9F.png"},
        {"Newline", "/f/a\nb.png", "", "", "file:///f/a%0Ab.png"},
        {"Quote", "/f/it's \"q\".png", "", "", "file:///f/it%27s%20%22q%22.png"},
        {"NotUtf8", "/f/\xFF.png", "", "", "file:///f/%FF.png"},
        {"HashAndPercent", "/f/100%#1.png", "", "", "file:///f/100%25%231.png"},
        {"Member", "/s/a.tar", "train/0 1.jpg", "", "file:///s/a.tar#train/0%201.jpg"},
        {"MemberLikeAnId", "/s/a.tar", "id=7", "", "file:///s/a.tar#id%3D7"},
        {"Id", "/f/a.jpg", "", "42", "file:///f/a.jpg#id=42"},
        {"MemberAndId", "/s/a.tar", "x.jpg", "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
         "file:///s/a.tar#x.jpg#id=6ba7b810-9dad-11d1-80b4-00c04fd430c8"},
    }),
    [](const auto& test) { return test.param.name; });

TEST(FileUriParsing, RoundTripsAnyBytes) {
  std::mt19937 random(7);
  for (int round = 0; round < 500; ++round) {
    std::string path = "/", member;
    for (unsigned i = random() % 20; i > 0; --i) path += static_cast<char>(1 + random() % 255);
    for (unsigned i = 1 + random() % 20; i > 0; --i) {
      member += static_cast<char>(1 + random() % 255);
    }
    const auto parsed = parse_source_uri(to_member_uri(path, member));
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(parsed->path, path);
    EXPECT_EQ(parsed->member, member);
  }
}

TEST(FileUriParsing, TakesLocalhostAndRefusesTheRest) {
  EXPECT_EQ(parse_source_uri("file://localhost/a.jpg").value().path, "/a.jpg");
  for (const char* uri : {"http://x/a.jpg", "file://elsewhere/a.jpg", "file:///a%2", "file:///a%zz",
                          "file:///a.jpg#id=", "file:///a.jpg#id=-1", "/a.jpg", ""}) {
    const auto parsed = parse_source_uri(uri);
    ASSERT_FALSE(parsed) << uri;
    EXPECT_EQ(parsed.error().code, StatusCode::kInvalidArgument);
    EXPECT_NE(parsed.error().message.find(uri), std::string::npos) << parsed.error().message;
  }
}

TEST(DisplayPath, IsWhatPeopleRead) {
  EXPECT_EQ(display_path("file:///my%20photos/a.jpg"), "/my photos/a.jpg");
  EXPECT_EQ(display_path("file:///a.tar#b%20c.jpg#id=3"), "/a.tar#b c.jpg");
  EXPECT_EQ(display_path("sha256:00ff"), "sha256:00ff");
}

TEST(ValidUtf8, ReplacesWhatIsNot) {
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(to_valid_utf8("a\xC3\xBC\xE2\x82\xAC\xF0\x9F\x98\x80"),
            "a\xC3\xBC\xE2\x82\xAC\xF0\x9F\x98\x80");
  EXPECT_EQ(to_valid_utf8("a\xFF"), "a" + bad);
  EXPECT_EQ(to_valid_utf8("\xC0\xAF"), bad + bad);            // overlong
  EXPECT_EQ(to_valid_utf8("\xED\xA0\x80"), bad + bad + bad);  // surrogate
  EXPECT_EQ(to_valid_utf8("\xE2\x82"), bad + bad);            // cut
}

}  // namespace
}  // namespace sightline::pipeline
