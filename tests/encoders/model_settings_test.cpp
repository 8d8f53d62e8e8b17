#include "encoders/model_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace sightline::encoders {
namespace {

TEST(ModelSettings, AreReadAsWritten) {
  const testing_support::TempDir dir;
  ASSERT_TRUE(read_model_settings(dir.path()));
  EXPECT_FALSE(read_model_settings(dir.path())->strong_spreads) << "no file, no setting";
  ASSERT_TRUE(write_model_settings(dir.path(), {2.35}));
  EXPECT_EQ(read_model_settings(dir.path())->strong_spreads, 2.35);
  ASSERT_TRUE(write_model_settings(dir.path(), {}));
  EXPECT_FALSE(read_model_settings(dir.path())->strong_spreads);
}

struct BadCase {
  std::string name, text, message;
};
class BadModelSettings : public ::testing::TestWithParam<BadCase> {};

TEST_P(BadModelSettings, NameFileAndRule) {
  const testing_support::TempDir dir;
  const auto path = dir.write("sightline.json", GetParam().text);
  const auto settings = read_model_settings(dir.path());
  ASSERT_FALSE(settings);
  EXPECT_EQ(settings.error().code, StatusCode::kInvalidArgument);
  EXPECT_THAT(settings.error().message, ::testing::HasSubstr(path.string()));
  EXPECT_THAT(settings.error().message, ::testing::HasSubstr(GetParam().message));
}
INSTANTIATE_TEST_SUITE_P(
    Cases, BadModelSettings,
    ::testing::Values(BadCase{"NoJson", "{", "sightline.json"},
                      BadCase{"NoObject", "[3]", "expected an object"},
                      BadCase{"UnknownKey", R"({"strong": 3})", "unknown key \"strong\""},
                      BadCase{"Text", R"({"strong_spreads": "3"})", "strong_spreads is \"3\""},
                      BadCase{"Zero", R"({"strong_spreads": 0})", "more than 0 and at most 100"},
                      BadCase{"TooMuch", R"({"strong_spreads": 101})", "at most 100"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sightline::encoders
