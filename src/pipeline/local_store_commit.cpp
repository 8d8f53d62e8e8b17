// LocalStore: how groups of writes are stored, learned and published, and the log synced.
#include <algorithm>
#include <chrono>
#include <exception>
#include <future>
#include <utility>

#include "core/log.h"
#include "pipeline/local_store.h"

namespace sightline::pipeline {
namespace {

// A group with this many effects is learned while it is written: a thread costs less than that.
constexpr std::size_t kManyEffects = 512;

}  // namespace

void LocalStore::commit_group(std::span<PendingWrite* const> group) {
  // A filter sees all that was written before its request, so that is published first.
  while (!group.empty()) {
    const auto end = std::find_if(group.begin() + 1, group.end(),
                                  [](const PendingWrite* write) { return write->has_filter; });
    const auto part = group.first(static_cast<std::size_t>(end - group.begin()));
    commit_part(part);
    group = group.subspan(part.size());
  }
}

void LocalStore::commit_part(std::span<PendingWrite* const> part) {
  std::vector<Result<WriteSummary>> outcomes;
  outcomes.reserve(part.size());
  const auto fail_the_rest = [&](const Status& status) {
    const Status told = status.with_context(shown_name());
    for (auto& outcome : outcomes)
      if (outcome) outcome = told;
    while (outcomes.size() < part.size()) outcomes.emplace_back(told);
  };
  try {
    bool any_sound = false;
    for (PendingWrite* pending : part) {
      outcomes.push_back(add(*pending));
      any_sound = any_sound || outcomes.back().has_value();
    }
    if (any_sound) {
      if (auto committed = commit_added(); !committed) fail_the_rest(committed.error());
    }
  } catch (const std::exception& e) {
    writer_->abandon();
    fail_the_rest(internal_error(std::string("writing: ") + e.what()));
  }
  const MutexLock lock(queue_mutex_);
  for (std::size_t i = 0; i < part.size(); ++i) part[i]->result.emplace(std::move(outcomes[i]));
}

Result<WriteSummary> LocalStore::add(PendingWrite& pending) {
  if (pending.has_filter) SIGHTLINE_TRY_DO(catch_up_index());
  SIGHTLINE_TRY(auto operations, resolve(std::move(pending.ops)));
  SIGHTLINE_TRY(const auto added, writer_->add(operations));
  return WriteSummary{added.commit, added.num_inserted, added.num_updated, added.num_deleted};
}

/// The index learns the group while the log takes it. Its version is not published yet, so that no
/// search sees a row of it, and none misses one that it ends.
Result<void> LocalStore::commit_and_learn(storage::Sync sync,
                                          std::span<const storage::RowEffect> effects) {
  auto writing = std::async(std::launch::async, [&]() -> Result<void> {
    SIGHTLINE_TRY_DO(writer_->commit(sync));
    return {};
  });
  std::exception_ptr not_learned;
  try {
    index_->apply(effects);
  } catch (...) {
    not_learned = std::current_exception();
  }
  Result<void> written;
  try {
    written = writing.get();
  } catch (const std::exception& e) {
    written = internal_error(std::string("writing: ") + e.what());
  }
  index_is_ahead_ = !written;
  if (written && not_learned) std::rethrow_exception(not_learned);
  return written;
}

Result<void> LocalStore::commit_added() {
  const auto sync =
      setup_.options.durability == Durability::kSync ? storage::Sync::kYes : storage::Sync::kNo;
  const std::vector<storage::RowEffect> effects = writer_->take_effects();
  // What is stored stays stored: should this throw or fail, the next commit loads what is missing.
  const bool was_behind = std::exchange(index_is_behind_, true);
  const bool learns_beside = !was_behind && effects.size() >= kManyEffects;
  Result<void> written;
  if (learns_beside) {
    written = commit_and_learn(sync, effects);
  } else if (auto committed = writer_->commit(sync); !committed) {
    written = std::move(committed).error();
  }
  if (!written) {
    index_is_behind_ = was_behind;
    // A full disk may have room again. What is corrupt stays so: every write says it.
    if (written.error().code != StatusCode::kCorruption) must_reopen_ = true;
    return written;
  }
  if (sync == storage::Sync::kNo) {
    const MutexLock lock(sync_mutex_);
    unsynced_ = true;
    sync_wake_.notify_all();
  }
  if (was_behind) {
    SIGHTLINE_TRY_DO(load());
  } else {
    if (!learns_beside) index_->apply(effects);
    SIGHTLINE_TRY_DO(publish());
  }
  index_is_behind_ = false;
  remove_erased_uploads();
  const auto num_rows =
      std::count_if(effects.begin(), effects.end(), [](const storage::RowEffect& effect) {
        return effect.kind == storage::RowEffect::Kind::kPut;
      });
  keeper_.note_write(static_cast<std::uint64_t>(num_rows), index_->has_full_shards());
  return {};
}

void LocalStore::remove_erased_uploads() {
  std::vector<std::string> hashes;
  for (const std::string& uri : writer_->take_erased_uploads()) {
    if (auto hex = upload_hash(uri)) hashes.push_back(*std::move(hex));
  }
  if (hashes.empty()) return;
  // A power loss must not bring points back whose pictures are gone.
  if (setup_.options.durability != Durability::kSync) {
    if (const auto synced = writer_->sync_log(); !synced) {
      log_warning("storage", shown_name() + ": " + synced.error().message);
      return;
    }
  }
  uploads_.remove_unnamed(hashes, [this](const std::string& hex) -> Result<bool> {
    bool named = false;
    SIGHTLINE_TRY_DO(visit_sources(upload_uri(hex, std::nullopt), [&](const SourceRecord&) {
      named = true;
      return false;
    }));
    return named;
  });
}

void LocalStore::start_syncing() {
  if (writer_ && setup_.options.durability == Durability::kInterval)
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
  const std::chrono::milliseconds interval(setup_.options.sync_interval_ms);
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
    if (!synced) log_warning("storage", shown_name() + ": " + synced.error().message);
  }
}

}  // namespace sightline::pipeline
