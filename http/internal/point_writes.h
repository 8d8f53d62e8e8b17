// http/internal/point_writes.h: point batches of requests as writes of a store.
#pragma once

#include <string_view>
#include <vector>

#include "core/deadline.h"
#include "core/result.h"
#include "http/access.h"
#include "http/point_reader.h"
#include "http/services.h"
#include "pipeline/collection_store.h"

namespace sightline::http {

/// Encodes what is pending in all `batches` together and checks every vector against `config`, in
/// Qdrant's words. errors  those of run_inference(); kInvalidArgument: unknown vector name, other
/// dim or kind.
Result<void> complete_batches(const Services& services, const Principal& principal,
                              const pipeline::CollectionConfig& config,
                              std::vector<PointBatch*> batches, const Deadline& deadline);

std::vector<pipeline::WriteOp> upsert_ops(PointBatch batch);
std::vector<pipeline::WriteOp> update_vectors_ops(PointBatch batch);

/// Whether the operation picks points by a filter, which it has to ask of what those before it
/// wrote: a write() asks its filters before it begins.
bool picks_by_filter(const pipeline::WriteOp& op);

}  // namespace sightline::http
