// storage/database.h: how a RocksDB of ours is opened, and what its failures are called.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/result.h"

namespace sightline::storage {

enum class OpenMode {
  kCreate,  ///< For writing; made if it is not there.
  kWrite,   ///< For writing; kNotFound if it is not there.
  kRead,    ///< Beside a writer, or on read-only media. Writes nothing below its path.
};

struct DatabaseBudget {
  std::uint64_t cache_bytes = 0;
  std::uint64_t memtable_bytes = 0;
  /// What flushing memtables and compacting may write in a second, at least 1 MiB; 0: no
  /// limit.
  std::uint64_t background_rate_bytes = 0;
};

/// Block cache, memtable budget and rate of background writing that all databases of a data folder
/// share. Thread-safety: safe to share.
class SharedBudget {
 public:
  static std::shared_ptr<SharedBudget> create(const DatabaseBudget& budget);
  virtual ~SharedBudget() = default;
};

/// Format of the bytes in a collection's database; a newer one is refused, a writer raises an older
/// one (docs/storage_format.md, "Versions").
inline constexpr std::uint64_t kFormatVersion = 4;

}  // namespace sightline::storage
