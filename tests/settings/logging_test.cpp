#include "settings/logging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "core/json.h"

namespace sightline::settings {
namespace {

TEST(FormatTextLine, StaysOnOneLineWhateverANameHolds) {
  const std::array<LogField, 3> fields = {
      {{"path", "/a b\n\x1b[31m"}, {"bytes", "3"}, {"empty", ""}}};
  EXPECT_EQ(format_text_line("ingest", "skipped\nfile", fields),
            "ingest: skipped\\nfile path=\"/a b\\n\\u001b[31m\" bytes=3 empty=\"\"");
}

TEST(FormatJsonLine, IsOneObjectInOrder) {
  const std::array<LogField, 1> fields = {{{"path", "/a\n\xff"}}};
  const std::string line = format_json_line("2024-01-02T03:04:05.006Z", LogLevel::kWarning,
                                            "ingest", "skipped \"x\"", fields);
  EXPECT_EQ(line,
            "{\"time\":\"2024-01-02T03:04:05.006Z\",\"level\":\"warning\",\"component\":\"ingest\","
            "\"message\":\"skipped \\\"x\\\"\",\"path\":\"/a\\n\xEF\xBF\xBD\"}");
}

TEST(ParseLogLevel, KnowsItsNames) {
  EXPECT_EQ(*parse_log_level("trace"), LogLevel::kTrace);
  EXPECT_EQ(*parse_log_level("off"), LogLevel::kOff);
  EXPECT_THAT(parse_log_level("loud").error().message,
              testing::AllOf(testing::HasSubstr("loud"), testing::HasSubstr("warning")));
}

class InstallLogSink : public testing::Test {
 protected:
  ~InstallLogSink() override { set_log_sink(nullptr, LogLevel::kInfo); }
};

TEST_F(InstallLogSink, WritesJsonLinesToStderr) {
  testing::internal::CaptureStderr();
  ASSERT_TRUE(install_log_sink({.level = "info", .format = "json"}));
  log_info("ingest", "100 {} %v", {{"rate", "12.5"}});
  log(LogLevel::kDebug, "ingest", "not shown");
  const std::string text = testing::internal::GetCapturedStderr();
  const auto line = parse_json(text, "line");
  ASSERT_TRUE(line) << text;
  EXPECT_EQ((*line)["message"], "100 {} %v");
  EXPECT_EQ((*line)["rate"], "12.5");
  EXPECT_EQ((*line)["level"], "info");
  EXPECT_THAT((*line)["time"].get<std::string>(),
              testing::MatchesRegex("....-..-..T..:..:..\\.[0-9][0-9][0-9]Z"));
}

TEST_F(InstallLogSink, WritesTextLinesToStderr) {
  testing::internal::CaptureStderr();
  ASSERT_TRUE(install_log_sink({.level = "warning", .format = "text"}));
  log_info("ingest", "not shown");
  log_warning("storage", "slow");
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              testing::MatchesRegex("..:..:.. warning storage: slow\n"));
}

TEST_F(InstallLogSink, RejectsAnUnknownLevel) {
  EXPECT_EQ(install_log_sink({.level = "loud", .format = "text"}).error().code,
            StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace sightline::settings
