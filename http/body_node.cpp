#include "http/body_node.h"

#include <cmath>
#include <utility>

#include "http/errors.h"

namespace sightline::http {
namespace {

/// A value as an error shows it.
std::string shown(const Json& value) {
  constexpr std::size_t kMaxShown = 100;
  std::string text = dump_json(value);
  if (text.size() <= kMaxShown) return text;
  std::size_t end = kMaxShown;
  while ((text[end] & 0xc0) == 0x80) --end;  // not inside a character
  text.resize(end);
  return text + "...";
}

std::string number_text(double value) {
  return value == std::floor(value) && std::abs(value) < 1e15
             ? std::to_string(static_cast<std::int64_t>(value))
             : dump_json(Json(value));
}

}  // namespace

std::string range_rule(double min, double max) {
  if (std::isinf(max) || max >= 0x1p63) return "must be " + number_text(min) + " or larger";
  if (std::isinf(min)) return "must be " + number_text(max) + " or smaller";
  return "must be from " + number_text(min) + " to " + number_text(max);
}

std::string BodyNode::path() const {
  if (parent_ == nullptr) return std::string(key_);
  std::string path = parent_->path();
  if (key_.data() == nullptr) return path + '[' + std::to_string(index_) + ']';
  if (!path.empty()) path += '.';
  return path.append(key_.empty() ? "\"\"" : key_);
}

std::optional<BodyNode> BodyNode::find(std::string_view key) const {
  if (!json_->is_object()) return std::nullopt;
  const auto found = json_->find(key);
  if (found == json_->end() || found->is_null()) return std::nullopt;
  return BodyNode(*found, this, key, 0);
}

Result<BodyNode> BodyNode::require(std::string_view key) const {
  SIGHTLINE_TRY_DO(check_object());
  if (const auto member = find(key)) return *member;
  return malformed("missing field `" + std::string(key) + "`");
}

Result<void> BodyNode::check_object() const {
  if (!json_->is_object()) return wrong_type("an object");
  return {};
}

Result<void> BodyNode::check_list() const {
  if (!json_->is_array()) return wrong_type("a list");
  return {};
}

Result<bool> BodyNode::as_bool() const {
  if (!json_->is_boolean()) return wrong_type("true or false");
  return json_->get<bool>();
}

Result<std::string> BodyNode::as_string() const {
  if (!json_->is_string()) return wrong_type("a string");
  return json_->get<std::string>();
}

Result<std::uint64_t> BodyNode::as_uint(std::uint64_t min, std::uint64_t max) const {
  const bool negative =
      !json_->is_number_unsigned() && json_->is_number_integer() && json_->get<std::int64_t>() < 0;
  if (!json_->is_number_integer() || negative) return wrong_type("an integer of 0 or more");
  const auto value = json_->get<std::uint64_t>();
  if (value < min || value > max) {
    return invalid(range_rule(static_cast<double>(min), static_cast<double>(max)));
  }
  return value;
}

Result<double> BodyNode::as_number(double min, double max) const {
  if (!json_->is_number()) return wrong_type("a number");
  const double value = json_->get<double>();
  if (!(value >= min && value <= max)) return invalid(range_rule(min, max));
  return value;
}

Result<float> BodyNode::as_float() const {
  SIGHTLINE_TRY(const double value, as_number());
  const auto narrow = static_cast<float>(value);
  if (!std::isfinite(narrow)) return invalid("must fit into a float of 32 bits");
  return narrow;
}

Result<std::size_t> BodyNode::as_word(std::span<const std::string_view> words) const {
  SIGHTLINE_TRY(const std::string word, as_string());
  std::string known;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == word) return i;
    known.append(known.empty() ? "`" : ", `").append(words[i]) += '`';
  }
  return malformed("unknown variant `" + word + "`, expected one of " + known);
}

Status BodyNode::wrong_type(std::string_view expected) const {
  return malformed("invalid type: " + shown(*json_) + ", expected " + std::string(expected));
}

Status BodyNode::invalid(std::string_view rule) const {
  return validation_error(path(), *json_, rule);
}

Status BodyNode::broken(std::string_view rule) const {
  const std::string where = path();
  return {StatusCode::kValidation, "Validation error in JSON body: [" + where +
                                       (where.empty() ? "" : ".") + std::string(rule) + "]"};
}

Status BodyNode::malformed(std::string_view message) const {
  const std::string where = path();
  return format_error(where.empty() ? std::string(message) : where + ": " + std::string(message));
}

}  // namespace sightline::http
