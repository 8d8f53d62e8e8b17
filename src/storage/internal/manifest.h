// storage/internal/manifest.h: what RocksDB's MANIFEST says, and whether it says all it once did.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/result.h"
#include "storage/internal/rocksdb_compat.h"

namespace sightline::storage {

/// RocksDB takes a MANIFEST that ends with a whole record for whole, and so, after a cut, an older
/// state for the newest one: tables it does not list are deleted, and logs they were made of are
/// gone. So the file "manifest-size" beside it holds its name and a size it has had on the disk.
/// Syncs the MANIFEST in use and notes its size. What fails is left for the next time.
void mark_manifest(rocksdb::Env& env, const std::filesystem::path& folder);
/// Calls mark_manifest() after each flush and compaction.
std::shared_ptr<rocksdb::EventListener> manifest_marker(rocksdb::Env& env,
                                                        std::filesystem::path folder);
/// errors  kCorruption: the MANIFEST in use is missing, shorter than it was, or damaged
///         (`is_closed`: as find_log_damage() has it). A CURRENT that names none is RocksDB's to
///         tell.
Result<void> check_manifest(const std::filesystem::path& folder, bool is_closed);
/// The folder holds tables, logs or a MANIFEST: without CURRENT it is a damaged database.
bool has_files(const std::filesystem::path& folder);
/// Writes a CURRENT that names the newest MANIFEST, if it is there whole and is the one that was in
/// use last as far as can be told; false: CURRENT is of no use.
bool take_up_last_manifest(const std::filesystem::path& folder);

struct ListedTable {
  std::uint64_t size = 0;         ///< bytes
  std::string family;             ///< Its name; empty: not told.
  std::string smallest, largest;  ///< Keys.
  bool operator==(const ListedTable&) const = default;
};
/// The tables that the MANIFEST in use lists.
/// errors  kCorruption: a record that cannot be read; kIoError.
Result<std::map<std::string, ListedTable>> listed_tables(const std::filesystem::path& folder);

struct DamagedTable {
  std::string name;
  bool is_missing = false;
  std::string message;
  ListedTable listed;
};
/// Listed tables that are not there, or not of their size. A secondary instance passes over these
/// in silence. None if listed_tables() fails: RocksDB says why.
std::vector<DamagedTable> damaged_tables(const std::filesystem::path& folder);

}  // namespace sightline::storage
