#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include "http/errors.h"
#include "http/internal/qdrant_request.h"
#include "http/internal/vector_rules.h"
#include "http/json_reader.h"
#include "http/qdrant_answer.h"
#include "http/qdrant_operations.h"
#include "http/qdrant_routes.h"
#include "http/query_reader.h"
#include "pipeline/data_folder.h"

namespace sightline::http {
namespace {

using Clock = std::chrono::steady_clock;
using pipeline::CollectionStore;
using pipeline::GroupQuery;
using pipeline::PointAnswer;
using pipeline::PointQuery;
using pipeline::QueryScope;

/// A collection that vectors or points are looked up in; missing, it has words of its own.
Result<std::shared_ptr<CollectionStore>> open_lookup(const QdrantRequest& request,
                                                     std::string_view name) {
  auto store = open_collection(request, name);
  if (store || store.error().code != StatusCode::kNotFound) return store;
  return not_found("Not found: Collection " + std::string(name) + " not found");
}

/// A request on its way: the collection, its vectors, and what the stages took.
struct Asked {
  const QdrantRequest& request;
  std::shared_ptr<CollectionStore> store;
  std::shared_ptr<const pipeline::CollectionConfig> config;
  std::string collection;  ///< Its name, also if the request uses an alias.
  std::map<std::string, double> timings_ms;

  QueryScope scope() const {
    return {collection, *store,
            [this](std::string_view name) { return open_lookup(request, name); }};
  }
  /// Runs `task` and notes its time as `stage`.
  template <typename Task>
  auto timed(const char* stage, Task task) {
    const auto start = Clock::now();
    auto result = task();
    timings_ms[stage] = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    return result;
  }
  Response finish(AnswerWriter writer) {
    Response response = std::move(writer).finish(request.started);
    response.timings_ms = std::move(timings_ms);
    return response;
  }
};

Result<Asked> ask(const QdrantRequest& request) {
  Asked asked{request, nullptr, nullptr, request.collection(), {}};
  SIGHTLINE_TRY(asked.store, request.open());
  SIGHTLINE_TRY(asked.config, asked.store->config());
  SIGHTLINE_TRY(asked.collection, request.services.folder.resolve_collection(request.collection()));
  return asked;
}

/// Reads the body with `read(BodyNode, InferenceInputs&)`, again once its texts and pictures are
/// vectors.
template <typename Read>
auto read_and_encode(Asked& asked, Read read)
    -> decltype(read(std::declval<BodyNode>(), std::declval<InferenceInputs&>())) {
  SIGHTLINE_TRY(Json body, read_json_with_rows(asked.request.http.body));
  InferenceInputs inputs;
  auto first = read(BodyNode(body), inputs);
  if (!first) {  // an error shows values as they came
    SIGHTLINE_TRY(body, asked.request.read_body());
    inputs = InferenceInputs();
    first = read(BodyNode(body), inputs);
  }
  if (!first || inputs.empty()) return first;
  auto vectors = asked.timed("encode", [&] {
    return run_inference(asked.request.services, asked.request.http.principal, *asked.config,
                         inputs.inputs(), asked.request.http.deadline);
  });
  if (!vectors) return std::move(vectors).error();
  inputs.set_vectors(*std::move(vectors));
  return read(BodyNode(body), inputs);
}

constexpr std::size_t kMostHits = 10'000;

/// Qdrant's limits go to 2^64 - 1.
void tame_limits(PointQuery& query) {
  constexpr std::size_t kMostPoints = std::numeric_limits<std::uint32_t>::max();
  query.limit = std::min(query.limit, kMostHits);
  query.offset = std::min(query.offset, kMostPoints);
  auto* nearest = std::get_if<pipeline::NearestQuery>(&query.query);
  if (nearest != nullptr && nearest->mmr && nearest->mmr->candidates_limit) {
    auto& candidates = *nearest->mmr->candidates_limit;
    candidates = std::min(candidates, kMostHits);
  }
  for (PointQuery& prefetch : query.prefetch) tame_limits(prefetch);
}

void write_hits(AnswerWriter& writer, const PointQuery& query,
                const std::vector<pipeline::PointHit>& hits, bool turn_sign) {
  writer.list(
      hits, [&](const pipeline::PointHit& hit) { writer.hit(hit, turn_sign, query.with_vectors); });
}

/// Reads one query (`batch` false) or a list, answers them, and calls
/// `write(AnswerWriter&, queries, answers)`.
Result<std::vector<PointAnswer>> run(Asked& asked, std::vector<PointQuery>& queries) {
  for (PointQuery& query : queries) {
    SIGHTLINE_TRY_DO(check_inputs(*asked.config, query));
    tame_limits(query);
    pipeline::flip_distance_thresholds(query, *asked.config);
  }
  return asked.timed("search", [&] {
    return pipeline::run_point_queries(asked.scope(), queries, asked.request.http.deadline);
  });
}

void write_answer(AnswerWriter& writer, const PointQuery& query, const PointAnswer& answer) {
  writer.raw(R"({"points":)");
  write_hits(writer, query, answer.hits, answer.scores_are_distances);
  writer.raw("}");
}

Result<Response> query_points(const QdrantRequest& request) {
  SIGHTLINE_TRY(Asked asked, ask(request));
  SIGHTLINE_TRY(PointQuery query, read_and_encode(asked, read_query));
  std::vector<PointQuery> queries;
  queries.push_back(std::move(query));
  SIGHTLINE_TRY(const auto answers, run(asked, queries));
  AnswerWriter writer;
  write_answer(writer, queries.front(), answers.front());
  return asked.finish(std::move(writer));
}

Result<std::vector<PointQuery>> read_searches(const BodyNode& body, InferenceInputs& inputs) {
  std::vector<PointQuery> queries;
  SIGHTLINE_TRY(const BodyNode searches, body.require("searches"));
  SIGHTLINE_TRY_DO(searches.for_each([&](const BodyNode& search, std::size_t) -> Result<void> {
    SIGHTLINE_TRY(queries.emplace_back(), read_query(search, inputs));
    return {};
  }));
  return queries;
}

Result<Response> query_batch(const QdrantRequest& request) {
  SIGHTLINE_TRY(Asked asked, ask(request));
  SIGHTLINE_TRY(auto queries, read_and_encode(asked, read_searches));
  AnswerWriter writer;
  if (queries.empty()) {
    writer.raw("[]");
    return asked.finish(std::move(writer));
  }
  SIGHTLINE_TRY(const auto answers, run(asked, queries));
  std::size_t next = 0;
  writer.list(answers,
              [&](const PointAnswer& answer) { write_answer(writer, queries[next++], answer); });
  return asked.finish(std::move(writer));
}

Result<Response> query_groups(const QdrantRequest& request) {
  SIGHTLINE_TRY(Asked asked, ask(request));
  SIGHTLINE_TRY(GroupQuery query, read_and_encode(asked, read_group_query));
  query.limit = std::min(query.limit, kMostHits);
  query.group_size = std::min(query.group_size, kMostHits);
  SIGHTLINE_TRY_DO(check_inputs(*asked.config, query.query));
  tame_limits(query.query);
  pipeline::flip_distance_thresholds(query.query, *asked.config);
  SIGHTLINE_TRY(const auto answer, asked.timed("search", [&] {
    return pipeline::run_group_query(asked.scope(), query, request.http.deadline);
  }));
  AnswerWriter writer;
  writer.raw(R"({"groups":)").list(answer.groups, [&](const pipeline::PointGroup& group) {
    writer.raw(R"({"hits":)");
    write_hits(writer, query.query, group.hits, answer.scores_are_distances);
    writer.raw(R"(,"id":)").json(group.key);
    if (group.lookup) {
      writer.raw(R"(,"lookup":)")
          .record(*group.lookup, query.with_lookup->with_payload, query.with_lookup->with_vectors);
    }
    writer.raw("}");
  });
  writer.raw("}");
  return asked.finish(std::move(writer));
}

}  // namespace

void add_qdrant_query_routes(RouteTable& table, const Services& services) {
  const auto add = [&](std::string pattern, std::string summary, QdrantHandler handle) {
    add_route(table, services,
              {Method::kPost, "/collections/{collection}/points/query" + pattern, Right::kRead,
               Lane::kQuery, std::move(summary), true},
              std::move(handle));
  };
  add("", "The universal query: nearest, recommend, discover, fusion, ...", query_points);
  add("/batch", "Several queries at once.", query_batch);
  add("/groups", "A query whose hits are grouped by a payload field.", query_groups);
}

}  // namespace sightline::http
