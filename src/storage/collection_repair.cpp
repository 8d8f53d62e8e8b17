#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>

#include "storage/data_lock.h"
#include "storage/internal/index_keys.h"
#include "storage/internal/log_check.h"
#include "storage/internal/manifest.h"
#include "storage/internal/survey.h"
#include "storage/internal/table_salvage.h"

namespace sightline::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBatchBytes = std::size_t{4} << 20;
constexpr DatabaseBudget kOwnBudget{std::uint64_t{64} << 20, std::uint64_t{64} << 20};

Result<void> checked(const std::error_code& error, const fs::path& path, std::string_view what) {
  if (error) return system_error(error.value(), path, what);
  return {};
}

fs::path beside(const fs::path& folder, std::string_view suffix) {
  return folder.parent_path() / (folder.filename().string() + std::string(suffix));
}

/// Tables are linked: RocksDB never changes one. The rest is copied.
Result<void> copy_database(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::create_directory(to, error);
  SIGHTLINE_TRY_DO(checked(error, to, "create"));
  for (const auto& entry : fs::directory_iterator(from, error)) {
    if (!entry.is_regular_file() || entry.path().filename() == "LOCK") continue;
    const fs::path target = to / entry.path().filename();
    if (entry.path().extension() == ".sst") {
      fs::create_hard_link(entry.path(), target, error);
      if (!error) continue;
    }
    fs::copy_file(entry.path(), target, error);
    SIGHTLINE_TRY_DO(checked(error, entry.path(), "copy"));
  }
  return checked(error, from, "list");
}

/// Tells of tables that are missing or cut; `holes` hears of what the missing ones held. A MANIFEST
/// that lists a missing one may be an old one.
bool misses_a_table(const fs::path& folder, std::vector<std::string>& damages,
                    std::vector<Hole>& holes) {
  const auto families = collection_families();
  bool misses = false;
  for (const DamagedTable& table : damaged_tables(folder)) {
    damages.push_back(table.message.substr(folder.string().size() + 1));  // not of the copy
    if (!table.is_missing) continue;
    misses = true;
    for (std::size_t i = 0; i < families.size(); ++i) {
      if (families[i].name == table.listed.family)
        holes.push_back(
            {static_cast<Family>(i), table.listed.smallest, table.listed.largest, true});
    }
  }
  return misses;
}

/// A list made from the files that are there takes in tables and logs that compactions had replaced
/// and a crash had kept from being removed: what was deleted since is in them still.
constexpr std::string_view kListIsNew =
    "the list of tables was made anew from the files that are there: what was deleted or changed "
    "last may be back as it was before";

/// Whether the list of tables of a copy can be used as it is. `damages` hears why not, `holes` what
/// the missing ones held.
bool has_whole_list(const fs::path& folder, std::vector<std::string>& damages,
                    std::vector<Hole>& holes) {
  std::error_code error;
  std::string named;
  std::ifstream(folder / "CURRENT") >> named;
  if (named.empty() || !fs::is_regular_file(folder / named, error)) {
    damages.push_back(named.empty() ? "CURRENT: missing or empty"
                                    : "CURRENT: names " + named + ", which is missing");
    // Whether it is the last one is a guess, and what it misses may be in other tables by now.
    std::vector<Hole> unsure;
    return take_up_last_manifest(folder) && !misses_a_table(folder, damages, unsure);
  }
  if (const auto whole = check_manifest(folder, /*is_closed=*/true); !whole) {
    damages.push_back(whole.error().message);
    return false;
  }
  return !misses_a_table(folder, damages, holes);
}

/// Opens a copy of a damaged database. `damages` hears of files that are not used, `holes` of rows
/// that are lost without a trace.
Result<std::unique_ptr<RocksDatabase>> open_copy(const fs::path& folder,
                                                 const std::shared_ptr<SharedBudget>& budget,
                                                 std::vector<std::string>& damages,
                                                 std::vector<Hole>& holes) {
  if (has_whole_list(folder, damages, holes)) {
    auto opened = RocksDatabase::open_damaged(folder, collection_families(), budget);
    if (opened) return opened;
    damages.push_back(opened.error().message);
  }
  damages.emplace_back(kListIsNew);
  SIGHTLINE_TRY_DO(seed_young_families(folder, budget));
  SIGHTLINE_TRY_DO(RocksDatabase::rebuild_manifest(folder, collection_families(), budget));
  SIGHTLINE_TRY(auto database, RocksDatabase::open_damaged(folder, collection_families(), budget));
  SIGHTLINE_TRY(auto unread, salvage_tables(*database, damages));
  std::move(unread.begin(), unread.end(), std::back_inserter(holes));
  return database;
}

/// Exchanges two folders at once, where the file system can.
Result<void> exchange(const fs::path& a, const fs::path& b) {
  if (renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0) return {};
  if (errno != EINVAL && errno != ENOSYS) return system_error(errno, a, "rename");
  const fs::path third = beside(a, ".exchange");
  std::error_code error;
  fs::rename(b, third, error);
  if (!error) fs::rename(a, b, error);
  if (!error) fs::rename(third, a, error);
  return checked(error, a, "rename");
}

Result<void> sync_folder(const fs::path& folder) {
  const int file = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return system_error(errno, folder, "open");
  const int failed = fsync(file) == 0 ? 0 : errno;
  ::close(file);
  if (failed != 0) return system_error(failed, folder, "sync");
  return {};
}

/// Writes the whole points of one database into a new one.
class Rewriter {
 public:
  Rewriter(const RocksDatabase& from, RocksDatabase& to, const std::vector<Hole>& holes,
           std::vector<std::string>& lost, std::vector<std::string>& damages)
      : from_(from), to_(to), holes_(holes), lost_(lost), damages_(damages) {}

  Result<void> run() {
    SIGHTLINE_TRY_DO(read_meta());
    SIGHTLINE_TRY_DO(copy_points());
    SIGHTLINE_TRY_DO(copy_sources());
    SIGHTLINE_TRY_DO(write_batch());
    const rocksdb::Status flushed = to_.db().Flush(rocksdb::FlushOptions(), all_families());
    if (!flushed.ok()) return to_.status_of(flushed);
    return write_meta();
  }

 private:
  Result<void> read_meta() {
    SIGHTLINE_TRY(auto config, from_.get(kMeta, kConfigKey));
    if (!config)
      return corruption(from_.path().string() +
                        ": the configuration is lost: nothing to repair by");
    meta_.emplace(kConfigKey, *std::move(config));
    const auto stopped =
        visit_readable(from_, kMeta, nullptr, [&](std::string_view key, std::string_view value) {
          if (key.starts_with(kPayloadIndexPrefix)) read_definition(key, value);
          if (key == kShardsKey) meta_.emplace(key, value);
        });
    if (stopped) damages_.push_back("`meta`: " + stopped->message);
    counters_.commit = stored_number(kCommitKey);
    counters_.next_slot = static_cast<Slot>(stored_number(kNextSlotKey));
    return {};
  }

  void read_definition(std::string_view key, std::string_view value) {
    const auto definition = decode_definition(value);
    auto field = definition
                     ? indexed_field(key.substr(kPayloadIndexPrefix.size()), definition->type)
                     : Result<IndexedField>(definition.error());
    if (field) {
      fields_.push_back(*std::move(field));
      meta_.emplace(key, encode_definition({definition->type}));
    } else {
      damages_.push_back("`meta`: a payload index: " + field.error().message);
    }
  }

  std::uint64_t stored_number(std::string_view key) const {
    const auto bytes = from_.get(kMeta, key);
    const auto number = bytes && *bytes ? decode_number(**bytes) : Result<std::uint64_t>(0);
    return number ? *number : 0;
  }

  Result<void> copy_points() {
    const SlotOwners owners = SlotOwners::read(from_, nullptr, damages_);
    std::uint64_t end = counters_.next_slot;
    if (owners.last_slot()) end = std::max(end, *owners.last_slot() + std::uint64_t{1});
    std::uint64_t digest = 0;
    const auto stopped =
        visit_readable(from_, kSlots, nullptr, [&](std::string_view key, std::string_view value) {
          const auto slot = decode_slot(key);
          if (!slot) return;
          end = std::max(end, *slot + std::uint64_t{1});
          digest += slot_digest(*slot, value);
        });
    if (!stopped && digest != stored_number(kSlotsDigestKey)) {
      damages_.push_back("`slots`: the records are not those of commit " +
                         std::to_string(counters_.commit) +
                         ": points that were deleted may be back, others as they were before");
    }
    for (std::uint64_t slot = 0; slot < end; ++slot) {
      SlotFindings found = read_slot(from_, nullptr, static_cast<Slot>(slot), owners);
      if (found.point) look_for_holes(static_cast<Slot>(slot), found);
      std::move(found.damages.begin(), found.damages.end(), std::back_inserter(damages_));
      if (found.lost_id) lost_.push_back("point " + found.lost_id->to_string() + ": lost");
      if (found.point) SIGHTLINE_TRY_DO(copy_point(static_cast<Slot>(slot), *found.point));
    }
    counters_.next_slot = static_cast<Slot>(end);
    return {};
  }

  /// A point need not have a payload or a thumbnail: where rows were lost, none may be a loss.
  void look_for_holes(Slot slot, SlotFindings& found) const {
    const auto is_in_hole = [&](Family family, const std::string& key) {
      return std::any_of(holes_.begin(), holes_.end(), [&](const Hole& hole) {
        return hole.family == family && hole.contains(key);
      });
    };
    const std::string point =
        "slot " + std::to_string(slot) + ": point " + found.point->record.id.to_string() + ": ";
    if (!found.point->thumbnail && is_in_hole(kBlobs, thumbnail_key(slot)))
      found.damages.push_back(point + "a thumbnail, if it had one, is lost");
    if (found.point->payload || !is_in_hole(kPayload, encode_slot(slot))) return;
    found.damages.push_back(point + "payload: lost");
    found.lost_id = found.point->record.id;
    found.point.reset();
  }

  Result<void> copy_point(Slot slot, const PointParts& point) {
    const SlotRecord& record = point.record;
    const std::string record_bytes = encode_slot_record(record);
    SIGHTLINE_TRY_DO(put(kIds, record.id.encode(), encode_slot(slot)));
    SIGHTLINE_TRY_DO(put(kSlots, encode_slot(slot), record_bytes));
    std::size_t row = 0;
    for (const auto& [name, version] : record.vectors) {
      SIGHTLINE_TRY_DO(put(kVectors, vector_key(name, slot), point.rows[row++]));
      counters_.commit = std::max(counters_.commit, version);
    }
    if (point.payload) {
      SIGHTLINE_TRY_DO(put(kPayload, encode_slot(slot), *point.payload));
      SIGHTLINE_TRY(const Json payload, decode_payload(*point.payload));
      for (const std::string& key : index_keys(fields_, slot, payload))
        SIGHTLINE_TRY_DO(put(kPayloadIndex, key, ""));
    }
    if (point.thumbnail) SIGHTLINE_TRY_DO(put(kBlobs, thumbnail_key(slot), *point.thumbnail));
    if (point.source) SIGHTLINE_TRY_DO(put_source(record.source_uri, *point.source));
    ++counters_.num_points;
    counters_.slots_digest += slot_digest(slot, record_bytes);
    counters_.commit = std::max(counters_.commit, record.version);
    return batch_.GetDataSize() < kBatchBytes ? Result<void>() : write_batch();
  }

  Result<void> put_source(std::string_view uri, std::string_view value) {
    ++counters_.num_sources;
    return put(kSources, uri, value);
  }

  /// Those of points went with them; the rest are of files that were skipped.
  Result<void> copy_sources() {
    SIGHTLINE_TRY_DO(write_batch());
    Result<void> copied;
    const auto stopped =
        visit_readable(from_, kSources, nullptr, [&](std::string_view uri, std::string_view value) {
          if (copied) copied = copy_source(uri, value);
        });
    if (stopped) damages_.push_back("`sources`: " + stopped->message);
    return copied;
  }

  Result<void> copy_source(std::string_view uri, std::string_view value) {
    const auto source = decode_source(uri, value);
    if (!source) {
      damages_.push_back(source.error().message);
      return {};
    }
    if (!source->id) return put_source(uri, value);
    SIGHTLINE_TRY(const auto with_its_point, to_.get(kSources, uri));
    if (!with_its_point) damages_.push_back("source " + source->uri + ": lost with its point");
    return {};
  }

  Result<void> put(Family family, std::string_view key, std::string_view value) {
    const rocksdb::Status status =
        batch_.Put(to_.family(family), RocksDatabase::slice(key), RocksDatabase::slice(value));
    if (!status.ok()) return to_.status_of(status);
    return {};
  }

  Result<void> write_batch() {
    rocksdb::WriteOptions options;
    options.disableWAL = true;  // Flushed at the end; until then it is nobody's.
    const rocksdb::Status status = to_.db().Write(options, &batch_);
    batch_.Clear();
    if (!status.ok()) return to_.status_of(status);
    return {};
  }

  std::vector<rocksdb::ColumnFamilyHandle*> all_families() const {
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    for (std::size_t family = kIds; family <= kMeta; ++family)
      handles.push_back(to_.family(family));
    return handles;
  }

  Result<void> write_meta() {
    // A commit of its own, so that nothing made from the old state is taken for current.
    ++counters_.commit;
    meta_.emplace(kFormatKey, encode_number(kFormatVersion));
    for (const auto& [key, value] : meta_) SIGHTLINE_TRY_DO(put(kMeta, key, value));
    SIGHTLINE_TRY_DO(put_counters(to_, batch_, counters_));
    rocksdb::WriteOptions options;
    options.sync = true;
    const rocksdb::Status status = to_.db().Write(options, &batch_);
    if (!status.ok()) return to_.status_of(status);
    return {};
  }

  const RocksDatabase& from_;
  RocksDatabase& to_;
  const std::vector<Hole>& holes_;
  std::vector<std::string>&lost_, &damages_;
  std::map<std::string, std::string, std::less<>> meta_;
  std::vector<IndexedField> fields_;
  CollectionCounters counters_;
  rocksdb::WriteBatch batch_;
};

/// Lines about files that RocksDB reads in silence past what is damaged.
void tell_log_damages(const fs::path& folder, std::vector<std::string>& damages) {
  for (const LogDamage& damage : damaged_logs(folder)) {
    damages.push_back(damage.path.filename().string() + ": damaged at byte " +
                      std::to_string(damage.at) + ": what was written there is lost");
  }
}

bool is_sound(const fs::path& folder, const std::shared_ptr<SharedBudget>& budget) {
  const auto db = CollectionDb::open(folder, OpenMode::kRead, budget);
  if (!db) return false;
  const auto at = (*db)->snapshot();
  if (!at) return false;
  const auto damages = (*db)->verify(**at);
  return damages && damages->empty();
}

Result<void> swap_in(const fs::path& fresh, const fs::path& folder) {
  fs::path kept = beside(folder, ".damaged");
  std::error_code error;
  for (int n = 2; fs::exists(kept, error); ++n)
    kept = beside(folder, ".damaged." + std::to_string(n));
  fs::rename(fresh, kept, error);
  SIGHTLINE_TRY_DO(checked(error, fresh, "rename"));
  SIGHTLINE_TRY_DO(exchange(kept, folder));
  return sync_folder(fs::absolute(folder).parent_path());
}

Result<std::vector<std::string>> rebuild(const fs::path& folder, const fs::path& copy,
                                         const fs::path& fresh,
                                         const std::shared_ptr<SharedBudget>& budget) {
  std::vector<std::string> lost, damages;
  tell_log_damages(folder, damages);
  SIGHTLINE_TRY_DO(copy_database(folder, copy));
  {
    std::vector<Hole> holes;
    SIGHTLINE_TRY(const auto from, open_copy(copy, budget, damages, holes));
    SIGHTLINE_TRY(const auto to,
                  RocksDatabase::open(fresh, OpenMode::kCreate, collection_families(), budget));
    SIGHTLINE_TRY_DO(Rewriter(*from, *to, holes, lost, damages).run());
  }
  SIGHTLINE_TRY_DO(swap_in(fresh, folder));
  std::move(damages.begin(), damages.end(), std::back_inserter(lost));
  return lost;
}

}  // namespace

Result<std::vector<std::string>> CollectionDb::repair(const fs::path& folder,
                                                      const std::shared_ptr<SharedBudget>& given) {
  std::error_code error;
  if (!fs::is_directory(folder, error))
    return not_found("there is no database at " + folder.string());
  const auto budget = given ? given : SharedBudget::create(kOwnBudget);
  if (is_sound(folder, budget)) return std::vector<std::string>();
  const fs::path copy = beside(folder, ".copy"), fresh = beside(folder, ".repair");
  for (const fs::path& left : {copy, fresh}) fs::remove_all(left, error);
  auto lost = rebuild(folder, copy, fresh, budget);
  for (const fs::path& left : {copy, fresh}) fs::remove_all(left, error);
  return lost;
}

}  // namespace sightline::storage
