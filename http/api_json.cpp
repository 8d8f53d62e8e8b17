#include "http/api_json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ctime>

#include "http/errors.h"
#include "http/percent.h"

namespace sightline::http {
namespace {

std::string between(std::string_view kind, double min, double max) {
  const auto shown = [](double value) { return dump_json(Json(value)); };
  if (std::isinf(min) && std::isinf(max)) return "must be " + std::string(kind);
  if (std::isinf(max)) return "must be " + std::string(kind) + " of at least " + shown(min);
  return "must be " + std::string(kind) + " from " + shown(min) + " to " + shown(max);
}

bool has(const std::vector<std::string_view>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string picture_path(std::string_view collection, const PointId& id) {
  return "v1/images/" + percent_encode(collection) + "/" + id.to_string();
}

std::string version_query(std::string_view version) {
  return version.empty() ? "" : "?v=" + percent_encode(version);
}

}  // namespace

Result<Fields> Fields::of(const Json& json, std::string path) {
  if (!json.is_object()) {
    return validation_error(path.empty() ? "." : path, json, "must be an object");
  }
  return Fields(json, std::move(path));
}

const Json* Fields::find(std::string_view name) {
  known_.emplace(name);
  const auto found = json_->find(name);
  return found == json_->end() || found->is_null() ? nullptr : &*found;
}

std::string Fields::path_of(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

Status Fields::invalid(std::string_view name, std::string_view rule) const {
  return validation_error(path_of(name), json_->value(name, Json()), rule);
}

Result<std::optional<std::string>> Fields::text(std::string_view name) {
  const Json* value = find(name);
  if (value == nullptr) return std::optional<std::string>();
  if (!value->is_string()) return invalid(name, "must be a text");
  return std::optional(value->get<std::string>());
}

Result<std::optional<double>> Fields::number(std::string_view name, double min, double max) {
  const Json* value = find(name);
  if (value == nullptr) return std::optional<double>();
  if (!value->is_number()) return invalid(name, between("a number", min, max));
  const double number = value->get<double>();
  if (!std::isfinite(number) || number < min || number > max) {
    return invalid(name, between("a number", min, max));
  }
  return std::optional(number);
}

Result<std::optional<std::uint64_t>> Fields::count(std::string_view name, std::uint64_t min,
                                                   std::uint64_t max) {
  const Json* value = find(name);
  if (value == nullptr) return std::optional<std::uint64_t>();
  const auto rule = [&] {
    return "must be a whole number from " + std::to_string(min) + " to " + std::to_string(max);
  };
  if (!value->is_number_unsigned()) return invalid(name, rule());
  const auto count = value->get<std::uint64_t>();
  if (count < min || count > max) return invalid(name, rule());
  return std::optional(count);
}

Result<bool> Fields::flag(std::string_view name, bool fallback) {
  const Json* value = find(name);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) return invalid(name, "must be true or false");
  return value->get<bool>();
}

Result<std::vector<std::string>> Fields::texts(std::string_view name) {
  const Json* value = find(name);
  std::vector<std::string> list;
  if (value == nullptr) return list;
  if (!value->is_array()) return invalid(name, "must be a list of texts");
  for (std::size_t i = 0; i < value->size(); ++i) {
    const Json& item = (*value)[i];
    if (!item.is_string()) {
      return validation_error(path_of(name) + "[" + std::to_string(i) + "]", item,
                              "must be a text");
    }
    list.push_back(item.get<std::string>());
  }
  return list;
}

Result<void> Fields::all_known() const {
  for (const auto& [name, value] : json_->items()) {
    if (!known_.contains(name)) {
      std::string names;
      for (const std::string& known : known_) names += (names.empty() ? "" : ", ") + known;
      return validation_error(path_of(name), value, "is not one of " + names);
    }
  }
  return {};
}

Result<Json> value_from_text(std::string_view name, std::string_view text,
                             const QueryFields& fields) {
  if (has(fields.texts, name)) return Json(text);
  if (has(fields.counts, name)) {
    if (const auto count = parse_number<std::uint64_t>(text)) return Json(*count);
    return validation_error(name, text, "must be a whole number");
  }
  if (has(fields.numbers, name)) {
    if (const auto number = parse_number<double>(text)) return Json(*number);
    return validation_error(name, text, "must be a number");
  }
  if (has(fields.flags, name)) {
    if (text == "true" || text == "1") return Json(true);
    if (text == "false" || text == "0") return Json(false);
    return validation_error(name, text, "must be true or false");
  }
  if (has(fields.jsons, name)) {
    auto json = parse_json(text, name);
    if (!json) return validation_error(name, text, "must be JSON: " + json.error().message);
    return json;
  }
  return validation_error(name, text, "is not a parameter of this route");
}

Result<Json> object_from_query(const QueryString& query, const QueryFields& fields) {
  Json object = Json::object();
  for (const auto& [name, text] : query.all()) {
    if (text.empty() || name == kTimeoutParameter) continue;
    if (object.contains(name)) return validation_error(name, text, "must stand once");
    SIGHTLINE_TRY(object[name], value_from_text(name, text, fields));
  }
  return object;
}

Response json_response(const Json& value, int status) {
  Response response;
  response.status = status;
  response.body = dump_json(value);
  return response;
}

std::string image_url(std::string_view collection, const PointId& id, std::string_view version) {
  return picture_path(collection, id) + version_query(version);
}

std::string thumbnail_url(std::string_view collection, const PointId& id,
                          std::string_view version) {
  return picture_path(collection, id) + "/thumbnail" + version_query(version);
}

std::string_view right_name(Right right) {
  switch (right) {
    case Right::kNone:
      return "none";
    case Right::kRead:
      return "read";
    case Right::kWrite:
      return "write";
    case Right::kAdmin:
      return "admin";
  }
  return "none";
}

std::string format_time(std::chrono::system_clock::time_point time) {
  using std::chrono::duration_cast;
  using std::chrono::milliseconds;
  const auto since = duration_cast<milliseconds>(time.time_since_epoch()).count();
  const std::time_t seconds = static_cast<std::time_t>(since / 1000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[40];
  const std::size_t size = std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
  std::string millis = std::to_string(since % 1000);
  millis.insert(0, 3 - std::min<std::size_t>(3, millis.size()), '0');
  return std::string(text, size) + "." + millis + "Z";
}

double shortest(float value) {
  if (!std::isfinite(value)) return value;
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  double wide = 0;
  std::from_chars(text, end, wide);
  return wide;
}

}  // namespace sightline::http
