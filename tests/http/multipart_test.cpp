#include "http/multipart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sightline::http {
namespace {

using testing::HasSubstr;

struct Part {
  std::string name, file_name, content_type, data;
  bool operator==(const Part&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Part& part) {
  return out << part.name << "|" << part.file_name << "|" << part.content_type << "|" << part.data;
}

/// Parses `body` in pieces of `step` bytes.
Result<std::vector<Part>> parse(std::string_view body, std::size_t step, std::string_view boundary,
                                MultipartLimits limits = {}) {
  std::vector<Part> parts;
  MultipartParser parser(boundary,
                         {[&](PartHead head) -> Result<void> {
                            parts.push_back({head.name, head.file_name, head.content_type, ""});
                            return {};
                          },
                          [&](std::string_view bytes) -> Result<void> {
                            parts.back().data += bytes;
                            return {};
                          },
                          [] { return Result<void>(); }},
                         limits);
  for (std::size_t at = 0; at < body.size(); at += step) {
    SIGHTLINE_TRY_DO(parser.feed(body.substr(at, step)));
  }
  SIGHTLINE_TRY_DO(parser.finish());
  return parts;
}

struct GoodCase {
  std::string name, body;
  std::vector<Part> parts;
};
class GoodBodies : public testing::TestWithParam<GoodCase> {};

TEST_P(GoodBodies, AreReadInPiecesOfAnySize) {
  for (const std::size_t step : {1UL, 2UL, 3UL, 7UL, 64UL, 10'000UL}) {
    const auto parts = parse(GetParam().body, step, "XX");
    ASSERT_TRUE(parts) << parts.error().message << " in steps of " << step;
    EXPECT_EQ(*parts, GetParam().parts) << "in steps of " << step;
  }
}

const std::string kField = "Content-Disposition: form-data; name=\"a\"\r\n\r\n";

INSTANTIATE_TEST_SUITE_P(
    Cases, GoodBodies,
    testing::ValuesIn(std::vector<GoodCase>{
        {"OneField", "--XX\r\n" + kField + "1\r\n--XX--\r\n", {{"a", "", "", "1"}}},
        {"NoLineEndAtTheEnd", "--XX\r\n" + kField + "1\r\n--XX--", {{"a", "", "", "1"}}},
        {"Empty", "--XX--\r\n", {}},
        {"EmptyPart", "--XX\r\n" + kField + "\r\n--XX--\r\n", {{"a", "", "", ""}}},
        {"Preamble", "hello\r\n--XX\r\n" + kField + "1\r\n--XX--\r\n", {{"a", "", "", "1"}}},
        {"Epilogue", "--XX\r\n" + kField + "1\r\n--XX--\r\n--XX\r\nrest", {{"a", "", "", "1"}}},
        {"SpacesAfterTheBoundary", "--XX \t\r\n" + kField + "1\r\n--XX--", {{"a", "", "", "1"}}},
        {"NearlyABoundary",
         "--XX\r\n" + kField + "\r\n--X\r\n-\r\r\n--\r\n--XX--",
         {{"a", "", "", "\r\n--X\r\n-\r\r\n--"}}},
        {"File",
         "--XX\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a b.jpg\"\r\n"
         "Content-Type: Image/JPEG; x=y\r\n\r\n\xff\xd8\r\n--XX--",
         {{"f", "a b.jpg", "image/jpeg", "\xff\xd8"}}},
        {"Two",
         "--XX\r\n" + kField + "1\r\n--XX\r\n" + kField + "2\r\n--XX--",
         {{"a", "", "", "1"}, {"a", "", "", "2"}}},
        {"EscapedName",
         "--XX\r\ncontent-disposition:form-data;filename=\"a\\\"b;c.png\" ; "
         "name=f\r\n\r\n\r\n--XX--",
         {{"f", "a\"b;c.png", "", ""}}},
        {"WindowsPath",
         "--XX\r\nContent-Disposition: form-data; name=f; filename=\"C:\\x.png\"\r\n\r\n\r\n--XX--",
         {{"f", "C:\\x.png", "", ""}}},
        {"ExtendedNameWins",
         "--XX\r\nContent-Disposition: form-data; name=f; filename=\"u.jpg\"; "
         "filename*=UTF-8''%c3%bc.jpg\r\n\r\n\r\n--XX--",
         {{"f", "\xc3\xbc.jpg", "", ""}}},
    }),
    [](const auto& info) { return info.param.name; });

struct BadCase {
  std::string name, body, message;
};
class BadBodies : public testing::TestWithParam<BadCase> {};

TEST_P(BadBodies, AreRefused) {
  for (const std::size_t step : {1UL, 10'000UL}) {
    const auto parts =
        parse(GetParam().body, step, "XX", {.max_parts = 3, .max_header_bytes = 100});
    ASSERT_FALSE(parts) << "in steps of " << step;
    EXPECT_THAT(parts.error().message, HasSubstr(GetParam().message));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Cases, BadBodies,
    testing::ValuesIn(std::vector<BadCase>{
        {"Nothing", "", "ends before its last boundary"},
        {"OtherBoundary", "--YY\r\n" + kField + "1\r\n--YY--", "ends before its last boundary"},
        {"NoEnd", "--XX\r\n" + kField + "1\r\n", "ends before its last boundary"},
        {"EndsInAHead", "--XX\r\nContent-Disp", "ends before its last boundary"},
        {"TextAfterTheBoundary", "--XXY\r\n" + kField, "followed by text"},
        {"NoName", "--XX\r\nContent-Disposition: form-data\r\n\r\n1\r\n--XX--", "has no name"},
        {"NoHead", "--XX\r\n\r\n1\r\n--XX--", "has no name"},
        {"NotFormData", "--XX\r\nContent-Disposition: inline; name=a\r\n\r\n\r\n--XX--",
         "not form-data"},
        {"NoColon", "--XX\r\nabc\r\n\r\n\r\n--XX--", "without a colon"},
        {"OpenQuote", "--XX\r\nContent-Disposition: form-data; name=\"a\r\n\r\n\r\n--XX--",
         "quote is not closed"},
        {"LongHead", "--XX\r\nX: " + std::string(200, 'x') + "\r\n\r\n\r\n--XX--",
         "larger than 100"},
        {"ManyParts",
         [] {
           std::string body;
           for (int i = 0; i < 4; ++i) body += "--XX\r\n" + kField + "1\r\n";
           return body + "--XX--";
         }(),
         "more than 3 parts"},
    }),
    [](const auto& info) { return info.param.name; });

struct BoundaryCase {
  std::string name, content_type, boundary;  // empty: refused
};
class Boundaries : public testing::TestWithParam<BoundaryCase> {};

TEST_P(Boundaries, ComeFromTheContentType) {
  const auto boundary = multipart_boundary(GetParam().content_type);
  EXPECT_EQ(boundary ? *boundary : "", GetParam().boundary);
}

INSTANTIATE_TEST_SUITE_P(Cases, Boundaries,
                         testing::ValuesIn(std::vector<BoundaryCase>{
                             {"Plain", "multipart/form-data; boundary=----WebKit1", "----WebKit1"},
                             {"Quoted", "multipart/form-data; boundary=\"a b:c\"; x=y", "a b:c"},
                             {"UpperCaseName", "multipart/form-data;BOUNDARY=abc", "abc"},
                             {"None", "multipart/form-data", ""},
                             {"Empty", "multipart/form-data; boundary=", ""},
                             {"TooLong", "multipart/form-data; boundary=" + std::string(71, 'x'),
                              ""},
                             {"OtherCharacters", "multipart/form-data; boundary=\"a\nb\"", ""},
                         }),
                         [](const auto& info) { return info.param.name; });

TEST(Multipart, AFailureOfAnEventEndsIt) {
  MultipartParser parser(
      "XX", {[](PartHead) -> Result<void> { return io_error("disk"); },
             [](std::string_view) { return Result<void>(); }, [] { return Result<void>(); }});
  const auto fed = parser.feed("--XX\r\n" + kField + "1");
  ASSERT_FALSE(fed);
  EXPECT_EQ(fed.error().message, "disk");
}

}  // namespace
}  // namespace sightline::http
