// core/indexed_value.h: what a payload index holds of a payload, and how it sorts.
#pragma once

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
  bool operator==(const GeoPoint&) const = default;
};
/// {"lon": ..., "lat": ...}, or nullopt for anything else.
std::optional<GeoPoint> geo_point(const Json& value);
/// Great-circle distance on a sphere of radius 6,371,008.8 m (haversine).
double geo_distance_meters(const GeoPoint& a, const GeoPoint& b);

/// RFC 3339, also without a zone (UTC), with a space for "T", or a date alone: microseconds since
/// 1970. nullopt: not a date.
std::optional<std::int64_t> parse_datetime(std::string_view text);

/// Words of a text for kText: runs of letters and digits, case-folded (ASCII and Latin-1, Greek,
/// Cyrillic letters), in order.
std::vector<std::string> text_tokens(std::string_view text);

/// One value of one field. kKeyword and each token of kText: string; kInteger and kDatetime: int64;
/// kFloat: double; kBool: bool; kGeo: GeoPoint; kUuid: Uuid.
using IndexedValue = std::variant<std::string, std::int64_t, double, bool, GeoPoint, Uuid>;

/// What an index of `type` on `path` holds of `payload`, without repetitions. Values of another
/// type are left out; a whole number counts as a float too, a float never as an integer.
std::vector<IndexedValue> indexed_values(const Json& payload, const FieldPath& path,
                                         FieldType type);

/// Bytes that sort as the values do (numbers by value, NaN left out by indexed_values) and hold no
/// ambiguity between values of one type. Strings longer than 64 KiB are left out of indexes.
std::string encode_indexed(const IndexedValue& value);
/// errors  kCorruption.
Result<IndexedValue> decode_indexed(FieldType type, std::string_view bytes);

}  // namespace sightline
