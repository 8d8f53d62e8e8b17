// storage/internal/rocksdb_database.h: an open RocksDB with its column families.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "storage/database.h"
#include "storage/internal/rocksdb_compat.h"

namespace sightline::storage {

/// kCorruption names the file RocksDB names; a full disk is kResourceExhausted. `path` is the
/// database's folder.
Status to_status(const rocksdb::Status& status, const std::filesystem::path& path);

struct RocksBudget final : SharedBudget {
  std::shared_ptr<rocksdb::Cache> cache;
  std::shared_ptr<rocksdb::WriteBufferManager> memtables;
  std::shared_ptr<rocksdb::RateLimiter> background_writes;  ///< Null: without limit.
  /// Tests put one that fails here.
  std::shared_ptr<rocksdb::Env> env;

  rocksdb::Env* get_env() const { return env ? env.get() : rocksdb::Env::Default(); }
};

struct ColumnFamily {
  std::string name;
  enum class Kind { kSmall, kVectors, kBlobs } kind = Kind::kSmall;
};

/// Thread-safety: as RocksDB's; catch_up() must not run beside other calls.
class RocksDatabase {
 public:
  /// `families` besides RocksDB's "default". kRead: a secondary instance (its own folder lies in
  /// TMPDIR and is removed once open); on read-only media, or without a usable TMPDIR, a read-only
  /// one. Waits a moment for files that the writer is replacing.
  /// errors  kNotFound; kFailedPrecondition: column families of a newer version; kCorruption ...
  static Result<std::unique_ptr<RocksDatabase>> open(const std::filesystem::path& path,
                                                     OpenMode mode,
                                                     const std::vector<ColumnFamily>& families,
                                                     const std::shared_ptr<SharedBudget>& budget);
  /// Opens for writing and takes what can be had: damaged tables are left closed, damaged records
  /// of a log passed over. For a copy that is thrown away.
  static Result<std::unique_ptr<RocksDatabase>> open_damaged(
      const std::filesystem::path& path, const std::vector<ColumnFamily>& families,
      const std::shared_ptr<SharedBudget>& budget);
  /// Lists the tables anew from what is there (RocksDB's RepairDB). For such a copy as well.
  static Result<void> rebuild_manifest(const std::filesystem::path& path,
                                       const std::vector<ColumnFamily>& families,
                                       const std::shared_ptr<SharedBudget>& budget);
  ~RocksDatabase();
  RocksDatabase(const RocksDatabase&) = delete;
  RocksDatabase& operator=(const RocksDatabase&) = delete;

  rocksdb::DB& db() { return *db_; }
  const rocksdb::DB& db() const { return *db_; }
  rocksdb::DB* handle() const { return db_.get(); }
  /// In the order given to open().
  rocksdb::ColumnFamilyHandle* family(std::size_t index) const { return handles_[index + 1]; }
  const std::filesystem::path& path() const { return path_; }
  rocksdb::Env* env() const { return static_cast<const RocksBudget&>(*budget_).get_env(); }
  bool is_writer() const { return mode_ != OpenMode::kRead; }

  /// kRead beside a writer: sees what it has written until now. Opens anew if a file vanished.
  Result<void> catch_up();
  /// kRead: the folder is still the one that was opened. (A collection may be deleted and made
  /// again under its name.)
  bool is_current() const;

  /// The value, or nullopt. `snapshot` may be null: the newest.
  Result<std::optional<std::string>> get(std::size_t family_index, std::string_view key,
                                         const rocksdb::Snapshot* snapshot = nullptr) const;
  Status status_of(const rocksdb::Status& status) const { return to_status(status, path_); }

  static rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }
  static std::string_view view(const rocksdb::Slice& s) { return {s.data(), s.size()}; }

 private:
  RocksDatabase(std::filesystem::path path, OpenMode mode, std::vector<ColumnFamily> families,
                std::shared_ptr<SharedBudget> budget)
      : path_(std::move(path)),
        mode_(mode),
        families_(std::move(families)),
        budget_(std::move(budget)) {}
  Result<void> open_once();
  Result<void> open_with_retries();
  Result<void> follow_writer();
  Result<void> check_families() const;
  Result<void> check_files() const;
  void close();

  std::filesystem::path path_;
  OpenMode mode_;
  std::vector<ColumnFamily> families_;
  std::shared_ptr<SharedBudget> budget_;
  std::filesystem::path secondary_folder_;
  bool is_secondary_ = false;
  bool is_damaged_ = false;
  bool on_read_only_medium_ = false;
  std::pair<std::uint64_t, std::uint64_t> folder_identity_;  // device, inode
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
};

}  // namespace sightline::storage
