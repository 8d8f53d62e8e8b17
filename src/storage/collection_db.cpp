#include "storage/collection_db.h"

#include <utility>

#include "core/checksum.h"
#include "storage/internal/collection_families.h"
#include "storage/internal/scan.h"

namespace sightline::storage {
namespace {

/// What a request may hold (128 levels) lies a few levels deeper here.
constexpr int kMaxConfigDepth = 160;
constexpr std::uint64_t kRoomForNewFiles = std::uint64_t{1} << 20;

}  // namespace

std::uint64_t slot_digest(Slot slot, std::string_view record_bytes) {
  return checksum64(record_bytes) + slot * std::uint64_t{0x9E3779B97F4A7C15};
}

CollectionDb::CollectionDb(std::unique_ptr<RocksDatabase> database)
    : database_(std::move(database)) {}
CollectionDb::~CollectionDb() = default;

Result<std::unique_ptr<CollectionDb>> CollectionDb::create(
    const std::filesystem::path& folder, const Json& config,
    const std::shared_ptr<SharedBudget>& budget) {
  SIGHTLINE_TRY(auto database,
                RocksDatabase::open(folder, OpenMode::kCreate, collection_families(), budget));
  SIGHTLINE_TRY(const auto present, database->get(kMeta, kFormatKey));
  if (present) {
    return Status{StatusCode::kAlreadyExists, folder.string() + " already holds a collection"};
  }
  rocksdb::WriteBatch batch;
  for (const auto& [key, value] : {std::pair(kFormatKey, encode_number(kFormatVersion)),
                                   std::pair(kConfigKey, dump_json(config))}) {
    const rocksdb::Status put =
        batch.Put(database->family(kMeta), RocksDatabase::slice(key), value);
    if (!put.ok()) return database->status_of(put);
  }
  SIGHTLINE_TRY_DO(put_counters(*database, batch, CollectionCounters()));
  rocksdb::WriteOptions options;
  options.sync = true;
  const rocksdb::Status written = database->db().Write(options, &batch);
  if (!written.ok()) return database->status_of(written);
  std::unique_ptr<CollectionDb> db(new CollectionDb(std::move(database)));
  SIGHTLINE_TRY_DO(db->read_meta());
  return db;
}

Result<std::unique_ptr<CollectionDb>> CollectionDb::open(
    const std::filesystem::path& folder, OpenMode mode,
    const std::shared_ptr<SharedBudget>& budget) {
  SIGHTLINE_TRY(auto database, RocksDatabase::open(folder, mode, collection_families(), budget));
  std::unique_ptr<CollectionDb> db(new CollectionDb(std::move(database)));
  SIGHTLINE_TRY_DO(db->check_format());
  SIGHTLINE_TRY_DO(db->read_meta());
  return db;
}

bool CollectionDb::is_writer() const { return database_->is_writer(); }
bool CollectionDb::is_current() const { return is_writer() || database_->is_current(); }

Json CollectionDb::config() const {
  const MutexLock lock(config_mutex_);
  return config_;
}

void CollectionDb::set_config(Json config) {
  const MutexLock lock(config_mutex_);
  config_.swap(config);
}

Result<void> CollectionDb::check_format() {
  SIGHTLINE_TRY(const auto format_bytes, database_->get(kMeta, kFormatKey));
  if (!format_bytes)
    return corruption(database_->path().string() + " is no collection: it has no format number");
  SIGHTLINE_TRY(const std::uint64_t format, decode_number(*format_bytes));
  if (format == 0) return corruption(database_->path().string() + " has format 0, which never was");
  if (format > kFormatVersion) {
    return failed_precondition(database_->path().string() + " has format " +
                               std::to_string(format) + "; this program reads up to " +
                               std::to_string(kFormatVersion) + ": use a newer one");
  }
  if (format == kFormatVersion || !is_writer()) return {};
  // Each is the next one without something: payload indexes, then their revisions (those of format
  // 2 are made anew by the writer), then sparse and multi-vectors and parameters.
  rocksdb::WriteOptions options;
  options.sync = true;
  const rocksdb::Status raised =
      database_->db().Put(options, database_->family(kMeta), RocksDatabase::slice(kFormatKey),
                          encode_number(kFormatVersion));
  if (!raised.ok()) return database_->status_of(raised);
  return {};
}

Result<void> CollectionDb::read_meta() {
  SIGHTLINE_TRY(const auto bytes, database_->get(kMeta, kConfigKey));
  if (!bytes) return corruption(database_->path().string() + " has no configuration");
  SIGHTLINE_TRY(Json config, parse_json(*bytes, database_->path().string() + " (configuration)",
                                        kMaxConfigDepth));
  set_config(std::move(config));
  SIGHTLINE_TRY(reader_counters_, read_counters(*database_, nullptr));
  return {};
}

Result<CollectionCounters> read_counters(const RocksDatabase& database,
                                         const rocksdb::Snapshot* snapshot) {
  const auto number = [&](std::string_view key) -> Result<std::uint64_t> {
    SIGHTLINE_TRY(const auto bytes, database.get(kMeta, key, snapshot));
    if (!bytes)
      return corruption(database.path().string() + " has lost \"" + std::string(key) + "\"");
    return decode_number(*bytes);
  };
  CollectionCounters counters;
  SIGHTLINE_TRY(counters.commit, number(kCommitKey));
  SIGHTLINE_TRY(const std::uint64_t next_slot, number(kNextSlotKey));
  counters.next_slot = static_cast<Slot>(next_slot);
  SIGHTLINE_TRY(counters.num_points, number(kNumPointsKey));
  SIGHTLINE_TRY(counters.num_sources, number(kNumSourcesKey));
  SIGHTLINE_TRY(counters.slots_digest, number(kSlotsDigestKey));
  SIGHTLINE_TRY(const auto renumberings, database.get(kMeta, kRenumberingsKey, snapshot));
  if (renumberings) {
    SIGHTLINE_TRY(counters.renumberings, decode_number(*renumberings));
  }
  return counters;
}

Result<void> put_counters(const RocksDatabase& database, rocksdb::WriteBatchBase& batch,
                          const CollectionCounters& counters) {
  const std::pair<std::string_view, std::uint64_t> numbers[] = {
      {kCommitKey, counters.commit},
      {kNextSlotKey, counters.next_slot},
      {kNumPointsKey, counters.num_points},
      {kNumSourcesKey, counters.num_sources},
      {kSlotsDigestKey, counters.slots_digest},
      {kRenumberingsKey, counters.renumberings}};
  for (const auto& [key, number] : numbers) {
    if (key == kRenumberingsKey && number == 0) continue;
    const rocksdb::Status status =
        batch.Put(database.family(kMeta), RocksDatabase::slice(key), encode_number(number));
    if (!status.ok()) return database.status_of(status);
  }
  return {};
}

Result<void> CollectionDb::catch_up() {
  if (is_writer()) return {};
  SIGHTLINE_TRY_DO(database_->catch_up());
  return read_meta();
}

Result<SnapshotPtr> CollectionDb::snapshot() const {
  if (!is_writer())
    return SnapshotPtr(std::make_shared<RocksSnapshot>(nullptr, nullptr, reader_counters_));
  const rocksdb::Snapshot* moment = database_->db().GetSnapshot();
  auto counters = read_counters(*database_, moment);
  if (!counters) {
    database_->db().ReleaseSnapshot(moment);
    return std::move(counters).error();
  }
  return SnapshotPtr(std::make_shared<RocksSnapshot>(database_->handle(), moment, *counters));
}

Result<std::optional<Slot>> CollectionDb::find_slot(const CollectionSnapshot& at,
                                                    const PointId& id) const {
  SIGHTLINE_TRY(const auto value, database_->get(kIds, id.encode(), raw(at)));
  if (!value) return std::optional<Slot>();
  SIGHTLINE_TRY(const Slot slot, decode_slot(*value));
  return std::optional<Slot>(slot);
}

Result<std::optional<SlotRecord>> CollectionDb::slot_record(const CollectionSnapshot& at,
                                                            Slot slot) const {
  SIGHTLINE_TRY(const auto value, database_->get(kSlots, encode_slot(slot), raw(at)));
  if (!value) return std::optional<SlotRecord>();
  SIGHTLINE_TRY(auto record, decode_slot_record(*value));
  return std::optional<SlotRecord>(std::move(record));
}

Result<Json> CollectionDb::payload(const CollectionSnapshot& at, Slot slot) const {
  SIGHTLINE_TRY(const auto value, database_->get(kPayload, encode_slot(slot), raw(at)));
  if (!value) return Json::object();
  return decode_payload(*value);
}

Result<std::vector<Json>> CollectionDb::payloads(const CollectionSnapshot& at,
                                                 std::span<const Slot> slots) const {
  std::vector<std::string> keys;
  keys.reserve(slots.size());
  for (const Slot slot : slots) keys.push_back(encode_slot(slot));
  const std::vector<rocksdb::Slice> key_slices(keys.begin(), keys.end());
  std::vector<rocksdb::PinnableSlice> values(slots.size());
  std::vector<rocksdb::Status> statuses(slots.size());
  rocksdb::ReadOptions options;
  options.snapshot = raw(at);
  database_->handle()->MultiGet(options, database_->family(kPayload), slots.size(),
                                key_slices.data(), values.data(), statuses.data());
  std::vector<Json> found;
  found.reserve(slots.size());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (statuses[i].IsNotFound()) {
      found.push_back(Json::object());
      continue;
    }
    if (!statuses[i].ok()) return database_->status_of(statuses[i]);
    SIGHTLINE_TRY(auto payload, decode_payload(RocksDatabase::view(values[i])));
    found.push_back(std::move(payload));
  }
  return found;
}

Result<std::optional<VectorRow>> CollectionDb::vector(const CollectionSnapshot& at,
                                                      std::string_view name, Slot slot) const {
  SIGHTLINE_TRY(const auto value, database_->get(kVectors, vector_key(name, slot), raw(at)));
  if (!value) return std::optional<VectorRow>();
  SIGHTLINE_TRY(auto row, decode_vector(*value));
  return std::optional<VectorRow>(std::move(row));
}

Result<std::optional<std::string>> CollectionDb::thumbnail(const CollectionSnapshot& at,
                                                           Slot slot) const {
  return database_->get(kBlobs, thumbnail_key(slot), raw(at));
}

Result<std::optional<SourceRow>> CollectionDb::source(const CollectionSnapshot& at,
                                                      std::string_view uri) const {
  SIGHTLINE_TRY(const auto value, database_->get(kSources, uri, raw(at)));
  if (!value) return std::optional<SourceRow>();
  SIGHTLINE_TRY(auto source, decode_source(uri, *value));
  return std::optional<SourceRow>(std::move(source));
}

Result<std::uint64_t> CollectionDb::visit_slots(
    const CollectionSnapshot& at, const std::function<void(Slot, const SlotRecord&)>& visit) const {
  std::uint64_t digest = 0;
  SIGHTLINE_TRY_DO(scan(*database_, kSlots, at, "", "", false,
                        [&](std::string_view key, std::string_view value) -> Result<bool> {
                          SIGHTLINE_TRY(const Slot slot, decode_slot(key));
                          SIGHTLINE_TRY(const SlotRecord record, decode_slot_record(value));
                          digest += slot_digest(slot, value);
                          visit(slot, record);
                          return true;
                        }));
  return digest;
}

Result<VectorRow> CollectionDb::existing_vector(const CollectionSnapshot& at, std::string_view name,
                                                Slot slot) const {
  SIGHTLINE_TRY(auto row, vector(at, name, slot));
  if (row) return *std::move(row);
  return corruption(database_->path().string() + ": the vector \"" + std::string(name) +
                    "\" of slot " + std::to_string(slot) + " is missing");
}

namespace {

/// Steps to `key`, which lies behind where `rows` is. Dense slots are read in passing; a gap costs
/// one seek. False: it is not there, or `rows` has failed.
bool step_to(rocksdb::Iterator& rows, std::string_view key) {
  if (rows.Valid() && RocksDatabase::view(rows.key()) < key) rows.Next();
  if (!rows.Valid() || RocksDatabase::view(rows.key()) != key) rows.Seek(RocksDatabase::slice(key));
  return rows.Valid() && RocksDatabase::view(rows.key()) == key;
}

}  // namespace

Result<void> CollectionDb::read_vectors(
    const CollectionSnapshot& at, std::string_view name, std::span<const Slot> slots,
    bool keep_cached, const std::function<Result<void>(Slot, const VectorRow&)>& visit) const {
  rocksdb::ReadOptions options;
  options.snapshot = raw(at);
  options.fill_cache = keep_cached;
  const std::unique_ptr<rocksdb::Iterator> rows(
      database_->handle()->NewIterator(options, database_->family(kVectors)));
  for (const Slot slot : slots) {
    if (step_to(*rows, vector_key(name, slot))) {
      SIGHTLINE_TRY(const VectorRow row, decode_vector(RocksDatabase::view(rows->value())));
      SIGHTLINE_TRY_DO(visit(slot, row));
    } else if (rows->status().ok()) {
      SIGHTLINE_TRY_DO(existing_vector(at, name, slot));
    } else {
      return database_->status_of(rows->status());
    }
  }
  return {};
}

Result<void> CollectionDb::visit_vectors(
    const CollectionSnapshot& at, std::string_view name, std::span<const Slot> slots,
    const std::function<void(Slot, const Result<VectorRow>&)>& visit) const {
  rocksdb::ReadOptions options;
  options.snapshot = raw(at);
  options.fill_cache = false;
  options.readahead_size = std::size_t{2} << 20;
  const std::unique_ptr<rocksdb::Iterator> rows(
      database_->handle()->NewIterator(options, database_->family(kVectors)));
  for (const Slot slot : slots) {
    if (step_to(*rows, vector_key(name, slot))) {
      visit(slot, decode_vector(RocksDatabase::view(rows->value())));
    } else if (rows->status().ok() || rows->status().IsCorruption()) {
      // A damaged block stops the iterator over all tables; this row may lie in another one.
      visit(slot, existing_vector(at, name, slot));
    } else {
      return database_->status_of(rows->status());
    }
  }
  return {};
}

Result<void> CollectionDb::visit_points(
    const CollectionSnapshot& at, const std::optional<PointId>& from,
    const std::function<bool(const PointId&, Slot)>& visit) const {
  return scan(*database_, kIds, at, "", from ? from->encode() : std::string(), true,
              [&](std::string_view key, std::string_view value) -> Result<bool> {
                SIGHTLINE_TRY(const PointId id, PointId::decode(key));
                SIGHTLINE_TRY(const Slot slot, decode_slot(value));
                return visit(id, slot);
              });
}

Result<void> CollectionDb::visit_sources(const CollectionSnapshot& at, std::string_view prefix,
                                         const std::function<bool(const SourceRow&)>& visit) const {
  return scan(*database_, kSources, at, prefix, prefix, false,
              [&](std::string_view key, std::string_view value) -> Result<bool> {
                SIGHTLINE_TRY(const SourceRow source, decode_source(key, value));
                return visit(source);
              });
}

Result<void> CollectionDb::visit_payloads(
    const CollectionSnapshot& at, const std::function<bool(Slot, const Json&)>& visit) const {
  return scan(*database_, kPayload, at, "", "", false,
              [&](std::string_view key, std::string_view value) -> Result<bool> {
                SIGHTLINE_TRY(const Slot slot, decode_slot(key));
                auto payload = decode_payload(value);
                if (!payload) return payload.error().with_context("slot " + std::to_string(slot));
                return visit(slot, *payload);
              });
}

Result<Json> CollectionDb::shards(const CollectionSnapshot& at) const {
  SIGHTLINE_TRY(const auto bytes, database_->get(kMeta, kShardsKey, raw(at)));
  if (!bytes) return Json::object();
  auto shards = parse_json(*bytes, database_->path().string() + " (list of shards)");
  if (!shards) return corruption(shards.error().message);
  return shards;
}

Result<void> CollectionDb::checkpoint(const std::filesystem::path& folder) const {
  if (!is_writer()) return failed_precondition(database_->path().string() + " is open for reading");
  std::error_code error;
  if (std::filesystem::exists(folder, error))
    return Status{StatusCode::kAlreadyExists, folder.string() + " exists"};
  rocksdb::Checkpoint* made = nullptr;
  rocksdb::Status status = rocksdb::Checkpoint::Create(database_->handle(), &made);
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  if (status.ok()) status = checkpoint->CreateCheckpoint(std::filesystem::absolute(folder));
  if (!status.ok()) return database_->status_of(status).with_context("checkpoint");
  return {};
}

Result<void> CollectionDb::check_room_to_reopen() const {
  // Opening writes what the logs hold as tables, and begins a new log and a new list of tables.
  std::uint64_t needed = kRoomForNewFiles;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(database_->path(), error)) {
    if (entry.path().extension() != ".log") continue;
    const auto size = entry.file_size(error);
    if (!error) needed += size;
  }
  const auto space = std::filesystem::space(database_->path(), error);
  if (error || space.available >= needed) return {};
  return Status{StatusCode::kResourceExhausted,
                "disk full: " + database_->path().string() + " has " +
                    std::to_string(space.available >> 20) + " MiB free; writing goes on with " +
                    std::to_string((needed >> 20) + 1) + " MiB"};
}

std::uint64_t CollectionDb::disk_bytes() const {
  std::uint64_t total = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(database_->path(), error)) {
    const auto size = entry.file_size(error);
    if (!error) total += size;
  }
  return total;
}

std::uint64_t CollectionDb::memory_bytes() const {
  std::uint64_t total = 0;
  for (std::size_t family = kIds; family <= kMeta; ++family) {
    for (const char* property :
         {"rocksdb.cur-size-all-mem-tables", "rocksdb.estimate-table-readers-mem"}) {
      std::uint64_t value = 0;
      if (database_->db().GetIntProperty(database_->family(family), property, &value))
        total += value;
    }
  }
  return total;
}

}  // namespace sightline::storage
