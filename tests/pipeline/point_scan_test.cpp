#include "pipeline/point_scan.h"

#include <gmock/gmock.h>

#include <random>

#include "pipeline/field_survey.h"
#include "pipeline/score_background.h"
#include "tests/pipeline/local_store_fixture.h"

namespace sightline::pipeline {
namespace {

using testing::ElementsAre;

class PointScan : public LocalStoreTest {
 protected:
  void put(std::uint64_t id, Json payload) {
    ASSERT_TRUE(store_->write({point(id, {1, 0}, std::move(payload))}));
  }
  /// A picture of so many pixels a side with this perceptual hash.
  void put_picture(std::uint64_t id, const std::string& hash, unsigned side) {
    put(id, {{"_image", {{"perceptual_hash", hash}, {"width", side}, {"height", side}}}});
  }
  std::vector<std::uint64_t> sorted(const std::string& field, bool descending = false,
                                    std::size_t offset = 0, std::size_t limit = 100) {
    const SortOrder order{FieldPath::parse(field).value(), descending};
    const auto found =
        sorted_points(*store_, order, nullptr, offset, limit, false, Deadline::never());
    EXPECT_TRUE(found) << found.error().message;
    std::vector<std::uint64_t> ids;
    for (const StoredPoint& at : found->points) ids.push_back(at.id.number());
    return ids;
  }
  std::vector<std::vector<std::uint64_t>> duplicates(const DuplicateOptions& options) {
    const auto found = find_duplicates(*store_, options, Deadline::never());
    EXPECT_TRUE(found) << found.error().message;
    std::vector<std::vector<std::uint64_t>> groups;
    for (const DuplicateGroup& group : found->groups) {
      groups.emplace_back();
      for (const auto& member : group.members) groups.back().push_back(member.id.number());
    }
    return groups;
  }
};

TEST_F(PointScan, VisitsEveryPointOnceOverPages) {
  std::vector<WriteOp> ops;
  for (std::uint64_t id = 0; id < 9000; ++id) ops.emplace_back(point(id, {1, 0}));
  ASSERT_TRUE(store_->write(std::move(ops)));
  std::uint64_t next = 0;
  ASSERT_TRUE(visit_points(*store_, nullptr, {false, false}, Deadline::never(),
                           [&](StoredPoint& at) { return at.id == PointId(next++); }));
  EXPECT_EQ(next, 9000U);
}

TEST_F(PointScan, SortsValuesOfAllKinds) {
  put(1, {{"v", "b"}});
  put(2, {{"v", 7}});
  put(3, {{"v", 7.5}});
  put(4, {{"v", true}});
  put(5, {{"other", 1}});
  put(6, {{"v", "2020-03-01T10:00:00+02:00"}});
  put(7, {{"v", "2020-03-01T09:00:00Z"}});
  put(8, {{"v", {nullptr, "a"}}});
  put(9, {{"v", 7}});
  EXPECT_THAT(sorted("v"), ElementsAre(4, 2, 9, 3, 6, 7, 8, 1));
  EXPECT_THAT(sorted("v", true), ElementsAre(1, 8, 7, 6, 3, 2, 9, 4));
  EXPECT_THAT(sorted("v", false, 2, 3), ElementsAre(9, 3, 6));
  EXPECT_THAT(sorted("v", false, 8, 3), ElementsAre());
}

TEST_F(PointScan, LargeIntegersSortExactly) {
  put(1, {{"v", 9007199254740993}});
  put(2, {{"v", 9007199254740992}});
  EXPECT_THAT(sorted("v"), ElementsAre(2, 1));
}

TEST_F(PointScan, CountsEachValueOncePerPoint) {
  put(1, {{"tags", {"a", "b", "a"}}});
  put(2, {{"tags", "b"}});
  put(3, {{"tags", 3}});
  put(4, {{"tags", true}});
  const auto counted =
      count_values(*store_, FieldPath::parse("tags").value(), nullptr, 2, Deadline::never());
  ASSERT_TRUE(counted) << counted.error().message;
  EXPECT_FALSE(counted->used_index);
  ASSERT_EQ(counted->values.size(), 2U);
  EXPECT_EQ(counted->values[0].value, MatchScalar("b"));
  EXPECT_EQ(counted->values[0].count, 2U);
  EXPECT_EQ(counted->values[1].count, 1U);
}

TEST_F(PointScan, DuplicatesAreLedByTheLargest) {
  put_picture(1, "0000000000000000", 10);
  put_picture(2, "0000000000000007", 30);  // 3 bits from 1
  put_picture(3, "00000000000000ff", 20);  // 5 bits from 2, 8 from 1
  put_picture(4, "ffffffffffffffff", 20);
  put_picture(5, "ffffffffffffffff", 20);
  put_picture(6, "f0f0f0f0f0f0f0f0", 20);
  put(7, {{"no", "picture"}});
  EXPECT_THAT(duplicates({3, nullptr, 0, 50}), ElementsAre(ElementsAre(2, 1), ElementsAre(4, 5)));
  EXPECT_THAT(duplicates({6, nullptr, 0, 50}),
              ElementsAre(ElementsAre(2, 1, 3), ElementsAre(4, 5)));
  EXPECT_THAT(duplicates({0, nullptr, 0, 50}), ElementsAre(ElementsAre(4, 5)));
  EXPECT_THAT(duplicates({6, nullptr, 1, 50}), ElementsAre(ElementsAre(4, 5)));
  EXPECT_FALSE(find_duplicates(*store_, {12, nullptr, 0, 50}, Deadline::never()));
}

TEST_F(PointScan, DuplicatesAreThoseThatComparingAllPairsFinds) {
  std::mt19937_64 random(7);
  std::vector<std::uint64_t> hashes;
  std::vector<WriteOp> ops;
  for (std::uint64_t id = 0; id < 400; ++id) {
    std::uint64_t hash = random();
    if (id % 2 == 1) {  // a few bits from the one before
      hash = hashes.back();
      for (std::uint64_t bit = 0; bit < id % 14; ++bit) hash ^= std::uint64_t{1} << (random() % 64);
    }
    hashes.push_back(hash);
    char text[17];
    std::snprintf(text, sizeof(text), "%016lx", static_cast<unsigned long>(hash));
    ops.emplace_back(point(id, {1, 0}, {{"_image", {{"perceptual_hash", text}}}}));
  }
  ASSERT_TRUE(store_->write(std::move(ops)));
  for (const std::size_t distance : {0U, 3U, 6U, 9U, 11U}) {
    std::vector<std::vector<std::uint64_t>> expected;
    std::vector<bool> taken(hashes.size(), false);
    for (std::uint64_t leader = 0; leader < hashes.size(); ++leader) {
      if (taken[leader]) continue;
      std::vector<std::uint64_t> group;
      for (std::uint64_t other = leader; other < hashes.size(); ++other) {
        if (taken[other] || std::popcount(hashes[leader] ^ hashes[other]) > int(distance)) continue;
        taken[other] = true;
        group.push_back(other);
      }
      if (group.size() > 1) expected.push_back(std::move(group));
    }
    auto found = duplicates({distance, nullptr, 0, 1000});
    for (auto& group : found) std::ranges::sort(group);
    EXPECT_THAT(found, testing::UnorderedElementsAreArray(expected)) << distance;
  }
}

TEST_F(PointScan, SurveyGuessesTypesAndRanges) {
  for (std::uint64_t id = 1; id <= 20; ++id) {
    put(id, {{"year", 2000 + id},
             {"price", static_cast<double>(id) / 4},
             {"city", id % 2 == 0 ? "Paris" : "Oslo"},
             {"title", "title " + std::to_string(id)},
             {"text", std::string(70 + id, 'x')},
             {"seen", id % 2 == 0},
             {"when", "2020-01-" + std::string(id < 10 ? "0" : "") + std::to_string(id)},
             {"mixed", id % 2 == 0 ? Json(1) : Json(2.5)},
             {"a.b", {{"c d", 1}}},
             {"list", {{{"name", "n"}}}},
             {"_image", {{"place", {{"lat", 1.5}, {"lon", 2}, {"city", "Oslo"}}}}}});
  }
  ASSERT_TRUE(store_->create_payload_index("city", FieldType::kKeyword));
  const auto survey = survey_fields(*store_, 10, Deadline::never());
  ASSERT_TRUE(survey) << survey.error().message;
  EXPECT_EQ(survey->num_sampled, 10U);
  std::map<std::string, FieldGuess> fields;
  for (const FieldGuess& guess : survey->fields) fields[guess.field] = guess;
  EXPECT_EQ(fields["year"].type, FieldType::kInteger);
  EXPECT_EQ(fields["year"].min, 2001);
  EXPECT_EQ(fields["year"].max, 2010);
  EXPECT_FALSE(fields["year"].is_facet);
  EXPECT_EQ(fields["price"].type, FieldType::kFloat);
  EXPECT_EQ(fields["mixed"].type, FieldType::kFloat);
  EXPECT_EQ(fields["city"].type, FieldType::kKeyword);
  EXPECT_EQ(fields["city"].index, FieldType::kKeyword);
  EXPECT_TRUE(fields["city"].is_facet);
  EXPECT_FALSE(fields["title"].is_facet);
  EXPECT_EQ(fields["text"].type, FieldType::kText);
  EXPECT_EQ(fields["seen"].type, FieldType::kBool);
  EXPECT_TRUE(fields["seen"].is_facet);
  EXPECT_EQ(fields["when"].type, FieldType::kDatetime);
  EXPECT_EQ(fields["when"].min, "2020-01-01");
  EXPECT_EQ(fields["\"a.b\".c d"].type, FieldType::kInteger);
  EXPECT_EQ(fields["list[].name"].type, FieldType::kKeyword);
  EXPECT_EQ(fields["_image.place"].type, FieldType::kGeo);
  EXPECT_TRUE(fields.contains("_image.place.city"));
  // Every name is a path that leads to the values.
  for (const auto& [name, guess] : fields) {
    const auto path = FieldPath::parse(name);
    ASSERT_TRUE(path) << name;
    bool found = false;
    const auto stored = store_->get(std::vector<PointId>{PointId(1)}, {true, false}).value();
    path->visit(stored[0]->payload, [&](const Json&) { return !(found = true); });
    EXPECT_TRUE(found) << name;
  }
}

TEST(ScoreBackground, IsOfTheLowerHalf) {
  std::vector<float> scores;
  std::mt19937 random(3);
  std::normal_distribution<float> chance(0.2F, 0.02F);
  for (int i = 0; i < 500; ++i) scores.push_back(chance(random));
  // A fifth of the collection is what the query is about.
  for (int i = 0; i < 100; ++i) scores.push_back(0.5F);
  const auto background = background_of(scores);
  ASSERT_TRUE(background);
  EXPECT_NEAR(background->center, 0.2, 0.01);
  EXPECT_NEAR(background->spread, 0.02, 0.01);
  EXPECT_GT(background->strong_from, 0.24);
  EXPECT_LT(background->strong_from, 0.3);
  EXPECT_EQ(background->num_points, 600U);
  const auto strict = background_of(scores, 5);
  ASSERT_TRUE(strict);
  EXPECT_DOUBLE_EQ(strict->strong_from, strict->center + 5 * strict->spread);

  scores.resize(kMinBackgroundPoints - 1);
  EXPECT_FALSE(background_of(scores));
  EXPECT_FALSE(background_of(std::vector<float>(100, 0.5F)));
}

}  // namespace
}  // namespace sightline::pipeline
