#include "http/internal/point_writes.h"

#include <string>
#include <utility>

#include "http/inference.h"
#include "http/internal/vector_rules.h"

namespace sightline::http {

using pipeline::NamedVector;
using pipeline::WriteOp;

Result<void> complete_batches(const Services& services, const Principal& principal,
                              const pipeline::CollectionConfig& config,
                              std::vector<PointBatch*> batches, const Deadline& deadline) {
  std::vector<InferenceInput> inputs;
  for (const PointBatch* batch : batches) {
    for (const PendingVector& pending : batch->pending) inputs.push_back(pending.input);
  }
  if (!inputs.empty()) {
    SIGHTLINE_TRY(auto rows, run_inference(services, principal, config, inputs, deadline));
    std::size_t next = 0;
    for (PointBatch* batch : batches) {
      for (const PendingVector& pending : batch->pending) {
        batch->points[pending.point].vectors[pending.vector].values = std::move(rows[next++]);
      }
    }
  }
  for (const PointBatch* batch : batches) {
    for (const pipeline::UpsertPoint& point : batch->points) {
      for (const NamedVector& vector : point.vectors) {
        SIGHTLINE_TRY_DO(
            check_vector(config, vector.name, vector.kind, vector.values.size() / vector.num_rows));
      }
    }
  }
  return {};
}

std::vector<WriteOp> upsert_ops(PointBatch batch) {
  std::vector<WriteOp> ops;
  ops.reserve(batch.points.size());
  for (pipeline::UpsertPoint& point : batch.points) {
    point.mode = batch.mode;
    point.update_filter = batch.update_filter;
    ops.emplace_back(std::move(point));
  }
  return ops;
}

std::vector<WriteOp> update_vectors_ops(PointBatch batch) {
  std::vector<WriteOp> ops;
  ops.reserve(batch.points.size());
  for (pipeline::UpsertPoint& point : batch.points) {
    ops.emplace_back(pipeline::UpdateVectors{point.id, std::move(point.vectors),
                                             batch.update_filter, /*must_exist=*/true});
  }
  return ops;
}

bool picks_by_filter(const WriteOp& op) {
  return std::visit(
      [](const auto& one) {
        if constexpr (requires { one.points.filter; }) return one.points.filter != nullptr;
        return false;
      },
      op);
}

}  // namespace sightline::http
