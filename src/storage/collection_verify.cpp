#include <algorithm>

#include "core/bitmap.h"
#include "core/checksum.h"
#include "storage/collection_db.h"
#include "storage/internal/index_keys.h"
#include "storage/internal/log_check.h"
#include "storage/internal/manifest.h"
#include "storage/internal/scan.h"
#include "storage/internal/survey.h"

namespace sightline::storage {
namespace {

class Verifier {
 public:
  Verifier(const CollectionDb& db, const RocksDatabase& database, const CollectionSnapshot& at)
      : db_(db), database_(database), at_(at), snapshot_(raw(at)) {}

  std::vector<std::string> run_files() {
    check_files();
    return std::move(damages_);
  }
  std::vector<std::string> run() {
    check_files();
    check_meta();
    check_points();
    check_orphans();
    check_counters();
    check_index();
    return std::move(damages_);
  }

 private:
  void tell(std::string what) { damages_.push_back(std::move(what)); }

  // --- files -------------------------------------------------------------------------------------

  void check_files() {
    // Held while they are read, so that none vanishes.
    const bool holds = database_.is_writer() && database_.handle()->DisableFileDeletions().ok();
    std::vector<rocksdb::LiveFileMetaData> tables;
    database_.handle()->GetLiveFilesMetaData(&tables);
    for (const rocksdb::LiveFileMetaData& table : tables) check_table(table);
    check_logs();
    if (holds) enable_file_deletions(*database_.handle());
  }

  void check_table(const rocksdb::LiveFileMetaData& table) {
    const auto path = database_.path() / table.relative_filename;
    rocksdb::Options options;
    options.env = database_.env();
    rocksdb::SstFileReader reader(options);
    rocksdb::Status status = reader.Open(path.string());
    if (status.ok()) status = reader.VerifyChecksum();
    if (status.ok()) return;
    // A writer elsewhere may have replaced it; the rows are read from what is open.
    const auto listed = listed_tables(database_.path());
    if (!listed || listed->contains(table.relative_filename))
      tell(table.relative_filename + " (" + table.column_family_name + "): " + status.ToString());
  }

  void check_logs() {
    const auto manifest = check_manifest(database_.path(), /*is_closed=*/database_.is_writer());
    if (!manifest) tell(manifest.error().message);
    const auto damaged = damaged_logs(database_.path());
    if (damaged.empty()) return;
    // One that is being written may look damaged once.
    for (const LogDamage& again : damaged_logs(database_.path())) {
      if (std::find(damaged.begin(), damaged.end(), again) != damaged.end())
        tell(again.path.filename().string() + ": damaged at byte " + std::to_string(again.at));
    }
  }

  // --- records -----------------------------------------------------------------------------------

  void check_meta() {
    const auto types = db_.payload_indexes(at_);
    const auto fields = types ? indexed_fields(*types) : types.error();
    if (fields) {
      fields_ = *fields;
    } else {
      tell("`meta`: " + fields.error().message);
    }
    const auto shards = db_.shards(at_);
    if (!shards) tell("`meta`: " + shards.error().message);
    const auto stopped = visit_readable(database_, kMeta, snapshot_, [](auto, auto) {});
    if (stopped) tell("`meta`: " + stopped->message);
  }

  void check_points() {
    const SlotOwners owners = SlotOwners::read(database_, snapshot_, damages_);
    const std::uint64_t end = std::max<std::uint64_t>(
        at_.counters().next_slot, owners.last_slot() ? *owners.last_slot() + std::uint64_t{1} : 0);
    for (std::uint64_t slot = 0; slot < end; ++slot) {
      SlotFindings findings = read_slot(database_, snapshot_, static_cast<Slot>(slot), owners);
      for (std::string& damage : findings.damages) tell(std::move(damage));
      if (findings.point) {
        add_point(static_cast<Slot>(slot), *findings.point);
      } else if (findings.lost_id) {
        ++seen_.num_points;
        lost_.add(static_cast<Slot>(slot));
      }
    }
  }

  void add_point(Slot slot, const PointParts& point) {
    live_.add(slot);
    ++seen_.num_points;
    seen_.next_slot = std::max(seen_.next_slot, slot + 1);
    if (point.payload) {
      for (const std::string& key : index_keys(fields_, slot, *decode_payload(*point.payload)))
        wanted_index_ += checksum64(key);
    }
  }

  /// What belongs to no point.
  void check_orphans() {
    check_slots_of(kVectors, "`vectors`", [](std::string_view key) {
      return key.size() < 5 ? std::string_view() : key.substr(key.size() - 4);
    });
    check_slots_of(kPayload, "`payload`", [](std::string_view key) { return key; });
    check_slots_of(kBlobs, "`blobs`",
                   [](std::string_view key) { return key.substr(0, key.size() - 1); });
    check_digest();
    check_sources();
  }

  template <typename SlotOf>
  void check_slots_of(Family family, const std::string& name, SlotOf slot_of) {
    const auto stopped =
        visit_readable(database_, family, snapshot_, [&](std::string_view key, auto) {
          const auto slot = decode_slot(slot_of(key));
          if (!slot) {
            tell(name + ": a key is damaged");
          } else if (!live_.contains(*slot) && !lost_.contains(*slot)) {
            tell(name + ": a row of slot " + std::to_string(*slot) + ", where no point lives");
          }
        });
    if (stopped) tell(name + ": " + stopped->message);
  }

  void check_digest() {
    const auto stopped = visit_readable(database_, kSlots, snapshot_,
                                        [&](std::string_view key, std::string_view value) {
                                          const auto slot = decode_slot(key);
                                          if (slot) seen_.slots_digest += slot_digest(*slot, value);
                                        });
    if (stopped) tell("`slots`: " + stopped->message);
  }

  void check_sources() {
    const auto stopped = visit_readable(database_, kSources, snapshot_,
                                        [&](std::string_view key, std::string_view value) {
                                          ++seen_.num_sources;
                                          const auto source = decode_source(key, value);
                                          if (!source) {
                                            tell(source.error().message);
                                          } else if (source->id) {
                                            check_tie(*source);
                                          }
                                        });
    if (stopped) tell("`sources`: " + stopped->message);
  }

  void check_tie(const SourceRow& source) {
    const auto slot = db_.find_slot(at_, *source.id);
    if (!slot || (*slot && lost_.contains(**slot))) return;  // Told already.
    const auto record = *slot ? db_.slot_record(at_, **slot)
                              : Result<std::optional<SlotRecord>>(std::optional<SlotRecord>());
    if (!record || (*record && (*record)->source_uri == source.uri)) return;
    tell("source " + source.uri + ": names point " + source.id->to_string() + ", which " +
         (*record ? "has another source" : "does not exist"));
  }

  void check_counters() {
    const CollectionCounters& stored = at_.counters();
    const auto compare = [&](std::string_view name, std::uint64_t told, std::uint64_t found) {
      if (told == found) return;
      tell("`meta`: " + std::string(name) + " is " + std::to_string(told) + ", but there are " +
           std::to_string(found));
    };
    compare(kNumPointsKey, stored.num_points, seen_.num_points);
    compare(kNumSourcesKey, stored.num_sources, seen_.num_sources);
    if (stored.slots_digest != seen_.slots_digest)
      tell("`slots`: the records are not those of commit " + std::to_string(stored.commit));
    if (stored.next_slot < seen_.next_slot)
      tell("`meta`: next_slot is " + std::to_string(stored.next_slot) + ", but slot " +
           std::to_string(seen_.next_slot - 1) + " is taken");
  }

  // --- payload indexes ---------------------------------------------------------------------------

  bool is_of_an_index(std::string_view key) const {
    const std::string content = keyword_prefix(kContentHashField, "");
    if (key.starts_with(std::string_view(content).substr(0, content.size() - 1))) return true;
    return std::any_of(fields_.begin(), fields_.end(), [&](const IndexedField& field) {
      return key.starts_with(index_prefix(field.path.text(), field.type));
    });
  }

  void check_index() {
    std::uint64_t found = 0;
    const auto stopped =
        visit_readable(database_, kPayloadIndex, snapshot_, [&](std::string_view key, auto) {
          if (is_of_an_index(key)) found += checksum64(key);
        });
    if (stopped) tell("`payload_index`: " + stopped->message);
    if (stopped || found != wanted_index_) name_index_damages();
  }

  void name_index_damages() {
    for (const Slot slot : live_.to_vector()) {
      for (const std::string& key : wanted_keys(slot)) {
        const auto entry = database_.get(kPayloadIndex, key, snapshot_);
        if (!entry) {
          tell_entry(key, slot, entry.error().message);
        } else if (!*entry) {
          tell_entry(key, slot, "missing");
        }
      }
    }
    visit_readable(database_, kPayloadIndex, snapshot_, [&](std::string_view key, auto) {
      if (!is_of_an_index(key) || key.size() < sizeof(Slot)) return;
      const Slot slot = *decode_slot(key.substr(key.size() - sizeof(Slot)));
      const auto wanted = wanted_keys(slot);
      if (!std::binary_search(wanted.begin(), wanted.end(), key) && !lost_.contains(slot))
        tell_entry(key, slot, "not in the payload");
    });
  }

  std::vector<std::string> wanted_keys(Slot slot) const {
    const auto payload = db_.payload(at_, slot);
    if (!payload) return {};
    return index_keys(fields_, slot, *payload);
  }

  void tell_entry(std::string_view key, Slot slot, const std::string& what) {
    tell("`payload_index`: an entry of \"" + std::string(key.substr(0, key.find('\0'))) +
         "\" for slot " + std::to_string(slot) + ": " + what);
  }

  const CollectionDb& db_;
  const RocksDatabase& database_;
  const CollectionSnapshot& at_;
  const rocksdb::Snapshot* snapshot_;
  std::vector<std::string> damages_;
  std::vector<IndexedField> fields_;
  Bitmap live_, lost_;  // slots of points that are whole; of those that are not
  CollectionCounters seen_;
  std::uint64_t wanted_index_ = 0;  // sum of checksums of keys
};

}  // namespace

Result<std::vector<std::string>> CollectionDb::verify(const CollectionSnapshot& at) const {
  return Verifier(*this, *database_, at).run();
}

Result<std::vector<std::string>> CollectionDb::verify_files(const CollectionSnapshot& at) const {
  return Verifier(*this, *database_, at).run_files();
}

}  // namespace sightline::storage
