#include "settings/settings.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "settings/internal/setting_table.h"
#include "settings/toml_file.h"

namespace sightline::settings {
namespace {

using internal::SettingRow;
namespace fs = std::filesystem;
using Environment = std::function<std::optional<std::string>(const std::string&)>;

/// Collects values from one source after another.
class Loader {
 public:
  explicit Loader(const LoadOptions& options)
      : options_(options), environment_(options.environment) {
    if (!environment_) {
      environment_ = [](const std::string& name) -> std::optional<std::string> {
        const char* value = std::getenv(name.c_str());
        return value == nullptr ? std::nullopt : std::optional<std::string>(value);
      };
    }
    sources_.assign(internal::setting_table().size(), "default");
  }

  Result<LoadedSettings> load() {
    settings_.data_dir = xdg("XDG_DATA_HOME", ".local/share") / "sightline";
    resolve_computed();
    const Settings defaults = settings_;
    SIGHTLINE_TRY_DO(read_file());
    SIGHTLINE_TRY_DO(read_environment());
    SIGHTLINE_TRY_DO(read_flags());
    resolve_computed();
    settings_.data_dir = fs::absolute(settings_.data_dir).lexically_normal();

    LoadedSettings loaded;
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      const SettingRow& row = internal::setting_table()[i];
      const Json fallback = internal::value_of(row, defaults);
      Json value = internal::value_of(row, settings_);
      if (internal::is_secret(row) && value != "") value = "(hidden)";
      loaded.described.push_back(
          {std::string(row.key), std::move(value), sources_[i], std::string(row.unit),
           internal::rule_of(row),
           fallback.is_string() ? fallback.get<std::string>() : dump_json(fallback),
           std::string(row.help)});
    }
    loaded.values = std::move(settings_);
    loaded.config_file = std::move(config_file_);
    return loaded;
  }

 private:
  std::optional<std::string> variable(const std::string& name) const {
    auto value = environment_(name);
    return value && !value->empty() ? value : std::nullopt;
  }

  fs::path home() const {
    if (const auto home = variable("HOME")) return *home;
    const passwd* user = getpwuid(getuid());
    return user != nullptr && user->pw_dir != nullptr ? user->pw_dir : ".";
  }

  /// The base directory specification has relative values ignored.
  fs::path xdg(const std::string& name, const char* below_home) const {
    const auto value = variable(name);
    return value && fs::path(*value).is_absolute() ? fs::path(*value) : home() / below_home;
  }

  void resolve_computed() {
    const std::uint64_t memory = usable_memory_bytes();
    if (settings_.image.decode_bytes == 0) {
      settings_.image.decode_bytes = std::min(std::uint64_t{1} << 30, memory / 4);
    }
    if (settings_.index.memory_bytes == 0) settings_.index.memory_bytes = memory / 2;
  }

  /// A path as it is meant. `folder`: what a relative one is relative to; empty for the working
  /// folder.
  std::string locate(const std::string& text, const fs::path& folder) const {
    if (text == "~" || text.starts_with("~/")) {
      return (home() / text.substr(std::min<std::size_t>(2, text.size()))).string();
    }
    return folder.empty() || text.empty() ? text : (folder / text).lexically_normal().string();
  }
  /// The same for paths separated by commas.
  std::string locate_all(const std::string& text, const fs::path& folder) const {
    std::string all;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find(',', at), text.size());
      all += (all.empty() ? "" : ",") + locate(text.substr(at, end - at), folder);
      at = end + 1;
    }
    return all;
  }

  Result<void> set(std::size_t row_number, Json value, const std::string& source,
                   const fs::path& folder) {
    const SettingRow& row = internal::setting_table()[row_number];
    const bool is_path = row.key == "data_dir" || row.key == "server.keys_file" ||
                         row.key == "server.allowed_roots" ||
                         (row.key == "model" && value != "embedded");
    if (is_path && value.is_string()) {
      const std::string text = value.get<std::string>();
      value = row.key == "server.allowed_roots" ? locate_all(text, folder) : locate(text, folder);
    } else if (is_path && value.is_array()) {
      for (Json& element : value) {
        if (element.is_string()) element = locate(element.get<std::string>(), folder);
      }
    }
    auto done = internal::set_value(row, settings_, value);
    if (!done) return std::move(done).error().with_context(source);
    sources_[row_number] = source;
    return {};
  }

  Result<void> find_file() {
    if (options_.config_file) {
      config_file_ = options_.config_file;
    } else if (const auto named = variable("SIGHTLINE_CONFIG")) {
      config_file_ = *named;
    } else {
      std::error_code ignored;
      for (const fs::path& path : {xdg("XDG_CONFIG_HOME", ".config") / "sightline/config.toml",
                                   options_.system_config_file}) {
        if (!config_file_ && fs::exists(path, ignored)) config_file_ = path;
      }
    }
    return {};
  }

  Result<void> read_file() {
    SIGHTLINE_TRY_DO(find_file());
    if (!config_file_) return {};
    auto read = read_toml_file(*config_file_);
    if (!read) return std::move(read).error().with_context("configuration");
    const auto table = internal::setting_table();
    for (const TomlEntry& entry : *read) {
      const std::string where = config_file_->string() + ":" + std::to_string(entry.line);
      const auto row = std::ranges::find(table, entry.key, &SettingRow::key);
      if (row == table.end()) {
        return invalid_argument(where + ": unknown setting \"" + entry.key + "\"; did you mean \"" +
                                std::string(internal::nearest_key(entry.key)) + "\"?");
      }
      SIGHTLINE_TRY_DO(set(static_cast<std::size_t>(row - table.begin()), entry.value,
                           "file " + where, fs::absolute(*config_file_).parent_path()));
    }
    return {};
  }

  Result<void> read_environment() {
    const auto table = internal::setting_table();
    for (std::size_t i = 0; i < table.size(); ++i) {
      const std::string name = internal::environment_name(table[i]);
      if (const auto value = variable(name)) {
        SIGHTLINE_TRY_DO(set(i, *value, "environment " + name, {}));
      }
    }
    return {};
  }

  Result<void> read_flags() {
    const auto table = internal::setting_table();
    for (const auto& [key, value] : options_.flags) {
      const auto row = std::ranges::find(table, key, &SettingRow::key);
      if (row == table.end()) {
        return invalid_argument("flag " + value.flag + ": unknown setting \"" + key +
                                "\"; did you mean \"" + std::string(internal::nearest_key(key)) +
                                "\"?");
      }
      SIGHTLINE_TRY_DO(
          set(static_cast<std::size_t>(row - table.begin()), value.text, "flag " + value.flag, {}));
    }
    return {};
  }

  const LoadOptions& options_;
  Environment environment_;
  Settings settings_;
  std::vector<std::string> sources_;
  std::optional<fs::path> config_file_;
};

}  // namespace

std::uint64_t usable_memory_bytes() {
  const long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGE_SIZE);
  std::uint64_t bytes = std::uint64_t{1} << 30;
  if (pages > 0 && page_bytes > 0) {
    bytes = static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page_bytes);
  }
  std::uint64_t limit = 0;  // the file says "max" when there is none
  if (std::ifstream("/sys/fs/cgroup/memory.max") >> limit && limit > 0) {
    bytes = std::min(bytes, limit);
  }
  return bytes;
}

Result<LoadedSettings> load_settings(const LoadOptions& options) { return Loader(options).load(); }

std::string describe_text(const LoadedSettings& settings) {
  std::size_t width = 0;
  std::vector<std::string> assignments;
  for (const Described& setting : settings.described) {
    // TOML's basic strings and JSON's have the same escapes.
    assignments.push_back(setting.key + " = " + dump_json(setting.value));
    width = std::max(width, assignments.back().size());
  }
  std::string text;
  for (std::size_t i = 0; i < assignments.size(); ++i) {
    text += assignments[i] + std::string(width - assignments[i].size() + 2, ' ') + "# " +
            settings.described[i].source + "\n";
  }
  return text;
}

OrderedJson describe_json(const LoadedSettings& settings) {
  OrderedJson all = OrderedJson::object();
  for (const Described& setting : settings.described) {
    all[setting.key] = {
        {"value", setting.value}, {"source", setting.source},         {"unit", setting.unit},
        {"rule", setting.rule},   {"default", setting.default_value}, {"help", setting.help}};
  }
  OrderedJson out = OrderedJson::object();
  out["config_file"] =
      settings.config_file ? OrderedJson(settings.config_file->string()) : OrderedJson(nullptr);
  out["settings"] = std::move(all);
  return out;
}

}  // namespace sightline::settings
