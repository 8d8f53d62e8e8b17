#include "index/internal/field_index_keys.h"

#include <cmath>
#include <limits>
#include <numbers>
#include <variant>

#include "core/point_id.h"

namespace sightline::index {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <typename Key>
typename Selection<Key>::Interval only(const Key& key) {
  return {key, key};
}

/// Exactly these keys.
template <typename Key>
Selection<Key> any_of(std::vector<Key> keys) {
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  Selection<Key> selection;
  for (const Key& key : keys) selection.intervals.push_back(only(key));
  return selection;
}

template <typename Key>
Selection<Key> none_of(std::vector<Key> keys) {
  std::sort(keys.begin(), keys.end());
  Selection<Key> selection;
  selection.intervals.emplace_back();
  selection.excluded = std::move(keys);
  return selection;
}

template <typename Key>
KeyTest<Key> one(Selection<Key> selection, bool is_sure = true) {
  KeyTest<Key> test;
  test.all.push_back(std::move(selection));
  test.is_sure = is_sure;
  return test;
}

/// No key stands for a value that could satisfy the test.
template <typename Key>
KeyTest<Key> only_others() {
  KeyTest<Key> test = one(Selection<Key>());
  test.others_maybe = true;
  return test;
}

/// The tests on whole values; `to_key` gives the key of a scalar, if an index of the type holds it.
/// `is_one_value`: a key stands for one value alone.
template <typename Key, typename ToKey>
KeyTest<Key> match_test(const FieldTest& test, bool is_one_value, const ToKey& to_key) {
  std::vector<MatchScalar> scalars;
  if (const auto* match = std::get_if<MatchValue>(&test)) scalars = {match->value};
  if (const auto* any = std::get_if<MatchAny>(&test)) scalars = any->values;
  const auto* except = std::get_if<MatchExcept>(&test);
  if (except != nullptr) scalars = except->values;
  std::vector<Key> keys;
  for (const MatchScalar& scalar : scalars) {
    if (std::optional<Key> key = to_key(scalar)) keys.push_back(*std::move(key));
  }
  if (except == nullptr) {
    KeyTest<Key> equal = one(any_of(keys), is_one_value);
    equal.others_maybe = keys.size() < scalars.size();
    return equal;
  }
  KeyTest<Key> others = one(none_of(keys));
  // The key of an excepted value may be that of another one as well.
  if (!is_one_value) others.also_maybe = any_of(std::move(keys));
  others.others_maybe = true;
  return others;
}

bool holds_strings(FieldType type) {
  return type == FieldType::kKeyword || type == FieldType::kUuid || type == FieldType::kDatetime ||
         type == FieldType::kText;
}

/// A test that an index of this type is not made for.
template <typename Key>
std::optional<KeyTest<Key>> foreign_test(FieldType type, const FieldTest& test) {
  const bool is_of_strings = std::holds_alternative<MatchText>(test) ||
                             std::holds_alternative<MatchPhrase>(test) ||
                             std::holds_alternative<DatetimeRange>(test);
  if (std::holds_alternative<ValuesCount>(test) || (is_of_strings && holds_strings(type))) {
    return std::nullopt;
  }
  return only_others<Key>();
}

bool is_match(const FieldTest& test) {
  return std::holds_alternative<MatchValue>(test) || std::holds_alternative<MatchAny>(test) ||
         std::holds_alternative<MatchExcept>(test);
}

bool is_indexed(const std::string& text) { return text.size() <= kMaxIndexedString; }

/// All tokens of `text`; `in_order`: next to each other.
KeyTest<std::string> token_test(std::string_view text, bool in_order) {
  std::vector<std::string> tokens = text_tokens(text);
  const bool is_one_word = tokens.size() == 1;
  std::sort(tokens.begin(), tokens.end());
  tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
  if (tokens.empty()) return one(Selection<std::string>());
  KeyTest<std::string> test;
  for (const std::string& token : tokens) {
    if (is_indexed(token)) test.all.push_back(any_of(std::vector{token}));
  }
  if (test.all.empty()) return only_others<std::string>();
  test.is_sure = is_one_word || (!in_order && tokens.size() == 1);
  return test;
}

KeyTest<std::string> any_token_test(std::string_view text) {
  std::vector<std::string> tokens = text_tokens(text);
  const auto is_long = [](const std::string& token) { return !is_indexed(token); };
  const bool any_long = std::erase_if(tokens, is_long) > 0;
  KeyTest<std::string> test = one(any_of(std::move(tokens)));
  test.others_maybe = any_long;
  return test;
}

/// Values equal to one of `scalars`: texts hold the longest token of it.
KeyTest<std::string> whole_text_test(const std::vector<MatchScalar>& scalars) {
  std::vector<std::string> longest;
  for (const MatchScalar& scalar : scalars) {
    const auto* text = std::get_if<std::string>(&scalar);
    if (text == nullptr) continue;
    std::vector<std::string> tokens = text_tokens(*text);
    const auto token = std::max_element(
        tokens.begin(), tokens.end(),
        [](const std::string& a, const std::string& b) { return a.size() < b.size(); });
    if (token != tokens.end() && is_indexed(*token)) longest.push_back(std::move(*token));
  }
  const bool all_have_one = longest.size() == scalars.size();
  KeyTest<std::string> test = one(any_of(std::move(longest)), /*is_sure=*/false);
  test.others_maybe = !all_have_one;
  return test;
}

/// An index of tokens does not know which of a slot's texts a token comes from, nor where it
/// stands.
std::optional<KeyTest<std::string>> text_test(const FieldTest& test) {
  if (const auto* words = std::get_if<MatchText>(&test)) {
    return words->any ? any_token_test(words->text) : token_test(words->text, false);
  }
  if (const auto* phrase = std::get_if<MatchPhrase>(&test)) return token_test(phrase->text, true);
  if (const auto* any = std::get_if<MatchAny>(&test)) return whole_text_test(any->values);
  if (std::holds_alternative<MatchExcept>(test)) return std::nullopt;
  const auto* match = std::get_if<MatchValue>(&test);
  if (match == nullptr) return foreign_test<std::string>(FieldType::kText, test);
  const auto* text = std::get_if<std::string>(&match->value);
  if (text == nullptr || text_tokens(*text).empty()) return only_others<std::string>();
  KeyTest<std::string> tokens = token_test(*text, true);
  tokens.is_sure = false;
  return tokens;
}

/// The least int64 for which `holds`, which from there on holds for all.
template <typename Holds>
std::optional<std::int64_t> first_where(const Holds& holds) {
  using Limits = std::numeric_limits<std::int64_t>;
  if (!holds(Limits::max())) return std::nullopt;
  std::int64_t low = Limits::min(), high = Limits::max();
  while (low < high) {
    const std::uint64_t distance =
        static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
    const auto middle = static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + distance / 2);
    if (holds(middle)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

/// The integers whose value as `Number` lies in `range`; the searches rest on `contains` growing
/// with the number below the range and shrinking above it.
template <typename Number, typename Range>
Selection<std::int64_t> integers_in(const Range& range) {
  Range from = range, to = range;
  from.lt = from.lte = {};
  to.gt = to.gte = {};
  Selection<std::int64_t> selection;
  const auto first =
      first_where([&](std::int64_t value) { return contains(from, static_cast<Number>(value)); });
  const auto end =
      first_where([&](std::int64_t value) { return !contains(to, static_cast<Number>(value)); });
  if (!first || (end && *end <= *first)) return selection;
  selection.intervals.push_back({*first, std::nullopt});
  if (end) selection.intervals.back().last = *end - 1;
  return selection;
}

Selection<double> floats_in(const NumberRange& range) {
  double first = -kInfinity, last = kInfinity;
  if (range.gte) first = std::max(first, *range.gte);
  if (range.gt) first = std::max(first, std::nextafter(*range.gt, kInfinity));
  if (range.lte) last = std::min(last, *range.lte);
  if (range.lt) last = std::min(last, std::nextafter(*range.lt, -kInfinity));
  Selection<double> selection;
  // False for what the lines above cannot say: bounds that are not numbers, or beyond infinity.
  if (contains(range, first) && contains(range, last) && first <= last) {
    selection.intervals.push_back({first, last});
  }
  return selection;
}

/// West and east, degrees.
using LonRanges = std::vector<std::pair<double, double>>;
const LonRanges kAllLongitudes = {{-kInfinity, kInfinity}};
constexpr double kSlack = 1e-6;  // degrees: 11 cm, far above what rounding moves

/// The cells that a box touches; all cells if a latitude is not a number.
Selection<GeoKey> cells(double south, double north, const LonRanges& longitudes,
                        std::function<bool(const GeoKey&)> check) {
  using Interval = Selection<GeoKey>::Interval;
  Selection<GeoKey> selection;
  selection.check = std::move(check);
  if (std::isnan(south) || std::isnan(north)) {
    selection.intervals.emplace_back();
    return selection;
  }
  const auto key = [](std::uint32_t band, double lon, double lat) {
    return GeoKey{band, GeoPoint{lon, lat}};
  };
  const std::uint32_t first = GeoKey::band_of(south - kSlack);
  const std::uint32_t last = GeoKey::band_of(north + kSlack);
  if (longitudes == kAllLongitudes) {
    if (first <= last) {
      selection.intervals.push_back(
          Interval{key(first, -kInfinity, -kInfinity), key(last, kInfinity, kInfinity)});
    }
    return selection;
  }
  for (std::uint32_t band = first; band <= last; ++band) {
    for (const auto& [west, east] : longitudes) {
      selection.intervals.push_back(
          Interval{key(band, west - kSlack, -kInfinity), key(band, east + kSlack, kInfinity)});
    }
  }
  return selection;
}

Selection<GeoKey> cells_of(const GeoBox& box) {
  const double west = box.top_left.lon, east = box.bottom_right.lon;
  LonRanges longitudes = {{west, east}};
  if (west > east) {
    longitudes = west - east < 1e-3 ? kAllLongitudes : LonRanges{{-180, east}, {west, 180}};
  }
  return cells(box.bottom_right.lat, box.top_left.lat, longitudes,
               [box](const GeoKey& key) { return contains(box, key.point); });
}

Selection<GeoKey> cells_of(const GeoRadius& circle) {
  const auto check = [circle](const GeoKey& key) { return contains(circle, key.point); };
  constexpr double kDegrees = 180 / std::numbers::pi;
  const double meters_of_a_degree = geo_distance_meters({0, 0}, {0, 1});
  const double lat = circle.center.lat, lon = circle.center.lon;
  const double reach = circle.meters / meters_of_a_degree;  // degrees of latitude
  if (!(reach < 89)) return cells(-90, 90, kAllLongitudes, check);

  // Of the meridian that touches the circle: sin(width) = sin(reach) / cos(lat).
  const double ratio = std::sin(reach / kDegrees) / std::cos(lat / kDegrees);
  const bool holds_pole = std::abs(lat) + reach > 89.9 || !(ratio < 0.999);
  if (holds_pole || !(std::abs(lon) <= 180)) {
    return cells(lat - reach, lat + reach, kAllLongitudes, check);
  }
  const double width = std::asin(ratio) * kDegrees + kSlack;
  LonRanges longitudes = {{lon - width, lon + width}};
  if (lon - width < -180) {
    longitudes = {{-180, lon + width}, {lon - width + 360, 180}};
  } else if (lon + width > 180) {
    longitudes = {{-180, lon + width - 360}, {lon - width, 180}};
  }
  return cells(lat - reach, lat + reach, longitudes, check);
}

Selection<GeoKey> cells_of(const GeoPolygon& polygon) {
  double west = kInfinity, east = -kInfinity, south = kInfinity, north = -kInfinity;
  for (const GeoPoint& corner : polygon.exterior) {
    west = std::min(west, corner.lon);
    east = std::max(east, corner.lon);
    south = std::min(south, corner.lat);
    north = std::max(north, corner.lat);
  }
  if (polygon.exterior.empty()) return {};
  return cells(south, north, {{west, east}},
               [polygon](const GeoKey& key) { return contains(polygon, key.point); });
}

}  // namespace

std::uint32_t GeoKey::band_of(double lat) {
  const double band = std::floor((lat + 90) * (kNumBands / 180.0));
  return static_cast<std::uint32_t>(std::clamp(band, 0.0, kNumBands - 1.0));
}

template <>
std::optional<KeyTest<std::string>> key_test<std::string>(FieldType type, const FieldTest& test) {
  if (type == FieldType::kText) return text_test(test);
  if (!is_match(test)) return foreign_test<std::string>(type, test);
  return match_test<std::string>(test, /*is_one_value=*/true,
                                 [](const MatchScalar& scalar) -> std::optional<std::string> {
                                   const auto* text = std::get_if<std::string>(&scalar);
                                   if (text == nullptr || !is_indexed(*text)) return std::nullopt;
                                   return *text;
                                 });
}

template <>
std::optional<KeyTest<std::int64_t>> key_test<std::int64_t>(FieldType type, const FieldTest& test) {
  const auto* dates = std::get_if<DatetimeRange>(&test);
  const auto* numbers = std::get_if<NumberRange>(&test);
  if (dates != nullptr && type == FieldType::kDatetime) {
    return one(integers_in<std::int64_t>(*dates));
  }
  if (numbers != nullptr && type == FieldType::kInteger) {
    // Fractions and integers above 2^63 - 1 are numbers too.
    KeyTest<std::int64_t> found = one(integers_in<double>(*numbers));
    found.others_maybe = true;
    return found;
  }
  if (!is_match(test)) return foreign_test<std::int64_t>(type, test);
  // A moment can be written in many ways, and the text must be equal.
  return match_test<std::int64_t>(
      test, /*is_one_value=*/type != FieldType::kDatetime,
      [type](const MatchScalar& scalar) -> std::optional<std::int64_t> {
        if (const auto* flag = std::get_if<bool>(&scalar)) {
          return type == FieldType::kBool ? std::optional(std::int64_t{*flag}) : std::nullopt;
        }
        if (const auto* text = std::get_if<std::string>(&scalar)) {
          return type == FieldType::kDatetime ? parse_datetime(*text) : std::nullopt;
        }
        const auto number = std::get<std::int64_t>(scalar);
        return type == FieldType::kInteger ? std::optional(number) : std::nullopt;
      });
}

template <>
std::optional<KeyTest<double>> key_test<double>(FieldType type, const FieldTest& test) {
  if (const auto* range = std::get_if<NumberRange>(&test)) {
    KeyTest<double> found = one(floats_in(*range));
    found.others_maybe = contains(*range, std::numeric_limits<double>::quiet_NaN());
    return found;
  }
  if (!is_match(test)) return foreign_test<double>(type, test);
  // 5 and 5.0 are one key, but only the integer matches.
  return match_test<double>(
      test, /*is_one_value=*/false, [](const MatchScalar& scalar) -> std::optional<double> {
        const auto* number = std::get_if<std::int64_t>(&scalar);
        return number == nullptr ? std::nullopt : std::optional(static_cast<double>(*number));
      });
}

template <>
std::optional<KeyTest<Uuid>> key_test<Uuid>(FieldType type, const FieldTest& test) {
  if (!is_match(test)) return foreign_test<Uuid>(type, test);
  // A UUID can be written in many ways, and the text must be equal.
  return match_test<Uuid>(test, /*is_one_value=*/false,
                          [](const MatchScalar& scalar) -> std::optional<Uuid> {
                            const auto* text = std::get_if<std::string>(&scalar);
                            if (text == nullptr) return std::nullopt;
                            const auto id = PointId::parse(*text);
                            if (!id || id->is_number()) return std::nullopt;
                            return id->uuid();
                          });
}

template <>
std::optional<KeyTest<GeoKey>> key_test<GeoKey>(FieldType type, const FieldTest& test) {
  if (is_match(test)) {
    return match_test<GeoKey>(test, /*is_one_value=*/true,
                              [](const MatchScalar&) { return std::optional<GeoKey>(); });
  }
  return std::visit(
      [&](const auto& area) -> std::optional<KeyTest<GeoKey>> {
        if constexpr (requires { cells_of(area); }) {
          return one(cells_of(area));
        } else {
          return foreign_test<GeoKey>(type, test);
        }
      },
      test);
}

}  // namespace sightline::index
