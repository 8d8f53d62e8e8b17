#include "http/query_reader.h"

#include <algorithm>
#include <array>
#include <utility>

#include "http/errors.h"
#include "http/json_reader.h"
#include "http/qdrant_operations.h"

namespace sightline::http {
namespace {

using namespace std::string_view_literals;
using pipeline::ContextPair;
using pipeline::DenseInput;
using pipeline::GroupQuery;
using pipeline::MultiInput;
using pipeline::PointQuery;
using pipeline::QueryInput;
using pipeline::QueryVariant;
using pipeline::SparseInput;

constexpr int kMaxPrefetchDepth = 64;

Result<DenseInput> read_floats(const BodyNode& list) {
  if (list.json().is_binary()) return row_of(list.json());
  DenseInput values;
  SIGHTLINE_TRY_DO(list.check_list());
  values.reserve(list.json().size());
  SIGHTLINE_TRY_DO(list.for_each([&values](const BodyNode& element, std::size_t) -> Result<void> {
    SIGHTLINE_TRY(const float value, element.as_float());
    values.push_back(value);
    return {};
  }));
  return values;
}

Result<SparseInput> read_sparse(const BodyNode& node) {
  SparseInput sparse;
  SIGHTLINE_TRY(const BodyNode indices, node.require("indices"));
  SIGHTLINE_TRY(const BodyNode values, node.require("values"));
  SIGHTLINE_TRY_DO(indices.for_each([&sparse](const BodyNode& one, std::size_t) -> Result<void> {
    SIGHTLINE_TRY(const std::uint64_t index, one.as_uint(0, 0xffff'ffff));
    sparse.indices.push_back(static_cast<std::uint32_t>(index));
    return {};
  }));
  SIGHTLINE_TRY(sparse.values, read_floats(values));
  if (sparse.values.size() != sparse.indices.size()) {
    return values.invalid("must be the same length as indices");
  }
  std::vector<std::uint32_t> sorted = sparse.indices;
  std::ranges::sort(sorted);
  if (std::ranges::adjacent_find(sorted) != sorted.end()) {
    return indices.invalid("must be unique");
  }
  return sparse;
}

Result<MultiInput> read_multi(const BodyNode& list) {
  MultiInput multi;
  SIGHTLINE_TRY_DO(list.for_each([&multi](const BodyNode& row, std::size_t) -> Result<void> {
    SIGHTLINE_TRY(multi.rows.emplace_back(), read_floats(row));
    return {};
  }));
  for (const auto& row : multi.rows) {
    if (row.empty()) return list.invalid("all vectors must be non-empty");
    if (row.size() != multi.rows.front().size()) {
      return list.invalid("all vectors must have the same dimension, found vector with dimension " +
                          std::to_string(row.size()));
    }
  }
  return multi;
}

/// Reads one request; `using_` of the level being read says which vectors its inputs are of.
class QueryReader {
 public:
  explicit QueryReader(InferenceInputs& inputs) : inputs_(inputs) {}

  /// What QueryRequest, Prefetch and QueryGroupsRequest have in common.
  Result<PointQuery> read_level(const BodyNode& node, int depth) {
    if (depth > kMaxPrefetchDepth) return node.malformed("recursion limit exceeded");
    SIGHTLINE_TRY_DO(node.check_object());
    SIGHTLINE_TRY_DO(refuse_shard_key(node));
    PointQuery query;
    if (const auto prefetch = node.find("prefetch")) {
      const auto add = [&](const BodyNode& one, std::size_t) -> Result<void> {
        SIGHTLINE_TRY(query.prefetch.emplace_back(), read_level(one, depth + 1));
        return {};
      };
      SIGHTLINE_TRY_DO(prefetch->json().is_array() ? prefetch->for_each(add) : add(*prefetch, 0));
    }
    if (const auto name = node.find("using")) {
      SIGHTLINE_TRY(query.vector_name, name->as_string());
    }
    using_ = query.vector_name;
    if (const auto what = node.find("query")) {
      SIGHTLINE_TRY(query.query, read_variant(*what));
    }
    SIGHTLINE_TRY(query.filter, find_filter(node));
    if (const auto params = node.find("params")) {
      SIGHTLINE_TRY(query.params, read_params(*params));
    }
    if (const auto threshold = node.find("score_threshold")) {
      SIGHTLINE_TRY(query.score_threshold, threshold->as_float());
    }
    if (const auto limit = node.find("limit")) {
      SIGHTLINE_TRY(query.limit, limit->as_uint(1));
    }
    if (const auto lookup = node.find("lookup_from")) {
      SIGHTLINE_TRY(query.lookup_from, read_lookup(*lookup));
    }
    SIGHTLINE_TRY_DO(check_level(query));
    return query;
  }

  Result<void> read_selectors(const BodyNode& node, PointQuery& query) {
    SIGHTLINE_TRY(query.with_payload, read_with_payload(node.find("with_payload"), false));
    SIGHTLINE_TRY(query.with_vectors, read_with_vector(node));
    return {};
  }

 private:
  /// The rules that Qdrant checks before it looks for the collection's vectors.
  static Result<void> check_level(const PointQuery& query) {
    const bool has_query = !std::holds_alternative<std::monostate>(query.query);
    if (!query.prefetch.empty() && !has_query) {
      return invalid_argument(
          "Bad request: A query is needed to merge the prefetches. Can't have prefetches without "
          "defining a query.");
    }
    if (query.score_threshold && !has_query) {
      return invalid_argument(
          "Bad request: A query is needed to use the score_threshold. Can't have score_threshold "
          "without defining a query.");
    }
    if (query.score_threshold && std::holds_alternative<pipeline::OrderByQuery>(query.query)) {
      return invalid_argument("Bad request: Can't use score_threshold with an order_by query.");
    }
    return {};
  }

  static Result<pipeline::QueryParams> read_params(const BodyNode& node) {
    SIGHTLINE_TRY_DO(node.check_object());
    pipeline::QueryParams params;
    if (const auto beam = node.find("hnsw_ef")) {
      SIGHTLINE_TRY(params.ef_search, beam->as_uint(1));
    }
    for (const auto& [key, flag] :
         {std::pair("exact"sv, &params.exact), std::pair("indexed_only"sv, &params.indexed_only)}) {
      if (const auto member = node.find(key)) {
        SIGHTLINE_TRY(*flag, member->as_bool());
      }
    }
    // There are no quantized copies to search and no ACORN here: checked, without effect.
    if (const auto quantization = node.find("quantization")) {
      SIGHTLINE_TRY_DO(quantization->check_object());
      for (const std::string_view key : {"ignore"sv, "rescore"sv}) {
        if (const auto flag = quantization->find(key)) SIGHTLINE_TRY_DO(flag->as_bool());
      }
      if (const auto factor = quantization->find("oversampling")) {
        SIGHTLINE_TRY_DO(factor->as_number(1));
      }
    }
    if (const auto acorn = node.find("acorn")) {
      SIGHTLINE_TRY_DO(acorn->check_object());
      if (const auto flag = acorn->find("enable")) SIGHTLINE_TRY_DO(flag->as_bool());
      if (const auto share = acorn->find("max_selectivity")) {
        SIGHTLINE_TRY_DO(share->as_number(0, 1));
      }
    }
    if (const auto idf = node.find("idf"); idf && idf->json() != "global") {
      return left_out("`params.idf`");
    }
    return params;
  }

  static Result<pipeline::LookupFrom> read_lookup(const BodyNode& node) {
    SIGHTLINE_TRY_DO(refuse_shard_key(node));
    pipeline::LookupFrom lookup;
    SIGHTLINE_TRY(const BodyNode collection, node.require("collection"));
    SIGHTLINE_TRY(lookup.collection, collection.as_string());
    if (const auto vector = node.find("vector")) {
      SIGHTLINE_TRY(lookup.vector_name, vector->as_string());
    }
    return lookup;
  }

  /// VectorInput.
  Result<QueryInput> read_input(const BodyNode& node) {
    const Json& json = node.json();
    if (json.is_array() || json.is_binary()) {
      const bool is_list = json.is_array() && !json.empty();
      if (is_list && (json.front().is_array() || json.front().is_binary())) {
        SIGHTLINE_TRY(MultiInput multi, read_multi(node));
        return QueryInput(std::move(multi));
      }
      SIGHTLINE_TRY(DenseInput dense, read_floats(node));
      return QueryInput(std::move(dense));
    }
    if (!json.is_object()) {
      SIGHTLINE_TRY(const PointId id, read_point_id(node));
      return QueryInput(id);
    }
    if (node.find("indices") || node.find("values")) {
      SIGHTLINE_TRY(SparseInput sparse, read_sparse(node));
      return QueryInput(std::move(sparse));
    }
    return read_inference(node);
  }

  Result<QueryInput> read_inference(const BodyNode& node) {
    if (node.find("object")) return left_out("inference of an `object`");
    const auto text = node.find("text");
    const auto image = node.find("image");
    if (text.has_value() == image.has_value()) {
      return node.malformed(
          "did not match any form of a vector input: a list of numbers, a list of such lists, "
          "{indices, values}, a point id, {text, model}, {image, model}");
    }
    InferenceInput input;
    input.kind = text ? InferenceInput::Kind::kText : InferenceInput::Kind::kImage;
    SIGHTLINE_TRY(input.content, (text ? *text : *image).as_string());
    SIGHTLINE_TRY(const BodyNode model, node.require("model"));
    SIGHTLINE_TRY(input.model, model.as_string());
    if (input.model.empty()) return model.invalid("must be at least 1 characters");
    input.vector_name = using_;
    return QueryInput(DenseInput(inputs_.take(std::move(input))));
  }

  Result<std::vector<QueryInput>> read_inputs(const std::optional<BodyNode>& list) {
    std::vector<QueryInput> inputs;
    if (!list) return inputs;
    SIGHTLINE_TRY_DO(list->for_each([&](const BodyNode& one, std::size_t) -> Result<void> {
      SIGHTLINE_TRY(QueryInput input, read_input(one));
      inputs.push_back(std::move(input));
      return {};
    }));
    return inputs;
  }

  /// ContextInput: a pair or a list of pairs.
  Result<std::vector<ContextPair>> read_context(const BodyNode& node) {
    std::vector<ContextPair> pairs;
    const auto add = [&](const BodyNode& pair, std::size_t) -> Result<void> {
      SIGHTLINE_TRY(const BodyNode positive, pair.require("positive"));
      SIGHTLINE_TRY(const BodyNode negative, pair.require("negative"));
      SIGHTLINE_TRY(QueryInput liked, read_input(positive));
      SIGHTLINE_TRY(QueryInput disliked, read_input(negative));
      pairs.push_back({std::move(liked), std::move(disliked)});
      return {};
    };
    SIGHTLINE_TRY_DO(node.json().is_array() ? node.for_each(add) : add(node, 0));
    return pairs;
  }

  Result<QueryVariant> read_nearest(const BodyNode& node, const BodyNode& input) {
    SIGHTLINE_TRY(QueryInput nearest, read_input(input));
    pipeline::NearestQuery query{std::move(nearest), std::nullopt};
    if (const auto mmr = node.find("mmr")) {
      SIGHTLINE_TRY_DO(mmr->check_object());
      query.mmr.emplace();
      if (const auto diversity = mmr->find("diversity")) {
        SIGHTLINE_TRY(const double value, diversity->as_number(0, 1));
        query.mmr->diversity = static_cast<float>(value);
      }
      if (const auto limit = mmr->find("candidates_limit")) {
        SIGHTLINE_TRY(query.mmr->candidates_limit, limit->as_uint(0, 16'384));
      }
    }
    return QueryVariant(std::move(query));
  }

  Result<QueryVariant> read_recommend(const BodyNode& node) {
    SIGHTLINE_TRY_DO(node.check_object());
    constexpr std::array kWords = {"average_vector"sv, "best_score"sv, "sum_scores"sv};
    constexpr std::array kStrategies = {pipeline::RecommendStrategy::kAverageVector,
                                        pipeline::RecommendStrategy::kBestScore,
                                        pipeline::RecommendStrategy::kSumScores};
    pipeline::RecommendQuery query;
    SIGHTLINE_TRY(query.positive, read_inputs(node.find("positive")));
    SIGHTLINE_TRY(query.negative, read_inputs(node.find("negative")));
    if (const auto strategy = node.find("strategy")) {
      SIGHTLINE_TRY(const std::size_t word, strategy->as_word(kWords));
      query.strategy = kStrategies[word];
    }
    return QueryVariant(std::move(query));
  }

  Result<QueryVariant> read_discover(const BodyNode& node) {
    SIGHTLINE_TRY(const BodyNode target, node.require("target"));
    SIGHTLINE_TRY(QueryInput input, read_input(target));
    pipeline::DiscoverQuery query{std::move(input), {}};
    if (!node.json().contains("context")) return node.malformed("missing field `context`");
    if (const auto context = node.find("context")) {  // null: no pairs
      SIGHTLINE_TRY(query.context, read_context(*context));
    }
    return QueryVariant(std::move(query));
  }

  static Result<QueryVariant> read_rrf(const BodyNode& node) {
    SIGHTLINE_TRY_DO(node.check_object());
    pipeline::RrfFusion fusion;
    if (const auto k = node.find("k")) {
      SIGHTLINE_TRY(fusion.k, k->as_uint(1));
    }
    if (const auto weights = node.find("weights")) {
      SIGHTLINE_TRY(fusion.weights, read_floats(*weights));
      if (std::ranges::any_of(fusion.weights, [](float weight) { return weight < 0; })) {
        return weights->invalid("must be 0 or larger");
      }
    }
    return QueryVariant(std::move(fusion));
  }

  /// QueryInterface.
  Result<QueryVariant> read_variant(const BodyNode& node) {
    if (const auto nearest = node.find("nearest")) return read_nearest(node, *nearest);
    if (const auto recommend = node.find("recommend")) return read_recommend(*recommend);
    if (const auto discover = node.find("discover")) return read_discover(*discover);
    if (const auto context = node.find("context")) {
      SIGHTLINE_TRY(auto pairs, read_context(*context));
      return QueryVariant(pipeline::ContextQuery{std::move(pairs)});
    }
    if (node.json().is_object() && node.json().contains("context")) {
      return QueryVariant(pipeline::ContextQuery{});  // null: no pairs
    }
    if (const auto member = node.find("order_by")) {
      SIGHTLINE_TRY(OrderBy order, read_order_by(*member));
      return QueryVariant(pipeline::OrderByQuery{std::move(order.key), order.descending,
                                                 std::move(order.start_from)});
    }
    if (const auto fusion = node.find("fusion")) {
      constexpr std::array kWords = {"rrf"sv, "dbsf"sv};
      SIGHTLINE_TRY(const std::size_t word, fusion->as_word(kWords));
      if (word == 0) return QueryVariant(pipeline::RrfFusion{});
      return QueryVariant(pipeline::DbsfFusion{});
    }
    if (const auto rrf = node.find("rrf")) return read_rrf(*rrf);
    if (const auto sample = node.find("sample")) {
      constexpr std::array kWords = {"random"sv};
      SIGHTLINE_TRY_DO(sample->as_word(kWords));
      return QueryVariant(pipeline::SampleQuery{});
    }
    for (const std::string_view name : {"formula"sv, "relevance_feedback"sv}) {
      if (node.find(name)) return left_out("`" + std::string(name) + "` queries");
    }
    return read_nearest(node, node);
  }

  InferenceInputs& inputs_;
  std::string using_;
};

}  // namespace

std::vector<float> InferenceInputs::take(InferenceInput input) {
  if (vectors_) return std::move(vectors_->at(next_++));
  inputs_.push_back(std::move(input));
  return {};
}

void InferenceInputs::set_vectors(std::vector<std::vector<float>> vectors) {
  vectors_ = std::move(vectors);
  next_ = 0;
}

Result<PointQuery> read_query(const BodyNode& body, InferenceInputs& inputs) {
  QueryReader reader(inputs);
  SIGHTLINE_TRY(PointQuery query, reader.read_level(body, 0));
  SIGHTLINE_TRY_DO(reader.read_selectors(body, query));
  if (const auto offset = body.find("offset")) {
    SIGHTLINE_TRY(query.offset, offset->as_uint());
  }
  return query;
}

Result<GroupQuery> read_group_query(const BodyNode& body, InferenceInputs& inputs) {
  QueryReader reader(inputs);
  GroupQuery group;
  SIGHTLINE_TRY(group.query, reader.read_level(body, 0));
  SIGHTLINE_TRY_DO(reader.read_selectors(body, group.query));
  group.limit = group.query.limit;
  SIGHTLINE_TRY(const BodyNode key, body.require("group_by"));
  if (key.json() == "") return key.invalid("must be at least 1 characters");
  SIGHTLINE_TRY(group.group_by, read_field_path(key));
  if (const auto size = body.find("group_size")) {
    SIGHTLINE_TRY(group.group_size, size->as_uint(1));
  }
  if (const auto lookup = body.find("with_lookup")) {
    pipeline::GroupLookup& with = group.with_lookup.emplace();
    if (lookup->json().is_string()) {
      SIGHTLINE_TRY(with.collection, lookup->as_string());
      return group;
    }
    SIGHTLINE_TRY(const BodyNode collection, lookup->require("collection"));
    SIGHTLINE_TRY(with.collection, collection.as_string());
    SIGHTLINE_TRY(with.with_payload, read_with_payload(lookup->find("with_payload"), true));
    SIGHTLINE_TRY(with.with_vectors, read_with_vector(*lookup));
  }
  return group;
}

}  // namespace sightline::http
