#include "storage/internal/table_salvage.h"

#include <rocksdb/sst_file_reader.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "storage/data_lock.h"

namespace sightline::storage {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> tables_in(const fs::path& folder) {
  std::vector<fs::path> tables;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.path().extension() == ".sst") tables.push_back(entry.path());
  std::sort(tables.begin(), tables.end());
  return tables;
}

/// null: it cannot be opened.
std::unique_ptr<rocksdb::SstFileReader> open_table(const fs::path& table, rocksdb::Env* env) {
  rocksdb::Options options;
  options.env = env;
  auto reader = std::make_unique<rocksdb::SstFileReader>(options);
  return reader->Open(table.string()).ok() ? std::move(reader) : nullptr;
}

/// The greatest number of a file ("000012.sst", "MANIFEST-000013").
std::uint64_t last_number(const fs::path& folder) {
  std::uint64_t last = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename();
    const std::size_t first = name.find_first_of("0123456789");
    std::uint64_t number = 0;
    if (first == std::string::npos) continue;
    std::from_chars(name.data() + first, name.data() + name.size(), number);
    last = std::max(last, number);
  }
  return last;
}

Result<void> checked(const std::error_code& error, const fs::path& path, std::string_view what) {
  if (error) return system_error(error.value(), path, what);
  return {};
}

/// Puts rows of one table where there is nothing newer.
class Salvage {
 public:
  Salvage(RocksDatabase& database, Family family) : database_(database), family_(family) {}

  Result<void> put(std::string_view key, std::string_view value) {
    const auto known = database_.get(family_, key);
    if (known && *known && !is_newer(value, **known)) return {};
    rocksdb::WriteOptions options;
    options.disableWAL = true;  // The copy goes.
    const rocksdb::Status status = database_.db().Put(
        options, database_.family(family_), RocksDatabase::slice(key), RocksDatabase::slice(value));
    if (!status.ok()) return database_.status_of(status);
    return {};
  }

 private:
  /// Rows of `vectors` and `slots` say of which commit they are.
  bool is_newer(std::string_view value, std::string_view known) const {
    const auto a = version_of(value), b = version_of(known);
    return a && (!b || *a > *b);
  }
  std::optional<Version> version_of(std::string_view value) const {
    if (family_ == kVectors) {
      const auto row = decode_vector(value);
      if (row) return row->version;
    } else if (family_ == kSlots) {
      const auto record = decode_slot_record(value);
      if (record) return record->version;
    }
    return std::nullopt;
  }

  RocksDatabase& database_;
  const Family family_;
};

/// Forward to the first damage, then backward from the end to the last one.
Result<std::optional<Hole>> salvage_table(rocksdb::SstFileReader& table, Family family,
                                          RocksDatabase& database) {
  Salvage salvage(database, family);
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> rows(table.NewIterator(options));
  Hole hole{family, std::nullopt, std::nullopt};
  for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
    SIGHTLINE_TRY_DO(
        salvage.put(RocksDatabase::view(rows->key()), RocksDatabase::view(rows->value())));
    hole.after = rows->key().ToString();
  }
  if (rows->status().ok()) return std::optional<Hole>();
  for (rows->SeekToLast(); rows->Valid(); rows->Prev()) {
    if (hole.after && rows->key().ToString() <= *hole.after) break;
    SIGHTLINE_TRY_DO(
        salvage.put(RocksDatabase::view(rows->key()), RocksDatabase::view(rows->value())));
    hole.before = rows->key().ToString();
  }
  return std::optional<Hole>(std::move(hole));
}

}  // namespace

Result<void> seed_young_families(const fs::path& folder,
                                 const std::shared_ptr<SharedBudget>& budget) {
  const auto families = collection_families();
  const fs::path seed = folder / "seed";
  std::error_code error;
  fs::remove_all(seed, error);
  SIGHTLINE_TRY(auto database, RocksDatabase::open(seed, OpenMode::kCreate, families, budget));
  std::map<std::string, std::uint64_t> numbers;
  for (const fs::path& table : tables_in(folder)) {
    const auto reader = open_table(table, database->env());
    if (!reader) continue;
    const auto facts = reader->GetTableProperties();
    numbers[facts->column_family_name] = facts->column_family_id;
  }
  std::vector<Family> young;
  for (std::size_t i = 0; i < families.size(); ++i) {
    const auto known = numbers.find(families[i].name);
    if (known == numbers.end()) {
      young.push_back(static_cast<Family>(i));
    } else if (known->second != database->family(i)->GetID()) {
      young.clear();  // Made by a program that numbered them in another way.
      break;
    }
  }
  // A family's first table is of the end of a row that never was.
  for (const Family family : young) {
    rocksdb::Status status =
        database->db().Delete(rocksdb::WriteOptions(), database->family(family), "");
    if (status.ok()) {
      status = database->db().Flush(rocksdb::FlushOptions(), database->family(family));
    }
    if (!status.ok()) return database->status_of(status);
  }
  database.reset();
  std::uint64_t number = last_number(folder);
  for (const fs::path& table : tables_in(seed)) {
    std::string name = std::to_string(++number);
    name.insert(0, name.size() < 6 ? 6 - name.size() : 0, '0');
    fs::rename(table, folder / (name + ".sst"), error);
    SIGHTLINE_TRY_DO(checked(error, table, "rename"));
  }
  fs::remove_all(seed, error);
  return {};
}

Result<std::vector<Hole>> salvage_tables(RocksDatabase& database,
                                         std::vector<std::string>& damages) {
  const auto families = collection_families();
  std::vector<Hole> holes;
  for (const fs::path& path : tables_in(database.path() / "lost")) {
    const auto table = open_table(path, database.env());
    const std::string name = table ? table->GetTableProperties()->column_family_name : "";
    const auto family = std::find_if(families.begin(), families.end(),
                                     [&](const ColumnFamily& f) { return f.name == name; });
    if (family == families.end()) {
      damages.push_back(path.filename().string() + ": cannot be read: all that it held is lost");
      for (std::size_t i = 0; i < families.size(); ++i)
        holes.push_back({static_cast<Family>(i), std::nullopt, std::nullopt});
      continue;
    }
    damages.push_back(path.filename().string() + ": a part of this table of `" + name +
                      "` cannot be read");
    SIGHTLINE_TRY(auto hole,
                  salvage_table(*table, static_cast<Family>(family - families.begin()), database));
    if (hole) holes.push_back(*std::move(hole));
  }
  return holes;
}

}  // namespace sightline::storage
