#include "settings/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <vector>

#include "settings/internal/setting_table.h"
#include "tests/support/temp_dir.h"

namespace sightline::settings {
namespace {

using testing::HasSubstr;
using testing_support::read_file;
using testing_support::TempDir;

/// Options that see `variables` alone, and no file of the machine.
LoadOptions with_environment(std::map<std::string, std::string> variables) {
  variables.try_emplace("HOME", "/home/ada");
  LoadOptions options;
  options.system_config_file = "/nonexistent/sightline.toml";
  options.environment = [variables](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
  return options;
}

LoadedSettings load(const LoadOptions& options) {
  auto loaded = load_settings(options);
  EXPECT_TRUE(loaded) << loaded.error().message;
  return loaded ? *std::move(loaded) : LoadedSettings{};
}

std::string message_of(const LoadOptions& options) {
  const auto loaded = load_settings(options);
  EXPECT_FALSE(loaded);
  return loaded ? "" : loaded.error().message;
}

std::string source_of(const LoadedSettings& settings, const std::string& key) {
  for (const Described& d : settings.described) {
    if (d.key == key) return d.source;
  }
  return "no such key";
}

TEST(LoadSettings, DefaultsWithoutAnySource) {
  const LoadedSettings loaded = load(with_environment({}));
  EXPECT_EQ(loaded.values.data_dir, "/home/ada/.local/share/sightline");
  EXPECT_EQ(loaded.values.collection, "default");
  EXPECT_EQ(loaded.values.model, "embedded");
  EXPECT_EQ(loaded.values.image.alpha, "white");
  EXPECT_EQ(loaded.values.image.max_pixels, 100'000'000U);
  EXPECT_GT(loaded.values.image.decode_bytes, 0U);
  EXPECT_LE(loaded.values.image.decode_bytes, std::uint64_t{1} << 30);
  EXPECT_FALSE(loaded.config_file);
  for (const Described& d : loaded.described) {
    EXPECT_EQ(d.source, "default");
    EXPECT_FALSE(d.help.empty());
  }
}

TEST(LoadSettings, XdgDataHomeCountsWhenAbsolute) {
  EXPECT_EQ(load(with_environment({{"XDG_DATA_HOME", "/data"}})).values.data_dir,
            "/data/sightline");
  EXPECT_EQ(load(with_environment({{"XDG_DATA_HOME", "data"}})).values.data_dir,
            "/home/ada/.local/share/sightline");
}

TEST(LoadSettings, LaterSourcesWinAndAreNamed) {
  const TempDir folder;
  const auto file = folder.write("c.toml",
                                 "[image]\n"
                                 "alpha = \"drop\"\n"
                                 "max_pixels = 5\n"
                                 "thumbnail_edge = 10\n"
                                 "[log]\n"
                                 "level = \"debug\"\n");
  LoadOptions options = with_environment({{"SIGHTLINE_IMAGE_MAX_PIXELS", "6"},
                                          {"SIGHTLINE_IMAGE_THUMBNAIL_EDGE", "11"},
                                          {"SIGHTLINE_COLLECTION", ""}});
  options.config_file = file;
  options.flags = {{"image.thumbnail_edge", {"12", "--thumbnails"}}};
  const LoadedSettings loaded = load(options);
  EXPECT_EQ(loaded.values.image.alpha, "drop");
  EXPECT_EQ(loaded.values.image.max_pixels, 6U);
  EXPECT_EQ(loaded.values.image.thumbnail_edge, 12U);
  EXPECT_EQ(loaded.values.log.level, "debug");
  EXPECT_EQ(loaded.config_file, file);
  EXPECT_EQ(source_of(loaded, "image.alpha"), "file " + file.string() + ":2");
  EXPECT_EQ(source_of(loaded, "image.max_pixels"), "environment SIGHTLINE_IMAGE_MAX_PIXELS");
  EXPECT_EQ(source_of(loaded, "image.thumbnail_edge"), "flag --thumbnails");
  EXPECT_EQ(source_of(loaded, "collection"), "default");  // an empty variable counts as unset
}

TEST(LoadSettings, FindsTheFileInItsPlaces) {
  const TempDir folder;
  const auto flag = folder.write("flag.toml", "collection = \"flag\"");
  const auto variable = folder.write("variable.toml", "collection = \"variable\"");
  folder.write("xdg/sightline/config.toml", "collection = \"xdg\"");
  folder.write("home/.config/sightline/config.toml", "collection = \"home\"");
  const auto system = folder.write("system.toml", "collection = \"system\"");
  std::map<std::string, std::string> variables = {{"HOME", (folder / "home").string()},
                                                  {"XDG_CONFIG_HOME", (folder / "xdg").string()},
                                                  {"SIGHTLINE_CONFIG", variable.string()}};
  LoadOptions options = with_environment(variables);
  options.config_file = flag;
  EXPECT_EQ(load(options).values.collection, "flag");
  EXPECT_EQ(load(with_environment(variables)).values.collection, "variable");
  variables.erase("SIGHTLINE_CONFIG");
  EXPECT_EQ(load(with_environment(variables)).values.collection, "xdg");
  variables.erase("XDG_CONFIG_HOME");
  EXPECT_EQ(load(with_environment(variables)).values.collection, "home");
  options = with_environment({{"HOME", (folder / "nobody").string()}});
  options.system_config_file = system;
  EXPECT_EQ(load(options).values.collection, "system");
}

TEST(LoadSettings, ANamedFileMustExist) {
  const auto missing = load_settings(with_environment({{"SIGHTLINE_CONFIG", "/nowhere/c.toml"}}));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, StatusCode::kNotFound);
  EXPECT_THAT(missing.error().message, HasSubstr("/nowhere/c.toml"));
}

struct FileCase {
  std::string name, text;
  std::vector<std::string> parts;  // of the message
};
class LoadSettingsRejects : public testing::TestWithParam<FileCase> {};

TEST_P(LoadSettingsRejects, NamingFileLineAndRule) {
  const TempDir folder;
  LoadOptions options = with_environment({});
  options.config_file = folder.write("c.toml", GetParam().text);
  const auto loaded = load_settings(options);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, StatusCode::kInvalidArgument);
  for (const std::string& part : GetParam().parts) {
    EXPECT_THAT(loaded.error().message, HasSubstr(part));
  }
}
INSTANTIATE_TEST_SUITE_P(
    Cases, LoadSettingsRejects,
    testing::ValuesIn(std::vector<FileCase>{
        {"Misspelt", "[image]\n\nalpah = \"drop\"", {"c.toml:3", "image.alpah", "\"image.alpha\""}},
        {"WithoutSection", "alpha = \"drop\"", {"c.toml:1", "\"image.alpha\""}},
        {"UnknownSection", "[storag]\ndurability = \"sync\"", {"c.toml:2", "storage.durability"}},
        {"Choice",
         "[image]\nalpha = \"black\"",
         {"c.toml:2", "image.alpha is \"black\"", "white | drop"}},
        {"TooLarge", "threads = 5000", {"c.toml:1", "threads is 5000", "0..1024"}},
        {"TooSmall", "[image]\nmax_pixels = 0", {"image.max_pixels is 0", "1..100000000000"}},
        {"NegativeNumber", "threads = -1", {"threads is -1", "0..1024"}},
        {"FractionalNumber", "threads = 1.5", {"threads is 1.5"}},
        {"TextForNumber", "threads = \"many\"", {"threads is \"many\""}},
        {"NumberForText", "collection = 7", {"collection is 7", "not empty"}},
        {"EmptyText", "model = \"\"", {"model is \"\"", "not empty"}},
        {"List", "[log]\nlevel = [\"info\"]", {"log.level is [\"info\"]"}},
        {"UnitWhereNoneIs", "[image]\nmax_pixels = \"1 GiB\"", {"image.max_pixels is \"1 GiB\""}},
        {"TooManyBytes", "[image]\ndecode_bytes = \"99999999999 TiB\"", {"image.decode_bytes"}},
        {"NotToml", "[image\n", {"c.toml:1"}},
    }),
    [](const auto& info) { return info.param.name; });

TEST(LoadSettings, EnvironmentAndFlagsAreCheckedToo) {
  EXPECT_THAT(message_of(with_environment({{"SIGHTLINE_LOG_FORMAT", "xml"}})),
              testing::AllOf(HasSubstr("environment SIGHTLINE_LOG_FORMAT"), HasSubstr("\"xml\""),
                             HasSubstr("text | json")));
  LoadOptions options = with_environment({});
  options.flags = {{"threads", {"x", "--threads"}}};
  EXPECT_THAT(message_of(options), testing::AllOf(HasSubstr("--threads"), HasSubstr("0..1024")));
}

TEST(LoadSettings, BytesTakeUnits) {
  const auto bytes = [](const std::string& text) {
    return load(with_environment({{"SIGHTLINE_STORAGE_CACHE_BYTES", text}}))
        .values.storage.cache_bytes;
  };
  EXPECT_EQ(bytes("2097152"), 2097152U);
  EXPECT_EQ(bytes("64 MiB"), std::uint64_t{64} << 20);
  EXPECT_EQ(bytes("3G"), std::uint64_t{3} << 30);
  EXPECT_EQ(bytes("2048KiB"), std::uint64_t{2} << 20);
}

TEST(LoadSettings, FoldersOfAFileStartAtTheFile) {
  const TempDir folder;
  LoadOptions options = with_environment({});
  options.config_file = folder.write("sub/c.toml", "data_dir = \"data\"\nmodel = \"../clip\"\n");
  LoadedSettings loaded = load(options);
  EXPECT_EQ(loaded.values.data_dir, folder / "sub/data");
  EXPECT_EQ(loaded.values.model, (folder / "clip").string());
  options.config_file =
      folder.write("sub/d.toml", "data_dir = \"~/pictures\"\nmodel = \"embedded\"");
  loaded = load(options);
  EXPECT_EQ(loaded.values.data_dir, "/home/ada/pictures");
  EXPECT_EQ(loaded.values.model, "embedded");
  options = with_environment({});
  options.flags = {{"data_dir", {"here", "--data"}}};
  EXPECT_EQ(load(options).values.data_dir, std::filesystem::current_path() / "here");
}

/// The example with its settings switched on: "#key = value" becomes "key = value".
std::string example_switched_on() {
  const std::string text = read_file(SIGHTLINE_SOURCE_DIR "/config/sightline.toml");
  return std::regex_replace(text, std::regex("(^|\n)#([a-z_]+ = )"), "$1$2");
}

TEST(ExampleFile, HoldsEverySettingWithItsDefault) {
  const TempDir folder;
  const LoadedSettings defaults = load(with_environment({}));
  LoadOptions options = with_environment({});
  options.config_file = folder.write("example.toml", example_switched_on());
  const LoadedSettings example = load(options);
  ASSERT_EQ(example.described.size(), defaults.described.size());
  for (std::size_t i = 0; i < defaults.described.size(); ++i) {
    EXPECT_EQ(example.described[i].value, defaults.described[i].value) << defaults.described[i].key;
    EXPECT_THAT(example.described[i].source, HasSubstr("example.toml"))
        << defaults.described[i].key << " is missing in config/sightline.toml";
  }
}

TEST(ExampleFile, ChangesNothingAsItStands) {
  LoadOptions options = with_environment({});
  options.config_file = SIGHTLINE_SOURCE_DIR "/config/sightline.toml";
  for (const Described& d : load(options).described) EXPECT_EQ(d.source, "default") << d.key;
}

TEST(Describe, TextIsAConfigurationFileOfTheSameValues) {
  const TempDir folder;
  const LoadedSettings loaded = load(
      with_environment({{"SIGHTLINE_DATA_DIR", "/a \"b\"\n"}, {"SIGHTLINE_IMAGE_ALPHA", "drop"}}));
  const std::string text = describe_text(loaded);
  EXPECT_THAT(text, HasSubstr("# environment SIGHTLINE_IMAGE_ALPHA\n"));
  LoadOptions options = with_environment({});
  options.config_file = folder.write("again.toml", text);
  const LoadedSettings again = load(options);
  for (std::size_t i = 0; i < loaded.described.size(); ++i) {
    EXPECT_EQ(again.described[i].value, loaded.described[i].value) << loaded.described[i].key;
  }
}

TEST(Describe, JsonHasValueSourceAndRule) {
  const OrderedJson json =
      describe_json(load(with_environment({{"SIGHTLINE_STORAGE_SYNC_INTERVAL_MS", "50"}})));
  EXPECT_TRUE(json["config_file"].is_null());
  const OrderedJson& row = json["settings"]["storage.sync_interval_ms"];
  EXPECT_EQ(row["value"], 50);
  EXPECT_EQ(row["source"], "environment SIGHTLINE_STORAGE_SYNC_INTERVAL_MS");
  EXPECT_EQ(row["unit"], "ms");
  EXPECT_EQ(row["rule"], "1..60000");
  EXPECT_EQ(row["default"], "200");
}

TEST(LoadSettings, ListsAreArraysInFilesAndTextsWithCommasElsewhere) {
  TempDir folder;
  LoadOptions options = with_environment({{"SIGHTLINE_SERVER_CORS_ORIGINS", "https://a.b, *,"}});
  options.config_file = folder.write(
      "c.toml",
      "[server]\nallowed_hosts = [\"a\", \"b\"]\nallowed_roots = [\"x\", \"/y\", \"~/z\"]");
  const LoadedSettings loaded = load(options);
  EXPECT_THAT(loaded.values.server.allowed_hosts, testing::ElementsAre("a", "b"));
  EXPECT_THAT(loaded.values.server.cors_origins, testing::ElementsAre("https://a.b", "*"));
  EXPECT_THAT(loaded.values.server.allowed_roots,
              testing::ElementsAre(folder / "x", "/y", "/home/ada/z"));
  EXPECT_THAT(describe_text(loaded), HasSubstr("server.allowed_hosts = [\"a\",\"b\"]"));
  options.config_file = folder.write("d.toml", "[server]\nallowed_hosts = [1]");
  EXPECT_THAT(message_of(options), HasSubstr("must be list of texts"));
}

TEST(LoadSettings, KeysAreNotShown) {
  LoadOptions options = with_environment({{"SIGHTLINE_SERVER_API_KEY", "very-secret"}});
  const LoadedSettings loaded = load(options);
  EXPECT_EQ(loaded.values.server.api_key, "very-secret");
  EXPECT_THAT(describe_text(loaded), testing::Not(HasSubstr("very-secret")));
  EXPECT_THAT(describe_json(loaded).dump(), testing::Not(HasSubstr("very-secret")));
  TempDir folder;
  options.config_file = folder.write("c.toml", "server.api_key = [\"very-secret\"]");
  EXPECT_THAT(message_of(options), testing::Not(HasSubstr("very-secret")));
}

TEST(SettingTable, KeysAndDefaultsFollowTheRules) {
  std::set<std::string_view> keys;
  Settings settings = load(with_environment({})).values;
  for (const internal::SettingRow& row : internal::setting_table()) {
    EXPECT_TRUE(keys.insert(row.key).second) << row.key;
    EXPECT_TRUE(std::regex_match(std::string(row.key), std::regex("([a-z]+\\.)?[a-z_]+")));
    EXPECT_EQ(row.unit == "bytes", row.key.ends_with("_bytes")) << row.key;
    EXPECT_EQ(row.unit == "ms", row.key.ends_with("_ms")) << row.key;
    const Json value = internal::value_of(row, settings);
    EXPECT_TRUE(internal::set_value(row, settings, value)) << row.key;
    EXPECT_EQ(internal::value_of(row, settings), value) << row.key;
  }
}

}  // namespace
}  // namespace sightline::settings
