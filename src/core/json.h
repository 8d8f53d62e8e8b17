// core/json.h: the JSON value used for payloads, configs and machine-readable output.
//
// nlohmann::json keeps 64-bit signed and unsigned integers exactly; objects are sorted by key.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

#include "core/result.h"

namespace sightline {

using Json = nlohmann::json;
/// Keeps insertion order: for output that people read.
using OrderedJson = nlohmann::ordered_json;

/// Parses UTF-8 text, at most `max_depth` levels deep. `what` names the text in the error.
/// errors  kInvalidArgument: not JSON, nested too deep, with position.
Result<Json> parse_json(std::string_view text, std::string_view what, int max_depth = 128);

/// Reads and parses a file. kNotFound, kIoError, kInvalidArgument (names the path).
Result<Json> read_json_file(const std::filesystem::path& path);

/// Compact text; bytes that are not UTF-8 become U+FFFD.
std::string dump_json(const Json& value);

}  // namespace sightline
