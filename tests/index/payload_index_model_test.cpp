// Random payloads of every shape, indexes of any type on them, random filters of all conditions,
// and views from earlier moments: every answer is that of matches() over the points of its moment.
#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "index/payload_index.h"
#include "tests/index/payload_index_fixture.h"

namespace sightline::index {
namespace {

const std::vector<std::string> kKeys = {"a", "b", "c", "d.e", "f[].g", "f[].h", "f[0].g", "i[]"};
constexpr std::array kTypes = {FieldType::kKeyword, FieldType::kInteger,  FieldType::kFloat,
                               FieldType::kBool,    FieldType::kDatetime, FieldType::kGeo,
                               FieldType::kUuid,    FieldType::kText};

class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  std::size_t below(std::size_t end) { return random_() % end; }
  bool one_in(std::size_t n) { return below(n) == 0; }
  template <typename List>
  const auto& pick(const List& list) {
    return list[below(list.size())];
  }

  Json payload() {
    Json object = Json::object();
    for (const char* key : {"a", "b", "c", "i"}) {
      if (!one_in(3)) object[key] = value();
    }
    if (!one_in(3)) object["d"] = one_in(5) ? value() : Json{{"e", value()}};
    if (!one_in(3)) object["f"] = parts();
    return object;
  }

  Filter filter(int depth) {
    Filter made;
    const auto fill = [&](std::vector<Condition>& list, std::size_t share) {
      if (!one_in(share)) return;
      for (std::size_t i = 1 + below(3); i > 0; --i) list.push_back(condition(depth));
    };
    fill(made.must, 2);
    fill(made.should, 3);
    fill(made.must_not, 4);
    if (one_in(5)) {
      made.min_should.emplace();
      fill(made.min_should->conditions, 1);
      made.min_should->min_count = below(4);
    }
    return made;
  }

  FieldType type() { return pick(kTypes); }

 private:
  Json parts() {
    if (one_in(6)) return value();
    Json list = Json::array();
    for (std::size_t i = below(4); i > 0; --i) {
      list.push_back(one_in(6) ? value() : Json{{"g", value()}, {"h", value()}});
    }
    return list;
  }

  Json value() {
    if (!one_in(5)) return single();
    Json list = Json::array();
    for (std::size_t i = below(4); i > 0; --i) {
      list.push_back(one_in(12) ? Json::array({single()}) : single());
    }
    return list;
  }

  Json single() {
    if (one_in(2)) return one_in(2) ? Json("red") : Json(4);  // values that many slots have
    switch (below(10)) {
      case 0:
        return nullptr;
      case 1:
        return one_in(2);
      case 2:
      case 3:
        return one_in(4) ? Json(pick(kHuge)) : Json(integer());
      case 4:
        return one_in(8) ? Json(pick(kStrange)) : Json(number());
      case 5:
        return pick(kDates);
      case 6:
        return pick(kUuids);
      case 7:
        return one_in(4) ? Json::object() : Json{{"lon", place().lon}, {"lat", place().lat}};
      default:
        return text();
    }
  }

  std::int64_t integer() { return static_cast<std::int64_t>(below(12)) - 3; }
  double number() { return static_cast<double>(integer()) + (one_in(3) ? 0 : 0.5); }
  double bound() { return one_in(4) ? pick(kStrange) : number(); }
  GeoPoint place() {
    return {static_cast<double>(below(37)) * 10 - 180, static_cast<double>(below(19)) * 10 - 90};
  }
  std::string text() {
    std::string made = pick(kWords);
    while (one_in(2)) made += (one_in(4) ? ", " : " ") + pick(kWords);
    return made;
  }
  std::string word_or_more() {
    if (one_in(8)) return "...";
    std::string made = pick(kWords);
    while (one_in(3)) made += " " + pick(kWords);
    return made;
  }

  MatchScalar scalar() {
    switch (below(6)) {
      case 0:
        return one_in(2);
      case 1:
      case 2:
        return one_in(6) ? std::numeric_limits<std::int64_t>::max() : integer();
      case 3:
        return pick(kUuids);
      case 4:
        return pick(kDates);
      default:
        return word_or_more();
    }
  }
  std::vector<MatchScalar> scalars() {
    std::vector<MatchScalar> made;
    for (std::size_t i = below(4); i > 0; --i) made.push_back(scalar());
    return made;
  }
  template <typename Range, typename Bound>
  Range range(const Bound& bound) {
    Range made;
    if (one_in(2)) (one_in(2) ? made.lt : made.lte) = bound();
    if (one_in(2)) (one_in(2) ? made.gt : made.gte) = bound();
    return made;
  }

  FieldTest test() {
    switch (below(11)) {
      case 0:
        return MatchValue{scalar()};
      case 1:
        return MatchAny{scalars()};
      case 2:
        return MatchExcept{scalars()};
      case 3:
        return MatchText{word_or_more(), one_in(3)};
      case 4:
        return MatchPhrase{word_or_more()};
      case 5:
        return range<NumberRange>([this] { return bound(); });
      case 6:
        return range<DatetimeRange>([this] { return *parse_datetime(pick(kDates)); });
      case 7: {
        const GeoPoint a = place(), b = place();
        return GeoBox{{a.lon, std::max(a.lat, b.lat)}, {b.lon, std::min(a.lat, b.lat)}};
      }
      case 8:
        return GeoRadius{place(), static_cast<double>(below(12)) * 1'000'000};
      case 9: {
        GeoPolygon polygon{{place(), place(), place(), place()}, {}};
        polygon.exterior.push_back(polygon.exterior[0]);
        return polygon;
      }
      default:
        return range<ValuesCount>([this] { return std::uint64_t{below(4)}; });
    }
  }

  Condition condition(int depth, bool in_element = false) {
    const auto key = [&] {
      static const std::vector<std::string> of_element = {"g", "h"};
      return path_of(in_element ? pick(of_element) : pick(kKeys));
    };
    switch (below(depth > 0 ? 9 : 7)) {
      case 0:
        return IsEmpty{key()};
      case 1:
        return IsNull{key()};
      case 2:
        if (in_element) return IsNull{key()};
        if (one_in(2)) return HasVector{one_in(2) ? "image" : "text"};
        return HasId{{PointId(1000 + below(kSlots)), PointId(1000 + below(kSlots)), PointId(1)}};
      case 7:
        if (!in_element) return std::make_shared<const Filter>(filter(depth - 1));
        return FieldCondition{key(), test()};
      case 8: {
        Filter of_element;
        for (auto* list : {&of_element.must, &of_element.should, &of_element.must_not}) {
          if (one_in(2)) list->push_back(condition(0, true));
        }
        return Nested{path_of(one_in(2) ? "f" : "f[]"),
                      std::make_shared<const Filter>(std::move(of_element))};
      }
      default:
        return FieldCondition{key(), test()};
    }
  }

  static constexpr std::size_t kSlots = 800;
  static inline const std::vector<std::string> kWords = {"red",
                                                         "Blue",
                                                         "car",
                                                         "tree",
                                                         "\u00dcber",
                                                         "5",
                                                         "-3",
                                                         "2.5",
                                                         "true",
                                                         "...",
                                                         std::string(kMaxIndexedString + 1, 'x')};
  static inline const std::vector<std::uint64_t> kHuge = {
      (std::uint64_t{1} << 53) + 1, (std::uint64_t{1} << 63) - 1, std::uint64_t{1} << 63,
      std::numeric_limits<std::uint64_t>::max()};
  static inline const std::vector<double> kStrange = {9007199254740993.0,
                                                      9223372036854775808.0,
                                                      -9223372036854775808.0,
                                                      1e300,
                                                      -1e300,
                                                      std::numeric_limits<double>::infinity()};
  static inline const std::vector<std::string> kDates = {
      "2024-05-01", "2024-05-01T00:00:00Z", "2024-05-01T02:00:00+02:00", "2023-01-31 23:59:59.5",
      "1969-12-31T23:59:59Z"};
  static inline const std::vector<std::string> kUuids = {
      "550e8400-e29b-41d4-a716-446655440000", "550E8400-E29B-41D4-A716-446655440000",
      "550e8400e29b41d4a716446655440000", "00000000-0000-0000-0000-000000000001"};

  std::mt19937 random_;
};

struct Moment {
  PayloadIndexView view;
  Points points;
};

class PayloadIndexModel : public testing::TestWithParam<unsigned> {
 protected:
  static constexpr Slot kSlots = 800;

  void add_field(const std::string& key, FieldType type) {
    const FieldPath path = path_of(key);
    const auto added = index_.add_field(path, type, entries_of(points_, path, type));
    ASSERT_TRUE(added) << added.error().message;
  }

  void put(Slot slot) {
    StoredPayload& point = points_[slot];
    point = {PointId(1000 + slot), make_.payload(), {}};
    if (make_.one_in(2)) point.vectors.insert("image");
    if (make_.one_in(4)) point.vectors.insert("text");
    index_.put(slot, point.payload);
  }

  void change() {
    const auto slot = static_cast<Slot>(make_.below(kSlots));
    if (!make_.one_in(4)) {
      put(slot);
    } else if (points_.erase(slot) > 0) {
      index_.remove(slot);
    }
  }

  void check(const Moment& moment) {
    const Filter filter = make_.filter(2);
    const PointsFallback fallback(moment.points);
    const Bitmap live = slots_of(moment.points);
    const auto got = moment.view.evaluate(filter, live, fallback, Deadline::never());
    ASSERT_TRUE(got) << got.error().message;
    const Bitmap expected = satisfying(moment.points, filter);
    ASSERT_EQ(got->slots.to_vector(), expected.to_vector()) << dump_json(filter_to_json(filter));
    EXPECT_LE(moment.view.estimate(filter, live.count()), live.count());
    num_found_ += expected.count();
    num_checked_ += live.count();
    num_read_ += fallback.num_read();
  }

  Generator make_{GetParam()};
  PayloadIndex index_;
  Points points_;
  std::uint64_t num_found_ = 0, num_checked_ = 0, num_read_ = 0;
};

TEST_P(PayloadIndexModel, EveryViewAnswersItsMoment) {
  for (Slot slot = 0; slot < kSlots; ++slot) put(slot);
  std::vector<std::string> indexed;
  for (const std::string& key : kKeys) {
    if (make_.one_in(3)) continue;
    add_field(key, make_.type());
    indexed.push_back(key);
  }
  std::vector<Moment> moments;
  // 10,000 changes: logs are merged twice.
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 200; ++i) change();
    if (round % 17 == 7 && !indexed.empty()) add_field(make_.pick(indexed), make_.type());
    Moment now{index_.view(), points_};
    if (moments.size() < 6) {
      moments.push_back(std::move(now));
    } else {
      moments[make_.below(6)] = std::move(now);
    }
    for (int i = 0; i < 10; ++i) {
      check(make_.pick(moments));
      if (HasFatalFailure()) FAIL() << "seed " << GetParam() << ", round " << round;
    }
  }
  // The filters are neither trivial nor left to the payloads alone.
  EXPECT_GT(num_found_, num_checked_ / 10);
  EXPECT_LT(num_found_, num_checked_ * 9 / 10);
  EXPECT_LT(num_read_, num_checked_);
}

INSTANTIATE_TEST_SUITE_P(Seeds, PayloadIndexModel, testing::Range(0U, 16U));

}  // namespace
}  // namespace sightline::index
