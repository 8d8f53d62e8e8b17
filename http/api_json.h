// http/api_json.h: reading and writing the JSON of /v1.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "core/point_id.h"
#include "core/result.h"
#include "http/exchange.h"

namespace sightline::http {

/// The members of one JSON object, taken one by one. A member that is null counts as absent. What
/// breaks a rule is a validation_error() that names the member's path.
/// Thread-safety: one thread.
class Fields {
 public:
  /// Borrows `json`. `path` of the object within the body, empty for the body itself.
  /// errors  kValidation: not an object.
  static Result<Fields> of(const Json& json, std::string path = "");

  /// Null: absent.
  const Json* find(std::string_view name);
  Result<std::optional<std::string>> text(std::string_view name);
  Result<std::optional<double>> number(std::string_view name, double min, double max);
  Result<std::optional<std::uint64_t>> count(std::string_view name, std::uint64_t min,
                                             std::uint64_t max);
  Result<bool> flag(std::string_view name, bool fallback);
  Result<std::vector<std::string>> texts(std::string_view name);  ///< A list; absent: empty.

  /// errors  kValidation: names the first member that none of the above was asked for.
  Result<void> all_known() const;

  std::string path_of(std::string_view name) const;
  Status invalid(std::string_view name, std::string_view rule) const;

 private:
  Fields(const Json& json, std::string path) : json_(&json), path_(std::move(path)) {}

  const Json* json_;
  std::string path_;
  std::set<std::string, std::less<>> known_;
};

/// The parameters of a URL, as Fields would have them: "limit=10" is a number, "exact=true" a bool.
/// Every parameter must be one of the names given, and stand once.
struct QueryFields {
  std::vector<std::string_view> texts, counts, numbers, flags;
  std::vector<std::string_view> jsons;  ///< JSON as text ("filter").
};
/// What any request may say; the server itself reads it.
inline constexpr std::string_view kTimeoutParameter = "timeout";
/// errors  kValidation: names the parameter. An empty value counts as absent.
Result<Json> object_from_query(const QueryString& query, const QueryFields& fields);
/// One of them: "10" -> 10.
Result<Json> value_from_text(std::string_view name, std::string_view text,
                             const QueryFields& fields);

/// 200 with `value`.
Response json_response(const Json& value, int status = 200);

/// "v1/images/COLLECTION/ID?v=VERSION": relative to the server's root. `version` of the content, so
/// that a browser may keep what it has; may be empty.
std::string image_url(std::string_view collection, const PointId& id, std::string_view version);
std::string thumbnail_url(std::string_view collection, const PointId& id, std::string_view version);

std::string_view right_name(Right right);  ///< "none", "read", "write", "admin"

/// RFC 3339 in UTC, to the millisecond.
std::string format_time(std::chrono::system_clock::time_point time);

/// The shortest decimal text that reads back as the same float32, as a JSON number.
double shortest(float value);

}  // namespace sightline::http
