#include "storage/catalog.h"

#include "storage/internal/rocksdb_database.h"
#include "storage/records.h"

namespace sightline::storage {
namespace {

enum Family : std::size_t { kCollections, kMeta };
constexpr std::string_view kFormatKey = "format";
constexpr std::uint64_t kCatalogFormat = 2;
/// Followed by the alias; the value is the name of its collection.
constexpr std::string_view kAliasPrefix = "alias:";
// Values in `collections`.
constexpr std::string_view kPresent = "present";
constexpr std::string_view kIncomplete = "incomplete";

std::string alias_key(std::string_view alias) { return std::string(kAliasPrefix).append(alias); }

rocksdb::WriteOptions synced() {
  rocksdb::WriteOptions options;
  options.sync = true;
  return options;
}

}  // namespace

Catalog::Catalog(std::unique_ptr<RocksDatabase> database) : database_(std::move(database)) {}
Catalog::~Catalog() = default;

Result<std::unique_ptr<Catalog>> Catalog::open(const std::filesystem::path& folder, OpenMode mode,
                                               const std::shared_ptr<SharedBudget>& budget) {
  using Kind = ColumnFamily::Kind;
  SIGHTLINE_TRY(auto database,
                RocksDatabase::open(
                    folder, mode, {{"collections", Kind::kSmall}, {"meta", Kind::kSmall}}, budget));
  SIGHTLINE_TRY(const auto bytes, database->get(kMeta, kFormatKey));
  std::uint64_t format = 0;
  if (bytes) {
    SIGHTLINE_TRY(format, decode_number(*bytes));
    if (format > kCatalogFormat) {
      return failed_precondition(folder.string() + " has format " + std::to_string(format) +
                                 "; this program reads up to " + std::to_string(kCatalogFormat) +
                                 ": use a newer one");
    }
  }
  // Format 1 is format 2 without aliases.
  if (format < kCatalogFormat && mode != OpenMode::kRead) {
    const rocksdb::Status written =
        database->db().Put(synced(), database->family(kMeta), RocksDatabase::slice(kFormatKey),
                           encode_number(kCatalogFormat));
    if (!written.ok()) return database->status_of(written);
  }
  return std::unique_ptr<Catalog>(new Catalog(std::move(database)));
}

Result<std::vector<std::string>> Catalog::names(std::string_view state) const {
  std::vector<std::string> found;
  const std::unique_ptr<rocksdb::Iterator> rows(
      database_->handle()->NewIterator(rocksdb::ReadOptions(), database_->family(kCollections)));
  for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
    if (RocksDatabase::view(rows->value()) == state) found.push_back(rows->key().ToString());
  }
  if (!rows->status().ok()) return database_->status_of(rows->status());
  return found;
}

Result<std::vector<std::string>> Catalog::collections() const { return names(kPresent); }
Result<std::vector<std::string>> Catalog::incomplete() const { return names(kIncomplete); }

Result<bool> Catalog::contains(std::string_view name) const {
  SIGHTLINE_TRY(const auto entry, database_->get(kCollections, name));
  return entry == kPresent;
}

Result<void> Catalog::put(std::string_view name, std::string_view state) {
  const rocksdb::Status status =
      database_->db().Put(synced(), database_->family(kCollections), RocksDatabase::slice(name),
                          RocksDatabase::slice(state));
  if (!status.ok()) return database_->status_of(status);
  return {};
}

Result<void> Catalog::add(std::string_view name) { return put(name, kPresent); }
Result<void> Catalog::mark_incomplete(std::string_view name) { return put(name, kIncomplete); }

Result<void> Catalog::forget(std::string_view name) {
  SIGHTLINE_TRY(const auto all, aliases());
  rocksdb::WriteBatch batch;
  rocksdb::Status status =
      batch.Delete(database_->family(kCollections), RocksDatabase::slice(name));
  for (const auto& [alias, collection] : all) {
    if (status.ok() && collection == name)
      status = batch.Delete(database_->family(kMeta), alias_key(alias));
  }
  if (status.ok()) status = database_->db().Write(synced(), &batch);
  if (!status.ok()) return database_->status_of(status);
  return {};
}

Result<std::map<std::string, std::string>> Catalog::aliases() const {
  std::map<std::string, std::string> found;
  const std::unique_ptr<rocksdb::Iterator> rows(
      database_->handle()->NewIterator(rocksdb::ReadOptions(), database_->family(kMeta)));
  for (rows->Seek(RocksDatabase::slice(kAliasPrefix)); rows->Valid(); rows->Next()) {
    const std::string_view key = RocksDatabase::view(rows->key());
    if (!key.starts_with(kAliasPrefix)) break;
    found.emplace(key.substr(kAliasPrefix.size()), rows->value().ToString());
  }
  if (!rows->status().ok()) return database_->status_of(rows->status());
  return found;
}

Result<void> Catalog::put_aliases(const std::map<std::string, std::string>& wanted) {
  SIGHTLINE_TRY(const auto present, aliases());
  rocksdb::WriteBatch batch;
  rocksdb::Status status;
  for (const auto& [alias, collection] : present) {
    if (status.ok() && !wanted.contains(alias))
      status = batch.Delete(database_->family(kMeta), alias_key(alias));
  }
  for (const auto& [alias, collection] : wanted) {
    if (status.ok()) status = batch.Put(database_->family(kMeta), alias_key(alias), collection);
  }
  if (status.ok()) status = database_->db().Write(synced(), &batch);
  if (!status.ok()) return database_->status_of(status);
  return {};
}

Result<void> Catalog::catch_up() { return database_->catch_up(); }

}  // namespace sightline::storage
