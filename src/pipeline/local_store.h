// pipeline/local_store.h: CollectionStore over RocksDB (`storage`) and shards (`index`) in this
// process.
//
// A commit goes: operations are checked and resolved, one batch is written and synced, the growing
// shards and payload indexes learn what changed, and a new StoreView (read version, shards, payload
// indexes, RocksDB snapshot) is published. A search takes the view of the moment and reads
// everything through it, so it sees one state (DESIGN.md, "Isolation").
//
// Whatever changes the store takes a Turn: a group of writes, the two short ends of building a
// shard (choosing its rows, putting it in their place), a new payload index. The long middle of a
// build runs beside everything else.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/compute_pool.h"
#include "core/mutex.h"
#include "index/row_spool.h"
#include "index/shard_builder.h"
#include "pipeline/collection_store.h"
#include "pipeline/data_folder.h"
#include "pipeline/internal/local_index.h"
#include "pipeline/internal/memory_budget.h"
#include "pipeline/internal/read_gate.h"
#include "pipeline/internal/shard_keeper.h"
#include "pipeline/internal/store_view.h"
#include "pipeline/upload_shelf.h"
#include "storage/collection_db.h"
#include "storage/collection_writer.h"

namespace sightline::pipeline {

/// Within a collection's folder, while a snapshot is taken.
inline constexpr const char* kSnapshotFolder = "snapshot.tmp";

struct LocalStoreSetup {
  std::string name;
  std::filesystem::path folder;  ///< Of the collection.
  /// Opens the database again: for a reader that has to start over, for a writer after a failure.
  std::function<Result<std::unique_ptr<storage::CollectionDb>>()> open_db;
  StoreOptions options;
  std::shared_ptr<MemoryBudget> memory;
};

/// Thread-safety: as CollectionStore says; catch_up() and close() wait for running reads and must
/// not be called from a visitor. optimize() must not be called from a worker of the pool.
class LocalStore final : public CollectionStore {
 public:
  /// Takes an open database, opens the shards and reads what they lack from it. `pool` runs scans
  /// and builds, and outlives the store.
  static Result<std::shared_ptr<LocalStore>> open(LocalStoreSetup setup,
                                                  std::unique_ptr<storage::CollectionDb> db,
                                                  ComputePool& pool);
  ~LocalStore() override;

  Result<CollectionInfo> info() const override;
  Result<std::shared_ptr<const CollectionConfig>> config() const override;
  Result<WriteSummary> write(std::vector<WriteOp> ops) override;
  Result<SearchAnswer> search(const SearchRequest& request, Deadline deadline) const override;
  Result<std::vector<SearchAnswer>> search_batch(std::span<const SearchRequest> requests,
                                                 Deadline deadline) const override;
  Result<SearchAnswer> search_by(const ScoredSearch& request, Deadline deadline) const override;
  Result<std::vector<std::optional<StoredPoint>>> get(std::span<const PointId> ids,
                                                      GetOptions options) const override;
  Result<std::vector<StoredPoint>> scroll(std::optional<PointId> from, std::size_t limit,
                                          GetOptions options,
                                          std::shared_ptr<const Filter> filter) const override;
  Result<std::vector<StoredPoint>> sample(std::size_t limit, GetOptions options,
                                          std::shared_ptr<const Filter> filter,
                                          Deadline deadline) const override;
  Result<std::vector<OrderedPoint>> scroll_ordered(const OrderedScroll& request,
                                                   Deadline deadline) const override;
  Result<std::uint64_t> count(std::shared_ptr<const Filter> filter) const override;
  Result<std::vector<FacetHit>> facet(const FacetRequest& request,
                                      Deadline deadline) const override;
  Result<void> create_payload_index(std::string_view field, FieldType type,
                                    const Json& parameters) override;
  Result<bool> drop_payload_index(std::string_view field) override;
  Result<void> set_index(std::string_view vector_name, std::string_view spec,
                         double target_recall) override;
  Result<void> update_parameters(
      const std::function<Result<void>(CollectionConfig& config)>& edit) override;
  Result<OptimizeSummary> optimize(const OptimizeOptions& options, Deadline deadline) override;
  Result<std::string> thumbnail(const PointId& id) const override;
  Result<std::optional<SourceRecord>> find_source(std::string_view uri) const override;
  Result<std::optional<PointId>> find_content(std::string_view content_hash) const override;
  Result<void> visit_sources(std::string_view prefix,
                             const std::function<bool(const SourceRecord&)>& visit) const override;
  UploadShelf* uploads() const override { return &uploads_; }
  Result<void> catch_up() override;
  Result<void> flush() override;

  /// Puts a consistent copy into the new folder `folder`: "db", "shards", "uploads"; of files that
  /// never change hard links, where the file system has them. Writer only. Returns what was taken:
  /// {"collection", "commit", "num_points"}. errors  kCorruption: the database is damaged.
  Result<Json> copy_to(const std::filesystem::path& folder, const Deadline& deadline);

  /// Ends all use of the database, whose folder may then be removed. Later calls fail with
  /// kNotFound: the collection is deleted.
  void close();

 private:
  /// A view that stays, and the database with it, until this goes.
  struct Reading {
    ReadGate::Pass pass;
    std::shared_ptr<const StoreView> view;
    const StoreView* operator->() const { return view.get(); }
  };
  struct PendingWrite {
    std::vector<WriteOp> ops;
    bool has_filter = false;
    std::optional<Result<WriteSummary>> result;
  };
  /// The right to change the store, of one thread at a time, which holds a Reading as well.
  class Turn {
   public:
    explicit Turn(LocalStore& store);
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    LocalStore& store_;
  };
  struct Allowed;
  struct HitRange;
  /// Plans the next step for a vector name.
  using Planner =
      std::function<std::optional<BuildPlan>(const std::string& name, const ShardsState& state)>;
  using BuildProgress = std::function<void(double share, std::string_view stage)>;
  enum class BuildEffort {
    kAllCores,
    kBesideSearches,  ///< One core, when nothing more urgent wants it.
  };

  LocalStore(LocalStoreSetup setup, ComputePool& pool);

  // local_store.cpp
  Result<void> load();
  Result<void> start(std::unique_ptr<storage::CollectionDb> db);
  Result<void> begin_index();
  Result<void> tidy_up(const storage::CollectionDb& db) const;
  void sweep_uploads() const;
  Result<void> start_over();
  Result<void> load_afresh();
  Result<void> reopen_after_failure();
  Result<void> publish();
  std::shared_ptr<const StoreView> view() const;
  void set_view(std::shared_ptr<const StoreView> view);
  Result<Reading> begin_read() const;
  /// Also that the store is open for writing.
  Result<Reading> begin_change();
  /// In a Turn: what was stored, but not learned.
  Result<void> catch_up_index();
  /// Of a call of writer_: whether the database must be opened again.
  Status after_failure(Status status);
  std::filesystem::path shards_folder() const { return setup_.folder / "shards"; }
  std::string shown_name() const { return "collection \"" + setup_.name + "\""; }

  // local_store_read.cpp
  Result<Bitmap> matching_points(const StoreView& at, const Filter& filter,
                                 const Deadline& deadline) const;
  /// nullopt: all.
  Result<std::optional<Bitmap>> wanted_points(const StoreView& at, const Filter* filter,
                                              const Deadline& deadline) const;
  Result<StoredPoint> read_point(const StoreView& at, const PointId& id, storage::Slot slot,
                                 const GetOptions& options) const;
  Result<std::vector<StoredPoint>> scroll_few(const StoreView& at, const Bitmap& slots,
                                              const std::optional<PointId>& from, std::size_t limit,
                                              const GetOptions& options) const;

  // local_store_search.cpp
  Result<void> check_request(const StoreView& at, std::string_view vector_name,
                             std::size_t top_k) const;
  Result<Allowed> allowed_slots(const StoreView& at, const std::string& vector_name,
                                const Filter* filter, const Deadline& deadline) const;
  Result<Bitmap> without_excluded(const StoreView& at, const std::string& vector_name,
                                  const std::vector<PointId>& exclude,
                                  const Allowed& allowed) const;
  Result<SearchAnswer> search_view(const StoreView& at, const SearchRequest& request,
                                   const Allowed& allowed, const Deadline& deadline) const;
  Result<SearchAnswer> search_shards(const StoreView& at, const SearchRequest& request,
                                     const std::vector<float>& vector, const Allowed& allowed,
                                     const Deadline& deadline) const;
  /// Scores what is allowed, one by one.
  Result<SearchAnswer> score_all(const StoreView& at, const ScoredSearch& request,
                                 const Allowed& allowed, const Deadline& deadline) const;
  Result<std::vector<index::Candidate>> best_of(const StoreView& at, const ScoredSearch& request,
                                                const std::vector<storage::Slot>& slots,
                                                const Deadline& deadline) const;
  Result<std::vector<ScoredPoint>> to_hits(const StoreView& at, const HitRange& range,
                                           const std::vector<index::Candidate>& candidates,
                                           const Deadline& deadline) const;

  // local_store_values.cpp
  Result<FieldType> indexed_type(const StoreView& at, const std::string& key,
                                 std::span<const FieldType> types, std::string_view purpose) const;

  // local_store_write.cpp
  Result<void> check_op(const CollectionConfig& config, WriteOp& op) const;
  Result<void> check_vectors(const CollectionConfig& config, const PointId& id,
                             std::vector<NamedVector>& vectors) const;
  std::uint64_t memory_for(const StoreView& at, const std::vector<WriteOp>& ops) const;
  Result<void> reserve_memory(const StoreView& before, const std::vector<WriteOp>& ops);
  /// Of a filter: as of the view of now.
  Result<std::vector<PointId>> select(PointSelector& points) const;
  Result<std::vector<storage::Operation>> resolve(std::vector<WriteOp> ops) const;

  // local_store_commit.cpp
  void commit_group(std::span<PendingWrite* const> group);
  void commit_part(std::span<PendingWrite* const> part);
  Result<WriteSummary> add(PendingWrite& pending);
  Result<void> commit_added();
  Result<void> commit_and_learn(storage::Sync sync, std::span<const storage::RowEffect> effects);
  void remove_erased_uploads();
  void start_syncing();
  void stop_syncing();
  void sync_loop();

  // local_store_renumber.cpp
  /// Points with the highest slots move into free ones, if many are free or `at_any_rate`.
  /// Returns how many.
  Result<std::uint64_t> renumber_slots(bool at_any_rate, BuildEffort effort,
                                       const BuildProgress& progress, const Deadline& deadline);
  Result<void> move_points(std::span<const LocalIndex::SlotMove> moves);

  // local_store_build.cpp
  Result<bool> build_in_background(Activity activity, const Deadline& deadline);
  /// One step; nullopt: nothing to do.
  Result<std::optional<OptimizeSummary>> build_step(const Planner& planner, BuildEffort effort,
                                                    const BuildProgress& progress,
                                                    const Deadline& deadline);
  Result<std::optional<ShardBuild>> choose_build(const Planner& planner, double& target_recall);
  Result<std::shared_ptr<index::SealedShard>> build_files(const ShardBuild& build,
                                                          BuildEffort effort, double target_recall,
                                                          const BuildProgress& progress,
                                                          const Deadline& deadline);
  Result<std::unique_ptr<index::RowSpool>> spool_rounded(const ShardBuild& build,
                                                         std::vector<index::RowRef>& rows,
                                                         const BuildProgress& progress,
                                                         const Deadline& deadline) const;
  Result<bool> row_has_ended(const StoreView& at, const std::string& vector_name,
                             const index::RowRef& row) const;
  Result<void> put_config(CollectionConfig config);
  Result<OptimizeSummary> put_in_place(const ShardBuild& build,
                                       std::shared_ptr<index::SealedShard> fresh);
  void remove_shard_folder(const std::string& name) const;

  const LocalStoreSetup setup_;
  ComputePool& pool_;
  mutable UploadShelf uploads_;

  // Replaced inside gate_.change() alone.
  mutable ReadGate gate_;
  std::unique_ptr<storage::CollectionDb> db_;          // null once closed
  std::unique_ptr<storage::CollectionWriter> writer_;  // null for readers
  // Changed in a Turn as well.
  std::shared_ptr<LocalIndex> index_;
  std::uint64_t renumberings_ = 0;  // CollectionCounters::renumberings of the last load()
  std::shared_ptr<const CollectionConfig> config_;
  bool closed_ = false;
  std::optional<Status> not_open_;  // why db_ is null though the store is not closed
  std::atomic<bool> must_reopen_{false};

  mutable Mutex view_mutex_;  // held for the moment of a copy
  std::shared_ptr<const StoreView> view_ GUARDED_BY(view_mutex_);

  // Writers queue up; the first of them commits for all that wait (group commit).
  Mutex queue_mutex_;
  CondVar queue_wake_;
  std::deque<PendingWrite*> queue_ GUARDED_BY(queue_mutex_);
  bool turn_taken_ GUARDED_BY(queue_mutex_) = false;
  std::size_t num_turns_wanted_ GUARDED_BY(queue_mutex_) = 0;  // go before writers
  // Of the holder of the Turn: a commit is stored that the index has not learned (no memory).
  bool index_is_behind_ = false;
  // Of the same: it has learned what may not have been stored. The database is opened again.
  bool index_is_ahead_ = false;

  // Durability kInterval: syncs the log when something waits for it.
  Mutex sync_mutex_;
  CondVar sync_wake_;
  bool unsynced_ GUARDED_BY(sync_mutex_) = false;
  bool closing_ GUARDED_BY(sync_mutex_) = false;
  std::thread sync_thread_;

  ShardKeeper keeper_;  // the last: its thread uses the rest
};

}  // namespace sightline::pipeline
