#include "http/internal/json_walk.h"

#include <cstdlib>
#include <utility>

#include "http/errors.h"
#include "http/json_reader.h"

namespace sightline::http {
namespace {

Result<Json> to_number(ondemand::value value, const Place& place) {
  const std::string_view token = value.raw_json_token();
  ondemand::number number;
  if (const auto error = value.get_number().get(number)) {
    // Longer than 64 bits: as a float, like everywhere.
    const std::string digits(token.substr(0, token.find_first_not_of("-0123456789")));
    const bool is_integer = digits.size() > 18 && token.find_first_of(".eE") >= digits.size();
    if (error == simdjson::INCORRECT_TYPE || !is_integer) return place.failure(error, "a number");
    return Json(std::strtod(digits.c_str(), nullptr));
  }
  switch (number.get_number_type()) {
    case ondemand::number_type::signed_integer:
      if (number.get_int64() >= 0) return Json(static_cast<std::uint64_t>(number.get_int64()));
      return Json(number.get_int64());
    case ondemand::number_type::unsigned_integer:
      return Json(number.get_uint64());
    default:
      return Json(number.get_double());
  }
}

}  // namespace

std::string Place::path() const {
  if (parent == nullptr) return "";
  std::string path = parent->path();
  if (key.data() == nullptr) return path + '[' + std::to_string(index) + ']';
  if (!path.empty()) path += '.';
  return path.append(key.empty() ? "\"\"" : key);
}

Status Place::malformed(std::string_view message) const {
  const std::string where = path();
  return format_error(where.empty() ? std::string(message) : where + ": " + std::string(message));
}

Status Place::wrong_type(std::string_view expected) const {
  return malformed("invalid type, expected " + std::string(expected));
}

Status Place::broken(std::string_view rule) const {
  return {StatusCode::kValidation,
          "Validation error in JSON body: [" + path() + ": " + std::string(rule) + "]"};
}

Status Place::failure(simdjson::error_code error, std::string_view expected) const {
  if (error == simdjson::INCORRECT_TYPE || error == simdjson::NUMBER_ERROR ||
      error == simdjson::NUMBER_OUT_OF_RANGE) {
    return unsound("invalid type, expected " + std::string(expected));
  }
  return unsound(simdjson::error_message(error));
}

Status Place::unsound(std::string_view message) const {
  return {StatusCode::kCorruption, malformed(message).message};
}

Status blame_text(Status failure, const std::string& body) {
  if (failure.code != StatusCode::kCorruption) return failure;
  if (auto sound = check_json(body); !sound) return std::move(sound).error();
  return invalid_argument(std::move(failure.message));
}

bool is_present(ondemand::value value) {
  ondemand::json_type type{};
  return value.type().get(type) || type != ondemand::json_type::null;
}

Result<void> skip(ondemand::value value, const Place& place) {
  auto json = to_json(value, place);
  if (!json) return std::move(json).error();
  return {};
}

Result<std::string> to_string(ondemand::value value, const Place& place) {
  std::string_view text;
  if (const auto error = value.get_string().get(text)) return place.failure(error, "a string");
  return std::string(text);
}

Result<PointId> to_point_id(ondemand::value value, const Place& place) {
  constexpr std::string_view kRule = "a point id: an unsigned integer or a UUID";
  ondemand::json_type type{};
  if (const auto error = value.type().get(type)) return place.failure(error, kRule);
  if (type == ondemand::json_type::string) {
    SIGHTLINE_TRY(const std::string text, to_string(value, place));
    auto id = PointId::parse(text);
    if (!id || id->is_number()) return place.malformed("\"" + text + "\" is not a UUID");
    return id;
  }
  std::uint64_t number = 0;
  if (const auto error = value.get_uint64().get(number)) return place.failure(error, kRule);
  return PointId(number);
}

Result<Json> to_json(ondemand::value value, const Place& place) {
  ondemand::json_type type{};
  if (const auto error = value.type().get(type)) return place.failure(error, "a value");
  const bool is_list = type == ondemand::json_type::object || type == ondemand::json_type::array;
  if (is_list && place.depth >= kMaxJsonDepth) {
    return place.unsound("nested deeper than " + std::to_string(kMaxJsonDepth) + " levels");
  }
  switch (type) {
    case ondemand::json_type::object: {
      Json object = Json::object();
      SIGHTLINE_TRY_DO(walk_object(
          value, place,
          [&object](std::string_view key, ondemand::value member, const Place& at) -> Result<void> {
            SIGHTLINE_TRY(object[std::string(key)], to_json(member, at));
            return {};
          }));
      return object;
    }
    case ondemand::json_type::array: {
      Json list = Json::array();
      SIGHTLINE_TRY_DO(walk_list(value, place,
                                 [&list](ondemand::value element, const Place& at) -> Result<void> {
                                   SIGHTLINE_TRY(Json json, to_json(element, at));
                                   list.push_back(std::move(json));
                                   return {};
                                 }));
      return list;
    }
    case ondemand::json_type::string: {
      SIGHTLINE_TRY(std::string text, to_string(value, place));
      return Json(std::move(text));
    }
    case ondemand::json_type::number:
      return to_number(value, place);
    case ondemand::json_type::boolean: {
      bool flag = false;
      if (const auto error = value.get_bool().get(flag)) return place.failure(error, "a bool");
      return Json(flag);
    }
    default: {
      // is_null() consumes the token, and says so of nothing but "null".
      bool null = false;
      if (const auto error = value.is_null().get(null)) return place.failure(error, "null");
      if (!null) return place.unsound("expected a value");
      return Json(nullptr);
    }
  }
}

}  // namespace sightline::http
