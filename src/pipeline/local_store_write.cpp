#include <chrono>
#include <cmath>
#include <exception>
#include <optional>
#include <unordered_set>
#include <utility>

#include "core/log.h"
#include "pipeline/internal/collection_config.h"
#include "pipeline/local_store.h"

namespace sightline::pipeline {
namespace {

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

template <typename... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <typename... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

}  // namespace

Result<void> prepare_vector(std::string_view name, const VectorConfig& config,
                            std::vector<float>& values) {
  if (values.size() != config.dim) {
    return invalid_argument(shown_vector_name(name) + " has " + std::to_string(values.size()) +
                            " dimensions; the collection takes " + std::to_string(config.dim));
  }
  double squares = 0;
  for (const float value : values) {
    if (!std::isfinite(value))
      return invalid_argument(shown_vector_name(name) + " holds a value that is not finite");
    squares += double{value} * double{value};
  }
  if (config.metric != Metric::kCosine) return {};
  if (squares == 0) {
    return invalid_argument(shown_vector_name(name) +
                            " is all zeros, which has no direction for metric cosine");
  }
  const double scale = 1.0 / std::sqrt(squares);
  for (float& value : values) value = static_cast<float>(value * scale);
  return {};
}

Result<void> LocalStore::check_op(WriteOp& op) const {
  const auto check_payload = [](const PointId& id, const Json& payload) -> Result<void> {
    if (payload.is_object()) return {};
    return invalid_argument("the payload of point " + id.to_string() + " is a JSON " +
                            payload.type_name() + "; it must be an object");
  };
  if (auto* upsert = std::get_if<UpsertPoint>(&op)) {
    SIGHTLINE_TRY_DO(check_payload(upsert->id, upsert->payload));
    std::unordered_set<std::string_view> seen;
    for (NamedVector& vector : upsert->vectors) {
      const auto config = config_.vectors.find(vector.name);
      const std::string context = "point " + upsert->id.to_string();
      if (config == config_.vectors.end()) {
        return invalid_argument(context + ": collection \"" + name_ + "\" has no " +
                                shown_vector_name(vector.name));
      }
      if (!seen.insert(vector.name).second)
        return invalid_argument(context + ": " + shown_vector_name(vector.name) +
                                " is given twice");
      auto prepared = prepare_vector(vector.name, config->second, vector.values);
      if (!prepared) return prepared.error().with_context(context);
    }
  }
  if (const auto* overwrite = std::get_if<OverwritePayload>(&op))
    return check_payload(overwrite->id, overwrite->payload);
  return {};
}

Result<std::vector<storage::Operation>> LocalStore::resolve(std::vector<WriteOp> ops) const {
  std::vector<storage::Operation> operations;
  operations.reserve(ops.size());
  for (WriteOp& op : ops) {
    SIGHTLINE_TRY_DO(check_op(op));
    operations.push_back(std::visit(
        Overloaded{[](UpsertPoint& upsert) -> storage::Operation {
                     storage::UpsertOp result{
                         upsert.id, {}, std::move(upsert.payload), std::move(upsert.thumbnail)};
                     for (NamedVector& vector : upsert.vectors)
                       result.vectors.push_back({std::move(vector.name), std::move(vector.values)});
                     return result;
                   },
                   [](OverwritePayload& overwrite) -> storage::Operation {
                     return storage::OverwritePayloadOp{overwrite.id, std::move(overwrite.payload)};
                   },
                   [](DeletePoint& point) -> storage::Operation {
                     return storage::DeletePointOp{point.id};
                   },
                   [](PutSource& put) -> storage::Operation {
                     return storage::PutSourceOp{to_row(std::move(put.source))};
                   },
                   [](DeleteSource& source) -> storage::Operation {
                     return storage::DeleteSourceOp{std::move(source.uri)};
                   }},
        op));
  }
  return operations;
}

Result<WriteSummary> LocalStore::write(std::vector<WriteOp> ops) {
  if (must_reopen_) SIGHTLINE_TRY_DO(reopen_after_failure());
  SIGHTLINE_TRY(const Reading open, begin_read());
  if (!writer_) return failed_precondition("collection \"" + name_ + "\" was opened for reading");
  if (ops.empty()) return WriteSummary{open->version, 0, 0, 0};
  PendingWrite pending;
  SIGHTLINE_TRY(pending.operations, resolve(std::move(ops)));

  std::vector<PendingWrite*> group;
  {
    const MutexLock lock(queue_mutex_);
    queue_.push_back(&pending);
    while (!pending.result && committing_) queue_wake_.wait(queue_mutex_);
    if (pending.result) return *std::move(pending.result);
    committing_ = true;
    group.assign(queue_.begin(), queue_.end());
    queue_.clear();
  }
  commit_group(group);
  {
    const MutexLock lock(queue_mutex_);
    committing_ = false;
  }
  queue_wake_.notify_all();
  return *std::move(pending.result);
}

void LocalStore::commit_group(const std::vector<PendingWrite*>& group) {
  std::vector<std::pair<PendingWrite*, Result<WriteSummary>>> outcomes;
  outcomes.reserve(group.size());
  const auto fail_the_rest = [&](const Status& status) {
    const Status told = status.with_context("collection \"" + name_ + "\"");
    for (auto& [pending, outcome] : outcomes)
      if (outcome) outcome = told;
    for (std::size_t i = outcomes.size(); i < group.size(); ++i)
      outcomes.emplace_back(group[i], told);
  };
  try {
    bool any_sound = false;
    for (PendingWrite* pending : group) {
      auto added = writer_->add(pending->operations);
      if (added) {
        any_sound = true;
        outcomes.emplace_back(pending, WriteSummary{added->commit, added->num_inserted,
                                                    added->num_updated, added->num_deleted});
      } else {
        outcomes.emplace_back(pending, std::move(added).error());
      }
    }
    if (any_sound) {
      if (auto committed = commit_added(); !committed) fail_the_rest(committed.error());
    }
  } catch (const std::exception& e) {
    writer_->abandon();
    fail_the_rest(internal_error(std::string("writing: ") + e.what()));
  }
  const MutexLock lock(queue_mutex_);
  for (auto& [pending, outcome] : outcomes) pending->result.emplace(std::move(outcome));
}

Result<void> LocalStore::commit_added() {
  const bool sync = options_.durability == Durability::kSync;
  auto written = writer_->commit(sync ? storage::Sync::kYes : storage::Sync::kNo);
  if (!written) {
    // A full disk may have room again. What is corrupt stays so: every write says it.
    if (written.error().code != StatusCode::kCorruption) must_reopen_ = true;
    return std::move(written).error();
  }
  if (!sync) {
    const MutexLock lock(sync_mutex_);
    unsynced_ = true;
    sync_wake_.notify_all();
  }
  // What is stored stays stored: should this throw or fail, the next commit loads what is missing.
  const bool was_behind = std::exchange(index_is_behind_, true);
  if (was_behind) {
    SIGHTLINE_TRY_DO(load());
  } else {
    index_->apply(*written);
    SIGHTLINE_TRY_DO(publish());
  }
  index_is_behind_ = false;
  return {};
}

void LocalStore::start_syncing() {
  if (writer_ && options_.durability == Durability::kInterval)
    sync_thread_ = std::thread([this] { sync_loop(); });
}

void LocalStore::stop_syncing() {
  {
    const MutexLock lock(sync_mutex_);
    closing_ = true;
  }
  sync_wake_.notify_all();
  if (sync_thread_.joinable()) sync_thread_.join();
}

void LocalStore::sync_loop() {
  const std::chrono::milliseconds interval(options_.sync_interval_ms);
  while (true) {
    {
      const MutexLock lock(sync_mutex_);
      while (!unsynced_ && !closing_) sync_wake_.wait(sync_mutex_);
      const auto end = std::chrono::steady_clock::now() + interval;
      while (!closing_ && sync_wake_.wait_until(sync_mutex_, end)) {
      }
      if (closing_) return;  // close() syncs.
      unsynced_ = false;
    }
    const auto open = begin_read();
    if (!open || must_reopen_) continue;
    const auto synced = writer_->sync_log();
    if (!synced) log_warning("storage", "collection \"" + name_ + "\": " + synced.error().message);
  }
}

Result<void> LocalStore::flush() {
  SIGHTLINE_TRY(const Reading open, begin_read());
  if (!writer_) return {};
  return writer_->sync_log();
}

}  // namespace sightline::pipeline
