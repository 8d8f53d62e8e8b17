// pipeline/data_folder.h: the folder that holds collections.
//
//   DIR/LOCK                     held by the one writer; its text says who that is
//   DIR/catalog/                 RocksDB: collections, aliases, keys
//   DIR/collections/NAME/db/     RocksDB of one collection
//   DIR/collections/NAME/{shards,uploads}/, skipped.jsonl
//   DIR/collections/trash:N/     on its way out
// Byte by byte: docs/storage_format.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/compute_pool.h"
#include "core/deadline.h"
#include "core/json.h"
#include "core/result.h"
#include "pipeline/collection_store.h"

namespace sightline::pipeline {

enum class Access {
  kWrite,  ///< The one writer; creates the folder.
  kRead,   ///< Beside a writer or on read-only media; writes nothing into the folder.
};

enum class Durability {
  kSync,      ///< Acknowledged once on disk.
  kInterval,  ///< Acknowledged once the kernel has it; synced within sync_interval_ms.
};

/// When growing shards are sealed. The defaults are right; tests draw the lines closer.
struct SealingOptions {
  bool in_background = true;  ///< Otherwise by optimize() alone.
  /// A growing shard of so many bytes or rows takes no more and becomes a sealed one.
  std::uint64_t full_bytes = std::uint64_t{64} << 20;
  std::uint64_t full_rows = 131'072;
  /// What stays below both is not sealed in the background: it is loaded quickly.
  std::uint64_t small_bytes = std::uint64_t{32} << 20;
  std::uint64_t small_rows = 20'000;
  /// Without a write for so long the collection is idle. So many rows within that time are a bulk
  /// load, during which nothing is trained.
  std::chrono::milliseconds idle{2000};
  std::uint64_t bulk_rows = 4096;
};

struct StoreOptions {
  std::uint64_t cache_bytes = std::uint64_t{256} << 20;     ///< RocksDB's block cache, shared.
  std::uint64_t memtable_bytes = std::uint64_t{128} << 20;  ///< Shared by all collections.
  /// What RocksDB writes in the background, so that searches get their share of the disk; 0: no
  /// limit.
  std::uint64_t background_rate_bytes = std::uint64_t{1} << 30;
  Durability durability = Durability::kSync;
  std::uint32_t sync_interval_ms = 200;
  /// Anonymous memory for all that is open (caches and memtables of RocksDB included); 0: no limit.
  std::uint64_t index_memory_bytes = 0;
  SealingOptions sealing;
  /// A collection that was opened stays so until it is deleted or the folder is closed (a service:
  /// opening one takes tens of milliseconds, and shards are built while it is open). Otherwise it
  /// is closed with its last handle, and must not be opened by another thread at that moment.
  bool keep_open = false;
  /// Who holds the lock, for the message another writer gets ("sightline index /photos").
  std::string owner;
};

/// 1..255 bytes of UTF-8 without control characters and <>:"/\|?*, not "." or "..".
Result<void> validate_collection_name(std::string_view name);

/// Another name for a collection.
struct CollectionAlias {
  std::string alias;
  std::string collection;
};
/// An alias that exists moves to `collection`.
struct CreateAlias {
  std::string alias;
  std::string collection;
};
/// An alias that does not exist is not an error.
struct DeleteAlias {
  std::string alias;
};
/// `to` moves if it exists.
struct RenameAlias {
  std::string from;
  std::string to;
};
using AliasAction = std::variant<CreateAlias, DeleteAlias, RenameAlias>;

/// Collections go by their names; what opens, copies, verifies or repairs one takes aliases, too.
/// Thread-safety: all methods may run on many threads at once.
class DataFolder {
 public:
  /// `pool` runs searches and outlives the folder.
  /// errors  kWrite: kFailedPrecondition if another process writes (the message says pid, host,
  ///         command and since when), kPermissionDenied on read-only media, kIoError;
  ///         kRead: kNotFound if there is no such folder. Format of a newer version:
  ///         kFailedPrecondition.
  static Result<std::unique_ptr<DataFolder>> open(const std::filesystem::path& path, Access access,
                                                  const StoreOptions& options, ComputePool& pool);
  virtual ~DataFolder() = default;

  virtual const std::filesystem::path& path() const = 0;
  virtual std::filesystem::path collection_folder(std::string_view name) const = 0;

  virtual Result<std::vector<std::string>> list_collections() const = 0;  ///< Sorted.
  /// errors  kAlreadyExists, kInvalidArgument (name, dim; an alias has the name),
  ///         kFailedPrecondition (kRead).
  virtual Result<std::shared_ptr<CollectionStore>> create_collection(
      std::string_view name, const CollectionConfig& config) = 0;
  /// The same handle for the same collection, which `name` is or stands for. kNotFound names the
  /// collection and those that exist.
  virtual Result<std::shared_ptr<CollectionStore>> open_collection(std::string_view name) = 0;
  /// False if there was none. Atomic: after a crash the collection is whole or gone, and its
  /// aliases with it. An alias is not followed.
  virtual Result<bool> delete_collection(std::string_view name) = 0;

  /// Applies all `actions` in order, or none; they are durable. errors  kNotFound: a collection, or
  /// the alias to rename, does not exist; kInvalidArgument: a collection has the name of the alias,
  /// or it is no name (validate_collection_name()); kFailedPrecondition (kRead).
  virtual Result<void> change_aliases(std::span<const AliasAction> actions) = 0;
  virtual Result<std::vector<CollectionAlias>> list_aliases() const = 0;  ///< Sorted by alias.
  /// The collection that `name` is or stands for. kNotFound as open_collection() says.
  virtual Result<std::string> resolve_collection(std::string_view name) const = 0;

  // Over collection_archive.h (write_archive(), extract_archive()); `progress` may be empty.

  /// Writes a consistent copy of the collection (database checkpoint, listed shards, uploads) into
  /// the new file `tar`; writes go on meanwhile. Returns the manifest.
  /// errors  kFailedPrecondition (kRead), those of write_archive().
  virtual Result<Json> snapshot_collection(std::string_view name, const std::filesystem::path& tar,
                                           const std::function<void(double share)>& progress,
                                           const Deadline& deadline) = 0;
  /// Makes the new collection `name` from a snapshot; it appears once everything is verified.
  /// errors  kAlreadyExists, kFailedPrecondition (kRead), those of extract_archive().
  virtual Result<Json> restore_collection(std::string_view name, const std::filesystem::path& tar,
                                          const std::function<void(double share)>& progress,
                                          const Deadline& deadline) = 0;
  /// Reads every byte of database and shards. One line per damage; empty: sound. kNotFound.
  virtual Result<std::vector<std::string>> verify_collection(std::string_view name,
                                                             const Deadline& deadline) = 0;
  /// Makes a damaged collection usable again: what can be read stays, derived files are built anew.
  /// Returns what was lost, ids first. errors  kFailedPrecondition (kRead), kNotFound, kIoError.
  virtual Result<std::vector<std::string>> repair_collection(std::string_view name) = 0;
};

}  // namespace sightline::pipeline
