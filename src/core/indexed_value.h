// core/indexed_value.h: what a payload index holds of a payload, and how it sorts.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/field_path.h"
#include "core/json.h"
#include "core/point_id.h"
#include "core/result.h"

namespace sightline {

/// The types of payload indexes, named as in Qdrant's API.
enum class FieldType { kKeyword, kInteger, kFloat, kBool, kDatetime, kGeo, kUuid, kText };
std::string_view field_type_name(FieldType type);  ///< "keyword", "integer", ..., "text"
Result<FieldType> parse_field_type(std::string_view text);

struct GeoPoint {
  double lon = 0;  ///< -180..180 degrees
  double lat = 0;  ///< -90..90 degrees
  auto operator<=>(const GeoPoint&) const = default;
};
/// {"lon": ..., "lat": ...} within the bounds; other members do not matter. nullopt: anything else.
std::optional<GeoPoint> geo_point(const Json& value);
/// Great-circle distance on a sphere of radius 6,371,008.8 m (haversine).
double geo_distance_meters(const GeoPoint& a, const GeoPoint& b);

/// RFC 3339 of the years 0 to 9999, also without seconds, without a zone (UTC) or its colon or
/// minutes, with a space for "T", or a date alone: microseconds since 1970, further digits cut off.
/// nullopt: not a date.
std::optional<std::int64_t> parse_datetime(std::string_view text);

/// Words of a text for kText: runs of letters and digits, case-folded (Latin, Greek and Cyrillic
/// letters, one by one), in order. Bytes that are not UTF-8 part words.
std::vector<std::string> text_tokens(std::string_view text);

/// Stands for all values of a field that its index cannot hold.
struct OtherValue {
  auto operator<=>(const OtherValue&) const = default;
};

/// One value of one field. kKeyword and each token of kText: string; kInteger and kDatetime: int64;
/// kFloat: double; kBool: bool; kGeo: GeoPoint; kUuid: Uuid.
/// 0.0 and -0.0 are one value.
using IndexedValue =
    std::variant<std::string, std::int64_t, double, bool, GeoPoint, Uuid, OtherValue>;

inline constexpr std::size_t kMaxIndexedString = std::size_t{64} << 10;  ///< bytes

/// What an index of `type` on `path` holds of `payload`, sorted, without repetitions; OtherValue,
/// once and last, if there is a value but null that it does not hold: one of another type, NaN, a
/// string (for kText: a word) longer than kMaxIndexedString, a text without words. A whole number
/// is held as a float too, a float never as an integer.
std::vector<IndexedValue> indexed_values(const Json& payload, const FieldPath& path,
                                         FieldType type);

/// Bytes that sort as the values do (numbers by value, -0.0 as 0.0, NaN is an OtherValue). Within a
/// type none is the beginning of another, so that a key may go on after them; but OtherValue has no
/// bytes, and its keys are told by their length.
std::string encode_indexed(const IndexedValue& value);
/// errors  kCorruption.
Result<IndexedValue> decode_indexed(FieldType type, std::string_view bytes);

}  // namespace sightline
