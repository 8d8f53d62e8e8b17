#include <utility>

#include "http/errors.h"
#include "http/internal/point_writes.h"
#include "http/internal/qdrant_request.h"
#include "http/internal/vector_rules.h"
#include "http/point_reader.h"
#include "http/qdrant_answer.h"
#include "http/qdrant_operations.h"
#include "http/qdrant_routes.h"

namespace sightline::http {
namespace {

using pipeline::WriteOp;
using pipeline::WriteSummary;

Json update_result(const QdrantRequest& request, const WriteSummary& summary) {
  return {{"operation_id", summary.commit_number},
          {"status", request.wait ? "completed" : "acknowledged"}};
}

Result<Response> write_points(const QdrantRequest& request, bool vectors_only) {
  SIGHTLINE_TRY(const auto store, request.open());
  std::string& body = request.http.body;
  SIGHTLINE_TRY(PointBatch batch, vectors_only ? read_update_vectors(body) : read_upsert(body));
  std::string().swap(body);  // the rows are beside it: a large body need not wait for the disk
  SIGHTLINE_TRY(const auto config, store->config());
  SIGHTLINE_TRY_DO(complete_batches(request.services, request.http.principal, *config, {&batch},
                                    request.http.deadline));
  SIGHTLINE_TRY(const WriteSummary summary,
                store->write(vectors_only ? update_vectors_ops(std::move(batch))
                                          : upsert_ops(std::move(batch))));
  return qdrant_answer(update_result(request, summary), request.started);
}

/// What names no vector of the collection is refused in Qdrant's words.
Result<void> check_names(const pipeline::CollectionStore& store, const WriteOp& op) {
  const auto* remove = std::get_if<pipeline::DeleteVectors>(&op);
  if (remove == nullptr) return {};
  SIGHTLINE_TRY(const auto config, store.config());
  for (const std::string& name : remove->names) SIGHTLINE_TRY_DO(check_vector_name(*config, name));
  return {};
}

Result<Response> write_operation(const QdrantRequest& request, std::string_view name) {
  SIGHTLINE_TRY(const auto store, request.open());
  SIGHTLINE_TRY(const Json body, request.read_body());
  SIGHTLINE_TRY(WriteOp op, read_write_op(name, BodyNode(body)));
  SIGHTLINE_TRY_DO(check_names(*store, op));
  std::vector<WriteOp> ops;
  ops.push_back(std::move(op));
  SIGHTLINE_TRY(const WriteSummary summary, store->write(std::move(ops)));
  return qdrant_answer(update_result(request, summary), request.started);
}

/// The operations in order. What is between two that pick their points by a filter is one commit.
Result<Response> write_batch(const QdrantRequest& request) {
  SIGHTLINE_TRY(const auto store, request.open());
  SIGHTLINE_TRY(auto operations, read_update_operations(request.http.body));
  std::string().swap(request.http.body);
  std::vector<PointBatch*> batches;
  for (UpdateOperation& operation : operations) {
    if (const auto* op = std::get_if<WriteOp>(&operation)) {
      SIGHTLINE_TRY_DO(check_names(*store, *op));
    }
    if (auto* upsert = std::get_if<PointBatch>(&operation)) batches.push_back(upsert);
    if (auto* update = std::get_if<UpdateVectorsBatch>(&operation)) {
      batches.push_back(&update->batch);
    }
  }
  if (!batches.empty()) {
    SIGHTLINE_TRY(const auto config, store->config());
    SIGHTLINE_TRY_DO(complete_batches(request.services, request.http.principal, *config, batches,
                                      request.http.deadline));
  }

  Json results = Json::array();
  std::vector<WriteOp> waiting;
  std::size_t num_waiting = 0;  // operations, of which one may be many ops
  const auto flush = [&]() -> Result<void> {
    if (num_waiting == 0) return {};
    SIGHTLINE_TRY(const WriteSummary summary, store->write(std::exchange(waiting, {})));
    for (; num_waiting > 0; --num_waiting) results.push_back(update_result(request, summary));
    return {};
  };
  for (UpdateOperation& operation : operations) {
    if (auto* op = std::get_if<WriteOp>(&operation)) {
      if (picks_by_filter(*op)) SIGHTLINE_TRY_DO(flush());
      waiting.push_back(std::move(*op));
    } else {
      auto* upsert = std::get_if<PointBatch>(&operation);
      auto ops = upsert != nullptr
                     ? upsert_ops(std::move(*upsert))
                     : update_vectors_ops(std::move(std::get<UpdateVectorsBatch>(operation).batch));
      for (WriteOp& one : ops) waiting.push_back(std::move(one));
    }
    ++num_waiting;
  }
  SIGHTLINE_TRY_DO(flush());
  return qdrant_answer(results, request.started);
}

}  // namespace

void add_qdrant_write_routes(RouteTable& table, const Services& services) {
  const auto add = [&](Method method, std::string pattern, std::string summary,
                       QdrantHandler handle) {
    add_route(table, services,
              {method, "/collections/{collection}/points" + pattern, Right::kWrite, Lane::kWrite,
               std::move(summary), true},
              std::move(handle));
  };
  const auto add_operation = [&](Method method, std::string pattern, std::string summary,
                                 std::string_view name) {
    add(method, std::move(pattern), std::move(summary),
        [name](const QdrantRequest& request) { return write_operation(request, name); });
  };
  constexpr auto kPut = Method::kPut, kPost = Method::kPost;
  add(kPut, "", "Inserts points or replaces them.",
      [](const QdrantRequest& request) { return write_points(request, false); });
  add(kPut, "/vectors", "Replaces vectors of points.",
      [](const QdrantRequest& request) { return write_points(request, true); });
  add(kPost, "/batch", "Several writes, in order.", write_batch);
  add_operation(kPost, "/delete", "Deletes points.", "delete");
  add_operation(kPost, "/payload", "Sets keys of payloads.", "set_payload");
  add_operation(kPut, "/payload", "Replaces payloads.", "overwrite_payload");
  add_operation(kPost, "/payload/delete", "Removes keys of payloads.", "delete_payload");
  add_operation(kPost, "/payload/clear", "Empties payloads.", "clear_payload");
  add_operation(kPost, "/vectors/delete", "Removes vectors of points.", "delete_vectors");
}

}  // namespace sightline::http
