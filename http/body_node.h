// http/body_node.h: a value in a request's body and the way to it, for errors that name both.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/json.h"
#include "core/result.h"

namespace sightline::http {

/// Wrong types, missing fields and unknown words fail as format_error() (400), values outside their
/// range as validation_error() (422); both name the path ("prefetch[0].params.hnsw_ef"). A null
/// stands for a member that is not there: clients write out what they leave open.
/// Thread-safety: a value; borrows the JSON and its parent.
class BodyNode {
 public:
  /// `where`: the path of `json`, if it is a part of the body; outlives the node.
  explicit BodyNode(const Json& json, std::string_view where = {}) : json_(&json), key_(where) {}

  const Json& json() const { return *json_; }
  /// Empty for the body itself.
  std::string path() const;

  /// The member `key`, if this is an object that has it.
  std::optional<BodyNode> find(std::string_view key) const;
  Result<BodyNode> require(std::string_view key) const;
  /// Calls `visit(BodyNode element, std::size_t index)`, which returns a Result<void>.
  template <typename Visit>
  Result<void> for_each(Visit visit) const {
    SIGHTLINE_TRY_DO(check_list());
    for (std::size_t i = 0; i < json_->size(); ++i) {
      SIGHTLINE_TRY_DO(visit(BodyNode((*json_)[i], this, {}, i), i));
    }
    return {};
  }
  /// Calls `visit(BodyNode member, const std::string& key)` for all that are not null.
  template <typename Visit>
  Result<void> for_each_member(Visit visit) const {
    SIGHTLINE_TRY_DO(check_object());
    for (const auto& [key, value] : json_->items()) {
      if (value.is_null()) continue;
      SIGHTLINE_TRY_DO(visit(BodyNode(value, this, key, 0), key));
    }
    return {};
  }

  Result<void> check_object() const;
  Result<void> check_list() const;
  Result<bool> as_bool() const;
  Result<std::string> as_string() const;
  /// An integer of 0 or more; outside of `min`..`max` it breaks a rule.
  Result<std::uint64_t> as_uint(
      std::uint64_t min = 0, std::uint64_t max = std::numeric_limits<std::uint64_t>::max()) const;
  /// Any number, integers included.
  Result<double> as_number(double min = -std::numeric_limits<double>::infinity(),
                           double max = std::numeric_limits<double>::infinity()) const;
  Result<float> as_float() const;  ///< Finite as float32.
  /// The index of the string in `words`.
  Result<std::size_t> as_word(std::span<const std::string_view> words) const;

  /// "PATH: invalid type: VALUE, expected `expected`"
  Status wrong_type(std::string_view expected) const;
  /// "[PATH: value VALUE invalid, `rule`]"
  Status invalid(std::string_view rule) const;
  /// "[PATH.`rule`]": `rule` begins with the rest of the path, "must[0]: ...".
  Status broken(std::string_view rule) const;
  /// "PATH: `message`", malformed.
  Status malformed(std::string_view message) const;

 private:
  BodyNode(const Json& json, const BodyNode* parent, std::string_view key, std::size_t index)
      : json_(&json), parent_(parent), key_(key), index_(index) {}

  const Json* json_;
  const BodyNode* parent_ = nullptr;
  std::string_view key_;  // null pointer: index_ in a list
  std::size_t index_ = 0;
};

/// "must be 1 or larger", "must be from 1 to 65536", "must be 5 or smaller".
std::string range_rule(double min, double max);

}  // namespace sightline::http
