// storage/internal/table_salvage.h: what RocksDB's RepairDB, which lists the tables of a database
// anew, would lose of it. All of this is for a copy that is thrown away.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "storage/internal/collection_families.h"

namespace sightline::storage {

/// Before RepairDB, which learns of a column family from its tables alone and drops what the logs
/// hold for one that has none yet: gives each such family a table without rows.
Result<void> seed_young_families(const std::filesystem::path& folder,
                                 const std::shared_ptr<SharedBudget>& budget);

/// Keys between which rows of a table could not be read; both are readable, nullopt: there is none.
struct Hole {
  Family family = kIds;
  std::optional<std::string> after, before;
  bool with_ends = false;  ///< The two are lost as well.

  bool contains(std::string_view key) const {
    if (with_ends && (key == after || key == before)) return true;
    return (!after || key > *after) && (!before || key < *before);
  }
};

/// After RepairDB, which sets a table aside (in `lost`) if any byte of it is damaged: puts what can
/// be read of it into `database`, where no newer form of the row is known. `damages` hears of each
/// such table. returns  what could not be read.
Result<std::vector<Hole>> salvage_tables(RocksDatabase& database,
                                         std::vector<std::string>& damages);

}  // namespace sightline::storage
