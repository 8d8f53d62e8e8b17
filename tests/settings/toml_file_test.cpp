#include "settings/toml_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace sightline::settings {
namespace {

using testing::HasSubstr;
using testing_support::TempDir;

TEST(ParseToml, FlattensTablesAndKeepsLines) {
  const auto entries = parse_toml(
      "name = \"a\"\n"
      "\n"
      "[train]\n"
      "steps = 1_000\n"
      "rate = 5e-4\n"
      "bf16 = true\n"
      "sizes = [32, 64]\n"
      "data.folder = \"/x\"\n"
      "since = 2024-05-01\n"
      "shift = -3\n",
      "t.toml");
  ASSERT_TRUE(entries) << entries.error().message;
  std::vector<std::string> got;
  for (const TomlEntry& e : *entries) {
    got.push_back(std::to_string(e.line) + " " + e.key + " " + dump_json(e.value));
  }
  EXPECT_THAT(got, testing::ElementsAre("1 name \"a\"", "4 train.steps 1000", "5 train.rate 0.0005",
                                        "6 train.bf16 true", "7 train.sizes [32,64]",
                                        "8 train.data.folder \"/x\"",
                                        "9 train.since \"2024-05-01\"", "10 train.shift -3"));
  EXPECT_TRUE((*entries)[1].value.is_number_unsigned());
}

TEST(ParseToml, ErrorsNameFileAndLine) {
  const auto bad = parse_toml("a = 1\nb = = 2\n", "/etc/x.toml");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, StatusCode::kInvalidArgument);
  EXPECT_THAT(bad.error().message, testing::StartsWith("/etc/x.toml:2: "));
  EXPECT_THAT(parse_toml("a = 1\na = 2\n", "d").error().message, HasSubstr("d:2: "));
}

TEST(ReadTomlFile, MissingFileFolderAndEmptyFile) {
  const TempDir folder;
  EXPECT_EQ(read_toml_file(folder / "none.toml").error().code, StatusCode::kNotFound);
  EXPECT_EQ(read_toml_file(folder.path()).error().code, StatusCode::kIoError);
  const auto empty = read_toml_file(folder.write("empty.toml", ""));
  ASSERT_TRUE(empty) << empty.error().message;
  EXPECT_TRUE(empty->empty());
}

}  // namespace
}  // namespace sightline::settings
