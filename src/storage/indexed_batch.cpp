#include "storage/internal/indexed_batch.h"

#include <algorithm>
#include <array>

namespace sightline::storage {
namespace {

constexpr std::size_t kMaxParts = 4;

std::string place_key(Family family, std::string_view key) {
  std::string name;
  name.reserve(1 + key.size());
  name.push_back(static_cast<char>(family));
  return name.append(key);
}

}  // namespace

bool IndexedBatch::is_read(Family family) {
  switch (family) {
    case kIds:
    case kSlots:
    case kPayload:
    case kSources:
      return true;
    case kVectors:
    case kPayloadIndex:
    case kBlobs:
    case kMeta:
      return false;
  }
  SIGHTLINE_CHECK(false);
}

void IndexedBatch::note(Family family, std::string_view key, const Place& place) {
  Place& now = places_[place_key(family, key)];
  before_.emplace_back(&now, now);
  now = place;
}

Result<std::optional<std::string>> IndexedBatch::get(Family family, std::string_view key) const {
  SIGHTLINE_CHECK(is_read(family));
  const auto found = places_.find(place_key(family, key));
  if (found == places_.end() || found->second.kind == Place::Kind::kNotHere)
    return database_.get(family, key);
  const Place& place = found->second;
  if (place.kind == Place::Kind::kErased) return std::optional<std::string>();
  return std::optional<std::string>(batch_.Data().substr(place.at, place.size));
}

Result<void> IndexedBatch::put(Family family, std::string_view key, std::string_view value) {
  const rocksdb::Status status =
      batch_.Put(database_.family(family), RocksDatabase::slice(key), RocksDatabase::slice(value));
  if (!status.ok()) return database_.status_of(status);
  // The value is the last of what RocksDB appends.
  if (is_read(family))
    note(family, key, {Place::Kind::kPut, batch_.GetDataSize() - value.size(), value.size()});
  return {};
}

Result<void> IndexedBatch::put_parts(Family family, std::string_view key,
                                     std::initializer_list<std::string_view> value) {
  SIGHTLINE_CHECK(!is_read(family) && value.size() <= kMaxParts);
  std::array<rocksdb::Slice, kMaxParts> parts;
  std::transform(value.begin(), value.end(), parts.begin(), RocksDatabase::slice);
  const rocksdb::Slice whole_key = RocksDatabase::slice(key);
  const rocksdb::Status status =
      batch_.Put(database_.family(family), rocksdb::SliceParts(&whole_key, 1),
                 rocksdb::SliceParts(parts.data(), static_cast<int>(value.size())));
  if (!status.ok()) return database_.status_of(status);
  return {};
}

Result<void> IndexedBatch::erase(Family family, std::string_view key) {
  const rocksdb::Status status = batch_.Delete(database_.family(family), RocksDatabase::slice(key));
  if (!status.ok()) return database_.status_of(status);
  if (is_read(family)) note(family, key, {Place::Kind::kErased});
  return {};
}

void IndexedBatch::mark() {
  batch_.SetSavePoint();
  before_.clear();
}

Result<void> IndexedBatch::roll_back() {
  for (auto entry = before_.rbegin(); entry != before_.rend(); ++entry)
    *entry->first = entry->second;
  before_.clear();
  const rocksdb::Status undone = batch_.RollbackToSavePoint();
  if (!undone.ok()) return database_.status_of(undone);
  return {};
}

void IndexedBatch::keep() {
  before_.clear();
  // There is one: mark() set it.
  SIGHTLINE_CHECK(batch_.PopSavePoint().ok());
}

void IndexedBatch::clear() {
  batch_.Clear();
  places_.clear();
  before_.clear();
}

}  // namespace sightline::storage
