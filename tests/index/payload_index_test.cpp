#include "index/payload_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "tests/index/payload_index_fixture.h"
#include "tests/support/fake_clock.h"

namespace sightline::index {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::IsEmpty;
using Slots = std::vector<Slot>;
using Fields = std::map<std::string, FieldType>;

constexpr std::string_view kUuid = "550e8400-e29b-41d4-a716-446655440000";

/// Slot i is point 100 + i.
Points make_points(const std::vector<const char*>& payloads) {
  Points points;
  for (const char* text : payloads) {
    const auto slot = static_cast<Slot>(points.size());
    points[slot] = {PointId(100 + slot), parse_json(text, "payload").value(), {}};
  }
  return points;
}

const Points& shop() {
  static const Points points = [] {
    Points made = make_points({
        R"({"color": "red", "size": 4, "price": 9.5, "sold": true, "text": "A red car"})",
        R"({"color": ["red", "blue"], "size": [1, 7], "price": 10, "text": ["a red", "blue car"]})",
        R"({"color": "blue", "size": 4, "sold": false, "text": "the car is red"})",
        R"({"color": 7, "size": "4", "price": -3, "sold": null, "when": "2024-05-01T12:00:00Z"})",
        R"({"color": [], "when": ["2024-05-01", "2025-01-01T00:00:00+02:00"], "text": "Red"})",
        R"({"place": {"lon": 13.4, "lat": 52.5}, "key": "550e8400-e29b-41d4-a716-446655440000"})",
        R"({"place": {"lon": 179.9, "lat": -17.0}, "key": "550E8400E29B41D4A716446655440000"})",
        R"({"parts": [{"name": "wheel", "count": 4}, {"name": "door", "count": 2}]})",
        R"({"parts": [{"name": "wheel", "count": 2}, {"name": "door", "count": 4}]})",
        R"({})",
    });
    made[0].vectors = {"image"};
    made[5].vectors = {"image", "text"};
    return made;
  }();
  return points;
}

const Fields& all_fields() {
  static const Fields fields = {{"color", FieldType::kKeyword},
                                {"size", FieldType::kInteger},
                                {"price", FieldType::kFloat},
                                {"sold", FieldType::kBool},
                                {"when", FieldType::kDatetime},
                                {"place", FieldType::kGeo},
                                {"key", FieldType::kUuid},
                                {"text", FieldType::kText},
                                {"parts[].name", FieldType::kKeyword}};
  return fields;
}

void add_fields(PayloadIndex& index, const Points& points, const Fields& fields) {
  for (const auto& [name, type] : fields) {
    const FieldPath path = path_of(name);
    const auto added = index.add_field(path, type, entries_of(points, path, type));
    ASSERT_TRUE(added) << added.error().message;
  }
}

struct EvaluateCase {
  std::string name;
  std::string filter;  ///< Of conditions that must hold.
  Slots found;
  std::size_t num_read = 0;  ///< Payloads.
  std::vector<std::string> unindexed = {};
};

class PayloadIndexEvaluate : public testing::TestWithParam<EvaluateCase> {
 protected:
  void check(const PayloadIndexView& view) {
    const EvaluateCase& c = GetParam();
    const auto filter = parse_filter(parse_json(c.filter, "filter").value());
    ASSERT_TRUE(filter) << filter.error().message;
    const PointsFallback fallback(shop());
    const auto got = view.evaluate(*filter, slots_of(shop()), fallback, Deadline::never());
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(got->slots.to_vector(), c.found);
    EXPECT_EQ(got->slots.to_vector(), satisfying(shop(), *filter).to_vector()) << "the oracle";
    EXPECT_EQ(fallback.num_read(), c.num_read);
    EXPECT_EQ(got->unindexed_fields, c.unindexed);
  }
};

TEST_P(PayloadIndexEvaluate, FromEntries) {
  PayloadIndex index;
  add_fields(index, shop(), all_fields());
  check(index.view());
}

TEST_P(PayloadIndexEvaluate, FromPuts) {
  PayloadIndex index;
  add_fields(index, {}, all_fields());
  for (const auto& [slot, point] : shop()) index.put(slot, point.payload);
  check(index.view());
}

TEST_P(PayloadIndexEvaluate, FromEntriesThatWereReplaced) {
  PayloadIndex index;
  Points others;
  for (const auto& [slot, point] : shop()) others[slot] = shop().at((slot + 1) % 10);
  add_fields(index, others, all_fields());
  for (const auto& [slot, point] : shop()) index.put(slot, point.payload);
  check(index.view());
}

std::string must(const std::string& condition) { return R"({"must": [)" + condition + "]}"; }
std::string must_be(const std::string& key, const std::string& test) {
  return must(R"({"key": ")" + key + R"(", )" + test + "}");
}

INSTANTIATE_TEST_SUITE_P(
    Cases, PayloadIndexEvaluate,
    testing::ValuesIn(std::vector<EvaluateCase>{
        {"Everything", "{}", {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
        {"Keyword", must_be("color", R"("match": {"value": "red"})"), {0, 1}},
        {"KeywordAny", must_be("color", R"("match": {"any": ["red", "blue"]})"), {0, 1, 2}},
        {"KeywordAnyOfNone", must_be("color", R"("match": {"any": []})"), {}},
        // 7 is none of them either; only its payload tells.
        {"KeywordExcept", must_be("color", R"("match": {"except": ["red"]})"), {1, 2, 3}, 1},
        {"Integer", must_be("size", R"("match": {"value": 4})"), {0, 2}},
        // Slot 3 might have a fraction: it has a text.
        {"IntegerRange", must_be("size", R"("range": {"gt": 4, "lte": 7})"), {1}, 1},
        {"IntegerOpenRange", must_be("size", R"("range": {"lt": 4.5})"), {0, 1, 2}, 1},
        {"EmptyRange", must_be("size", R"("range": {"gt": 4, "lt": 5})"), {}, 1},
        {"IntegerExcept", must_be("size", R"("match": {"except": [4]})"), {1, 3}, 1},
        {"TextOfAnInteger", must_be("size", R"("match": {"value": "4"})"), {3}, 1},
        {"IntegerOfAUuid", must_be("key", R"("match": {"any": [4]})"), {}},
        {"Float", must_be("price", R"("range": {"gte": 9.5, "lt": 10.5})"), {0, 1}},
        {"FloatOpen", must_be("price", R"("range": {"gt": 9.5})"), {1}},
        // The float index holds 10 and would hold 10.0: candidates, not answers.
        {"WholeNumberOfAFloat", must_be("price", R"("match": {"value": 10})"), {1}, 1},
        {"Bool", must_be("sold", R"("match": {"value": false})"), {2}},
        {"Datetime", must_be("when", R"("range": {"gte": "2024-05-01T06:00:00Z"})"), {3, 4}},
        {"DatetimeOpen", must_be("when", R"("range": {"lt": "2024-05-01T12:00:00Z"})"), {4}},
        // The index knows the moment, not how it is written.
        {"DatetimeText", must_be("when", R"("match": {"value": "2024-05-01T00:00:00Z"})"), {}, 1},
        {"DatetimeExcept", must_be("when", R"("match": {"except": ["2024-05-01"]})"), {3, 4}},
        {"GeoRadius",
         must_be("place",
                 R"("geo_radius": {"center": {"lon": 13.41, "lat": 52.5}, "radius": 1e3})"),
         {5}},
        {"GeoRadiusOverTheAntimeridian",
         must_be("place",
                 R"("geo_radius": {"center": {"lon": -179.9, "lat": -17}, "radius": 30000})"),
         {6}},
        {"GeoBoxOverTheAntimeridian",
         must_be("place", R"("geo_bounding_box": {"top_left": {"lon": 170, "lat": 0},
                             "bottom_right": {"lon": -170, "lat": -20}})"),
         {6}},
        {"GeoPolygon",
         must_be("place", R"("geo_polygon": {"exterior": {"points": [{"lon": 13, "lat": 52},
                             {"lon": 14, "lat": 52}, {"lon": 13.5, "lat": 53},
                             {"lon": 13, "lat": 52}]}})"),
         {5}},
        // One spelling of two of the same UUID.
        {"Uuid", must_be("key", R"("match": {"value": ")" + std::string(kUuid) + "\"}"), {5}, 2},
        {"OneWord", must_be("text", R"("match": {"text": "RED"})"), {0, 1, 2, 4}},
        {"AnyWord", must_be("text", R"("match": {"text_any": "blue is"})"), {1, 2}},
        // Slot 1 has the words in two texts.
        {"TwoWords", must_be("text", R"("match": {"text": "car red"})"), {0, 2}, 3},
        {"Phrase", must_be("text", R"("match": {"phrase": "red car"})"), {0}, 3},
        {"PhraseOfOneWordTwice", must_be("text", R"("match": {"phrase": "red red"})"), {}, 4},
        {"UnknownWord", must_be("text", R"("match": {"text": "red zebra"})"), {}},
        {"NoWord", must_be("text", R"("match": {"text": "!"})"), {}},
        {"WholeText", must_be("text", R"("match": {"value": "Red"})"), {4}, 4},
        // Payloads are read of slots without a color.
        {"Empty", must(R"({"is_empty": {"key": "color"}})"), {4, 5, 6, 7, 8, 9}, 6},
        {"Null", must(R"({"is_null": {"key": "sold"}})"), {3}, 10},
        {"Count", must_be("size", R"("values_count": {"gte": 2})"), {1}, 10},
        {"Nested",
         must(R"({"nested": {"key": "parts", "filter": {"must": [
                           {"key": "name", "match": {"value": "wheel"}},
                           {"key": "count", "range": {"gte": 4}}]}}})"),
         {7},
         2},
        {"NestedUnindexed",
         must(R"({"nested": {"key": "parts[]", "filter": {"must": [
                                    {"key": "count", "range": {"gte": 4}}]}}})"),
         {7, 8},
         10,
         {"parts[].count"}},
        {"Unindexed", must_be("other", R"("match": {"value": 1})"), {}, 10, {"other"}},
        {"IndexOfAnotherType", must_be("color", R"("match": {"value": 7})"), {3}, 1},
        {"IndexThatCannotTell",
         must_be("color", R"("match": {"text": "red"})"),
         {0, 1},
         10,
         {"color"}},
        {"IndexedNarrows",
         R"({"must": [{"key": "other", "match": {"value": 1}},
                      {"key": "size", "match": {"value": 4}}]})",
         {},
         2,
         {"other"}},
        {"NothingLeftToRead",
         R"({"must": [{"key": "other", "match": {"value": 1}},
                      {"key": "size", "match": {"value": 5}}]})",
         {}},
        {"Id", must(R"({"has_id": [103, 999, 100]})"), {0, 3}},
        {"Vector", must(R"({"has_vector": "image"})"), {0, 5}},
        {"Should",
         R"({"should": [{"key": "size", "match": {"value": 4}}, {"has_id": [109]}]})",
         {0, 2, 9}},
        // The slots that the first condition finds are not read.
        {"ShouldUnindexed",
         R"({"should": [{"key": "size", "match": {"value": 4}},
                        {"key": "other", "match": {"value": 4}}]})",
         {0, 2},
         8,
         {"other"}},
        {"MustNot",
         R"({"must": [{"has_id": [100, 101, 102]}],
                        "must_not": [{"key": "color", "match": {"value": "red"}}]})",
         {2}},
        {"MinShould",
         R"({"min_should": {"min_count": 2, "conditions": [
                          {"key": "size", "match": {"value": 4}}, {"has_vector": "image"},
                          {"key": "color", "match": {"value": "blue"}}]}})",
         {0, 2}},
        {"MinShouldOfTooFew",
         R"({"min_should": {"min_count": 2, "conditions": [
                                  {"key": "size", "match": {"value": 4}}]}})",
         {}},
        // Each payload is read once, though an id decides for some of them.
        {"IdInsideOfWhatIsRead",
         R"({"should": [{"must": [{"has_id": [107, 108]}, {"key": "x", "match": {"value": 1}}]},
                        {"must_not": [{"has_id": [107]}, {"is_null": {"key": "sold"}}]}]})",
         {0, 1, 2, 4, 5, 6, 8, 9},
         10,
         {"x"}},
    }),
    [](const auto& info) { return info.param.name; });

struct EstimateCase {
  std::string name;
  std::string filter;
  std::uint64_t estimate;
};
class PayloadIndexEstimate : public testing::TestWithParam<EstimateCase> {};

// Slots 0..999: n is the slot, tenth its last digit, half whether it is below 500.
TEST_P(PayloadIndexEstimate, FollowsTheIndexes) {
  Points points;
  for (Slot slot = 0; slot < 1000; ++slot) {
    points[slot].payload = {{"n", slot},
                            {"tenth", std::to_string(slot % 10)},
                            {"half", slot < 500},
                            {"place", {{"lon", slot % 100 * 0.01}, {"lat", slot / 100 * 0.1}}}};
  }
  PayloadIndex index;
  add_fields(index, points,
             {{"n", FieldType::kInteger},
              {"tenth", FieldType::kKeyword},
              {"half", FieldType::kBool},
              {"place", FieldType::kGeo}});
  const EstimateCase& c = GetParam();
  const auto filter = parse_filter(parse_json(c.filter, "filter").value());
  ASSERT_TRUE(filter) << filter.error().message;
  EXPECT_EQ(index.view().estimate(*filter, 1000), c.estimate);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, PayloadIndexEstimate,
    testing::ValuesIn(std::vector<EstimateCase>{
        {"Everything", "{}", 1000},
        {"Match", must_be("tenth", R"("match": {"value": "3"})"), 100},
        {"MatchNone", must_be("tenth", R"("match": {"value": "x"})"), 0},
        {"MatchAny", must_be("tenth", R"("match": {"any": ["3", "4", "x"]})"), 200},
        {"Range", must_be("n", R"("range": {"gte": 17, "lt": 40})"), 23},
        {"Bool", must_be("half", R"("match": {"value": true})"), 500},
        {"Box", must_be("place", R"("geo_bounding_box": {"top_left": {"lon": -1, "lat": 0.45},
                                    "bottom_right": {"lon": 9, "lat": -1}})"),
         500},
        {"Independent", R"({"must": [{"key": "tenth", "match": {"value": "3"}},
                                     {"key": "half", "match": {"value": true}}]})",
         50},
        {"MustNot", R"({"must_not": [{"key": "tenth", "match": {"value": "3"}}]})", 900},
        {"Should", R"({"should": [{"key": "tenth", "match": {"value": "3"}},
                                  {"key": "half", "match": {"value": true}}]})",
         550},
        {"MinShould", R"({"min_should": {"min_count": 2, "conditions": [
                          {"key": "tenth", "match": {"value": "3"}},
                          {"key": "tenth", "match": {"value": "4"}},
                          {"key": "half", "match": {"value": true}}]}})",
         100},
        {"Ids", must(R"({"has_id": [1, 2, 3]})"), 3},
        {"Empty", must(R"({"is_empty": {"key": "tenth"}})"), 0},
        {"Unindexed", must_be("other", R"("match": {"value": 1})"), 500},
    }),
    [](const auto& info) { return info.param.name; });

TEST(PayloadIndex, EstimateFollowsChanges) {
  PayloadIndex index;
  add_fields(index, {}, {{"n", FieldType::kInteger}});
  const auto filter =
      parse_filter(parse_json(must_be("n", R"("range": {"lt": 100})"), "f").value());
  for (Slot slot = 0; slot < 6000; ++slot) index.put(slot, {{"n", slot}});  // merged at 4096
  EXPECT_EQ(index.view().estimate(*filter, 6000), 100U);
  for (Slot slot = 0; slot < 1000; ++slot) index.put(slot, {{"n", 5}});
  EXPECT_NEAR(static_cast<double>(index.view().estimate(*filter, 6000)), 1000, 100);
}

TEST(PayloadIndex, ViewsKeepTheirMoment) {
  PayloadIndex index;
  add_fields(index, {}, {{"n", FieldType::kInteger}});
  const Points none;
  const PointsFallback fallback(none);
  const auto filter =
      parse_filter(parse_json(must_be("n", R"("match": {"value": 1})"), "f").value());
  Bitmap live;
  live.add_range(0, 10'000);
  const auto found = [&](const PayloadIndexView& view) {
    return view.evaluate(*filter, live, fallback, Deadline::never())->slots.to_vector();
  };
  const PayloadIndexView before = index.view();
  index.put(3, {{"n", 1}});
  const PayloadIndexView one = index.view();
  index.put(4, {{"n", 1}});
  index.put(3, {{"n", 2}});
  const PayloadIndexView other = index.view();
  index.remove(4);
  for (int i = 0; i < 9'000; ++i) index.put(5, {{"n", i % 2}});  // two merges
  const PayloadIndexView late = index.view();
  index.drop_field("n");
  EXPECT_THAT(found(before), IsEmpty());
  EXPECT_THAT(found(one), ElementsAre(3));
  EXPECT_THAT(found(other), ElementsAre(4));
  EXPECT_THAT(found(late), ElementsAre(5));
  EXPECT_EQ(late.type_of("n"), FieldType::kInteger);
  EXPECT_EQ(index.view().type_of("n"), std::nullopt);
}

// From many slots, which have a bitmap, to few, to none, and back.
TEST(PayloadIndex, AValueIsFoundHoweverManySlotsHaveIt) {
  PayloadIndex index;
  add_fields(index, {}, {{"n", FieldType::kInteger}});
  Filter filter;
  filter.must.push_back(FieldCondition{path_of("n"), MatchValue{std::int64_t{1}}});
  Bitmap live;
  live.add_range(0, 100'000);
  const Points none;
  const PointsFallback fallback(none);
  Slot next = 50'000;
  for (const Slot count : {3U, 200U, 20U, 40U, 0U, 5U, 500U, 0U}) {
    for (Slot slot = 0; slot < 1000; ++slot) index.put(slot, {{"n", slot < count ? 1 : 2}});
    for (int i = 0; i < 4096; ++i) index.put(next++, {{"n", 3}});  // the log is merged
    const auto got = index.view().evaluate(filter, live, fallback, Deadline::never());
    Slots expected(count);
    std::iota(expected.begin(), expected.end(), 0);
    EXPECT_EQ(got->slots.to_vector(), expected);
    EXPECT_NEAR(static_cast<double>(index.view().estimate(filter, 100'000)), count, 100);
  }
}

TEST(PayloadIndex, SlotsOutsideOfTheLiveOnesAreNotFound) {
  PayloadIndex index;
  add_fields(index, shop(), all_fields());
  const PointsFallback fallback(shop());
  const auto filter = parse_filter(
      parse_json(must_be("color", R"("match": {"any": ["red", "blue"]})"), "f").value());
  const auto got =
      index.view().evaluate(*filter, Bitmap::from_sorted(Slots{1, 9}), fallback, Deadline::never());
  EXPECT_THAT(got->slots.to_vector(), ElementsAre(1));
}

TEST(PayloadIndex, AFailedFieldLeavesTheOldOne) {
  PayloadIndex index;
  add_fields(index, shop(), all_fields());
  const std::uint64_t bytes = index.memory_bytes();
  const auto damaged = index.add_field(path_of("color"), FieldType::kKeyword,
                                       [](const auto&) { return corruption("damaged"); });
  ASSERT_FALSE(damaged);
  EXPECT_EQ(damaged.error().message, "damaged");
  const auto unsorted =
      index.add_field(path_of("color"), FieldType::kKeyword, [](const auto& visit) -> Result<void> {
        visit(std::string("b"), 1);
        visit(std::string("a"), 1);
        return {};
      });
  EXPECT_FALSE(unsorted);
  EXPECT_EQ(index.view().type_of("color"), FieldType::kKeyword);
  EXPECT_EQ(index.memory_bytes(), bytes);
}

TEST(PayloadIndex, ErrorsOfTheFallbackAndTheDeadlineArePassedOn) {
  PayloadIndex index;
  add_fields(index, shop(), all_fields());
  const PointsFallback fallback(shop());
  const auto filter =
      parse_filter(parse_json(must_be("color", R"("match": {"value": "red"})"), "f").value());
  testing_support::FakeClock clock;
  const Deadline deadline = Deadline::after(std::chrono::milliseconds(5), clock);
  clock.advance(std::chrono::milliseconds(6));
  const auto got = index.view().evaluate(*filter, slots_of(shop()), fallback, deadline);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, StatusCode::kDeadlineExceeded);

  class Broken final : public PayloadIndexView::Fallback {
    Result<Bitmap> scan(const Condition&, const Bitmap&, const Deadline&) const override {
      return io_error("scan");
    }
    Result<std::optional<Slot>> find(const PointId&) const override { return io_error("find"); }
    Result<Bitmap> with_vector(std::string_view) const override { return io_error("vector"); }
  };
  const std::map<std::string, std::string> cases = {
      {"scan", must_be("other", R"("match": {"value": 1})")},
      {"find", must(R"({"has_id": [1]})")},
      {"vector", must(R"({"has_vector": "x"})")}};
  for (const auto& [message, text] : cases) {
    const auto broken = parse_filter(parse_json(text, "f").value());
    const auto error =
        index.view().evaluate(*broken, slots_of(shop()), Broken(), Deadline::never());
    ASSERT_FALSE(error) << message;
    EXPECT_EQ(error.error().message, message);
  }
}

// Indexes leave out what is longer than kMaxIndexedString; payloads tell.
TEST(PayloadIndex, LongStringsAreFoundInPayloads) {
  const std::string longest(kMaxIndexedString, 'x'), too_long(kMaxIndexedString + 1, 'x');
  Points points;
  for (const std::string& text : {longest, too_long, too_long + " red", std::string("red")}) {
    points[static_cast<Slot>(points.size())].payload = {{"word", text}, {"text", text}};
  }
  PayloadIndex index;
  add_fields(index, points, {{"word", FieldType::kKeyword}, {"text", FieldType::kText}});
  const auto check = [&](const char* field, const FieldTest& test, const Slots& expected,
                         std::size_t num_read) {
    Filter filter;
    filter.must.push_back(FieldCondition{path_of(field), test});
    const PointsFallback fallback(points);
    const auto got = index.view().evaluate(filter, slots_of(points), fallback, Deadline::never());
    EXPECT_EQ(got->slots.to_vector(), expected);
    EXPECT_EQ(got->slots.to_vector(), satisfying(points, filter).to_vector());
    EXPECT_EQ(fallback.num_read(), num_read);
    EXPECT_THAT(got->unindexed_fields, IsEmpty());
  };
  check("word", MatchValue{longest}, {0}, 0);
  check("word", MatchValue{too_long}, {1}, 2);
  check("word", MatchAny{{too_long, std::string("red")}}, {1, 3}, 2);
  check("word", MatchExcept{{longest}}, {1, 2, 3}, 2);
  check("text", MatchText{too_long + " red", false}, {2}, 2);
  check("text", MatchText{too_long + " red", true}, {1, 2, 3}, 1);
  check("text", MatchPhrase{too_long}, {1, 2}, 2);
  check("text", MatchValue{too_long}, {1}, 2);
}

// A value that no key stands for comes and goes with its slot, in the base and in the log.
TEST(PayloadIndex, ValuesThatAnIndexCannotHoldFollowChanges) {
  Points points;
  PayloadIndex index;
  add_fields(index, {}, {{"n", FieldType::kInteger}});
  const auto write = [&](Slot slot, const Json& value) {
    points[slot].payload = {{"n", value}};
    index.put(slot, points[slot].payload);
  };
  const auto filter =
      parse_filter(parse_json(must_be("n", R"("range": {"gt": 5, "lt": 1e30})"), "f").value());
  const auto check = [&](std::size_t num_read) {
    const PointsFallback fallback(points);
    const auto got = index.view().evaluate(*filter, slots_of(points), fallback, Deadline::never());
    EXPECT_EQ(got->slots.to_vector(), satisfying(points, *filter).to_vector());
    EXPECT_EQ(fallback.num_read(), num_read);
  };
  for (Slot slot = 0; slot < 6000; ++slot) write(slot, slot);  // merged at 4096
  check(0);
  write(3, 5.5);
  write(4, std::numeric_limits<std::uint64_t>::max());
  write(7, 4.5);
  check(3);
  for (Slot slot = 100; slot < 4200; ++slot) write(slot, slot);  // merged again
  check(3);
  write(3, 5);
  write(4, Json::array({1, 5.5, 6}));  // surely found, so not read
  index.remove(7);
  points.erase(7);
  check(0);
  EXPECT_NEAR(static_cast<double>(index.view().estimate(*filter, 6000)), 5994, 2);
}

// Integers beyond 2^53 compare as the doubles they become, as matches() does.
TEST(PayloadIndex, IntegersAtTheirLimits) {
  const std::vector<std::int64_t> numbers = {std::numeric_limits<std::int64_t>::min(),
                                             std::numeric_limits<std::int64_t>::min() + 1,
                                             -1,
                                             0,
                                             (std::int64_t{1} << 53) - 1,
                                             std::int64_t{1} << 53,
                                             (std::int64_t{1} << 53) + 1,
                                             std::numeric_limits<std::int64_t>::max() - 1,
                                             std::numeric_limits<std::int64_t>::max()};
  Points points;
  for (const std::int64_t number : numbers) {
    points[static_cast<Slot>(points.size())].payload = {{"n", number}};
  }
  PayloadIndex index;
  add_fields(index, points, {{"n", FieldType::kInteger}});
  std::vector<double> bounds = {-1e300,
                                1e300,
                                0.5,
                                -0.5,
                                std::numeric_limits<double>::infinity(),
                                -std::numeric_limits<double>::infinity(),
                                std::numeric_limits<double>::quiet_NaN()};
  for (const std::int64_t number : numbers) bounds.push_back(static_cast<double>(number));
  for (const double bound : bounds) {
    for (int kind = 0; kind < 4; ++kind) {
      NumberRange range;
      (kind == 0 ? range.lt : kind == 1 ? range.lte : kind == 2 ? range.gt : range.gte) = bound;
      Filter filter;
      filter.must.push_back(FieldCondition{path_of("n"), range});
      const PointsFallback fallback(points);
      const auto got = index.view().evaluate(filter, slots_of(points), fallback, Deadline::never());
      EXPECT_THAT(got->slots.to_vector(), ElementsAreArray(satisfying(points, filter).to_vector()))
          << bound << ", bound " << kind;
      EXPECT_EQ(fallback.num_read(), 0U);
    }
  }
}

GeoPoint random_place(std::mt19937& random) {
  std::uniform_real_distribution<double> lon(-180, 180), lat(-90, 90), near(-0.5, 0.5);
  switch (random() % 4) {
    case 0:  // a town
      return {10 + near(random), 50 + near(random)};
    case 1:  // the antimeridian
      return {random() % 2 == 0 ? 180 - std::abs(near(random)) : -180 + std::abs(near(random)),
              near(random)};
    case 2:  // the poles
      return {lon(random),
              random() % 2 == 0 ? 90 - std::abs(near(random)) : -90 + std::abs(near(random))};
    default:
      return {lon(random), lat(random)};
  }
}

FieldTest random_area(std::mt19937& random) {
  const GeoPoint a = random_place(random), b = random_place(random);
  switch (random() % 3) {
    case 0:
      return GeoBox{{a.lon, std::max(a.lat, b.lat)}, {b.lon, std::min(a.lat, b.lat)}};
    case 1: {
      const double meters = std::exp(std::uniform_real_distribution<double>(4, 17)(random));
      return GeoRadius{a, meters};
    }
    default: {
      GeoPolygon polygon;
      for (int i = 0; i < 5; ++i) polygon.exterior.push_back(random_place(random));
      polygon.exterior.push_back(polygon.exterior[0]);
      return polygon;
    }
  }
}

TEST(PayloadIndex, AreasFindWhatMatchesFinds) {
  std::mt19937 random(5);
  Points points;
  for (Slot slot = 0; slot < 4000; ++slot) {
    const GeoPoint place = random_place(random);
    points[slot].payload = {{"place", {{"lon", place.lon}, {"lat", place.lat}}}};
  }
  PayloadIndex index;
  add_fields(index, points, {{"place", FieldType::kGeo}});
  const PointsFallback fallback(points);
  std::uint64_t num_found = 0;
  for (int i = 0; i < 300; ++i) {
    Filter filter;
    filter.must.push_back(FieldCondition{path_of("place"), random_area(random)});
    const auto got = index.view().evaluate(filter, slots_of(points), fallback, Deadline::never());
    ASSERT_EQ(got->slots.to_vector(), satisfying(points, filter).to_vector())
        << dump_json(filter_to_json(filter));
    const auto count = static_cast<double>(got->slots.count());
    EXPECT_NEAR(static_cast<double>(index.view().estimate(filter, 4000)), count, 60 + count / 3)
        << dump_json(filter_to_json(filter));
    num_found += got->slots.count();
  }
  EXPECT_EQ(fallback.num_read(), 0U);
  EXPECT_GT(num_found, 10'000U);
}

// A value that one slot has must not cost a bitmap, nor one that many have a number for each.
TEST(PayloadIndex, MemoryOfUniqueAndOfCommonValues) {
  constexpr Slot kSlots = 100'000;
  const auto fill = [](FieldType type, const auto& value_of) {
    PayloadIndex index;
    const auto added = index.add_field(path_of("x"), type, [&](const auto& visit) -> Result<void> {
      for (Slot slot = 0; slot < kSlots; ++slot) visit(value_of(slot), slot);
      return {};
    });
    EXPECT_TRUE(added);
    return static_cast<double>(index.memory_bytes()) / kSlots;
  };
  const auto unique_text = [](Slot slot) {
    std::string text = std::to_string(1'000'000 + slot) + "-0123456789abcdef0123456789abcdef";
    return IndexedValue(text);
  };
  EXPECT_LT(fill(FieldType::kKeyword, unique_text), 40 + 20);
  EXPECT_LT(fill(FieldType::kInteger, [](Slot s) { return IndexedValue(std::int64_t{s}); }), 18);
  EXPECT_LT(fill(FieldType::kBool, [](Slot s) { return IndexedValue(s >= kSlots / 3); }), 0.1);
  EXPECT_LT(fill(FieldType::kInteger,
                 [](Slot s) { return IndexedValue(std::int64_t{s / (kSlots / 100)}); }),
            1.5);
}

}  // namespace
}  // namespace sightline::index
