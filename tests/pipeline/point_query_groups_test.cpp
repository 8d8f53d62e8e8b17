#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "pipeline/point_query.h"
#include "tests/pipeline/query_fixture.h"

namespace sightline::pipeline {
namespace {

using testing::HasSubstr;

class QueryGroups : public QueryTest {
 protected:
  void SetUp() override { make(Metric::kCosine); }

  GroupAnswer ask_groups(const GroupQuery& query) {
    auto answer = run_group_query(scope(), query, Deadline::never());
    EXPECT_TRUE(answer) << answer.error().message;
    return answer ? *std::move(answer) : GroupAnswer{};
  }
  GroupQuery nearest(const std::vector<float>& vector, const std::string& field) {
    GroupQuery query;
    query.query.query = NearestQuery{vector, std::nullopt};
    query.group_by = *FieldPath::parse(field);
    return query;
  }
  /// By going through all points, best first.
  std::vector<std::pair<Json, std::vector<std::uint64_t>>> slowly(const std::vector<float>& vector,
                                                                  const std::string& field,
                                                                  const Allowed& allowed,
                                                                  std::size_t num_groups,
                                                                  std::size_t group_size) {
    std::vector<std::pair<Json, std::vector<std::uint64_t>>> groups;
    for (const auto& [score, id] :
         rank([&](const auto& p) { return this->score(vector, p.vectors.at("")); }, allowed)) {
      const Json& payload = plain(PointId(id)).payload;
      if (!payload.contains(field)) continue;
      Json keys = payload[field].is_array() ? payload[field] : Json::array({payload[field]});
      for (const Json& key : keys) {
        auto group = std::find_if(groups.begin(), groups.end(),
                                  [&](const auto& g) { return g.first == key; });
        if (group == groups.end()) {
          if (groups.size() == num_groups) continue;
          group = groups.emplace(groups.end(), key, std::vector<std::uint64_t>());
        }
        if (group->second.size() < group_size &&
            (group->second.empty() || group->second.back() != id))
          group->second.push_back(id);
      }
    }
    return groups;
  }
  static std::vector<std::pair<Json, std::vector<std::uint64_t>>> plain_groups(
      const GroupAnswer& answer) {
    std::vector<std::pair<Json, std::vector<std::uint64_t>>> groups;
    for (const PointGroup& group : answer.groups) {
      groups.emplace_back(group.key, std::vector<std::uint64_t>());
      for (const PointHit& hit : group.hits) groups.back().second.push_back(hit.id.number());
    }
    return groups;
  }
};

TEST_F(QueryGroups, AreTheBestWithTheirBest) {
  for (const std::string field : {"n", "tag"}) {
    for (const std::size_t limit : {1, 3, 10, 200}) {
      for (const std::size_t group_size : {1, 3, 40}) {
        const auto vector = random_vector();
        GroupQuery query = nearest(vector, field);
        query.limit = limit;
        query.group_size = group_size;
        EXPECT_EQ(plain_groups(ask_groups(query)), slowly(vector, field, {}, limit, group_size))
            << field << " " << limit << " " << group_size;
        query.query.filter = below(35);
        EXPECT_EQ(plain_groups(ask_groups(query)),
                  slowly(vector, field, is_below(35), limit, group_size))
            << field << " " << limit << " " << group_size;
      }
    }
  }
}

TEST_F(QueryGroups, RareValuesAreFoundBehindFrequentOnes) {
  // 200 points nearest to `vector` are of one group; a dozen groups come after them.
  const auto vector = random_vector();
  const auto ranking = rank([&](const auto& p) { return score(vector, p.vectors.at("")); }, {});
  std::vector<WriteOp> ops;
  for (std::size_t i = 0; i < ranking.size(); ++i) {
    OverwritePayload write;
    write.id = PointId(ranking[i].second);
    write.payload = Json{{"g", i < 200 ? "most" : "g" + std::to_string(i % 12)}};
    if (i % 10 == 5) write.payload["g"] = 0.5;  // no key
    if (i == 210) write.payload["g"] = Json::array({"most", 7, true, "g0"});
    const_cast<PlainPoint&>(plain(write.id)).payload = write.payload;
    if (i % 10 == 5) const_cast<PlainPoint&>(plain(write.id)).payload = Json::object();
    if (i == 210)
      const_cast<PlainPoint&>(plain(write.id)).payload["g"] = Json::array({"most", 7, "g0"});
    ops.emplace_back(std::move(write));
  }
  ASSERT_TRUE(store_->write(ops));
  for (const bool has_index : {false, true}) {
    if (has_index) {
      ASSERT_TRUE(store_->create_payload_index("g", FieldType::kKeyword));
    }
    GroupQuery query = nearest(vector, "g");
    query.group_size = 4;
    EXPECT_EQ(plain_groups(ask_groups(query)), slowly(vector, "g", {}, 10, 4));
    query.limit = 30;
    EXPECT_EQ(plain_groups(ask_groups(query)), slowly(vector, "g", {}, 30, 4));
  }
}

TEST_F(QueryGroups, ExamplesAndDistances) {
  GroupQuery query = nearest({}, "tag");
  query.query.query = RecommendQuery{
      {PointId(points_[0].id)}, {PointId(points_[1].id)}, RecommendStrategy::kBestScore};
  const auto answer = ask_groups(query);
  ASSERT_EQ(answer.groups.size(), 5u);
  EXPECT_FALSE(answer.scores_are_distances);
  for (const PointGroup& group : answer.groups) {
    ASSERT_EQ(group.hits.size(), 3u);
    for (const PointHit& hit : group.hits) {
      EXPECT_NE(hit.id.number(), points_[0].id);
      EXPECT_NE(hit.id.number(), points_[1].id);
    }
    EXPECT_GE(group.hits[0].score, group.hits[1].score);
    EXPECT_FALSE(group.hits[0].payload);
  }
}

TEST_F(QueryGroups, OfPrefetchedPoints) {
  const auto first = random_vector(), second = random_vector();
  GroupQuery query = nearest(second, "tag");
  query.query.prefetch.resize(1);
  query.query.prefetch[0].query = NearestQuery{first, std::nullopt};
  query.query.prefetch[0].limit = 20;
  query.limit = 3;
  std::set<std::uint64_t> found;  // three times the prefetch's limit, of those that have a tag
  for (const auto& [score, id] :
       rank([&](const auto& p) { return this->score(first, p.vectors.at("")); },
            [](const auto& p) { return p.payload.contains("tag"); })) {
    if (found.size() < 60) found.insert(id);
  }
  EXPECT_EQ(plain_groups(ask_groups(query)),
            slowly(
                second, "tag", [&](const auto& p) { return found.contains(p.id); }, 3, 3));
}

TEST_F(QueryGroups, PayloadsVectorsAndLookups) {
  CollectionConfig config;
  config.vectors[""] = {2, Metric::kDot, {}};
  const auto other = *folder_->create_collection("other", config);
  ASSERT_TRUE(other->write({point(17, {1, 2}, {{"name", "seventeen"}, {"more", 1}})}));
  std::vector<WriteOp> ops;
  for (std::size_t i = 0; i < 40; ++i) {
    OverwritePayload write;
    write.id = PointId(points_[i].id);
    write.payload = Json{{"doc", i % 2 == 0 ? Json(17) : Json("42")}, {"i", i}};
    ops.emplace_back(std::move(write));
  }
  ASSERT_TRUE(store_->write(ops));
  GroupQuery query = nearest(random_vector(), "doc");
  query.query.with_payload = {PayloadSelector::Kind::kInclude, {*FieldPath::parse("i")}};
  query.query.with_vectors.kind = VectorSelector::Kind::kAll;
  query.with_lookup =
      GroupLookup{"other", {PayloadSelector::Kind::kExclude, {*FieldPath::parse("more")}}, {}};
  const auto answer = ask_groups(query);
  ASSERT_EQ(answer.groups.size(), 2u);
  for (const PointGroup& group : answer.groups) {
    for (const PointHit& hit : group.hits) {
      EXPECT_EQ(hit.payload->size(), 1u);
      EXPECT_TRUE(hit.payload->contains("i"));
      EXPECT_FALSE(hit.vectors.empty());
    }
    EXPECT_EQ(group.lookup.has_value(), group.key == Json(17));
    if (!group.lookup) continue;
    EXPECT_EQ(group.lookup->payload, (Json{{"name", "seventeen"}}));
    EXPECT_TRUE(group.lookup->vectors.empty());
  }
  query.with_lookup->collection = "third";
  EXPECT_EQ(run_group_query(scope(), query, Deadline::never()).error().code, StatusCode::kNotFound);
}

TEST_F(QueryGroups, Errors) {
  GroupQuery query = nearest(random_vector(), "tag");
  query.limit = 0;
  EXPECT_THAT(run_group_query(scope(), query, Deadline::never()).error().message,
              HasSubstr("limit is 0"));
  query.limit = 1;
  query.group_size = 10'001;
  EXPECT_THAT(run_group_query(scope(), query, Deadline::never()).error().message,
              HasSubstr("group_size is 10001"));
}

}  // namespace
}  // namespace sightline::pipeline
