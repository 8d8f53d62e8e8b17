// settings/internal/setting_table.h: one row per setting; everything else follows from it.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/json.h"
#include "core/result.h"
#include "settings/settings.h"

namespace sightline::settings::internal {

template <typename T>
using Field = T& (*)(Settings&);

/// The type of a setting is the type of its field. Paths take "~/"; numbers in bytes take "64 MiB";
/// a list is an array in the file and a text with commas elsewhere.
using AnyField =
    std::variant<Field<std::string>, Field<std::uint64_t>, Field<bool>,
                 Field<std::filesystem::path>, Field<std::chrono::milliseconds>,
                 Field<std::vector<std::string>>, Field<std::vector<std::filesystem::path>>>;

struct SettingRow {
  std::string_view key;  ///< Ends in the unit where there is one.
  AnyField field;
  std::string_view unit;                  ///< "bytes", "ms", "pixels", or empty
  std::uint64_t min = 0, max = 0;         ///< Of numbers, inclusive.
  std::vector<std::string_view> choices;  ///< Of texts; empty: anything but "".
  std::string_view help;
};

std::span<const SettingRow> setting_table();

/// "SIGHTLINE_IMAGE_ALPHA"
std::string environment_name(const SettingRow& row);
/// "1..100", "white | drop", or empty.
std::string rule_of(const SettingRow& row);
/// Whether the value is a secret, which no report shows.
bool is_secret(const SettingRow& row);
/// The row's value in `settings`.
Json value_of(const SettingRow& row, const Settings& settings);

/// Sets the row's value from JSON (file), checked. A text for a number is parsed.
/// errors  kInvalidArgument: value and rule.
Result<void> set_value(const SettingRow& row, Settings& settings, const Json& value);

/// Known key that is the fewest edits away from `key`.
std::string_view nearest_key(std::string_view key);

}  // namespace sightline::settings::internal
