#include "pipeline/data_folder.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "core/checksum.h"
#include "core/log.h"
#include "core/mutex.h"
#include "index/kernels/kernels.h"
#include "pipeline/collection_archive.h"
#include "pipeline/internal/collection_config.h"
#include "pipeline/internal/collection_verify.h"
#include "pipeline/internal/files.h"
#include "pipeline/internal/memory_budget.h"
#include "pipeline/local_store.h"
#include "storage/catalog.h"
#include "storage/data_lock.h"

namespace sightline::pipeline {
namespace {

constexpr std::string_view kRepairHint = "; \"sightline collection repair ";

constexpr std::size_t kMaxNameBytes = 255;
constexpr std::string_view kForbidden = "<>:\"/\\|?*";
// Beside the collections, while one is taken apart; not valid as a collection name.
constexpr std::string_view kTrashPrefix = "trash:";

class LocalDataFolder final : public DataFolder {
 public:
  LocalDataFolder(std::filesystem::path path, Access access, StoreOptions options,
                  ComputePool& pool)
      : path_(std::move(path)),
        access_(access),
        options_(std::move(options)),
        pool_(pool),
        budget_(storage::SharedBudget::create(
            {options_.cache_bytes, options_.memtable_bytes, options_.background_rate_bytes})),
        // Memtables are charged to the cache.
        memory_(std::make_shared<MemoryBudget>(
            options_.index_memory_bytes, std::max(options_.cache_bytes, options_.memtable_bytes))) {
  }

  Result<void> open() {
    std::error_code error;
    if (std::filesystem::exists(path_, error) && !std::filesystem::is_directory(path_, error))
      return invalid_argument(path_.string() + " is a file; a data folder is wanted");
    if (access_ == Access::kWrite) {
      SIGHTLINE_TRY_DO(make_folders(path_));
      SIGHTLINE_TRY(lock_, storage::DataLock::acquire(path_, options_.owner));
      SIGHTLINE_TRY_DO(make_folders(path_ / "collections"));
      SIGHTLINE_TRY(catalog_,
                    storage::Catalog::open(path_ / "catalog", storage::OpenMode::kCreate, budget_));
      return tidy_up();
    }
    if (!std::filesystem::is_directory(path_, error))
      return not_found("there is no data folder " + path_.string());
    auto catalog = storage::Catalog::open(path_ / "catalog", storage::OpenMode::kRead, budget_);
    if (!catalog && catalog.error().code == StatusCode::kNotFound)
      return not_found(path_.string() + " is no data folder of sightline (it has no catalog)");
    SIGHTLINE_TRY(catalog_, std::move(catalog));
    return {};
  }

  const std::filesystem::path& path() const override { return path_; }

  std::filesystem::path collection_folder(std::string_view name) const override {
    return path_ / "collections" / std::string(name);
  }

  Result<std::vector<std::string>> list_collections() const override {
    const MutexLock lock(mutex_);
    SIGHTLINE_TRY_DO(catalog_->catch_up());
    return catalog_->collections();
  }

  Result<std::shared_ptr<CollectionStore>> create_collection(
      std::string_view name, const CollectionConfig& config) override {
    SIGHTLINE_TRY_DO(must_write("create"));
    SIGHTLINE_TRY_DO(validate_collection_name(name));
    SIGHTLINE_TRY_DO(validate_config(config));
    const MutexLock changing(change_mutex_);
    SIGHTLINE_TRY_DO(must_be_new(name));
    SIGHTLINE_TRY_DO(catalog_->mark_incomplete(name));
    auto made = make_store(name, config);
    if (!made) {
      give_up(name);
      return std::move(made).error();
    }
    SIGHTLINE_TRY_DO(catalog_->add(name));
    keep(name, *made);
    return std::shared_ptr<CollectionStore>(*std::move(made));
  }

  Result<std::shared_ptr<CollectionStore>> open_collection(std::string_view name) override {
    SIGHTLINE_TRY_DO(validate_collection_name(name));
    {
      // Who asks for an open collection waits for no other to be opened, made or removed.
      const MutexLock lock(mutex_);
      SIGHTLINE_TRY(const std::string collection, resolve(name));
      if (auto store = find_open(collection)) return std::shared_ptr<CollectionStore>(store);
      SIGHTLINE_TRY_DO(must_exist(collection));
    }
    const MutexLock changing(change_mutex_);
    SIGHTLINE_TRY(const std::string collection, resolve_now(name));
    SIGHTLINE_TRY(auto store, find_or_open(collection));
    return std::shared_ptr<CollectionStore>(std::move(store));
  }

  Result<bool> delete_collection(std::string_view name) override {
    SIGHTLINE_TRY_DO(must_write("delete"));
    SIGHTLINE_TRY_DO(validate_collection_name(name));
    const MutexLock changing(change_mutex_);
    SIGHTLINE_TRY(const bool exists, catalog_->contains(name));
    if (!exists) return false;
    SIGHTLINE_TRY_DO(catalog_->mark_incomplete(name));
    close_open(name);
    SIGHTLINE_TRY_DO(finish_removal(name));
    return true;
  }

  Result<void> change_aliases(std::span<const AliasAction> actions) override {
    if (access_ != Access::kWrite)
      return failed_precondition("cannot change aliases: " + path_.string() +
                                 " was opened for reading");
    const MutexLock changing(change_mutex_);
    SIGHTLINE_TRY(auto aliases, catalog_->aliases());
    for (const AliasAction& action : actions) {
      if (const auto* create = std::get_if<CreateAlias>(&action)) {
        SIGHTLINE_TRY_DO(must_exist_now(create->collection));
        SIGHTLINE_TRY_DO(must_be_free(create->alias));
        aliases[create->alias] = create->collection;
      } else if (const auto* remove = std::get_if<DeleteAlias>(&action)) {
        aliases.erase(remove->alias);
      } else {
        const auto& rename = std::get<RenameAlias>(action);
        SIGHTLINE_TRY_DO(must_be_free(rename.to));
        auto moved = aliases.extract(rename.from);
        if (!moved) return not_found("Alias " + rename.from + " does not exists!");
        aliases[rename.to] = std::move(moved.mapped());
      }
    }
    return catalog_->put_aliases(aliases);
  }

  Result<std::vector<CollectionAlias>> list_aliases() const override {
    const MutexLock lock(mutex_);
    SIGHTLINE_TRY_DO(catalog_->catch_up());
    SIGHTLINE_TRY(const auto aliases, catalog_->aliases());
    std::vector<CollectionAlias> list;
    for (const auto& [alias, collection] : aliases) list.push_back({alias, collection});
    return list;
  }

  Result<std::string> resolve_collection(std::string_view name) const override {
    SIGHTLINE_TRY_DO(validate_collection_name(name));
    const MutexLock lock(mutex_);
    SIGHTLINE_TRY(std::string collection, resolve(name));
    SIGHTLINE_TRY_DO(must_exist(collection));
    return collection;
  }

  Result<Json> snapshot_collection(std::string_view name, const std::filesystem::path& tar,
                                   const std::function<void(double share)>& progress,
                                   const Deadline& deadline) override {
    SIGHTLINE_TRY_DO(must_write("take a snapshot of"));
    SIGHTLINE_TRY_DO(validate_collection_name(name));
    std::shared_ptr<LocalStore> store;
    std::string own_name;
    {
      const MutexLock changing(change_mutex_);
      SIGHTLINE_TRY(own_name, resolve_now(name));
      SIGHTLINE_TRY(store, find_or_open(own_name));
    }
    const MutexLock one_at_a_time(snapshot_mutex_);
    const auto staging = collection_folder(own_name) / kSnapshotFolder;
    SIGHTLINE_TRY_DO(remove_folder(staging));
    auto about = store->copy_to(staging, deadline);
    auto manifest =
        about ? write_archive(staging, tar, *about, progress, deadline) : std::move(about);
    if (const auto removed = remove_folder(staging); !removed)
      log_warning("storage", removed.error().message);
    return manifest;
  }

  Result<Json> restore_collection(std::string_view name, const std::filesystem::path& tar,
                                  const std::function<void(double share)>& progress,
                                  const Deadline& deadline) override {
    SIGHTLINE_TRY_DO(must_write("restore"));
    SIGHTLINE_TRY_DO(validate_collection_name(name));
    {
      const MutexLock changing(change_mutex_);
      SIGHTLINE_TRY_DO(must_be_new(name));
      SIGHTLINE_TRY_DO(catalog_->mark_incomplete(name));
      restoring_.emplace(name);
    }
    auto manifest = extract_collection(name, tar, progress, deadline);
    const MutexLock changing(change_mutex_);
    restoring_.erase(std::string(name));
    // A tar of ours that holds something else is found by opening it.
    const auto opened =
        manifest ? open_store(name) : Result<std::shared_ptr<LocalStore>>(manifest.error());
    if (!opened) {
      give_up(name);
      // What is wrong with the tar names it. What it held is gone again: nothing is to be repaired.
      Status told = opened.error();
      told.message.resize(std::min(told.message.find(kRepairHint), told.message.size()));
      return manifest ? told.with_context(tar.string() + ": what it holds cannot be used") : told;
    }
    SIGHTLINE_TRY_DO(catalog_->add(name));
    keep(name, *opened);
    return manifest;
  }

  Result<std::vector<std::string>> verify_collection(std::string_view name,
                                                     const Deadline& deadline) override {
    SIGHTLINE_TRY(const std::string own_name, resolve_collection(name));
    return pipeline::verify_collection(collection_folder(own_name), budget_, deadline);
  }

  Result<std::vector<std::string>> repair_collection(std::string_view name) override {
    SIGHTLINE_TRY_DO(must_write("repair"));
    SIGHTLINE_TRY_DO(validate_collection_name(name));
    const MutexLock changing(change_mutex_);
    SIGHTLINE_TRY(const std::string own_name, resolve_now(name));
    SIGHTLINE_TRY_DO(must_exist_now(own_name));
    close_open(own_name);
    return pipeline::repair_collection(collection_folder(own_name), budget_);
  }

 private:
  std::filesystem::path trash_folder(std::string_view name) const {
    // A checksum stands for the name, which may be as long as a file name can be.
    return path_ / "collections" / (std::string(kTrashPrefix) + std::to_string(checksum64(name)));
  }

  Result<void> must_write(std::string_view action) const {
    if (access_ == Access::kWrite) return {};
    return failed_precondition("cannot " + std::string(action) +
                               " a collection: " + path_.string() + " was opened for reading");
  }

  Result<void> must_be_new(std::string_view name) REQUIRES(change_mutex_) {
    SIGHTLINE_TRY(const bool exists, catalog_->contains(name));
    if (!exists && !restoring_.contains(name)) {
      SIGHTLINE_TRY(const auto aliases, catalog_->aliases());
      const auto alias = aliases.find(std::string(name));
      if (alias == aliases.end()) return {};
      return invalid_argument("a collection cannot be named \"" + std::string(name) +
                              "\": that is an alias of \"" + alias->second + "\"");
    }
    return Status{StatusCode::kAlreadyExists,
                  "collection \"" + std::string(name) + "\" exists already"};
  }

  /// For an alias.
  Result<void> must_be_free(std::string_view name) REQUIRES(change_mutex_) {
    if (const auto valid = validate_collection_name(name); !valid)
      return valid.error().with_context("alias");
    SIGHTLINE_TRY(const bool exists, catalog_->contains(name));
    if (!exists && !restoring_.contains(name)) return {};
    return invalid_argument("an alias cannot be named \"" + std::string(name) +
                            "\": there is a collection of that name");
  }

  /// The name of the collection that `name` stands for, or `name`.
  Result<std::string> resolve(std::string_view name) const REQUIRES(mutex_) {
    SIGHTLINE_TRY(bool exists, catalog_->contains(name));
    if (exists) return std::string(name);
    SIGHTLINE_TRY_DO(catalog_->catch_up());
    SIGHTLINE_TRY(exists, catalog_->contains(name));
    SIGHTLINE_TRY(const auto aliases, catalog_->aliases());
    const auto alias = aliases.find(std::string(name));
    return exists || alias == aliases.end() ? std::string(name) : alias->second;
  }

  Result<std::string> resolve_now(std::string_view name) const {
    const MutexLock lock(mutex_);
    return resolve(name);
  }

  /// Of a collection that could not be made.
  void give_up(std::string_view name) REQUIRES(change_mutex_) {
    const auto removed = finish_removal(name);
    if (!removed) log_warning("storage", removed.error().message);
  }

  Result<Json> extract_collection(std::string_view name, const std::filesystem::path& tar,
                                  const std::function<void(double share)>& progress,
                                  const Deadline& deadline) const {
    const auto folder = collection_folder(name);
    SIGHTLINE_TRY_DO(remove_folder(folder));
    SIGHTLINE_TRY(Json manifest, extract_archive(tar, folder, progress, deadline));
    SIGHTLINE_TRY_DO(sync_folder(folder.parent_path()));
    return manifest;
  }

  Result<std::shared_ptr<LocalStore>> make_store(std::string_view name,
                                                 const CollectionConfig& config)
      REQUIRES(change_mutex_) {
    const auto folder = collection_folder(name);
    SIGHTLINE_TRY_DO(remove_folder(folder));
    SIGHTLINE_TRY_DO(make_folders(folder));
    SIGHTLINE_TRY_DO(sync_folder(folder.parent_path()));
    SIGHTLINE_TRY(auto db,
                  storage::CollectionDb::create(folder / "db", config_to_json(config), budget_));
    SIGHTLINE_TRY_DO(sync_folder(folder));
    return adopt_store(name, std::move(db));
  }

  Result<std::shared_ptr<LocalStore>> open_store(std::string_view name) REQUIRES(change_mutex_) {
    SIGHTLINE_TRY(auto db, opener(name)());
    return adopt_store(name, std::move(db));
  }

  /// The store of an open collection, or null.
  std::shared_ptr<LocalStore> find_open(std::string_view name) REQUIRES(mutex_) {
    const auto known = open_.find(name);
    return known == open_.end() ? nullptr : known->second.lock();
  }

  Result<std::shared_ptr<LocalStore>> find_or_open(std::string_view name) REQUIRES(change_mutex_) {
    {
      const MutexLock lock(mutex_);
      if (auto store = find_open(name)) return store;
      SIGHTLINE_TRY_DO(must_exist(name));
    }
    SIGHTLINE_TRY(auto store, open_store(name));
    keep(name, store);
    return store;
  }

  Result<void> must_exist_now(std::string_view name) const {
    const MutexLock lock(mutex_);
    return must_exist(name);
  }

  Result<void> must_exist(std::string_view name) const REQUIRES(mutex_) {
    SIGHTLINE_TRY_DO(catalog_->catch_up());
    SIGHTLINE_TRY(const bool exists, catalog_->contains(name));
    if (exists) return {};
    SIGHTLINE_TRY(const auto names, catalog_->collections());
    std::string message =
        "there is no collection \"" + std::string(name) + "\" in " + path_.string();
    for (std::size_t i = 0; i < names.size(); ++i)
      message += (i == 0 ? "; it holds \"" : ", \"") + names[i] + "\"";
    return not_found(names.empty() ? message + "; it holds none yet" : message);
  }

  Result<std::shared_ptr<LocalStore>> adopt_store(std::string_view name,
                                                  std::unique_ptr<storage::CollectionDb> db)
      REQUIRES(change_mutex_) {
    SIGHTLINE_TRY(std::shared_ptr<LocalStore> store,
                  LocalStore::open(
                      {std::string(name), collection_folder(name), opener(name), options_, memory_},
                      std::move(db), pool_));
    return store;
  }

  /// From here on others find it.
  void keep(std::string_view name, const std::shared_ptr<LocalStore>& store)
      REQUIRES(change_mutex_) {
    const MutexLock lock(mutex_);
    open_[std::string(name)] = store;
    if (options_.keep_open) kept_[std::string(name)] = store;
  }

  void close_open(std::string_view name) REQUIRES(change_mutex_) {
    std::shared_ptr<LocalStore> store;
    {
      const MutexLock lock(mutex_);
      store = find_open(name);
      open_.erase(std::string(name));
      kept_.erase(std::string(name));
    }
    if (store) store->close();
  }

  std::function<Result<std::unique_ptr<storage::CollectionDb>>()> opener(
      std::string_view name) const {
    return
        [name = std::string(name), path = collection_folder(name) / "db", budget = budget_,
         mode = access_ == Access::kWrite ? storage::OpenMode::kWrite : storage::OpenMode::kRead]()
            -> Result<std::unique_ptr<storage::CollectionDb>> {
          auto db = storage::CollectionDb::open(path, mode, budget);
          if (db || db.error().code != StatusCode::kCorruption) return db;
          return corruption(db.error().message + std::string(kRepairHint) + name +
                            "\" makes it usable again and lists what is lost");
        };
  }

  Result<void> finish_removal(std::string_view name) {
    const auto trash = trash_folder(name);
    SIGHTLINE_TRY_DO(remove_folder(trash));
    std::error_code ignored;
    if (std::filesystem::exists(collection_folder(name), ignored))
      SIGHTLINE_TRY_DO(rename_folder(collection_folder(name), trash));
    SIGHTLINE_TRY_DO(catalog_->forget(name));
    return remove_folder(trash);
  }

  /// What a crash left: folders of collections that were being made or removed. A folder that the
  /// catalog does not know was put there by hand, or the catalog is lost: it is listed again. A
  /// collection whose folder is gone stays listed: opening it says so.
  Result<void> tidy_up() {
    SIGHTLINE_TRY(const auto incomplete, catalog_->incomplete());
    for (const std::string& name : incomplete) SIGHTLINE_TRY_DO(finish_removal(name));
    std::vector<std::filesystem::path> folders;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(path_ / "collections", error)) {
      folders.push_back(entry.path());
    }
    if (error) return storage::system_error(error.value(), path_ / "collections", "list");
    for (const auto& folder : folders) {
      const std::string name = folder.filename().string();
      if (name.starts_with(kTrashPrefix)) {
        SIGHTLINE_TRY_DO(remove_folder(folder));
        continue;
      }
      SIGHTLINE_TRY(const bool known, catalog_->contains(name));
      if (!known && validate_collection_name(name) &&
          std::filesystem::exists(folder / "db" / "CURRENT", error)) {
        log_info("storage", "adopting collection \"" + name + "\", which the catalog did not list");
        SIGHTLINE_TRY_DO(catalog_->add(name));
      }
    }
    return {};
  }

  const std::filesystem::path path_;
  const Access access_;
  const StoreOptions options_;
  ComputePool& pool_;
  std::unique_ptr<storage::DataLock> lock_;
  std::shared_ptr<storage::SharedBudget> budget_;
  std::shared_ptr<MemoryBudget> memory_;
  std::unique_ptr<storage::Catalog> catalog_;
  Mutex snapshot_mutex_;  // held while one is taken
  Mutex change_mutex_;    // held while a collection is opened, made or removed; before mutex_
  mutable Mutex mutex_;   // held for a look only, as well while the catalog catches up
  std::map<std::string, std::weak_ptr<LocalStore>, std::less<>> open_ GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<LocalStore>, std::less<>> kept_ GUARDED_BY(mutex_);
  std::set<std::string, std::less<>> restoring_ GUARDED_BY(change_mutex_);
};

}  // namespace

Result<void> validate_collection_name(std::string_view name) {
  const auto rule = [&](const std::string& what) {
    return invalid_argument("collection name \"" + std::string(name) + "\" " + what);
  };
  if (name.empty()) return rule("is empty; it must have 1..255 bytes");
  if (name.size() > kMaxNameBytes)
    return rule("has " + std::to_string(name.size()) + " bytes; it must have 1..255");
  if (name == "." || name == "..") return rule("is not allowed");
  if (!is_utf8(name)) return rule("is not UTF-8");
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || kForbidden.find(c) != std::string_view::npos)
      return rule("may not hold control characters or any of " + std::string(kForbidden));
  }
  return {};
}

Result<std::unique_ptr<DataFolder>> DataFolder::open(const std::filesystem::path& path,
                                                     Access access, const StoreOptions& options,
                                                     ComputePool& pool) {
  SIGHTLINE_TRY_DO(index::kernels_from_environment());
  std::error_code error;
  auto absolute = std::filesystem::absolute(path, error);
  if (error) absolute = path;
  auto folder = std::make_unique<LocalDataFolder>(absolute, access, options, pool);
  SIGHTLINE_TRY_DO(folder->open());
  return std::unique_ptr<DataFolder>(std::move(folder));
}

}  // namespace sightline::pipeline
