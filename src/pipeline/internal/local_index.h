// pipeline/internal/local_index.h: what a LocalStore keeps of its database: the shards of each
// vector name, the payload indexes, which slots are taken and by whom. All of it is derived and can
// be built anew.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/indexed_value.h"
#include "core/json.h"
#include "core/point_id.h"
#include "core/result.h"
#include "index/growing_shard.h"
#include "index/payload_index.h"
#include "index/sealed_shard.h"
#include "index/shard.h"
#include "pipeline/collection_store.h"
#include "pipeline/data_folder.h"
#include "pipeline/internal/live_slots.h"
#include "pipeline/internal/shard_policy.h"
#include "pipeline/internal/slot_ids.h"
#include "storage/collection_db.h"
#include "storage/collection_writer.h"

namespace sightline::pipeline {

/// Whether `name` can be that of a sealed shard's folder: "000001".
bool is_shard_folder(std::string_view name);
/// Names of folders in a list of shards (CollectionDb::shards()), as far as it can be read.
std::set<std::string> listed_folders(const Json& list);

/// The shards of one vector name at one moment. No slot has a live row in two of them.
struct ShardSet {
  std::vector<std::shared_ptr<index::SealedShard>> sealed;
  std::vector<std::shared_ptr<index::GrowingShard>> full;  ///< Take no more; wait to be sealed.
  std::shared_ptr<index::GrowingShard> growing;
  index::ShardList all;  ///< What a search asks.
};
using ShardTable = std::map<std::string, ShardSet, std::less<>>;

/// A LocalIndex at one moment. Thread-safety: immutable.
struct IndexView {
  std::shared_ptr<const ShardTable> shards;  ///< Of dense vectors.
  index::PayloadIndexView payload;
  std::map<std::string, FieldType> payload_types;
  std::shared_ptr<const SlotIds> ids;
  LiveSlots::View points;
  std::map<std::string, LiveSlots::View, std::less<>> with_vector;
};

/// A shard that is being built from the rows of others.
struct ShardBuild {
  std::string vector_name;
  std::size_t dim = 0;
  index::Distance distance = index::Distance::kInnerProduct;
  index::ShardSpec spec;
  std::string folder;  ///< Name of the new one.
  index::ShardList inputs;
  std::vector<std::vector<index::RowRef>> rows;  ///< Of each input, ascending by slot.
  std::uint64_t load_number = 0;                 ///< LocalIndex::load()s until it began.
};

/// Thread-safety: one thread at a time (the committer), but for payload_bytes().
class LocalIndex {
 public:
  /// `folder`: where the sealed shards are.
  LocalIndex(std::string collection_name, std::filesystem::path folder,
             const CollectionConfig& config, const SealingOptions& options);

  /// Takes the place of `before`, of which a build may still run: what it makes is not for this.
  void replace(const LocalIndex& before) {
    next_folder_ = before.next_folder_;
    load_number_ = before.load_number_;
  }

  enum class Loaded {
    kYes,
    kIncomplete,  ///< A reader has seen only a part of the writer's newest commits.
    kUnusable,    ///< A listed shard cannot be opened.
  };
  struct LoadOptions {
    /// A shard that cannot be opened is named in a warning, and its rows are read from `vectors`.
    bool do_without = false;
    /// Whether so many bytes may be taken for rows that no shard holds.
    std::function<Result<void>(std::uint64_t bytes)> reserve;
    /// Makes the new shard of a build, if there may be one: then such rows are sealed as they are
    /// read, whatever their number.
    std::function<Result<std::shared_ptr<index::SealedShard>>(const ShardBuild& build)> seal;
  };
  /// Brings everything to the state of `db` at `at`: on opening all rows, later the difference.
  /// Shards that are open stay open. A row that is damaged is left out and named in a warning.
  /// Unless kYes is returned nothing was changed.
  Result<Loaded> load(const storage::CollectionDb& db, const storage::CollectionSnapshot& at,
                      const LoadOptions& options);
  /// What a commit did, in order.
  void apply(std::span<const storage::RowEffect> effects);

  /// After storage has filled or dropped the index of a payload field.
  Result<void> add_payload_index(const storage::CollectionDb& db,
                                 const storage::CollectionSnapshot& at, std::string_view field,
                                 FieldType type);
  void drop_payload_index(std::string_view field);

  IndexView view() const;
  std::uint64_t payload_bytes() const { return payload_bytes_.load(std::memory_order_relaxed); }

  // --- numbering slots anew (writer) ---

  struct SlotMove {
    PointId id;
    index::Slot from = 0, to = 0;
  };
  /// What leaves no slot free below the number of points. From here on free slots may get points:
  /// views made until now keep the ids that they have.
  std::vector<SlotMove> plan_moves();
  /// From here on slots from which points have moved may get others, too.
  void renew_ids();

  // --- sealed shards (writer) ---

  /// What `plan_...()` of shard_policy.h take.
  /// `vector_name` is dense, here and below.
  ShardsState state(std::string_view vector_name, const VectorConfig& config,
                    std::uint64_t memory_bytes) const;
  bool has_full_shards() const;
  /// Chooses what `plan` names and remembers from here on which of its rows end. One build at a
  /// time.
  ShardBuild begin_build(std::string_view vector_name, const BuildPlan& plan);
  /// False: the shards were loaded anew meanwhile.
  bool is_valid(const ShardBuild& build) const { return build.load_number == load_number_; }
  /// The list of shards (CollectionDb::shards()) once `fresh` (null: none) is in their place.
  Json list_after(const ShardBuild& build, const index::SealedShard* fresh) const;
  /// Puts `fresh` in their place; its rows that have ended since end there as of `version`.
  void finish_build(const ShardBuild& build, std::shared_ptr<index::SealedShard> fresh,
                    index::Version version);
  void end_build();

  /// The list as it should be. It differs from the stored one if load() lost or sealed shards.
  Json list() const;
  bool list_changed() const { return list_changed_; }
  void list_was_stored() { list_changed_ = false; }
  /// Names of the folders in use.
  std::set<std::string> folders() const;

 private:
  struct WantedRow {
    index::Slot slot = 0;
    index::Version version = 0;
  };
  /// One vector name. Only kDense has shards.
  struct Rows {
    VectorKind kind = VectorKind::kDense;
    std::size_t dim = 0;
    index::Distance distance = index::Distance::kInnerProduct;
    ShardSet shards;
    LiveSlots slots;  // that have a row
  };
  using OpenShards = std::map<std::string, std::vector<std::shared_ptr<index::SealedShard>>>;
  struct Contents;  // of `slots`

  Result<bool> open_shards(const Json& list, bool do_without, OpenShards& opened);
  std::shared_ptr<index::SealedShard> find_open(const Rows& rows, const std::string& folder) const;
  Result<bool> read_slots(const storage::CollectionDb& db, const storage::CollectionSnapshot& at,
                          Contents& contents) const;
  void compare(Rows& rows, std::vector<WantedRow>& wanted, index::Version version);
  Result<void> load_rows(const storage::CollectionDb& db, const storage::CollectionSnapshot& at,
                         const std::string& vector_name, std::span<const WantedRow> wanted,
                         const LoadOptions& options);
  Result<void> seal_oldest(const std::string& vector_name, const LoadOptions& options);
  Result<void> load_payload_indexes(const storage::CollectionDb& db,
                                    const storage::CollectionSnapshot& at,
                                    const Contents& contents);
  void put_row(Rows& rows, index::Slot slot, index::Version version, std::span<const float> values);
  void end_row(Rows& rows, index::Slot slot, index::Version version);
  void roll(Rows& rows);
  void publish_table();

  const std::string collection_name_;
  const std::filesystem::path folder_;
  const SealingOptions options_;
  std::map<std::string, Rows, std::less<>> names_;
  std::shared_ptr<const ShardTable> table_;
  std::shared_ptr<SlotIds> ids_ = std::make_shared<SlotIds>();
  LiveSlots points_;
  index::PayloadIndex payload_;
  std::map<std::string, FieldType> payload_types_;
  std::atomic<std::uint64_t> payload_bytes_{0};
  // Slot -> version of the point when its payload was indexed; a reader's, to find what changed.
  std::vector<index::Version> indexed_versions_;

  std::uint64_t next_folder_ = 1;
  std::uint64_t load_number_ = 0;
  bool list_changed_ = false;
  // Of the build that runs: slots whose row has ended or was replaced since it began.
  std::optional<std::string> building_;
  std::vector<index::Slot> ended_;
};

}  // namespace sightline::pipeline
