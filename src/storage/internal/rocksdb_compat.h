// storage/internal/rocksdb_compat.h: the RocksDB headers in use. Written for 7.8 (Debian 12)
// to 9.10 (Debian 13); what differs between them is settled here and nowhere else.
#pragma once

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/iterator.h>
#include <rocksdb/listener.h>
#include <rocksdb/options.h>
#include <rocksdb/rate_limiter.h>
#include <rocksdb/snapshot.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/version.h>
#include <rocksdb/write_batch.h>
#include <rocksdb/write_buffer_manager.h>

namespace sightline::storage {

/// The newest table format that 7.8 reads; later versions would write 6 unless told.
inline constexpr unsigned kTableFormatVersion = 5;

/// On by default since 8.2 only; set, so that both versions keep the same shape of levels.
inline constexpr bool kDynamicLevelBytes = true;

/// Undoes one DisableFileDeletions().
inline void enable_file_deletions(rocksdb::DB& db) {
#if ROCKSDB_MAJOR < 9
  db.EnableFileDeletions(/*force=*/false).PermitUncheckedError();
#else
  db.EnableFileDeletions().PermitUncheckedError();
#endif
}

}  // namespace sightline::storage
