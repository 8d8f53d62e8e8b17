#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <unordered_set>
#include <utility>

#include "pipeline/internal/collection_config.h"
#include "pipeline/local_store.h"
#include "pipeline/vector_math.h"

namespace sightline::pipeline {
namespace {

// A row's slot, versions, place and point.
constexpr std::uint64_t kRowOverheadBytes = 48;
// How long a write that finds no memory waits for shards to be sealed.
constexpr std::chrono::seconds kSealingPatience{60};

storage::SourceRow to_row(SourceRecord&& record) {
  storage::SourceRow row;
  row.uri = std::move(record.uri);
  row.size = record.size;
  row.mtime_ns = record.mtime_ns;
  row.content_hash = std::move(record.content_hash);
  row.payload_hash = std::move(record.payload_hash);
  row.id = record.id;
  row.skip_reason = std::move(record.skip_reason);
  row.skip_message = std::move(record.skip_message);
  return row;
}

/// The points that an operation is about, if it says so by a selector.
const PointSelector* selector_of(const WriteOp& op) {
  return std::visit(
      [](const auto& known) -> const PointSelector* {
        if constexpr (requires { PointSelector(known.points); }) return &known.points;
        return nullptr;
      },
      op);
}
PointSelector* selector_of(WriteOp& op) {
  return const_cast<PointSelector*>(selector_of(std::as_const(op)));
}

Result<void> check_payload(const std::string& whose, const Json& payload) {
  if (payload.is_object()) return {};
  return invalid_argument("the payload " + whose + " is a JSON " + payload.type_name() +
                          "; it must be an object");
}

std::vector<storage::VectorValue> to_values(std::vector<NamedVector>&& vectors) {
  std::vector<storage::VectorValue> values;
  values.reserve(vectors.size());
  for (NamedVector& vector : vectors) {
    values.push_back({std::move(vector.name), std::move(vector.values), vector.kind,
                      std::move(vector.indices), vector.num_rows});
  }
  return values;
}

storage::UpsertOp::Mode to_mode(WriteMode mode) {
  using Mode = storage::UpsertOp::Mode;
  switch (mode) {
    case WriteMode::kUpsert:
      return Mode::kUpsert;
    case WriteMode::kInsertOnly:
      return Mode::kInsertOnly;
    case WriteMode::kUpdateOnly:
      return Mode::kUpdateOnly;
  }
  return Mode::kUpsert;
}

// append(): what one operation is to storage; `ids` are the points of its selector.

using Operations = std::vector<storage::Operation>;
using Ids = std::vector<PointId>;

void append(Operations& out, UpsertPoint&& op, const Ids&) {
  out.push_back(storage::UpsertOp{op.id, to_values(std::move(op.vectors)), std::move(op.payload),
                                  std::move(op.thumbnail), to_mode(op.mode), op.expected_version,
                                  std::move(op.update_filter)});
}
void append(Operations& out, OverwritePayload&& op, const Ids&) {
  out.push_back(storage::OverwritePayloadOp{op.id, std::move(op.payload)});
}
void append(Operations& out, DeletePoint&& op, const Ids&) {
  out.push_back(storage::DeletePointOp{op.id});
}
void append(Operations& out, PutSource&& op, const Ids&) {
  out.push_back(storage::PutSourceOp{to_row(std::move(op.source))});
}
void append(Operations& out, DeleteSource&& op, const Ids&) {
  out.push_back(storage::DeleteSourceOp{std::move(op.uri)});
}
void append(Operations& out, UpdateVectors&& op, const Ids&) {
  if (op.must_exist) out.push_back(storage::RequirePointOp{op.id});
  out.push_back(storage::UpdateVectorsOp{op.id, to_values(std::move(op.vectors)),
                                         std::move(op.update_filter)});
}
void append(Operations& out, SetPayload&& op, const Ids& ids) {
  for (const PointId& id : ids) out.push_back(storage::SetPayloadOp{id, op.payload, op.key});
}
void append(Operations& out, OverwritePayloads&& op, const Ids& ids) {
  for (const PointId& id : ids) out.push_back(storage::OverwritePayloadOp{id, op.payload});
}
void append(Operations& out, DeletePayloadKeys&& op, const Ids& ids) {
  for (const PointId& id : ids) out.push_back(storage::DeletePayloadKeysOp{id, op.keys});
}
void append(Operations& out, ClearPayload&&, const Ids& ids) {
  for (const PointId& id : ids) out.push_back(storage::ClearPayloadOp{id});
}
void append(Operations& out, DeletePoints&&, const Ids& ids) {
  for (const PointId& id : ids) out.push_back(storage::DeletePointOp{id});
}
void append(Operations& out, DeleteVectors&& op, const Ids& ids) {
  for (const PointId& id : ids) out.push_back(storage::DeleteVectorsOp{id, op.names});
}

}  // namespace

Result<void> LocalStore::check_vectors(const CollectionConfig& config, const PointId& id,
                                       std::vector<NamedVector>& vectors) const {
  const auto whose = [&id] { return "point " + id.to_string(); };
  std::unordered_set<std::string_view> seen;
  for (NamedVector& vector : vectors) {
    const auto known = config.vectors.find(vector.name);
    if (known == config.vectors.end()) {
      return invalid_argument(whose() + ": " + shown_name() + " has no " +
                              shown_vector_name(vector.name));
    }
    if (vectors.size() > 1 && !seen.insert(vector.name).second)
      return invalid_argument(whose() + ": " + shown_vector_name(vector.name) + " is given twice");
    auto prepared = prepare_vector(known->second, vector);
    if (!prepared) return prepared.error().with_context(whose());
  }
  return {};
}

Result<void> LocalStore::check_op(const CollectionConfig& config, WriteOp& op) const {
  if (const PointSelector* points = selector_of(op);
      points != nullptr && points->filter != nullptr && !points->ids.empty()) {
    return invalid_argument("points are selected by ids and by a filter; it must be one of them");
  }
  if (auto* upsert = std::get_if<UpsertPoint>(&op)) {
    SIGHTLINE_TRY_DO(check_payload("of point " + upsert->id.to_string(), upsert->payload));
    return check_vectors(config, upsert->id, upsert->vectors);
  }
  if (auto* update = std::get_if<UpdateVectors>(&op))
    return check_vectors(config, update->id, update->vectors);
  if (const auto* overwrite = std::get_if<OverwritePayload>(&op))
    return check_payload("of point " + overwrite->id.to_string(), overwrite->payload);
  if (const auto* overwrite = std::get_if<OverwritePayloads>(&op))
    return check_payload("to be set", overwrite->payload);
  if (const auto* set = std::get_if<SetPayload>(&op)) {
    SIGHTLINE_TRY_DO(check_payload("to be set", set->payload));
    if (!set->key.empty()) SIGHTLINE_TRY_DO(FieldPath::parse(set->key));
  }
  if (const auto* remove = std::get_if<DeletePayloadKeys>(&op)) {
    for (const std::string& key : remove->keys) SIGHTLINE_TRY_DO(FieldPath::parse(key));
  }
  if (const auto* remove = std::get_if<DeleteVectors>(&op)) {
    for (const std::string& name : remove->names) {
      if (!config.vectors.contains(name))
        return invalid_argument(shown_name() + " has no " + shown_vector_name(name));
    }
  }
  return {};
}

/// Growing shards take memory by whole blocks.
std::uint64_t LocalStore::memory_for(const StoreView& at, const std::vector<WriteOp>& ops) const {
  constexpr std::uint64_t kBlockRows = index::GrowingShard::kBlockRows;
  std::map<std::string_view, std::uint64_t> num_rows;
  for (const WriteOp& op : ops) {
    const std::vector<NamedVector>* vectors = nullptr;
    if (const auto* upsert = std::get_if<UpsertPoint>(&op)) vectors = &upsert->vectors;
    if (const auto* update = std::get_if<UpdateVectors>(&op)) vectors = &update->vectors;
    if (vectors == nullptr) continue;
    for (const NamedVector& vector : *vectors)
      if (vector.kind == VectorKind::kDense) ++num_rows[vector.name];
  }
  std::uint64_t need = 0;
  for (const auto& [name, rows] : num_rows) {
    const std::uint64_t held = at.parts.shards->find(name)->second.growing->num_rows();
    const std::uint64_t num_blocks =
        (held + rows + kBlockRows - 1) / kBlockRows - (held + kBlockRows - 1) / kBlockRows;
    const std::uint64_t row_bytes = at.config->vectors.at(std::string(name)).dim * sizeof(float);
    need += num_blocks * kBlockRows * (row_bytes + kRowOverheadBytes);
  }
  return need;
}

Result<void> LocalStore::reserve_memory(const StoreView& before, const std::vector<WriteOp>& ops) {
  const std::uint64_t need = setup_.memory->limit() == 0 ? 0 : memory_for(before, ops);
  if (need == 0) return {};
  const auto end = std::chrono::steady_clock::now() + kSealingPatience;
  while (true) {
    auto fits = setup_.memory->check(need, "writing to " + shown_name());
    if (fits) return {};
    // Sealing what is full makes room.
    const auto at = view();
    const bool is_sealing =
        at != nullptr && setup_.options.sealing.in_background &&
        std::any_of(at->parts.shards->begin(), at->parts.shards->end(),
                    [](const auto& entry) { return !entry.second.full.empty(); });
    if (!is_sealing || !keeper_.wait_for_step(end)) return fits;
  }
}

// --- resolving -----------------------------------------------------------------------------------

Result<std::vector<PointId>> LocalStore::select(PointSelector& points) const {
  if (points.filter == nullptr) return std::move(points.ids);
  const auto at = view();
  SIGHTLINE_TRY(const Bitmap found, matching_points(*at, *points.filter, Deadline::never()));
  std::vector<PointId> ids;
  for (const storage::Slot slot : found.to_vector()) ids.push_back(at->ids().get(slot));
  return ids;
}

Result<std::vector<storage::Operation>> LocalStore::resolve(std::vector<WriteOp> ops) const {
  std::vector<storage::Operation> operations;
  operations.reserve(ops.size());
  for (WriteOp& op : ops) {
    std::vector<PointId> ids;
    if (PointSelector* points = selector_of(op)) {
      const bool must_exist = points->must_exist;
      SIGHTLINE_TRY(ids, select(*points));
      if (must_exist) {
        for (const PointId& id : ids) operations.push_back(storage::RequirePointOp{id});
      }
    }
    std::visit([&](auto& known) { append(operations, std::move(known), ids); }, op);
  }
  return operations;
}

// --- the queue -----------------------------------------------------------------------------------

Result<WriteSummary> LocalStore::write(std::vector<WriteOp> ops) {
  SIGHTLINE_TRY(const Reading open, begin_change());
  if (ops.empty()) return WriteSummary{open->version, 0, 0, 0};
  PendingWrite pending;
  for (WriteOp& op : ops) {
    SIGHTLINE_TRY_DO(check_op(*open->config, op));
    const PointSelector* points = selector_of(op);
    pending.has_filter = pending.has_filter || (points != nullptr && points->filter != nullptr);
  }
  SIGHTLINE_TRY_DO(reserve_memory(*open.view, ops));
  pending.ops = std::move(ops);

  std::vector<PendingWrite*> group;
  {
    const MutexLock lock(queue_mutex_);
    queue_.push_back(&pending);
    while (!pending.result && (turn_taken_ || num_turns_wanted_ > 0))
      queue_wake_.wait(queue_mutex_);
    if (pending.result) return *std::move(pending.result);
    turn_taken_ = true;
    group.assign(queue_.begin(), queue_.end());
    queue_.clear();
  }
  commit_group(group);
  {
    const MutexLock lock(queue_mutex_);
    turn_taken_ = false;
  }
  queue_wake_.notify_all();
  return *std::move(pending.result);
}

}  // namespace sightline::pipeline
