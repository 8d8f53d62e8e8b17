// storage/internal/indexed_batch.h: a batch that reads of the database see already.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/result.h"
#include "storage/internal/collection_families.h"

namespace sightline::storage {

/// RocksDB's WriteBatchWithIndex keeps all keys in order, which costs more than the rest of a load;
/// here the values that are asked for again are found by hash, and the others not at all.
/// Thread-safety: one thread at a time.
class IndexedBatch {
 public:
  /// `database` outlives the batch.
  explicit IndexedBatch(const RocksDatabase& database) : database_(database) {}

  /// The value in the batch, else in the database; nullopt: none. `family` is one of `ids`,
  /// `slots`, `payload` and `sources`: what is written to others is not found.
  /// errors  kCorruption, kIoError.
  Result<std::optional<std::string>> get(Family family, std::string_view key) const;
  Result<void> put(Family family, std::string_view key, std::string_view value);
  /// A value in parts, in a family that get() does not take.
  Result<void> put_parts(Family family, std::string_view key,
                         std::initializer_list<std::string_view> value);
  Result<void> erase(Family family, std::string_view key);

  /// What follows is undone by roll_back(), or kept by keep().
  void mark();
  Result<void> roll_back();
  void keep();

  rocksdb::WriteBatch& batch() { return batch_; }
  void clear();

 private:
  /// Of a value, in the batch's bytes.
  struct Place {
    enum class Kind { kNotHere, kPut, kErased } kind = Kind::kNotHere;
    std::size_t at = 0, size = 0;
  };
  static bool is_read(Family family);
  void note(Family family, std::string_view key, const Place& place);

  const RocksDatabase& database_;
  rocksdb::WriteBatch batch_;
  std::unordered_map<std::string, Place> places_;  // by family (a byte) and key
  // What mark() is to bring back; entries of an unordered_map stay where they are.
  std::vector<std::pair<Place*, Place>> before_;
};

}  // namespace sightline::storage
