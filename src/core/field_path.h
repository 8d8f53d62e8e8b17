// core/field_path.h: names a place in a payload, as Qdrant's keys do.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "core/result.h"

namespace sightline {

/// "city", "_image.width", "country.cities[].population", "list[0]", "\"a.b\".c" (a quoted part may
/// hold dots). An array is entered by "[]" (each element) or "[i]"; without either, a path that
/// ends at an array stands for each of its elements. Thread-safety: a value.
class FieldPath {
 public:
  FieldPath() = default;
  /// errors  kInvalidArgument: empty, an empty part, an unbalanced bracket or quote; names the
  /// text.
  static Result<FieldPath> parse(std::string_view text);

  const std::string& text() const { return text_; }

  /// Calls `visit` for every value the path reaches in `payload`, elements of a final array one by
  /// one. Stops once `visit` returns false; returns false then.
  bool visit(const Json& payload, const std::function<bool(const Json&)>& visit) const;
  /// Calls `visit` for every value the path reaches, a final array as one value ("values_count",
  /// "is_empty", "is_null" ask for it).
  bool visit_whole(const Json& payload, const std::function<bool(const Json&)>& visit) const;

  bool operator==(const FieldPath& other) const { return text_ == other.text_; }

 private:
  struct Part {
    std::string name;  ///< Of an object's member.
    enum class Array { kNone, kEach, kAt } array = Array::kNone;
    std::size_t at = 0;
    bool operator==(const Part&) const = default;
  };
  bool walk(const Json& value, std::size_t part, bool split_last,
            const std::function<bool(const Json&)>& visit) const;

  std::string text_;
  std::vector<Part> parts_;
};

}  // namespace sightline
