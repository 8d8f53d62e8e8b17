// pipeline/local_store.h: CollectionStore over RocksDB (`storage`) and shards (`index`) in this
// process.
//
// A commit goes: operations are checked and resolved, one batch is written and synced, the growing
// shards learn the rows, and a new View (read version, shards, RocksDB snapshot) is published. A
// search takes the View of the moment and reads everything through it, so it sees one state
// (DESIGN.md, "Isolation").
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/compute_pool.h"
#include "core/mutex.h"
#include "pipeline/collection_store.h"
#include "pipeline/data_folder.h"
#include "pipeline/internal/local_index.h"
#include "pipeline/internal/read_gate.h"
#include "storage/collection_db.h"
#include "storage/collection_writer.h"

namespace sightline::pipeline {

/// Thread-safety: as CollectionStore says; catch_up() and close() wait for running reads and must
/// not be called from a visitor.
class LocalStore final : public CollectionStore {
 public:
  /// Opens the database again: for a reader that has to start over, for a writer after a failure.
  using OpenDb = std::function<Result<std::unique_ptr<storage::CollectionDb>>()>;

  /// Takes an open database and builds the shards from it. `pool` runs scans and outlives the
  /// store.
  static Result<std::shared_ptr<LocalStore>> open(std::string name,
                                                  std::unique_ptr<storage::CollectionDb> db,
                                                  OpenDb open_db, const StoreOptions& options,
                                                  ComputePool& pool);
  ~LocalStore() override;

  Result<CollectionInfo> info() const override;
  Result<WriteSummary> write(std::vector<WriteOp> ops) override;
  Result<std::vector<ScoredPoint>> search(const SearchRequest& request,
                                          Deadline deadline) const override;
  Result<std::vector<std::optional<StoredPoint>>> get(std::span<const PointId> ids,
                                                      GetOptions options) const override;
  Result<std::vector<StoredPoint>> scroll(std::optional<PointId> from, std::size_t limit,
                                          GetOptions options) const override;
  Result<std::uint64_t> count() const override;
  Result<std::string> thumbnail(const PointId& id) const override;
  Result<std::optional<SourceRecord>> find_source(std::string_view uri) const override;
  Result<std::optional<PointId>> find_content(std::string_view content_hash) const override;
  Result<void> visit_sources(std::string_view prefix,
                             const std::function<bool(const SourceRecord&)>& visit) const override;
  Result<void> catch_up() override;
  Result<void> flush() override;

  /// Ends all use of the database, whose folder may then be removed. Later calls fail with
  /// kNotFound: the collection is deleted.
  void close();

 private:
  /// One published state: what a read needs.
  struct View {
    index::Version version = 0;
    storage::SnapshotPtr snapshot;
    std::shared_ptr<const LocalIndex> index;
    std::shared_ptr<const ShardTable> shards;
    const storage::CollectionCounters& counters() const { return snapshot->counters(); }
  };
  /// A View that stays, and the database with it, until this goes.
  struct Reading {
    ReadGate::Pass pass;
    std::shared_ptr<const View> view;
    const View* operator->() const { return view.get(); }
  };
  struct PendingWrite {
    std::vector<storage::Operation> operations;
    std::optional<Result<WriteSummary>> result;
  };

  LocalStore(std::string name, OpenDb open_db, const StoreOptions& options, ComputePool& pool)
      : name_(std::move(name)), open_db_(std::move(open_db)), options_(options), pool_(pool) {}

  // local_store.cpp
  Result<void> load();
  Result<void> start(std::unique_ptr<storage::CollectionDb> db);
  Result<void> start_over();
  Result<void> reopen_after_failure();
  Result<void> publish();
  std::shared_ptr<const View> view() const;
  void set_view(std::shared_ptr<const View> view);
  Result<Reading> begin_read() const;
  Result<StoredPoint> read_point(const View& at, const PointId& id, storage::Slot slot,
                                 const GetOptions& options) const;

  // local_store_write.cpp
  Result<void> check_op(WriteOp& op) const;
  Result<std::vector<storage::Operation>> resolve(std::vector<WriteOp> ops) const;
  void commit_group(const std::vector<PendingWrite*>& group);
  Result<void> commit_added();
  void start_syncing();
  void stop_syncing();
  void sync_loop();

  const std::string name_;
  const OpenDb open_db_;
  const StoreOptions options_;
  ComputePool& pool_;

  // Replaced inside gate_.change() alone.
  mutable ReadGate gate_;
  std::unique_ptr<storage::CollectionDb> db_;          // null once closed
  std::unique_ptr<storage::CollectionWriter> writer_;  // null for readers
  CollectionConfig config_;
  std::shared_ptr<LocalIndex> index_;
  bool closed_ = false;
  std::optional<Status> not_open_;  // why db_ is null though the store is not closed
  std::atomic<bool> must_reopen_{false};

  mutable Mutex view_mutex_;  // held for the moment of a copy
  std::shared_ptr<const View> view_ GUARDED_BY(view_mutex_);

  // Writers queue up; the first of them commits for all that wait (group commit).
  Mutex queue_mutex_;
  CondVar queue_wake_;
  std::deque<PendingWrite*> queue_ GUARDED_BY(queue_mutex_);
  bool committing_ GUARDED_BY(queue_mutex_) = false;
  // The committer's: a commit is stored whose rows the index has not learned (no memory).
  bool index_is_behind_ = false;

  // Durability kInterval: syncs the log when something waits for it.
  Mutex sync_mutex_;
  CondVar sync_wake_;
  bool unsynced_ GUARDED_BY(sync_mutex_) = false;
  bool closing_ GUARDED_BY(sync_mutex_) = false;
  std::thread sync_thread_;
};

/// Dim and finiteness; kCosine rows get L2 norm 1. errors  kInvalidArgument.
Result<void> prepare_vector(std::string_view name, const VectorConfig& config,
                            std::vector<float>& values);

}  // namespace sightline::pipeline
