// storage/internal/manifest_mark.h: notices a MANIFEST that was cut short.
//
// RocksDB takes a MANIFEST that ends with a whole record for whole, and so, after a cut, an older
// state for the newest one: tables it does not list are deleted, and logs they were made of are
// gone. The file "manifest-size" beside it holds the name and a size it has had on the disk.
#pragma once

#include <filesystem>

#include "core/result.h"
#include "storage/internal/rocksdb_compat.h"

namespace sightline::storage {

/// Syncs the MANIFEST in use and notes its size. What fails is left for the next time.
void mark_manifest(rocksdb::Env& env, const std::filesystem::path& folder);

/// errors  kCorruption: the MANIFEST in use is shorter than it was.
Result<void> check_manifest(const std::filesystem::path& folder);

/// Calls mark_manifest() after each flush.
std::shared_ptr<rocksdb::EventListener> manifest_marker(rocksdb::Env& env,
                                                        std::filesystem::path folder);

}  // namespace sightline::storage
