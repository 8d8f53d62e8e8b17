#include "storage/internal/survey.h"

#include <algorithm>

namespace sightline::storage {
namespace {

class SlotReader {
 public:
  SlotReader(const RocksDatabase& database, const rocksdb::Snapshot* snapshot, Slot slot)
      : database_(database), snapshot_(snapshot), slot_(slot) {}

  SlotFindings read(const SlotOwners& owners) {
    const std::vector<PointId> named = owners.owners(slot_);
    auto bytes = database_.get(kSlots, encode_slot(slot_), snapshot_);
    if (bytes && !*bytes && named.empty()) return {};
    auto record = decode(std::move(bytes));
    if (!record) {
      // Nobody need have lived here if all of `ids` is known.
      if (!named.empty() || !owners.is_complete()) lose_record(named, record.error());
      return std::move(findings_);
    }
    record_ = *std::move(record);
    for (const PointId& id : named) {
      if (id != record_.id)
        tell("`ids` names point " + id.to_string() + ", its record point " +
             record_.id.to_string());
    }
    if (!is_stale(named)) read_parts();
    return std::move(findings_);
  }

 private:
  static Result<SlotRecord> decode(Result<std::optional<std::string>> bytes) {
    if (!bytes) return std::move(bytes).error();
    if (!*bytes) return corruption("missing");
    return decode_slot_record(**bytes);
  }

  void tell(const std::string& what) {
    findings_.damages.push_back("slot " + std::to_string(slot_) + ": " + what);
  }
  void tell_point(const std::string& what) {
    tell("point " + record_.id.to_string() + ": " + what);
  }

  void lose_record(const std::vector<PointId>& named, const Status& why) {
    if (named.empty()) tell("record: " + why.message + "; whose it was is not known");
    for (const PointId& id : named) {
      findings_.lost_id = id;
      tell("point " + id.to_string() + ": record: " + why.message);
    }
  }

  /// Whether the point has moved to another slot. Tells what is wrong with its entry in `ids`.
  bool is_stale(const std::vector<PointId>& named) {
    if (std::find(named.begin(), named.end(), record_.id) != named.end()) return false;
    const auto entry = database_.get(kIds, record_.id.encode(), snapshot_);
    if (!entry) {
      tell_point("`ids`: " + entry.error().message);
      return false;
    }
    const auto other = *entry ? decode_slot(**entry) : Result<Slot>(corruption("missing"));
    if (!other) {
      tell_point("`ids`: " + other.error().message);
      return false;
    }
    if (*other == slot_) return false;  // Between two damages, where `owners` has not looked.
    const auto newer = decode(database_.get(kSlots, encode_slot(*other), snapshot_));
    const bool is_stale = newer && newer->id == record_.id;
    tell_point(is_stale ? "an older record; it lives in slot " + std::to_string(*other)
                        : "`ids` names slot " + std::to_string(*other));
    return is_stale;
  }

  void read_parts() {
    PointParts parts;
    const bool has_vectors = read_rows(parts);
    const bool has_payload = read_payload(parts);
    read_thumbnail(parts);
    read_source(parts);
    if (!has_vectors || !has_payload) {
      findings_.lost_id = record_.id;
      return;
    }
    parts.record = std::move(record_);
    findings_.point = std::move(parts);
  }

  bool read_rows(PointParts& parts) {
    bool all = true;
    for (const auto& [name, version] : record_.vectors) {
      const auto bytes = database_.get(kVectors, vector_key(name, slot_), snapshot_);
      Result<VectorRow> row = !bytes    ? Result<VectorRow>(bytes.error())
                              : !*bytes ? Result<VectorRow>(corruption("missing"))
                                        : decode_vector(**bytes);
      if (row && row->version != version) {
        row = corruption("of commit " + std::to_string(row->version) + " instead of " +
                         std::to_string(version));
      }
      if (row) {
        parts.rows.push_back(**bytes);
      } else {
        all = false;
        tell_point("vector \"" + name + "\": " + row.error().message);
      }
    }
    return all;
  }

  bool read_payload(PointParts& parts) {
    auto bytes = database_.get(kPayload, encode_slot(slot_), snapshot_);
    const auto payload = !bytes    ? Result<Json>(bytes.error())
                         : !*bytes ? Result<Json>(Json::object())
                                   : decode_payload(**bytes);
    if (payload) {
      parts.payload = *std::move(bytes);
      return true;
    }
    tell_point("payload: " + payload.error().message);
    return false;
  }

  void read_thumbnail(PointParts& parts) {
    auto bytes = database_.get(kBlobs, thumbnail_key(slot_), snapshot_);
    if (bytes) {
      parts.thumbnail = *std::move(bytes);
    } else {
      tell_point("thumbnail: " + bytes.error().message);
    }
  }

  void read_source(PointParts& parts) {
    if (record_.source_uri.empty()) return;
    auto bytes = database_.get(kSources, record_.source_uri, snapshot_);
    auto source = !bytes    ? Result<SourceRow>(bytes.error())
                  : !*bytes ? Result<SourceRow>(corruption("missing"))
                            : decode_source(record_.source_uri, **bytes);
    if (source && source->id != record_.id) source = corruption("names another point");
    if (source) {
      parts.source = *std::move(bytes);
      return;
    }
    tell_point("source " + record_.source_uri + ": " + source.error().message);
    record_.source_uri.clear();
  }

  const RocksDatabase& database_;
  const rocksdb::Snapshot* snapshot_;
  const Slot slot_;
  SlotRecord record_;
  SlotFindings findings_;
};

}  // namespace

std::optional<Status> visit_readable(
    const RocksDatabase& database, Family family, const rocksdb::Snapshot* snapshot,
    const std::function<void(std::string_view key, std::string_view value)>& visit) {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot;
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> rows(
      database.handle()->NewIterator(options, database.family(family)));
  std::optional<std::string> last;
  for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
    visit(RocksDatabase::view(rows->key()), RocksDatabase::view(rows->value()));
    last = rows->key().ToString();
  }
  if (rows->status().ok()) return std::nullopt;
  const Status stopped = database.status_of(rows->status());
  for (rows->SeekToLast(); rows->Valid(); rows->Prev()) {
    const std::string_view key = RocksDatabase::view(rows->key());
    if (last && key <= *last) break;
    visit(key, RocksDatabase::view(rows->value()));
  }
  return stopped;
}

SlotOwners SlotOwners::read(const RocksDatabase& database, const rocksdb::Snapshot* snapshot,
                            std::vector<std::string>& damages) {
  SlotOwners result;
  const auto stopped =
      visit_readable(database, kIds, snapshot, [&](std::string_view key, std::string_view value) {
        const auto id = PointId::decode(key);
        const auto slot = decode_slot(value);
        if (id && slot) {
          result.owners_.emplace_back(*slot, *id);
        } else {
          damages.push_back("`ids`: an entry is damaged" +
                            (id ? ", of point " + id->to_string() : ""));
        }
      });
  if (stopped) {
    damages.push_back("`ids`: " + stopped->message);
    result.is_complete_ = false;
  }
  std::sort(result.owners_.begin(), result.owners_.end());
  return result;
}

std::vector<PointId> SlotOwners::owners(Slot slot) const {
  std::vector<PointId> found;
  for (auto owner = std::lower_bound(owners_.begin(), owners_.end(), std::pair(slot, PointId()));
       owner != owners_.end() && owner->first == slot; ++owner) {
    found.push_back(owner->second);
  }
  return found;
}

std::optional<Slot> SlotOwners::last_slot() const {
  if (owners_.empty()) return std::nullopt;
  return owners_.back().first;
}

SlotFindings read_slot(const RocksDatabase& database, const rocksdb::Snapshot* snapshot, Slot slot,
                       const SlotOwners& owners) {
  return SlotReader(database, snapshot, slot).read(owners);
}

}  // namespace sightline::storage
