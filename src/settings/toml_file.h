// settings/toml_file.h: a TOML file as a flat list of keys, with the line of each.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "core/result.h"

namespace sightline::settings {

struct TomlEntry {
  std::string key;  ///< "image.alpha"; tables are joined by dots, an array is one value.
  Json value;       ///< Dates and times as RFC 3339 strings.
  int line = 0;     ///< From 1.
};

/// Entries in the order of their lines.
/// errors  kNotFound, kIoError; kInvalidArgument: "PATH:LINE: reason".
Result<std::vector<TomlEntry>> read_toml_file(const std::filesystem::path& path);

/// The same for text; `name` stands for the path in messages.
Result<std::vector<TomlEntry>> parse_toml(std::string_view text, std::string_view name);

}  // namespace sightline::settings
