// core/field_path.h: names a place in a payload, as Qdrant's keys do.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "core/result.h"

namespace sightline {

/// "city", "_image.width", "country.cities[].population", "list[0]", "\"a.b\".c" (a quoted part may
/// hold dots). An array is entered by "[]" (each element) or "[i]"; without either, a path that
/// ends at an array stands for each of its elements. An empty path is the payload itself.
/// Thread-safety: a value.
class FieldPath {
 public:
  FieldPath() = default;
  /// errors  kInvalidArgument: empty, an empty part, an unbalanced bracket or quote; names the
  /// text.
  static Result<FieldPath> parse(std::string_view text);

  /// One spelling per path: quotes only where a part needs them.
  const std::string& text() const { return text_; }

  /// Calls `visit` for every value the path reaches in `payload`, elements of a final array one by
  /// one. Stops once `visit` returns false; returns false then.
  bool visit(const Json& payload, const std::function<bool(const Json&)>& visit) const;
  /// Calls `visit` for every value the path reaches, a final array as one value ("values_count",
  /// "is_empty", "is_null" ask for it).
  bool visit_whole(const Json& payload, const std::function<bool(const Json&)>& visit) const;

  /// Sets the members of `object` in each object the path reaches; a null removes its member.
  /// Objects and arrays on the way are made, also in place of other values, but no elements.
  void merge_into(Json& payload, const Json& object) const;
  /// Removes what the path reaches: a member, an element, each element. An empty path: nothing.
  void remove_from(Json& payload) const;

  /// What any of `paths` reaches in `payload`, with all that lies on the way to it, as in Qdrant:
  /// an object or array there stays, be it empty then, and another value stays as it is.
  static Json keep_only(const Json& payload, std::span<const FieldPath> paths);

  bool operator==(const FieldPath& other) const { return text_ == other.text_; }

 private:
  struct Step {
    enum class Kind { kMember, kEach, kAt } kind = Kind::kMember;
    std::string name;    ///< Of kMember.
    std::size_t at = 0;  ///< Of kAt.
  };
  class Parser;
  using Steps = std::span<const Step>;
  using Visitor = std::function<bool(const Json&)>;
  static bool walk(const Json& value, Steps steps, const Visitor& visit);
  static void merge(Json& value, Steps steps, const Json& object);
  static void remove(Json& value, Steps steps);
  static std::optional<Json> keep(const Json& value, std::span<const Steps> paths);

  std::string text_;
  std::vector<Step> steps_;
};

}  // namespace sightline
