#include "http/qdrant_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sightline::http {
namespace {

using pipeline::Metric;
using pipeline::VectorKind;
using testing::HasSubstr;

Json parsed(std::string_view text) {
  auto json = parse_json(text, "test");
  EXPECT_TRUE(json) << json.error().message;
  return json ? *std::move(json) : Json();
}
CollectionRequest created(std::string_view text) {
  const Json body = parsed(text);
  auto request = read_create_collection(BodyNode(body));
  EXPECT_TRUE(request) << request.error().message;
  return request ? *std::move(request) : CollectionRequest();
}

TEST(QdrantSettings, ReadsOneVectorOrMany) {
  const auto one = created(R"({"vectors": {"size": 4, "distance": "Dot", "on_disk": true}})");
  ASSERT_EQ(one.vectors.size(), 1u);
  EXPECT_EQ(one.vectors.at("").dim, 4u);
  EXPECT_EQ(one.vectors.at("").metric, Metric::kDot);
  EXPECT_EQ(one.vectors.at("").parameters, parsed(R"({"on_disk": true})"));

  const auto many = created(R"({"vectors": {
      "image": {"size": 65536, "distance": "Manhattan"},
      "text": {"size": 8, "distance": "Euclid", "multivector_config": {"comparator": "max_sim"}}},
      "sparse_vectors": {"words": {"index": {"on_disk": true}}, "more": {}}})");
  EXPECT_EQ(many.vectors.size(), 4u);
  EXPECT_EQ(many.vectors.at("text").kind, VectorKind::kMulti);
  EXPECT_EQ(many.vectors.at("words").kind, VectorKind::kSparse);
  EXPECT_EQ(many.vectors.at("words").parameters, parsed(R"({"index": {"on_disk": true}})"));

  EXPECT_TRUE(created("{}").vectors.empty());
  const auto model = created(R"({"vectors": {"model": "embedded"}})");
  EXPECT_EQ(model.vectors.at("").model, "embedded");
  EXPECT_FALSE(model.vectors.at("").dim.has_value());
  // A vector called "size".
  EXPECT_TRUE(
      created(R"({"vectors": {"size": {"size": 1, "distance": "Dot"}}})").vectors.contains("size"));
}

TEST(QdrantSettings, NamesThatQdrantAlsoTakes) {
  const Json described = parsed(R"({"quantization_config": {"scalar": {"type": "int8"}},
                                    "optimizers_config": {"indexing_threshold": 5}})");
  EXPECT_EQ(created(R"({"quantization": {"scalar": {"type": "int8"}},
                        "optimizer_config": {"indexing_threshold": 5}})")
                .parameters,
            described);
  pipeline::CollectionConfig config;
  const Json change = parsed(R"({"quantization": {"scalar": {"type": "int8"}},
                                 "optimizer_config": {"indexing_threshold": 5}})");
  ASSERT_TRUE(update_collection(BodyNode(change), config));
  EXPECT_EQ(config.parameters, described);
  const Json both = parsed(R"({"quantization": {"binary": {}},
                               "quantization_config": {"scalar": {"type": "int8"}}})");
  EXPECT_TRUE(
      read_create_collection(BodyNode(both))->parameters["quantization_config"].contains("scalar"));
}

struct ErrorCase {
  std::string name, body;
  StatusCode code;
  std::string message;
};
class QdrantSettingsErrors : public testing::TestWithParam<ErrorCase> {};

TEST_P(QdrantSettingsErrors, NameThePathAndTheRule) {
  const Json body = parsed(GetParam().body);
  const auto request = read_create_collection(BodyNode(body));
  ASSERT_FALSE(request);
  EXPECT_EQ(request.error().code, GetParam().code);
  EXPECT_THAT(request.error().message, HasSubstr(GetParam().message));
}

/// A body with one dense vector and `more`.
std::string with(const std::string& more) {
  return R"({"vectors": {"size": 4, "distance": "Dot"}, )" + more + "}";
}
constexpr auto kMalformed = StatusCode::kInvalidArgument;
constexpr auto kInvalid = StatusCode::kValidation;

INSTANTIATE_TEST_SUITE_P(
    Cases, QdrantSettingsErrors,
    testing::ValuesIn(std::vector<ErrorCase>{
        {"NoObject", "[]", kMalformed, "Format error in JSON body: invalid type: []"},
        {"NoSize", R"({"vectors": {"distance": "Dot"}})", kMalformed,
         "vectors: missing field `size`"},
        {"NoDistance", R"({"vectors": {"size": 4}})", kMalformed,
         "vectors: missing field `distance`"},
        {"SizeZero", R"({"vectors": {"size": 0, "distance": "Dot"}})", kInvalid,
         "[vectors.size: value 0 invalid, must be from 1 to 65536]"},
        {"SizeTooLarge", R"({"vectors": {"a": {"size": 65537, "distance": "Dot"}}})", kInvalid,
         "[vectors.a.size: value 65537 invalid, must be from 1 to 65536]"},
        {"SizeNegative", R"({"vectors": {"size": -4, "distance": "Dot"}})", kMalformed,
         "vectors.size: invalid type: -4"},
        {"SizeNoInteger", R"({"vectors": {"size": 4.5, "distance": "Dot"}})", kMalformed,
         "vectors.size: invalid type: 4.5"},
        {"UnknownDistance", R"({"vectors": {"size": 4, "distance": "dot"}})", kMalformed,
         "vectors.distance: unknown variant `dot`, expected one of `Cosine`, `Dot`"},
        {"UnknownComparator",
         R"({"vectors": {"size": 4, "distance": "Dot", "multivector_config": {"comparator": "x"}}})",
         kMalformed, "vectors.multivector_config.comparator: unknown variant `x`"},
        {"PinnedVectors", R"({"vectors": {"size": 4, "distance": "Dot", "memory": "pinned"}})",
         kInvalid, "[vectors.memory: value \"pinned\" invalid"},
        {"EfConstruct", with(R"("hnsw_config": {"ef_construct": 0})"), kInvalid,
         "[hnsw_config.ef_construct: value 0 invalid, must be 4 or larger]"},
        {"FullScan", with(R"("hnsw_config": {"full_scan_threshold": 9})"), kInvalid,
         "must be 10 or larger"},
        {"Quantile", with(R"("quantization_config": {"scalar": {"type": "int8", "quantile": 2}})"),
         kInvalid, "[quantization_config.scalar.quantile: value 2 invalid, must be from 0.5 to 1]"},
        {"NoQuantization", with(R"("quantization_config": {"x": {}})"), kMalformed,
         "quantization_config: must have one of `scalar`"},
        {"NoScalarType", with(R"("quantization_config": {"scalar": {}})"), kMalformed,
         "quantization_config.scalar: missing field `type`"},
        {"DeletedThreshold", with(R"("optimizers_config": {"deleted_threshold": 1.5})"), kInvalid,
         "[optimizers_config.deleted_threshold: value 1.5 invalid, must be from 0 to 1]"},
        {"VacuumMinimum", with(R"("optimizers_config": {"vacuum_min_vector_number": 99})"),
         kInvalid, "must be 100 or larger"},
        {"WalCapacity", with(R"("wal_config": {"wal_capacity_mb": 0})"), kInvalid,
         "[wal_config.wal_capacity_mb: value 0 invalid, must be 1 or larger]"},
        {"ShardNumber", with(R"("shard_number": 0)"), kInvalid, "[shard_number: value 0 invalid"},
        {"Metadata", with(R"("metadata": [1])"), kMalformed, "metadata: invalid type: [1]"},
        {"Idf", with(R"("sparse_vectors": {"s": {"modifier": "idf"}})"), StatusCode::kUnimplemented,
         "`idf`"},
        {"Bm25", with(R"("sparse_vectors": {"s": {"modifier": "bm25"}})"),
         StatusCode::kUnimplemented, "`bm25`"},
        {"CustomSharding", with(R"("sharding_method": "custom")"), StatusCode::kUnimplemented,
         "`sharding_method` custom"},
        {"BothKinds",
         R"({"vectors": {"a": {"size": 4, "distance": "Dot"}}, "sparse_vectors": {"a": {}}})",
         kMalformed, "both dense and sparse"},
    }),
    [](const auto& info) { return info.param.name; });

pipeline::CollectionConfig example() {
  pipeline::CollectionConfig config;
  config.vectors[""].dim = 4;
  config.vectors["words"].kind = VectorKind::kSparse;
  return config;
}
Json config_of(const pipeline::CollectionConfig& config) {
  pipeline::CollectionInfo info;
  info.config = config;
  return collection_info_json(info)["config"];
}

TEST(QdrantSettings, GetHasAllThatClientsKnow) {
  const Json config = config_of(example());
  EXPECT_EQ(config["params"]["vectors"], parsed(R"({"size": 4, "distance": "Cosine"})"));
  EXPECT_EQ(config["params"]["sparse_vectors"], parsed(R"({"words": {}})"));
  EXPECT_EQ(config["params"]["shard_number"], 1);
  EXPECT_EQ(config["hnsw_config"]["m"], 16);
  EXPECT_EQ(config["hnsw_config"]["ef_construct"], 100);
  EXPECT_EQ(config["optimizer_config"]["flush_interval_sec"], 5);
  EXPECT_EQ(config["wal_config"]["wal_capacity_mb"], 32);
  EXPECT_TRUE(config["quantization_config"].is_null());
}

TEST(QdrantSettings, UpdatesAreMerged) {
  auto config = example();
  const auto update = [&config](std::string_view text) {
    const Json body = parsed(text);
    const auto done = update_collection(BodyNode(body), config);
    EXPECT_TRUE(done) << done.error().message;
  };
  update(R"({"vectors": {"": {"hnsw_config": {"m": 32}, "on_disk": true, "quantization_config":
      {"scalar": {"type": "int8", "quantile": 0.8}}}},
      "hnsw_config": {"ef_construct": 123}, "params": {"on_disk_payload": false},
      "sparse_vectors": {"words": {"index": {"on_disk": true}}},
      "metadata": {"a": 1, "b": 1, "c": null}})");
  EXPECT_EQ(config_of(config)["metadata"], parsed(R"({"a": 1, "b": 1})"));
  update(R"({"vectors": {"": {"hnsw_config": {"ef_construct": 50}, "quantization_config":
      {"product": {"compression": "x32"}}}},
      "metadata": {"a": null, "b": 2, "c": {"kept": null}, "never there": null},
      "quantization_config": {"binary": {}}, "optimizers_config": {"max_optimization_threads": "auto"}})");
  Json json = config_of(config);
  EXPECT_EQ(json["params"]["vectors"], parsed(R"({"size": 4, "distance": "Cosine", "on_disk": true,
                       "hnsw_config": {"m": 32, "ef_construct": 50},
                       "quantization_config": {"product": {"compression": "x32"}}})"));
  EXPECT_EQ(json["hnsw_config"]["m"], 16);
  EXPECT_EQ(json["hnsw_config"]["ef_construct"], 123);
  EXPECT_EQ(json["params"]["on_disk_payload"], false);
  EXPECT_EQ(json["params"]["sparse_vectors"]["words"]["index"]["on_disk"], true);
  EXPECT_EQ(json["metadata"], parsed(R"({"b": 2, "c": {"kept": null}})"));
  EXPECT_EQ(json["quantization_config"], parsed(R"({"binary": {}})"));
  EXPECT_EQ(json["optimizer_config"]["max_optimization_threads"], nullptr) << "\"auto\"";

  update(
      R"({"vectors": {"": {"quantization_config": "Disabled"}}, "quantization_config": "Disabled"})");
  json = config_of(config);
  EXPECT_FALSE(json["params"]["vectors"].contains("quantization_config"));
  EXPECT_TRUE(json["quantization_config"].is_null());

  const Json unknown = parsed(R"({"vectors": {"x": {"on_disk": true}}})");
  const auto failed = update_collection(BodyNode(unknown), config);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message, "Wrong input: Not existing vector name error: x");
}

TEST(QdrantSettings, IndexSchemas) {
  const auto read = [](const Json& schema) { return read_field_schema(BodyNode(schema)); };
  EXPECT_EQ(read("keyword")->type, FieldType::kKeyword);
  EXPECT_TRUE(read("datetime")->parameters.is_null());
  const Json text = parsed(R"({"type": "text", "tokenizer": "word", "min_token_len": 2, "x": 1})");
  EXPECT_EQ(read(text)->type, FieldType::kText);
  EXPECT_EQ(read(text)->parameters,
            parsed(R"({"type": "text", "tokenizer": "word", "min_token_len": 2})"));
  EXPECT_FALSE(read("vector"));
  EXPECT_FALSE(read(parsed(R"({"on_disk": true})")));
  EXPECT_FALSE(read(parsed(R"({"type": "text", "tokenizer": "x"})")));
  EXPECT_FALSE(read(parsed(R"({"type": "integer", "range": 1})")));
}

}  // namespace
}  // namespace sightline::http
