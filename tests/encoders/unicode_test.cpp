// The Unicode tables against examples of the standard.
#include "encoders/unicode/unicode.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace sightline::encoders::unicode {
namespace {

struct NfcCase {
  std::string name;
  std::u32string text, composed;
};
class Nfc : public ::testing::TestWithParam<NfcCase> {};

TEST_P(Nfc, ComposesAsTheStandardSays) {
  EXPECT_EQ(to_nfc(GetParam().text), GetParam().composed);
  EXPECT_EQ(to_nfc(to_nfc(GetParam().text)), GetParam().composed);
}

INSTANTIATE_TEST_SUITE_P(Cases, Nfc,
                         ::testing::ValuesIn(std::vector<NfcCase>{
                             {"Empty", U"", U""},
                             {"Ascii", U"plain text", U"plain text"},
                             {"Acute", U"e\u0301", U"\u00E9"},
                             {"TwoMarks", U"s\u0323\u0307", U"\u1E69"},
                             {"TwoMarksInOtherOrder", U"s\u0307\u0323", U"\u1E69"},
                             {"BlockedBySameClass", U"a\u0301\u0300", U"\u00E1\u0300"},
                             {"MarkPassesLowerClass", U"a\u0316\u0301", U"\u00E1\u0316"},
                             {"MarkWithoutStarter", U"\u0301e", U"\u0301e"},
                             {"HangulLeadVowelTail", U"\u1112\u1161\u11AB", U"\uD55C"},
                             {"HangulSyllableAndTail", U"\uAC00\u11A8", U"\uAC01"},
                             {"HangulComplete", U"\uAC01\u11A8", U"\uAC01\u11A8"},
                             {"Singleton", U"\u212B\u2126", U"\u00C5\u03A9"},
                             {"Excluded", U"\u0958", U"\u0915\u093C"},
                             {"StartersCompose", U"\u09C7\u09BE", U"\u09CB"},
                             {"StarterBetween", U"a\u034F\u0301", U"a\u034F\u0301"},
                             {"BeyondTheBasicPlane", U"\U000110A5\U000110BA", U"\U000110AB"},
                         }),
                         [](const auto& param) { return param.param.name; });

TEST(Unicode, LowersEachCharacterByItself) {
  EXPECT_EQ(to_lower(U"ABC\u00C5\u1E9E\u03A3\u0130\U00010400"),
            U"abc\u00E5\u00DF\u03C3i\u0307\U00010428");
}

TEST(Unicode, KnowsCategories) {
  for (const char32_t c : {U'a', U'Z', U'\u00AA', U'\u0E01', U'\u4E00', U'\U00020000', U'\u01C5'})
    EXPECT_TRUE(is_letter(c)) << static_cast<std::uint32_t>(c);
  for (const char32_t c : {U'0', U'\u00BD', U'\u2167', U'\u0661', U'\u2460'})
    EXPECT_TRUE(is_number(c) && !is_letter(c)) << static_cast<std::uint32_t>(c);
  for (const char32_t c : {U' ', U'\t', U'\u0085', U'\u00A0', U'\u2028', U'\u3000'})
    EXPECT_TRUE(is_space(c)) << static_cast<std::uint32_t>(c);
  for (const char32_t c : {U'_', U'\u200B', U'\u0301', U'\U0001F600', U'\uFEFF', U'\x1C'})
    EXPECT_FALSE(is_space(c) || is_letter(c) || is_number(c)) << static_cast<std::uint32_t>(c);
}

TEST(Unicode, Utf8RoundTripsEveryCharacter) {
  std::u32string all;
  for (char32_t c = 0; c <= 0x10FFFF; ++c)
    if (c < 0xD800 || c > 0xDFFF) all += c;
  EXPECT_EQ(decode_utf8(encode_utf8(all)), all);
}

}  // namespace
}  // namespace sightline::encoders::unicode
