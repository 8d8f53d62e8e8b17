#include "core/filter.h"

#include <algorithm>

#include "core/internal/numbers.h"
#include "core/internal/token_reader.h"

namespace sightline {
namespace {

using internal::TokenReader;

template <typename Range, typename T>
bool within(const Range& range, T value) {
  return (!range.lt || value < *range.lt) && (!range.gt || value > *range.gt) &&
         (!range.lte || value <= *range.lte) && (!range.gte || value >= *range.gte);
}

bool equals(const MatchScalar& wanted, const Json& value) {
  if (const auto* text = std::get_if<std::string>(&wanted)) {
    return value.is_string() && value.get_ref<const std::string&>() == *text;
  }
  if (const auto* flag = std::get_if<bool>(&wanted)) {
    return value.is_boolean() && value.get<bool>() == *flag;
  }
  return internal::as_int64(value) == std::get<std::int64_t>(wanted);
}

bool any_equals(const std::vector<MatchScalar>& wanted, const Json& value) {
  return std::any_of(wanted.begin(), wanted.end(),
                     [&value](const MatchScalar& scalar) { return equals(scalar, value); });
}

/// Whether `token` is a word of `text`; `buffer` is scratch space.
bool has_token(std::string_view text, const std::string& token, std::string& buffer) {
  TokenReader words(text);
  while (words.next(buffer)) {
    if (buffer == token) return true;
  }
  return false;
}

bool holds(const MatchValue& test, const Json& value) { return equals(test.value, value); }

bool holds(const MatchAny& test, const Json& value) { return any_equals(test.values, value); }

bool holds(const MatchExcept& test, const Json& value) {
  return !value.is_null() && !any_equals(test.values, value);
}

bool holds(const MatchText& test, const Json& value) {
  if (!value.is_string()) return false;
  const auto& text = value.get_ref<const std::string&>();
  std::string token, buffer;
  TokenReader wanted(test.text);
  bool found = false;
  while (wanted.next(token)) {
    found = has_token(text, token, buffer);
    if (found == test.any) return found;
  }
  return found;
}

bool holds(const MatchPhrase& test, const Json& value) {
  if (!value.is_string()) return false;
  std::string token, wanted;
  TokenReader start(value.get_ref<const std::string&>());
  do {
    TokenReader words = start;
    TokenReader phrase(test.text);
    bool begun = false;
    bool same = true;
    while (same && phrase.next(wanted)) {
      begun = true;
      same = words.next(token) && token == wanted;
    }
    if (same) return begun;
  } while (start.next(token));
  return false;
}

bool holds(const NumberRange& test, const Json& value) {
  return value.is_number() && contains(test, value.get<double>());
}

bool holds(const DatetimeRange& test, const Json& value) {
  if (!value.is_string()) return false;
  const auto micros = parse_datetime(value.get_ref<const std::string&>());
  return micros && contains(test, *micros);
}

bool holds(const ValuesCount& test, const Json& value) {
  if (value.is_array()) return contains(test, value.size());
  return contains(test, value.is_null() ? 0 : 1);
}

template <typename Area>
bool holds(const Area& area, const Json& value) {
  const auto point = geo_point(value);
  return point && contains(area, *point);
}

bool is_empty(const Json& value) { return value.is_null() || (value.is_array() && value.empty()); }

bool has_no_null(const Json& value) {
  if (!value.is_array()) return !value.is_null();
  return std::none_of(value.begin(), value.end(), [](const Json& v) { return v.is_null(); });
}

bool holds(const Filter& filter, const Json& payload, const FilterSubject& subject);

/// Whether conditions hold for `payload`: that of the subject, or an element inside Nested.
class Evaluation {
 public:
  Evaluation(const Json& payload, const FilterSubject& subject)
      : payload_(payload), subject_(subject) {}

  bool operator()(const Condition& condition) const { return std::visit(*this, condition); }

  bool operator()(const FieldCondition& condition) const {
    const FieldTest& test = condition.test;
    const auto fails = [&test](const Json& value) { return !matches(test, value); };
    const auto* count = std::get_if<ValuesCount>(&test);
    if (count == nullptr) return !condition.key.visit(payload_, fails);
    return is_missing(condition.key) ? contains(*count, 0)
                                     : !condition.key.visit_whole(payload_, fails);
  }
  bool operator()(const IsEmpty& condition) const {
    return condition.key.visit_whole(payload_, is_empty);
  }
  bool operator()(const IsNull& condition) const {
    return !condition.key.visit_whole(payload_, has_no_null);
  }
  bool operator()(const HasId& condition) const {
    return std::find(condition.ids.begin(), condition.ids.end(), subject_.id) !=
           condition.ids.end();
  }
  bool operator()(const HasVector& condition) const {
    return subject_.has_vector && subject_.has_vector(condition.name);
  }
  bool operator()(const Nested& condition) const {
    const auto element_fails = [this, &condition](const Json& element) {
      return !element.is_object() || !holds(*condition.filter, element, subject_);
    };
    // "a[]" reaches the elements itself; "a" reaches the array.
    if (condition.key.text().ends_with("[]")) {
      return !condition.key.visit_whole(payload_, element_fails);
    }
    return !condition.key.visit_whole(payload_, [&element_fails](const Json& value) {
      return !value.is_array() || std::all_of(value.begin(), value.end(), element_fails);
    });
  }
  bool operator()(const std::shared_ptr<const Filter>& filter) const {
    return holds(*filter, payload_, subject_);
  }

 private:
  bool is_missing(const FieldPath& key) const {
    return key.visit_whole(payload_, [](const Json&) { return false; });
  }

  const Json& payload_;
  const FilterSubject& subject_;
};

bool holds(const Filter& filter, const Json& payload, const FilterSubject& subject) {
  const Evaluation holds_here(payload, subject);
  const auto check = [&holds_here](const Condition& condition) { return holds_here(condition); };
  if (!std::all_of(filter.must.begin(), filter.must.end(), check)) return false;
  if (std::any_of(filter.must_not.begin(), filter.must_not.end(), check)) return false;
  if (!filter.should.empty() && std::none_of(filter.should.begin(), filter.should.end(), check)) {
    return false;
  }
  if (!filter.min_should) return true;
  std::uint64_t missing = filter.min_should->min_count;
  for (const Condition& condition : filter.min_should->conditions) {
    if (missing == 0) break;
    if (check(condition)) --missing;
  }
  return missing == 0;
}

}  // namespace

bool contains(const NumberRange& range, double value) { return within(range, value); }
bool contains(const DatetimeRange& range, std::int64_t micros) { return within(range, micros); }
bool contains(const ValuesCount& range, std::uint64_t count) { return within(range, count); }

bool matches(const FieldTest& test, const Json& value) {
  return std::visit([&value](const auto& t) { return holds(t, value); }, test);
}

bool matches(const Filter& filter, const FilterSubject& subject) {
  return holds(filter, subject.payload, subject);
}

}  // namespace sightline
