// storage/internal/scan.h: reading a column family at a snapshot.
#pragma once

#include <memory>
#include <string_view>

#include "core/result.h"
#include "storage/internal/collection_families.h"

namespace sightline::storage {

inline const rocksdb::Snapshot* raw(const CollectionSnapshot& snapshot) {
  return static_cast<const RocksSnapshot&>(snapshot).get();
}

/// Calls `visit(key, value)` for all keys that start with `prefix`, from `from`.
template <typename Visit>
Result<void> scan(const RocksDatabase& database, Family family, const CollectionSnapshot& at,
                  std::string_view prefix, std::string_view from, bool fill_cache, Visit visit) {
  rocksdb::ReadOptions options;
  options.snapshot = raw(at);
  options.fill_cache = fill_cache;
  options.total_order_seek = true;
  const std::unique_ptr<rocksdb::Iterator> rows(
      database.handle()->NewIterator(options, database.family(family)));
  for (rows->Seek(RocksDatabase::slice(from)); rows->Valid(); rows->Next()) {
    const std::string_view key = RocksDatabase::view(rows->key());
    if (!key.starts_with(prefix)) break;
    SIGHTLINE_TRY(const bool go_on, visit(key, RocksDatabase::view(rows->value())));
    if (!go_on) break;
  }
  if (!rows->status().ok()) return database.status_of(rows->status());
  return {};
}

}  // namespace sightline::storage
