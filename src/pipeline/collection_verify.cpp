#include "pipeline/internal/collection_verify.h"

#include <utility>

#include "index/sealed_shard.h"
#include "pipeline/internal/collection_config.h"
#include "pipeline/internal/files.h"
#include "pipeline/internal/local_index.h"
#include "storage/collection_db.h"

namespace sightline::pipeline {
namespace {

// How often the list of shards is read again because one of them was replaced meanwhile.
constexpr int kTries = 5;

struct ShardDamage {
  std::filesystem::path folder;
  Status status;
};

/// Of the shards that `db` lists at `at`.
Result<std::vector<ShardDamage>> damaged_shards(const storage::CollectionDb& db,
                                                const storage::CollectionSnapshot& at,
                                                const std::filesystem::path& folder,
                                                const Deadline& deadline) {
  std::vector<ShardDamage> damages;
  SIGHTLINE_TRY(const CollectionConfig config, config_from_json(db.config()));
  SIGHTLINE_TRY(const Json list, db.shards(at));
  try {
    const Json vectors = list.value("vectors", Json::object());
    for (const auto& [name, entries] : vectors.items()) {
      const auto vector = config.vectors.find(name);
      for (const Json& entry : entries) {
        SIGHTLINE_TRY_DO(deadline.check("verifying"));
        const auto number = entry.at("folder").get<std::string>();
        if (vector == config.vectors.end() || !is_shard_folder(number)) {
          damages.push_back({folder, corruption("the list of shards names \"" + number +
                                                "\" of vector \"" + name + "\"")});
          continue;
        }
        const auto shard_folder = folder / number;
        index::OpenShardOptions options;
        options.dim = vector->second.dim;
        options.distance = distance_of(vector->second.metric);
        auto shard = index::SealedShard::open(shard_folder, options);
        if (!shard) damages.push_back({shard_folder, std::move(shard).error()});
      }
    }
  } catch (const Json::exception& e) {
    damages.push_back(
        {folder, corruption(std::string("the list of shards is damaged: ") + e.what())});
  }
  return damages;
}

}  // namespace

Result<std::vector<std::string>> verify_collection(
    const std::filesystem::path& folder, const std::shared_ptr<storage::SharedBudget>& budget,
    const Deadline& deadline) {
  auto db = storage::CollectionDb::open(folder / "db", storage::OpenMode::kRead, budget);
  if (!db) {
    if (db.error().code != StatusCode::kCorruption) return std::move(db).error();
    return std::vector<std::string>{db.error().message};
  }
  SIGHTLINE_TRY(storage::SnapshotPtr at, (*db)->snapshot());
  SIGHTLINE_TRY(std::vector<std::string> lines, (*db)->verify(*at));
  for (int attempt = 1;; ++attempt) {
    SIGHTLINE_TRY(const auto damages, damaged_shards(**db, *at, folder / "shards", deadline));
    if (!damages.empty() && attempt < kTries) {
      const std::uint64_t before = at->counters().commit;
      SIGHTLINE_TRY_DO((*db)->catch_up());
      SIGHTLINE_TRY(at, (*db)->snapshot());
      if (at->counters().commit != before) continue;  // Perhaps a writer has replaced them.
    }
    for (const ShardDamage& damage : damages)
      lines.push_back("shards/" + damage.folder.filename().string() + ": " + damage.status.message);
    return lines;
  }
}

Result<std::vector<std::string>> repair_collection(
    const std::filesystem::path& folder, const std::shared_ptr<storage::SharedBudget>& budget) {
  SIGHTLINE_TRY(std::vector<std::string> lines,
                storage::CollectionDb::repair(folder / "db", budget));
  SIGHTLINE_TRY(const auto db,
                storage::CollectionDb::open(folder / "db", storage::OpenMode::kRead, budget));
  SIGHTLINE_TRY(const storage::SnapshotPtr at, db->snapshot());
  SIGHTLINE_TRY(const auto damages, damaged_shards(*db, *at, folder / "shards", Deadline::never()));
  // The next writer misses them and builds them anew.
  for (const ShardDamage& damage : damages) {
    if (is_shard_folder(damage.folder.filename().string()))
      SIGHTLINE_TRY_DO(remove_folder(damage.folder));
    lines.push_back("shards/" + damage.folder.filename().string() +
                    ": built anew from the database (" + damage.status.message + ")");
  }
  return lines;
}

}  // namespace sightline::pipeline
