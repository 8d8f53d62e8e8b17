// Filters, payload indexes, and the writes that select points.
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "tests/pipeline/local_store_fixture.h"

namespace sightline::pipeline {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

std::shared_ptr<const Filter> filter(const std::string& json) {
  const auto parsed = parse_filter(parse_json(json, "filter").value());
  EXPECT_TRUE(parsed) << parsed.error().message;
  return std::make_shared<const Filter>(*parsed);
}
std::shared_ptr<const Filter> tag_is(const std::string& tag) {
  return filter(R"({"must": [{"key": "tag", "match": {"value": ")" + tag + R"("}}]})");
}
auto has_type(FieldType type) { return testing::Field(&PayloadIndexInfo::type, type); }
PointSelector those(std::vector<std::uint64_t> ids) {
  PointSelector points;
  for (const std::uint64_t id : ids) points.ids.emplace_back(id);
  return points;
}
PointSelector all_with(std::shared_ptr<const Filter> wanted) { return {{}, std::move(wanted)}; }

class LocalStoreFilter : public LocalStoreTest {
 protected:
  void SetUp() override {
    LocalStoreTest::SetUp();
    write({point(1, {1, 0}, {{"tag", "red"}, {"n", 1}}),
           point(2, {1, 1}, {{"tag", "blue"}, {"n", 2}}),
           point(3, {1, 2}, {{"tag", "red"}, {"n", 3}}), point(4, {1, 3}, {{"n", 4}})});
  }
  SearchAnswer search_with(std::shared_ptr<const Filter> wanted, std::size_t top_k = 10) {
    SearchRequest request = near({1, 0}, top_k);
    request.filter = std::move(wanted);
    return ask(request);
  }
  std::uint64_t count(std::shared_ptr<const Filter> wanted) {
    const auto found = store_->count(std::move(wanted));
    EXPECT_TRUE(found) << found.error().message;
    return found ? *found : 0;
  }
  std::vector<std::string> scroll(std::shared_ptr<const Filter> wanted,
                                  std::optional<PointId> from = std::nullopt,
                                  std::size_t limit = 10) {
    std::vector<std::string> ids;
    const auto points = store_->scroll(from, limit, {}, std::move(wanted)).value();
    for (const StoredPoint& found : points) ids.push_back(found.id.to_string());
    return ids;
  }
};

TEST_F(LocalStoreFilter, AnswersAlikeWithAndWithoutAnIndex) {
  for (const bool is_indexed : {false, true}) {
    if (is_indexed) {
      ASSERT_TRUE(store_->create_payload_index("tag", FieldType::kKeyword));
    }
    const SearchAnswer answer = search_with(tag_is("red"));
    EXPECT_THAT(ids_of(answer.hits), ElementsAre("1", "3"));
    EXPECT_EQ(answer.plan.num_points, 4U);
    EXPECT_EQ(answer.plan.num_allowed, 2U);
    EXPECT_EQ(answer.plan.strategy, "exact");
    if (is_indexed) {
      EXPECT_EQ(answer.plan.num_estimated, 2U);
      EXPECT_THAT(answer.plan.warnings, IsEmpty());
    } else {
      EXPECT_THAT(answer.plan.warnings,
                  ElementsAre("field \"tag\" has no index: payloads were read"));
    }
    EXPECT_EQ(count(tag_is("red")), 2U);
    EXPECT_THAT(scroll(tag_is("red")), ElementsAre("1", "3"));
    EXPECT_THAT(scroll(tag_is("red"), PointId(2)), ElementsAre("3"));
    EXPECT_THAT(scroll(tag_is("red"), std::nullopt, 1), ElementsAre("1"));
    const SearchAnswer none = search_with(tag_is("grey"));
    EXPECT_THAT(none.hits, IsEmpty());
    EXPECT_EQ(none.plan.strategy, "empty");
  }
}

TEST_F(LocalStoreFilter, ABatchEvaluatesAFilterOnce) {
  const auto red = tag_is("red"), blue = tag_is("blue");
  std::vector<SearchRequest> requests;
  for (const auto& wanted : {red, blue, red, std::shared_ptr<const Filter>(), red}) {
    requests.push_back(near({1, static_cast<float>(requests.size())}));
    requests.back().filter = wanted;
  }
  requests[4].exclude = {PointId(1)};
  const auto answers = store_->search_batch(requests, Deadline::never());
  ASSERT_TRUE(answers) << answers.error().message;
  ASSERT_EQ(answers->size(), 5U);
  EXPECT_THAT(ids_of((*answers)[0].hits), ElementsAre("1", "3"));
  EXPECT_THAT(ids_of((*answers)[1].hits), ElementsAre("2"));
  EXPECT_THAT(ids_of((*answers)[2].hits), ElementsAre("3", "1"));
  EXPECT_EQ((*answers)[3].hits.size(), 4U);
  EXPECT_THAT(ids_of((*answers)[4].hits), ElementsAre("3"));
  std::vector<std::uint64_t> num_read;
  for (const SearchAnswer& answer : *answers) num_read.push_back(answer.plan.num_payloads_read);
  EXPECT_THAT(num_read, ElementsAre(4, 4, 0, 0, 0));
  EXPECT_EQ((*answers)[2].plan.num_allowed, 2U);
  EXPECT_THAT((*answers)[2].plan.warnings, SizeIs(1));

  EXPECT_THAT(store_->search_batch({}, Deadline::never()).value(), IsEmpty());
  requests[3].vector = {1};
  requests[4].vector = {1};
  const Status error = store_->search_batch(requests, Deadline::never()).error();
  EXPECT_EQ(error.code, StatusCode::kInvalidArgument);
  EXPECT_THAT(error.message, HasSubstr("query 3: "));
}

TEST_F(LocalStoreFilter, ManyPointsCanBeLeftOut) {
  std::vector<WriteOp> ops;
  for (std::uint64_t id = 10; id < 200; ++id)
    ops.push_back(point(id, {1, 0.001F * static_cast<float>(id)}, {{"tag", "red"}}));
  write(std::move(ops));
  for (const std::size_t num_excluded : {3, 64, 65, 150}) {
    for (const auto& wanted : {std::shared_ptr<const Filter>(), tag_is("red")}) {
      SearchRequest request = near({1, 0}, 3);
      request.filter = wanted;
      for (std::uint64_t id = 10; id < 10 + num_excluded; ++id) request.exclude.emplace_back(id);
      request.exclude.emplace_back(1);
      const std::string next = std::to_string(10 + num_excluded);
      EXPECT_EQ(ids_of(search(request)).at(0), next) << num_excluded;
      EXPECT_EQ(search(request).size(), 3U);
    }
  }
}

TEST_F(LocalStoreFilter, AnEmptyFilterIsNone) {
  EXPECT_EQ(search_with(filter("{}")).hits.size(), 4U);
  EXPECT_EQ(count(filter("{}")), 4U);
  EXPECT_EQ(scroll(filter("{}")).size(), 4U);
}

TEST_F(LocalStoreFilter, IdsAndVectorsAreConditionsToo) {
  CollectionConfig config = config_of(2);
  config.vectors["aux"] = {1, Metric::kDot, {}};
  store_ = folder_->create_collection("two", config).value();
  UpsertPoint both = point(1, {1, 0});
  both.vectors.push_back({"aux", {1}});
  write({both, point(2, {1, 1})});
  EXPECT_EQ(count(filter(R"({"must": {"has_vector": "aux"}})")), 1U);
  EXPECT_EQ(count(filter(R"({"must": {"has_id": [2, 3]}})")), 1U);
  write({DeleteVectors{those({1}), {"aux"}}});
  EXPECT_EQ(count(filter(R"({"must": {"has_vector": "aux"}})")), 0U);
}

TEST_F(LocalStoreFilter, PayloadIndexesAreListedKeptAndDropped) {
  ASSERT_TRUE(store_->create_payload_index("tag", FieldType::kKeyword));
  ASSERT_TRUE(store_->create_payload_index("n", FieldType::kInteger));
  EXPECT_THAT(store_->info()->payload_indexes,
              ElementsAre(Pair("n", has_type(FieldType::kInteger)),
                          Pair("tag", has_type(FieldType::kKeyword))));
  write({point(5, {0, 1}, {{"tag", "red"}}), DeletePoint{PointId(1)}});
  const auto check = [&] {
    EXPECT_THAT(scroll(tag_is("red")), ElementsAre("3", "5"));
    const auto range = filter(R"({"must": [{"key": "n", "range": {"gte": 2, "lt": 4}}]})");
    EXPECT_THAT(scroll(range), ElementsAre("2", "3"));
    EXPECT_THAT(search_with(range).plan.warnings, IsEmpty());
  };
  check();
  reopen();
  check();
  EXPECT_TRUE(store_->drop_payload_index("n").value());
  EXPECT_FALSE(store_->drop_payload_index("n").value());
  ASSERT_TRUE(store_->create_payload_index("tag", FieldType::kText));
  EXPECT_THAT(store_->info()->payload_indexes,
              ElementsAre(Pair("tag", has_type(FieldType::kText))));
  EXPECT_THAT(scroll(tag_is("red")), ElementsAre("3", "5"));
  EXPECT_EQ(store_->create_payload_index("a[", FieldType::kText).error().code,
            StatusCode::kInvalidArgument);
  reopen();
  EXPECT_THAT(store_->info()->payload_indexes,
              ElementsAre(Pair("tag", has_type(FieldType::kText))));
}

TEST_F(LocalStoreFilter, AReaderLearnsOfIndexesAndChanges) {
  ASSERT_TRUE(store_->create_payload_index("tag", FieldType::kKeyword));
  auto reading = DataFolder::open(dir_ / "data", Access::kRead, {}, pool_).value();
  const auto reader = reading->open_collection("c").value();
  EXPECT_EQ(reader->count(tag_is("red")).value(), 2U);
  write({point(5, {0, 1}, {{"tag", "red"}}), DeletePoint{PointId(1)}});
  write({SetPayload{those({2}), {{"tag", "red"}}, ""}, point(3, {0, 1})});
  EXPECT_EQ(reader->count(tag_is("red")).value(), 2U);
  ASSERT_TRUE(reader->catch_up());
  EXPECT_EQ(reader->count(tag_is("red")).value(), 2U);
  SearchRequest request = near({1, 0});
  request.filter = tag_is("red");
  const SearchAnswer answer = reader->search(request, Deadline::never()).value();
  EXPECT_THAT(ids_of(answer.hits), ElementsAre("2", "5"));
  EXPECT_THAT(answer.plan.warnings, IsEmpty());
  ASSERT_TRUE(store_->create_payload_index("n", FieldType::kInteger));
  ASSERT_TRUE(reader->catch_up());
  EXPECT_EQ(reader->info()->payload_indexes.size(), 2U);
  EXPECT_EQ(reader->count(filter(R"({"must": {"key": "n", "range": {"gt": 1}}})")).value(), 2U);
  ASSERT_TRUE(store_->drop_payload_index("tag").value());
  ASSERT_TRUE(reader->catch_up());
  EXPECT_EQ(reader->count(tag_is("red")).value(), 2U);
  ASSERT_TRUE(store_->set_index("", "HNSW16", 0.9));
  EXPECT_EQ(reader->info()->config.vectors.at("").index, "auto");
  ASSERT_TRUE(reader->catch_up());
  EXPECT_EQ(reader->info()->config.vectors.at("").index, "HNSW16");
  for (const Status& refused :
       {reader->create_payload_index("n", FieldType::kFloat).error(),
        reader->drop_payload_index("n").error(), reader->set_index("", "Flat", 0.9).error(),
        reader->optimize({}, Deadline::never()).error()}) {
    EXPECT_EQ(refused.code, StatusCode::kFailedPrecondition) << refused.message;
  }
}

TEST_F(LocalStoreFilter, PayloadsAreChangedByIdAndByFilter) {
  write({SetPayload{all_with(tag_is("red")), {{"seen", true}, {"n", 9}}, ""}});
  EXPECT_EQ(get(PointId(1))->payload, (Json{{"tag", "red"}, {"n", 9}, {"seen", true}}));
  EXPECT_EQ(get(PointId(2))->payload, (Json{{"tag", "blue"}, {"n", 2}}));
  write({SetPayload{those({2, 99}), {{"x", 1}}, "deep"}});
  EXPECT_EQ(get(PointId(2))->payload["deep"], (Json{{"x", 1}}));
  write({DeletePayloadKeys{those({2}), {"deep.x", "tag"}}});
  EXPECT_EQ(get(PointId(2))->payload, (Json{{"n", 2}, {"deep", Json::object()}}));
  write({ClearPayload{all_with(tag_is("red"))}});
  EXPECT_EQ(get(PointId(3))->payload, Json::object());
  EXPECT_THAT(ids_of(search(near({1, 0}))), ElementsAre("1", "2", "3", "4"));
}

TEST_F(LocalStoreFilter, AFilterIsEvaluatedOnceBeforeTheWrite) {
  // The first operation would change what the second one selects.
  const WriteSummary summary =
      write({SetPayload{those({4}), {{"tag", "red"}}, ""}, DeletePoints{all_with(tag_is("red"))}});
  EXPECT_EQ(summary.num_deleted, 2U);
  EXPECT_EQ(get(PointId(4))->payload["tag"], "red");
  EXPECT_FALSE(get(PointId(1)));
  EXPECT_FALSE(get(PointId(3)));
}

TEST_F(LocalStoreFilter, AFilterSeesEveryWriteBeforeIt) {
  ASSERT_TRUE(store_->create_payload_index("tag", FieldType::kKeyword));
  std::atomic<bool> done{false};
  std::thread other([&] {
    for (std::uint64_t n = 0; !done; ++n) write({point(1000 + n % 50, {1, 1}, {{"n", n}})});
  });
  for (int n = 0; n < 100; ++n) {
    write({point(50, {1, 0}, {{"tag", "brief"}})});
    EXPECT_EQ(write({DeletePoints{all_with(tag_is("brief"))}}).num_deleted, 1U);
  }
  done = true;
  other.join();
  EXPECT_EQ(count(tag_is("brief")), 0U);
}

TEST_F(LocalStoreFilter, ConditionalWrites) {
  UpsertPoint only_new = point(1, {0, 1}, {{"a", 1}});
  only_new.mode = WriteMode::kInsertOnly;
  EXPECT_EQ(write({only_new}).num_updated, 0U);
  EXPECT_EQ(get(PointId(1))->payload["tag"], "red");
  UpsertPoint only_old = point(77, {0, 1});
  only_old.mode = WriteMode::kUpdateOnly;
  EXPECT_EQ(write({only_old}).num_inserted, 0U);
  EXPECT_FALSE(get(PointId(77)));
  UpsertPoint checked = point(2, {0, 1}, {{"a", 2}});
  checked.expected_version = get(PointId(2))->version + 1;
  EXPECT_EQ(write({checked}).num_updated, 0U);
  checked.expected_version = get(PointId(2))->version;
  EXPECT_EQ(write({checked}).num_updated, 1U);
  EXPECT_EQ(get(PointId(2))->payload, (Json{{"a", 2}}));
}

TEST_F(LocalStoreFilter, VectorsAreUpdatedAlone) {
  EXPECT_EQ(write({UpdateVectors{PointId(4), {{"", {5, 0}}}}}).num_updated, 1U);
  EXPECT_THAT(ids_of(search(near({1, 0}, 2))), ElementsAre("1", "4"));
  EXPECT_THAT(get(PointId(4))->vectors[0].values, ElementsAre(1.0F, 0.0F));
  EXPECT_EQ(get(PointId(4))->payload, (Json{{"n", 4}}));
  write({DeleteVectors{all_with(tag_is("red")), {""}}});
  EXPECT_THAT(ids_of(search(near({1, 0}))), ElementsAre("4", "2"));
  EXPECT_EQ(store_->count().value(), 4U);
}

TEST_F(LocalStoreFilter, BadSelectionsAreRefused) {
  const auto error_of = [&](WriteOp op) {
    const auto written = store_->write({std::move(op)});
    return written ? std::string("none") : written.error().message;
  };
  EXPECT_THAT(error_of(DeletePoints{{{PointId(1)}, tag_is("red")}}), HasSubstr("one of them"));
  EXPECT_THAT(error_of(SetPayload{those({1}), Json::array(), ""}), HasSubstr("JSON array"));
  EXPECT_THAT(error_of(SetPayload{those({1}), Json::object(), "a["}), HasSubstr("a["));
  EXPECT_THAT(error_of(DeletePayloadKeys{those({1}), {""}}), HasSubstr("empty"));
  EXPECT_THAT(error_of(DeleteVectors{those({1}), {"x"}}), HasSubstr("no vector \"x\""));
  EXPECT_THAT(error_of(UpdateVectors{PointId(1), {{"", {1}}}}), HasSubstr("1 dimensions"));
  EXPECT_EQ(store_->count().value(), 4U);
}

}  // namespace
}  // namespace sightline::pipeline
