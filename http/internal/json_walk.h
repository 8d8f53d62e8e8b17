// http/internal/json_walk.h: simdjson's values that are read once, in order, and the way to them.
#pragma once

#include <simdjson.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "core/json.h"
#include "core/point_id.h"
#include "core/result.h"

namespace sightline::http {

namespace ondemand = simdjson::ondemand;

/// Where a value stands in a body; spelled out only for an error. The parent outlives it.
struct Place {
  const Place* parent = nullptr;
  std::string_view key = {};  ///< In an object; a null pointer: `index` in a list.
  std::size_t index = 0;
  int depth = 0;  ///< Levels above it.

  Place member(std::string_view name) const { return {this, name, 0, depth + 1}; }
  Place element(std::size_t at) const { return {this, {}, at, depth + 1}; }

  std::string path() const;
  Status wrong_type(std::string_view expected) const;  ///< 400 "PATH: invalid type, expected ..."
  Status malformed(std::string_view message) const;    ///< 400 "PATH: `message`"
  Status broken(std::string_view rule) const;          ///< 422 "[PATH: `rule`]"
  /// What simdjson says of the value: of another type than `expected`, or no JSON at all. Which of
  /// the two, the whole text tells: kCorruption until blame_text() has looked at it.
  Status failure(simdjson::error_code error, std::string_view expected) const;
  Status unsound(std::string_view message) const;  ///< kCorruption: "PATH: `message`".
};

/// A failure()'s answer: what read_json() says of `body`, if that is no JSON, else the failure,
/// 400. Other failures stay as they are.
Status blame_text(Status failure, const std::string& body);

/// Any value, with exact 64-bit integers. errors  kInvalidArgument: also deeper than kMaxJsonDepth.
Result<Json> to_json(ondemand::value value, const Place& place);
Result<std::string> to_string(ondemand::value value, const Place& place);
Result<PointId> to_point_id(ondemand::value value, const Place& place);
/// Passes over a value, which is JSON all the same.
Result<void> skip(ondemand::value value, const Place& place);
/// False for a null, which stands for a member that is not there.
bool is_present(ondemand::value value);

/// Calls `visit(std::string_view key, ondemand::value value, const Place& place)` for each member.
template <typename Visit>
Result<void> walk_object(ondemand::object object, const Place& place, Visit visit) {
  for (auto field : object) {
    std::string_view key;
    ondemand::value value;
    if (const auto error = field.unescaped_key().get(key)) return place.failure(error, "a key");
    if (const auto error = field.value().get(value)) return place.failure(error, "a value");
    SIGHTLINE_TRY_DO(visit(key, value, place.member(key)));
  }
  return {};
}
template <typename Visit>
Result<void> walk_object(ondemand::value value, const Place& place, Visit visit) {
  ondemand::object object;
  if (const auto error = value.get_object().get(object)) return place.failure(error, "an object");
  return walk_object(object, place, visit);
}
/// Calls `visit(ondemand::value value, const Place& place)` for each element.
template <typename Visit>
Result<void> walk_list(ondemand::value list, const Place& place, Visit visit) {
  ondemand::array array;
  if (const auto error = list.get_array().get(array)) return place.failure(error, "a list");
  std::size_t index = 0;
  for (auto element : array) {
    ondemand::value value;
    if (const auto error = element.get(value)) return place.failure(error, "a value");
    SIGHTLINE_TRY_DO(visit(value, place.element(index++)));
  }
  return {};
}
}  // namespace sightline::http
