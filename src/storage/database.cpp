#include "storage/database.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <system_error>
#include <thread>

#include "storage/internal/log_check.h"
#include "storage/internal/manifest.h"
#include "storage/internal/rocksdb_database.h"

namespace sightline::storage {
namespace {

// A secondary instance may meet a file that the writer has just replaced.
constexpr int kOpenTries = 20;
constexpr std::chrono::milliseconds kOpenPause{25};
constexpr std::chrono::seconds kCatchUpPatience{2};

// A slower one would hold up writers, who wait for memtables to be flushed.
constexpr std::uint64_t kLeastRate = std::uint64_t{1} << 20;

constexpr const char* kWriterTooQuick = "another process writes faster than can be followed: ";

/// RocksDB's own log file would end the process (an assertion in the distribution's build) once the
/// disk is full; a reader may not write one at all.
class NullLogger final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

/// RocksDB goes on by itself after a full disk once 32 MB are free per column family; whoever
/// writes opens the database again instead.
class NoSelfRecovery final : public rocksdb::EventListener {
 public:
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }
};

rocksdb::CompressionType small_compression() {
  const auto built_in = rocksdb::GetSupportedCompressions();
  for (const auto wanted : {rocksdb::kLZ4Compression, rocksdb::kZSTD}) {
    if (std::find(built_in.begin(), built_in.end(), wanted) != built_in.end()) return wanted;
  }
  return rocksdb::kNoCompression;
}

rocksdb::ColumnFamilyOptions family_options(ColumnFamily::Kind kind, const RocksBudget& budget) {
  rocksdb::ColumnFamilyOptions options;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = budget.cache;
  table.format_version = kTableFormatVersion;
  table.checksum = rocksdb::kXXH3;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  options.level_compaction_dynamic_level_bytes = kDynamicLevelBytes;
  // Vectors and JPEGs do not shrink.
  options.compression =
      kind == ColumnFamily::Kind::kSmall ? small_compression() : rocksdb::kNoCompression;
  if (kind != ColumnFamily::Kind::kSmall) table.block_size = std::size_t{32} << 10;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.write_buffer_size = std::size_t{32} << 20;
  return options;
}

std::vector<rocksdb::ColumnFamilyDescriptor> describe(const std::vector<ColumnFamily>& families,
                                                      const RocksBudget& budget, bool is_damaged) {
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  descriptors.emplace_back(rocksdb::kDefaultColumnFamilyName,
                           family_options(ColumnFamily::Kind::kSmall, budget));
  for (const ColumnFamily& family : families)
    descriptors.emplace_back(family.name, family_options(family.kind, budget));
  for (auto& descriptor : descriptors) {
    descriptor.options.disable_auto_compactions = is_damaged;
    // RocksDB's repair makes tables of logs of which there are tables already: the same rows twice.
    descriptor.options.force_consistency_checks = !is_damaged;
  }
  return descriptors;
}

rocksdb::DBOptions database_options(OpenMode mode, const RocksBudget& budget) {
  rocksdb::DBOptions options;
  options.env = budget.get_env();
  options.create_if_missing = mode == OpenMode::kCreate;
  options.create_missing_column_families = mode != OpenMode::kRead;
  // Of a table that is damaged a reader reads the rest.
  options.paranoid_checks = mode != OpenMode::kRead;
  options.track_and_verify_wals_in_manifest = true;
  // A secondary instance keeps what it has opened, so a file the writer unlinks stays readable.
  options.max_open_files = -1;
  options.max_background_jobs = 2;
  options.max_file_opening_threads = 2;  // 16 by default, started for each column family
  options.max_total_wal_size = std::uint64_t{256} << 20;
  options.bytes_per_sync = std::uint64_t{1} << 20;
  options.write_buffer_manager = mode == OpenMode::kRead ? nullptr : budget.memtables;
  options.rate_limiter = budget.background_writes;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.info_log = std::make_shared<NullLogger>();
  options.listeners.push_back(std::make_shared<NoSelfRecovery>());
  return options;
}

void take_what_there_is(rocksdb::DBOptions& options) {
  options.paranoid_checks = false;
  options.track_and_verify_wals_in_manifest = false;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kSkipAnyCorruptedRecords;
}

Result<std::pair<std::uint64_t, std::uint64_t>> identity_of(const std::filesystem::path& folder) {
  struct stat facts {};
  if (stat(folder.c_str(), &facts) != 0)
    return not_found("there is no database at " + folder.string());
  return std::pair<std::uint64_t, std::uint64_t>(facts.st_dev, facts.st_ino);
}

/// The manifest's name and size (0 if it cannot be read: RocksDB says why). Equal before and after
/// something means that the writer added no table and removed no file meanwhile.
std::pair<std::string, std::uintmax_t> manifest_state(const std::filesystem::path& folder) {
  std::pair<std::string, std::uintmax_t> state;
  std::ifstream(folder / "CURRENT") >> state.first;
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(folder / state.first, error);
  if (!error) state.second = size;
  return state;
}

Result<std::filesystem::path> make_secondary_folder() {
  std::error_code error;
  auto base = std::filesystem::temp_directory_path(error);
  if (error) return io_error("no folder for temporary files: " + error.message());
  std::string name = (base / "sightline-reader-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr)
    return io_error("cannot make a folder in " + base.string() + " (set TMPDIR)");
  return std::filesystem::path(name);
}

}  // namespace

Status to_status(const rocksdb::Status& status, const std::filesystem::path& path) {
  const std::string message = path.string() + ": " + status.ToString();
  if (status.IsNoSpace() || status.subcode() == rocksdb::Status::kNoSpace)
    return {StatusCode::kResourceExhausted, "disk full: " + message};
  if (status.IsCorruption()) return corruption(message);
  if (status.IsIOError()) {
    const std::string text = status.ToString();
    for (const char* reason : {"No space left", "Disk quota exceeded", "File too large"}) {
      if (text.find(reason) != std::string::npos)
        return {StatusCode::kResourceExhausted, "disk full: " + message};
    }
    if (text.find("Read-only file system") != std::string::npos ||
        text.find("Permission denied") != std::string::npos)
      return {StatusCode::kPermissionDenied, message};
    return io_error(message);
  }
  if (status.IsNotFound()) return not_found(message);
  return internal_error(message);
}

std::shared_ptr<SharedBudget> SharedBudget::create(const DatabaseBudget& budget) {
  auto shared = std::make_shared<RocksBudget>();
  shared->cache = rocksdb::NewLRUCache(budget.cache_bytes);
  shared->memtables =
      std::make_shared<rocksdb::WriteBufferManager>(budget.memtable_bytes, shared->cache);
  if (budget.background_rate_bytes != 0) {
    shared->background_writes.reset(rocksdb::NewGenericRateLimiter(
        static_cast<std::int64_t>(std::max(budget.background_rate_bytes, kLeastRate))));
  }
  return shared;
}

Result<std::unique_ptr<RocksDatabase>> RocksDatabase::open(
    const std::filesystem::path& path, OpenMode mode, const std::vector<ColumnFamily>& families,
    const std::shared_ptr<SharedBudget>& budget) {
  std::error_code error;
  if (mode != OpenMode::kCreate && !std::filesystem::exists(path / "CURRENT", error)) {
    if (has_files(path)) return corruption((path / "CURRENT").string() + " is missing");
    return not_found("there is no database at " + path.string());
  }
  std::unique_ptr<RocksDatabase> database(new RocksDatabase(path, mode, families, budget));
  if (mode == OpenMode::kRead) {
    SIGHTLINE_TRY_DO(database->open_with_retries());
  } else {
    SIGHTLINE_TRY_DO(database->check_families());
    SIGHTLINE_TRY_DO(database->open_once());
  }
  return database;
}

Result<void> RocksDatabase::open_with_retries() {
  for (int attempt = 1;; ++attempt) {
    auto opened = open_once();
    if (opened && is_secondary_) opened = follow_writer();
    if (opened || attempt == kOpenTries || !is_current()) return opened;
    std::this_thread::sleep_for(kOpenPause);
  }
}

Result<void> RocksDatabase::check_families() const {
  std::vector<std::string> present;
  // A database that is not there yet cannot be listed.
  rocksdb::DBOptions options;
  options.env = env();
  if (!rocksdb::DB::ListColumnFamilies(options, path_.string(), &present).ok()) return {};
  for (const std::string& name : present) {
    const bool known = name == rocksdb::kDefaultColumnFamilyName ||
                       std::any_of(families_.begin(), families_.end(),
                                   [&](const ColumnFamily& family) { return family.name == name; });
    if (!known) {
      return failed_precondition(path_.string() + " holds \"" + name +
                                 "\", which this program does not know: use a newer one");
    }
  }
  return {};
}

/// What RocksDB would pass over in silence. A reader may meet what the writer is writing just now,
/// and looks again.
Result<void> RocksDatabase::check_files() const {
  SIGHTLINE_TRY_DO(check_manifest(path_, /*is_closed=*/is_writer()));
  if (is_writer()) {
    const auto tables = damaged_tables(path_);
    if (!tables.empty()) return corruption(tables.front().message);
  }
  const auto damaged = damaged_logs(path_);
  if (damaged.empty()) return {};
  return corruption(damaged.front().path.string() + " is damaged at byte " +
                    std::to_string(damaged.front().at) +
                    ", and what was written later would be lost with it");
}

Result<std::unique_ptr<RocksDatabase>> RocksDatabase::open_damaged(
    const std::filesystem::path& path, const std::vector<ColumnFamily>& families,
    const std::shared_ptr<SharedBudget>& budget) {
  std::unique_ptr<RocksDatabase> database(
      new RocksDatabase(path, OpenMode::kWrite, families, budget));
  database->is_damaged_ = true;
  SIGHTLINE_TRY_DO(database->open_once());
  return database;
}

Result<void> RocksDatabase::rebuild_manifest(const std::filesystem::path& path,
                                             const std::vector<ColumnFamily>& families,
                                             const std::shared_ptr<SharedBudget>& budget) {
  const auto& rocks_budget = static_cast<const RocksBudget&>(*budget);
  rocksdb::DBOptions options = database_options(OpenMode::kWrite, rocks_budget);
  take_what_there_is(options);
  const rocksdb::Status repaired =
      rocksdb::RepairDB(path.string(), options, describe(families, rocks_budget, true));
  if (!repaired.ok()) return to_status(repaired, path);
  return {};
}

Result<void> RocksDatabase::open_once() {
  close();
  const auto& budget = static_cast<const RocksBudget&>(*budget_);
  rocksdb::DBOptions options = database_options(mode_, budget);
  if (is_damaged_) {
    take_what_there_is(options);
  } else {
    SIGHTLINE_TRY_DO(check_files());
    if (is_writer()) options.listeners.push_back(manifest_marker(*options.env, path_));
  }
  const auto descriptors = describe(families_, budget, is_damaged_);
  rocksdb::DB* db = nullptr;
  rocksdb::Status status;
  std::pair<std::string, std::uintmax_t> manifest;
  if (mode_ != OpenMode::kRead) {
    status = rocksdb::DB::Open(options, path_.string(), descriptors, &handles_, &db);
  } else {
    // Noted before a file is opened: is_current() must not take a new folder for the old one.
    SIGHTLINE_TRY(folder_identity_, identity_of(path_));
    manifest = manifest_state(path_);
    on_read_only_medium_ = access(path_.c_str(), W_OK) != 0 && errno == EROFS;
    // A secondary instance would pass over a damaged table; a read-only one says so row by row.
    const bool has_damage = !damaged_tables(path_).empty() && manifest_state(path_) == manifest;
    if (!on_read_only_medium_ && !has_damage) {
      auto log_folder = make_secondary_folder();
      if (log_folder) secondary_folder_ = *std::move(log_folder);
    }
    is_secondary_ = !secondary_folder_.empty();
    status =
        is_secondary_
            ? rocksdb::DB::OpenAsSecondary(options, path_.string(), secondary_folder_.string(),
                                           descriptors, &handles_, &db)
            : rocksdb::DB::OpenForReadOnly(options, path_.string(), descriptors, &handles_, &db);
  }
  db_.reset(db);
  if (!status.ok()) {
    const Status failure = status_of(status);
    close();
    return failure;
  }
  if (is_writer() && !is_damaged_) mark_manifest(*env(), path_);
  if (is_secondary_) {
    // The folder is for RocksDB's log file alone, which is off: gone at once, it outlives no kill.
    std::error_code ignored;
    std::filesystem::remove(secondary_folder_, ignored);
  } else if (mode_ == OpenMode::kRead) {
    if (manifest_state(path_) != manifest) return io_error(kWriterTooQuick + path_.string());
  }
  return {};
}

// A secondary instance reads the manifest, then the log files. What the writer moves from a log
// file into a table between the two, it sees in neither, but it does see what was written later.
// The manifest grows before a file is removed, so if it did not grow nothing was missed.
Result<void> RocksDatabase::follow_writer() {
  const auto give_up = std::chrono::steady_clock::now() + kCatchUpPatience;
  do {
    const auto before = manifest_state(path_);
    const rocksdb::Status caught_up = db_->TryCatchUpWithPrimary();
    if (!caught_up.ok()) return status_of(caught_up);
    if (manifest_state(path_) == before) return {};
  } while (std::chrono::steady_clock::now() < give_up);
  return io_error(kWriterTooQuick + path_.string());
}

void RocksDatabase::close() {
  if (db_) {
    for (rocksdb::ColumnFamilyHandle* handle : handles_) db_->DestroyColumnFamilyHandle(handle);
  }
  handles_.clear();
  if (db_ && is_writer() && !is_damaged_) {
    db_.reset();
    mark_manifest(*env(), path_);
  }
  db_.reset();
  is_secondary_ = false;
  if (!secondary_folder_.empty()) {
    std::error_code ignored;
    std::filesystem::remove_all(secondary_folder_, ignored);
    secondary_folder_.clear();
  }
}

RocksDatabase::~RocksDatabase() { close(); }

Result<void> RocksDatabase::catch_up() {
  if (is_writer() || on_read_only_medium_) return {};
  if (is_secondary_ && db_ && follow_writer()) return {};
  // A file it needed vanished, or it is a read-only instance: start over.
  return open_with_retries();
}

bool RocksDatabase::is_current() const {
  const auto identity = identity_of(path_);
  return identity && *identity == folder_identity_;
}

Result<std::optional<std::string>> RocksDatabase::get(std::size_t family_index,
                                                      std::string_view key,
                                                      const rocksdb::Snapshot* snapshot) const {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot;
  std::string value;
  const rocksdb::Status status = db_->Get(options, family(family_index), slice(key), &value);
  if (status.IsNotFound()) return std::optional<std::string>();
  if (!status.ok()) return status_of(status);
  return std::optional<std::string>(std::move(value));
}

}  // namespace sightline::storage
