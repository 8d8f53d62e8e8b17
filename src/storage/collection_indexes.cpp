// CollectionDb: definitions and entries of payload indexes.
#include <limits>
#include <utility>
#include <variant>

#include "storage/collection_db.h"
#include "storage/internal/index_keys.h"
#include "storage/internal/scan.h"

namespace sightline::storage {

Result<std::optional<Slot>> CollectionDb::find_content(const CollectionSnapshot& at,
                                                       std::string_view content_hash) const {
  std::optional<Slot> found;
  const std::string prefix = keyword_prefix(kContentHashField, content_hash);
  SIGHTLINE_TRY_DO(scan(*database_, kPayloadIndex, at, prefix, prefix, true,
                        [&](std::string_view key, std::string_view) -> Result<bool> {
                          SIGHTLINE_TRY(found, decode_slot(key.substr(prefix.size())));
                          return false;
                        }));
  return found;
}

Result<std::map<std::string, FieldType>> CollectionDb::payload_indexes(
    const CollectionSnapshot& at) const {
  SIGHTLINE_TRY(const auto all, definitions(at));
  std::map<std::string, FieldType> found;
  for (const auto& [field, definition] : all)
    if (definition.revision == kIndexRevision) found.emplace(field, definition.type);
  return found;
}

Result<std::map<std::string, IndexDefinition>> CollectionDb::definitions(
    const CollectionSnapshot& at) const {
  std::map<std::string, IndexDefinition> found;
  SIGHTLINE_TRY_DO(scan(*database_, kMeta, at, kPayloadIndexPrefix, kPayloadIndexPrefix, true,
                        [&](std::string_view key, std::string_view value) -> Result<bool> {
                          const auto field = key.substr(kPayloadIndexPrefix.size());
                          auto definition = decode_definition(value);
                          if (!definition) {
                            return corruption(database_->path().string() +
                                              ": the payload index of \"" + std::string(field) +
                                              "\": " + definition.error().message);
                          }
                          found.emplace(field, *std::move(definition));
                          return true;
                        }));
  return found;
}

Result<std::map<std::string, Json>> CollectionDb::payload_index_parameters(
    const CollectionSnapshot& at) const {
  SIGHTLINE_TRY(auto all, definitions(at));
  std::map<std::string, Json> found;
  for (auto& [field, definition] : all)
    if (!definition.parameters.is_null()) found.emplace(field, std::move(definition.parameters));
  return found;
}

Result<void> CollectionDb::visit_payload_index(
    const CollectionSnapshot& at, std::string_view field, FieldType type,
    const std::function<void(const IndexedValue&, Slot)>& visit) const {
  const std::string prefix = index_prefix(field, type);
  return scan(*database_, kPayloadIndex, at, prefix, prefix, false,
              [&](std::string_view key, std::string_view) -> Result<bool> {
                SIGHTLINE_TRY(const IndexEntry entry,
                              decode_index_entry(type, key.substr(prefix.size())));
                visit(entry.value, entry.slot);
                return true;
              });
}

Result<void> CollectionDb::visit_ordered(
    const CollectionSnapshot& at, std::string_view field, FieldType type, bool descending,
    const std::optional<IndexedValue>& from,
    const std::function<Result<bool>(const IndexedValue&, Slot)>& visit) const {
  const std::string prefix = index_prefix(field, type);
  rocksdb::ReadOptions options;
  options.snapshot = raw(at);
  options.total_order_seek = true;
  const std::unique_ptr<rocksdb::Iterator> entries(
      database_->handle()->NewIterator(options, database_->family(kPayloadIndex)));
  const std::string start = from ? prefix + encode_indexed(*from) : prefix;
  // Behind all entries of the value, or of the field.
  const std::string last =
      from ? start + encode_slot(std::numeric_limits<Slot>::max()) : end_of_prefix(prefix);
  descending ? entries->SeekForPrev(last) : entries->Seek(start);
  for (; entries->Valid(); descending ? entries->Prev() : entries->Next()) {
    const std::string_view key = RocksDatabase::view(entries->key());
    if (!key.starts_with(prefix)) break;
    SIGHTLINE_TRY(const IndexEntry entry, decode_index_entry(type, key.substr(prefix.size())));
    if (std::holds_alternative<OtherValue>(entry.value)) continue;
    SIGHTLINE_TRY(const bool go_on, visit(entry.value, entry.slot));
    if (!go_on) break;
  }
  if (!entries->status().ok()) return database_->status_of(entries->status());
  return {};
}

}  // namespace sightline::storage
