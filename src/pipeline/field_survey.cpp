#include "pipeline/field_survey.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "pipeline/point_scan.h"

namespace sightline::pipeline {
namespace {

constexpr std::size_t kMaxFields = 500;
constexpr std::size_t kMaxDepth = 6;
constexpr std::size_t kMaxKeptValues = 1000;  // of one field
constexpr std::size_t kMaxFacetValues = 200;
constexpr std::size_t kLongText = 60;  // bytes: sentences rather than names

bool is_machine_fact(std::string_view field) {
  return field == "_image.uri" || field == "_image.content_hash" ||
         field == "_image.perceptual_hash" || field == "_image.name";
}

/// One spelling for a member's name, quoted where a path needs it.
std::string member_name(const std::string& name) {
  const auto plain = FieldPath::parse(name);
  if (plain && plain->text() == name && name.find('.') == name.npos &&
      name.find('[') == name.npos) {
    return name;
  }
  return "\"" + name + "\"";
}

/// What was seen of one field.
class FieldTally {
 public:
  void begin_point() { has_value_ = false; }

  void add(const Json& value) {
    if (!has_value_) ++num_points_;
    has_value_ = true;
    if (value.is_boolean()) {
      ++num_bools_;
    } else if (value.is_number_integer()) {
      ++num_integers_;
      widen(value);
    } else if (value.is_number()) {
      ++num_floats_;
      widen(value);
    } else if (value.is_string()) {
      add_text(value);
    } else {
      ++num_geo_;
    }
    if (values_.size() < kMaxKeptValues) values_.insert(value.dump());
    ++num_seen_;
  }

  FieldGuess guess(const std::string& field) const {
    FieldGuess guess;
    guess.field = field;
    guess.type = type();
    guess.num_points = num_points_;
    guess.num_values = values_.size();
    if (guess.type == FieldType::kInteger || guess.type == FieldType::kFloat ||
        guess.type == FieldType::kDatetime) {
      guess.min = min_;
      guess.max = max_;
    }
    const bool is_discrete = guess.type == FieldType::kKeyword || guess.type == FieldType::kBool ||
                             guess.type == FieldType::kInteger;
    guess.is_facet = is_discrete && values_.size() <= kMaxFacetValues &&
                     (2 * values_.size() <= num_seen_ || values_.size() <= 2);
    return guess;
  }

 private:
  FieldType type() const {
    const auto all = [&](std::size_t count) { return count == num_seen_; };
    if (all(num_bools_)) return FieldType::kBool;
    if (all(num_integers_)) return FieldType::kInteger;
    if (all(num_integers_ + num_floats_)) return FieldType::kFloat;
    if (all(num_geo_)) return FieldType::kGeo;
    if (num_dates_ > 0 && all(num_dates_)) return FieldType::kDatetime;
    if (2 * num_long_ > num_seen_) return FieldType::kText;
    return FieldType::kKeyword;
  }

  void add_text(const Json& value) {
    const auto& text = value.get_ref<const std::string&>();
    if (const auto micros = parse_datetime(text)) {
      ++num_dates_;
      if (min_.is_null() || *micros < first_) std::tie(min_, first_) = std::pair(value, *micros);
      if (max_.is_null() || *micros > last_) std::tie(max_, last_) = std::pair(value, *micros);
    }
    if (text.size() > kLongText) ++num_long_;
  }

  void widen(const Json& value) {
    if (min_.is_null() || value < min_) min_ = value;
    if (max_.is_null() || value > max_) max_ = value;
  }

  std::size_t num_points_ = 0, num_seen_ = 0;
  std::size_t num_bools_ = 0, num_integers_ = 0, num_floats_ = 0, num_geo_ = 0, num_dates_ = 0,
              num_long_ = 0;
  bool has_value_ = false;
  std::set<std::string> values_;
  Json min_, max_;
  std::int64_t first_ = 0, last_ = 0;
};

class Surveyor {
 public:
  void look_at(const Json& payload) {
    for (auto& [field, tally] : tallies_) tally.begin_point();
    walk_object(payload, "", 0);
  }

  std::map<std::string, FieldTally>& tallies() { return tallies_; }

 private:
  void walk_object(const Json& object, const std::string& prefix, std::size_t depth) {
    for (const auto& [name, value] : object.items()) {
      const std::string field =
          prefix.empty() ? member_name(name) : prefix + "." + member_name(name);
      walk(value, field, depth);
    }
  }

  void walk(const Json& value, const std::string& field, std::size_t depth) {
    if (value.is_null() || depth > kMaxDepth || is_machine_fact(field)) return;
    if (value.is_array()) {
      for (const Json& item : value) {
        walk(item, item.is_object() && !geo_point(item) ? field + "[]" : field, depth + 1);
      }
    } else if (value.is_object() && !geo_point(value)) {
      walk_object(value, field, depth + 1);
    } else {
      const auto known = tallies_.find(field);
      if (known == tallies_.end() && tallies_.size() >= kMaxFields) return;
      tallies_[field].add(value);
      // A place may carry more than where it is.
      if (value.is_object()) walk_beside_geo(value, field, depth);
    }
  }

  void walk_beside_geo(const Json& place, const std::string& field, std::size_t depth) {
    for (const auto& [name, value] : place.items()) {
      if (name == "lat" || name == "lon") continue;
      walk(value, field + "." + member_name(name), depth + 1);
    }
  }

  std::map<std::string, FieldTally> tallies_;
};

/// A value of an index as the payload has it, near enough: dates as RFC 3339.
Result<std::optional<Json>> end_of(const CollectionStore& store, const FieldGuess& guess,
                                   bool descending, const Deadline& deadline) {
  OrderedScroll request;
  request.key = guess.field;
  request.descending = descending;
  request.limit = 1;
  SIGHTLINE_TRY(const auto ends, store.scroll_ordered(request, deadline));
  std::optional<Json> found;
  if (ends.empty()) return found;
  const auto path = FieldPath::parse(guess.field);
  if (!path) return found;
  // Of several values the one that brought the point here.
  path->visit(ends[0].point.payload, [&](const Json& value) {
    const bool is_it = std::visit(
        [&](const auto& wanted) {
          if (value.is_string()) {
            const auto micros = parse_datetime(value.get<std::string>());
            return micros && static_cast<double>(*micros) == static_cast<double>(wanted);
          }
          return value.is_number() && value.get<double>() == static_cast<double>(wanted);
        },
        ends[0].value);
    if (is_it) found = value;
    return !is_it;
  });
  return found;
}

Result<void> take_true_range(const CollectionStore& store, FieldGuess& guess,
                             const Deadline& deadline) {
  const bool has_order = guess.index == FieldType::kInteger || guess.index == FieldType::kFloat ||
                         guess.index == FieldType::kDatetime;
  if (!has_order || guess.min.is_null()) return {};
  SIGHTLINE_TRY(const auto min, end_of(store, guess, false, deadline));
  SIGHTLINE_TRY(const auto max, end_of(store, guess, true, deadline));
  if (min) guess.min = *min;
  if (max) guess.max = *max;
  return {};
}

}  // namespace

Result<FieldSurvey> survey_fields(const CollectionStore& store, std::size_t num_points,
                                  const Deadline& deadline) {
  SIGHTLINE_TRY(const CollectionInfo info, store.info());
  FieldSurvey survey;
  Surveyor surveyor;
  SIGHTLINE_TRY(const auto points, store.scroll({}, num_points, {true, false}, nullptr));
  survey.num_sampled = points.size();
  for (const StoredPoint& point : points) surveyor.look_at(point.payload);
  for (const auto& [field, tally] : surveyor.tallies()) {
    FieldGuess guess = tally.guess(field);
    const auto index = info.payload_indexes.find(field);
    if (index != info.payload_indexes.end()) guess.index = index->second.type;
    SIGHTLINE_TRY_DO(take_true_range(store, guess, deadline));
    survey.fields.push_back(std::move(guess));
  }
  std::ranges::stable_partition(
      survey.fields, [](const FieldGuess& guess) { return !guess.field.starts_with("_image."); });
  return survey;
}

}  // namespace sightline::pipeline
