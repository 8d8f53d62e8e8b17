// Orders, facets, conditional writes, parameters.
#include <gmock/gmock.h>

#include "tests/pipeline/local_store_fixture.h"

namespace sightline::pipeline {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::shared_ptr<const Filter> filter(const std::string& json) {
  return std::make_shared<const Filter>(parse_filter(parse_json(json, "filter").value()).value());
}

class LocalStoreValues : public LocalStoreTest {
 protected:
  std::vector<std::string> ordered(OrderedScroll request) {
    const auto points = store_->scroll_ordered(request, Deadline::never());
    EXPECT_TRUE(points) << points.error().message;
    std::vector<std::string> shown;
    if (!points) return shown;
    for (const auto& [stored, value] : *points) {
      shown.push_back(stored.id.to_string() + ":" +
                      std::visit([](auto number) { return Json(number).dump(); }, value));
    }
    return shown;
  }
  std::vector<std::string> counted(const FacetRequest& request) {
    const auto hits = store_->facet(request, Deadline::never());
    EXPECT_TRUE(hits) << hits.error().message;
    std::vector<std::string> shown;
    if (!hits) return shown;
    for (const FacetHit& hit : *hits) {
      shown.push_back(std::visit([](const auto& value) { return Json(value).dump(); }, hit.value) +
                      "=" + std::to_string(hit.count));
    }
    return shown;
  }
};

TEST_F(LocalStoreValues, PointsComeInOrderOfAField) {
  write({point(1, {1, 0}, {{"n", 5}, {"at", "2024-01-02"}, {"x", 0.5}}),
         point(2, {1, 0}, {{"n", {-3, 5}}, {"at", "2024-01-01"}, {"x", -1}}),
         point(3, {1, 0}, {{"n", "text"}}), point(4, {1, 0}), point(5, {1, 0}, {{"n", 9}}),
         point(6, {1, 0}, {{"n", 5}})});
  EXPECT_THAT(store_->scroll_ordered({"n"}, Deadline::never()).error().message,
              HasSubstr("needs a payload index of type integer, float or datetime; it has none"));
  ASSERT_TRUE(store_->create_payload_index("n", FieldType::kInteger));
  ASSERT_TRUE(store_->create_payload_index("at", FieldType::kDatetime));
  ASSERT_TRUE(store_->create_payload_index("x", FieldType::kFloat));
  const auto check = [&] {
    EXPECT_THAT(ordered({"n"}), ElementsAre("2:-3", "1:5", "2:5", "6:5", "5:9"));
    EXPECT_THAT(ordered({"n", true}), ElementsAre("5:9", "6:5", "2:5", "1:5", "2:-3"));
    EXPECT_THAT(ordered({"n", false, 5, 2}), ElementsAre("1:5", "2:5"));
    EXPECT_THAT(ordered({"n", true, 5.9}), ElementsAre("6:5", "2:5", "1:5", "2:-3"));
    EXPECT_THAT(ordered({"n", false, 5.1}), ElementsAre("5:9"));
    EXPECT_THAT(ordered({"n", false, 1e300}), IsEmpty());
    EXPECT_THAT(ordered({"n", true, 1e300, 1}), ElementsAre("5:9"));
    EXPECT_THAT(ordered({"n", true, -1e300}), IsEmpty());
    EXPECT_THAT(ordered({"n", false, {}, 0}), IsEmpty());
    EXPECT_THAT(ordered({"n", false, {}, 10, {}, filter(R"({"must": {"has_id": [2, 5]}})")}),
                ElementsAre("2:-3", "2:5", "5:9"));
    EXPECT_THAT(ordered({"at"}), ElementsAre("2:1704067200000000", "1:1704153600000000"));
    EXPECT_THAT(ordered({"at", false, 1704067200000001}), ElementsAre("1:1704153600000000"));
    EXPECT_THAT(ordered({"x", true}), ElementsAre("1:0.5", "2:-1.0"));
    EXPECT_THAT(ordered({"x", false, 0}), ElementsAre("1:0.5"));
  };
  check();
  reopen();
  check();
  write({DeletePoint{PointId(2)}, point(4, {1, 0}, {{"n", -8}})});
  EXPECT_THAT(ordered({"n"}), ElementsAre("4:-8", "1:5", "6:5", "5:9"));
  EXPECT_THAT(store_->scroll_ordered({"n[].x"}, Deadline::never()).error().message,
              HasSubstr("it has none"));
}

TEST_F(LocalStoreValues, FacetsCountPoints) {
  const std::string uuid = "550e8400-e29b-41d4-a716-446655440000";
  write({point(1, {1, 0}, {{"tag", {"a", "b", "a"}}, {"ok", true}, {"n", 1}, {"u", uuid}}),
         point(2, {1, 0}, {{"tag", "b"}, {"ok", false}, {"n", 1}}),
         point(3, {1, 0}, {{"tag", "c"}, {"ok", true}, {"n", -2}}),
         point(4, {1, 0}, {{"tag", 7}, {"n", 0.5}})});
  EXPECT_THAT(store_->facet({"tag"}, Deadline::never()).error().message, HasSubstr("keyword"));
  ASSERT_TRUE(store_->create_payload_index("tag", FieldType::kText));
  EXPECT_THAT(store_->facet({"tag"}, Deadline::never()).error().message,
              HasSubstr("it has one of type text"));
  ASSERT_TRUE(store_->create_payload_index("tag", FieldType::kKeyword));
  ASSERT_TRUE(store_->create_payload_index("ok", FieldType::kBool));
  ASSERT_TRUE(store_->create_payload_index("n", FieldType::kInteger));
  ASSERT_TRUE(store_->create_payload_index("u", FieldType::kUuid));
  EXPECT_THAT(counted({"tag"}), ElementsAre("\"b\"=2", "\"a\"=1", "\"c\"=1"));
  EXPECT_THAT(counted({"tag", 1}), ElementsAre("\"b\"=2"));
  EXPECT_THAT(counted({"ok"}), ElementsAre("true=2", "false=1"));
  EXPECT_THAT(counted({"n"}), ElementsAre("1=2", "-2=1"));
  EXPECT_THAT(counted({"u"}), ElementsAre('"' + uuid + "\"=1"));
  EXPECT_THAT(counted({"tag", 10, filter(R"({"must": {"key": "n", "match": {"value": 1}}})")}),
              ElementsAre("\"b\"=2", "\"a\"=1"));
  EXPECT_EQ(store_->info()->payload_indexes.at("tag").num_points, 4U);
  EXPECT_EQ(store_->info()->payload_indexes.at("u").num_points, 1U);
}

TEST_F(LocalStoreValues, WritesMayDependOnWhatIsThere) {
  write({point(1, {1, 0}, {{"v", 1}}), point(2, {1, 0}, {{"v", 2}})});
  const auto first = filter(R"({"must": {"key": "v", "match": {"value": 1}}})");
  std::vector<WriteOp> ops;
  for (std::uint64_t id = 1; id <= 3; ++id) {
    UpsertPoint op = point(id, {0, 1}, {{"v", 10}});
    op.update_filter = first;
    ops.emplace_back(op);
    ops.emplace_back(op);  // The first has changed what this one finds.
  }
  EXPECT_EQ(write(ops).num_updated, 1U);
  EXPECT_EQ(get(PointId(1))->payload["v"], 10);
  EXPECT_EQ(get(PointId(2))->payload["v"], 2);
  EXPECT_EQ(get(PointId(3))->payload["v"], 10) << "a new point is made, whatever the filter";

  write({UpdateVectors{PointId(1), {{"", {1, 0}}}, first},
         UpdateVectors{PointId(2), {{"", {0, 1}}}, filter(R"({"must": {"has_id": [2]}})")}});
  EXPECT_THAT(get(PointId(1))->vectors[0].values, ElementsAre(0, 1));
  EXPECT_THAT(get(PointId(2))->vectors[0].values, ElementsAre(0, 1));

  PointSelector missing{{PointId(1), PointId(99)}};
  write({OverwritePayloads{missing, {{"w", 1}}}});
  EXPECT_EQ(get(PointId(1))->payload, (Json{{"w", 1}}));
  missing.must_exist = true;
  UpdateVectors no_such{PointId(98), {{"", {1, 0}}}};
  no_such.must_exist = true;
  for (const WriteOp& op : std::vector<WriteOp>{
           SetPayload{missing, {{"w", 2}}, ""}, OverwritePayloads{missing, {{"w", 2}}},
           DeletePayloadKeys{missing, {"w"}}, ClearPayload{missing}, DeleteVectors{missing, {""}},
           no_such}) {
    const auto written = store_->write({op});
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, StatusCode::kNotFound);
    EXPECT_THAT(written.error().message, HasSubstr("No point with id 9"));
  }
  EXPECT_EQ(get(PointId(1))->payload, (Json{{"w", 1}})) << "nothing of them is done";
  EXPECT_EQ(store_->write({OverwritePayloads{{{PointId(1)}}, Json::array()}}).error().code,
            StatusCode::kInvalidArgument);
}

TEST_F(LocalStoreValues, ParametersAreKept) {
  CollectionConfig config = config_of(2);
  config.parameters = {{"hnsw_config", {{"m", 8}}}, {"metadata", {{"a", 1}}}};
  config.vectors[""].parameters = {{"on_disk", true}};
  ASSERT_TRUE(folder_->delete_collection("c"));
  store_ = folder_->create_collection("c", config).value();
  EXPECT_EQ(store_->info()->config.parameters, config.parameters);
  const auto change = [&](auto edit) {
    return store_->update_parameters([&](CollectionConfig& changed) -> Result<void> {
      edit(changed);
      return {};
    });
  };
  ASSERT_TRUE(change([](CollectionConfig& c) {
    c.parameters["metadata"]["b"] = 2;
    c.vectors[""].parameters["on_disk"] = false;
  }));
  ASSERT_TRUE(store_->create_payload_index("n", FieldType::kInteger, {{"range", true}}));
  ASSERT_TRUE(store_->create_payload_index("t", FieldType::kText, {{"tokenizer", "word"}}));
  ASSERT_TRUE(store_->create_payload_index("k", FieldType::kKeyword));
  ASSERT_TRUE(store_->create_payload_index("n", FieldType::kInteger, {{"lookup", true}}));
  for (const auto edit : {+[](CollectionConfig& c) { c.vectors[""].dim = 3; },
                          +[](CollectionConfig& c) { c.vectors["x"] = {.dim = 3}; },
                          +[](CollectionConfig& c) { c.parameters = Json::array(); }}) {
    EXPECT_EQ(change(edit).error().code, StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(store_
                ->update_parameters([](CollectionConfig& c) -> Result<void> {
                  c.parameters["lost"] = true;
                  return not_found("no");
                })
                .error()
                .code,
            StatusCode::kNotFound);
  const auto check = [&] {
    const auto info = store_->info().value();
    EXPECT_EQ(info.config.parameters,
              (Json{{"hnsw_config", {{"m", 8}}}, {"metadata", {{"a", 1}, {"b", 2}}}}));
    EXPECT_EQ(info.config.vectors.at("").parameters, (Json{{"on_disk", false}}));
    EXPECT_EQ(info.payload_indexes.at("n").parameters, (Json{{"lookup", true}}));
    EXPECT_EQ(info.payload_indexes.at("t").parameters, (Json{{"tokenizer", "word"}}));
    EXPECT_TRUE(info.payload_indexes.at("k").parameters.is_null());
  };
  check();
  reopen();
  check();
  ASSERT_TRUE(store_->create_payload_index("n", FieldType::kInteger));
  EXPECT_TRUE(store_->info()->payload_indexes.at("n").parameters.is_null());
  EXPECT_THAT(folder_->verify_collection("c", Deadline::never()).value(), IsEmpty());
}

}  // namespace
}  // namespace sightline::pipeline
