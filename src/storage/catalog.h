// storage/catalog.h: the `catalog` database of a data folder: which collections there are, and
// their aliases. (Keys join it later.)
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "storage/database.h"

namespace sightline::storage {

class RocksDatabase;

/// Thread-safety: methods may run on many threads at once, except catch_up().
class Catalog {
 public:
  /// errors  kNotFound: `folder` holds no catalog (and mode is not kCreate); those of RocksDB.
  static Result<std::unique_ptr<Catalog>> open(const std::filesystem::path& folder, OpenMode mode,
                                               const std::shared_ptr<SharedBudget>& budget);
  ~Catalog();

  Result<std::vector<std::string>> collections() const;  ///< Sorted.
  Result<bool> contains(std::string_view name) const;
  Result<void> add(std::string_view name);  ///< Synced.
  /// The collection is not there, or from here on no longer, and what its folder holds is to be
  /// removed: said before a folder is made as well, so that a crash leaves no half of one. Synced.
  Result<void> mark_incomplete(std::string_view name);
  /// Its folder is gone, and its aliases go with it. Synced.
  Result<void> forget(std::string_view name);
  Result<std::vector<std::string>> incomplete() const;         ///< Sorted.
  Result<std::map<std::string, std::string>> aliases() const;  ///< Alias -> collection.
  /// Replaces all aliases at once. Synced.
  Result<void> put_aliases(const std::map<std::string, std::string>& aliases);
  Result<void> catch_up();

 private:
  explicit Catalog(std::unique_ptr<RocksDatabase> database);
  Result<std::vector<std::string>> names(std::string_view state) const;
  Result<void> put(std::string_view name, std::string_view state);
  std::unique_ptr<RocksDatabase> database_;
};

}  // namespace sightline::storage
