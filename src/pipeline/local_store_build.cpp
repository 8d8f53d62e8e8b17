#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

#include "core/log.h"
#include "pipeline/internal/collection_config.h"
#include "pipeline/internal/files.h"
#include "pipeline/local_store.h"

namespace sightline::pipeline {
namespace {

constexpr std::chrono::milliseconds kRelayPause{20};
// Of builds beside searches: about a thirtieth of a core that others want, all of it otherwise.
constexpr int kAsideNice = 15;
// An optimise takes one or two steps for a vector name, more where bulk loads left many shards.
constexpr int kMaxStepsPerName = 100;
// Rows that are read between two looks at the clock.
constexpr std::size_t kRowsAtOnce = 4096;

/// A deadline that is called off when `outer` is, or when `keeper` is being stopped.
class StopRelay {
 public:
  StopRelay(const Deadline& outer, const ShardKeeper& keeper)
      : thread_([this, outer, &keeper](std::stop_token done) {
          std::unique_lock lock(mutex_);
          while (!done.stop_requested()) {
            if (outer.stop_requested() || outer.passed() || keeper.is_stopping())
              stop_.request_stop();
            wake_.wait_for(lock, done, kRelayPause, [] { return false; });
          }
        }) {}
  Deadline deadline() const { return Deadline::never().with_stop(stop_.get_token()); }

 private:
  std::stop_source stop_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;  // the last: it uses the rest
};

/// The rows of several shards, ascending by slot.
std::vector<index::RowRef> merged(std::vector<std::vector<index::RowRef>> parts) {
  std::vector<index::RowRef> rows;
  std::size_t total = 0;
  for (const auto& part : parts) total += part.size();
  rows.reserve(total);
  for (auto& part : parts) {
    rows.insert(rows.end(), part.begin(), part.end());
    part = {};
  }
  if (parts.size() > 1) {
    std::sort(rows.begin(), rows.end(),
              [](const index::RowRef& a, const index::RowRef& b) { return a.slot < b.slot; });
  }
  return rows;
}

/// Runs `work` on a thread of its own, to which the system gives what others leave. (A thread may
/// not take its priority back, and one that holds a lock must not wait for its turn: so it is made
/// for this work alone.)
Result<void> run_aside(const std::function<Result<void>()>& work) {
  auto done = std::async(std::launch::async, [&] {
    // Of this thread, on Linux.
    if (getpriority(PRIO_PROCESS, 0) < kAsideNice && setpriority(PRIO_PROCESS, 0, kAsideNice) != 0)
      log_warning("index", std::string("builds compete with searches: ") + std::strerror(errno));
    return work();
  });
  return done.get();
}

std::uint64_t num_rows(const ShardBuild& build) {
  std::uint64_t total = 0;
  for (const auto& rows : build.rows) total += rows.size();
  return total;
}

}  // namespace

// --- building shards -----------------------------------------------------------------------------

Result<bool> LocalStore::build_in_background(Activity activity, const Deadline& deadline) {
  const Planner planner = [&](const std::string&, const ShardsState& state) {
    return plan_background(state, activity, setup_.options.sealing);
  };
  SIGHTLINE_TRY(const auto done,
                build_step(planner, BuildEffort::kBesideSearches, nullptr, deadline));
  return done.has_value();
}

Result<std::optional<OptimizeSummary>> LocalStore::build_step(const Planner& planner,
                                                              BuildEffort effort,
                                                              const BuildProgress& progress,
                                                              const Deadline& deadline) {
  double target_recall = 0;
  SIGHTLINE_TRY(auto build, choose_build(planner, target_recall));
  if (!build) return std::optional<OptimizeSummary>();
  struct EndBuild {
    LocalStore& store;
    ~EndBuild() {
      const auto pass = store.gate_.enter();
      const Turn turn(store);
      store.index_->end_build();
    }
  } const end_build{*this};
  SIGHTLINE_TRY(auto fresh, build_files(*build, effort, target_recall, progress, deadline));
  SIGHTLINE_TRY(const OptimizeSummary summary, put_in_place(*build, std::move(fresh)));
  return std::optional<OptimizeSummary>(summary);
}

Result<std::optional<ShardBuild>> LocalStore::choose_build(const Planner& planner,
                                                           double& target_recall) {
  const auto open = begin_read();
  if (!open || must_reopen_) return std::optional<ShardBuild>();
  const Turn turn(*this);
  SIGHTLINE_TRY_DO(catch_up_index());
  for (const auto& [name, config] : config_->vectors) {
    if (config.kind != VectorKind::kDense) continue;
    const std::uint64_t limit = setup_.memory->limit();
    const auto plan = planner(name, index_->state(name, config, limit));
    if (!plan) continue;
    target_recall = config.target_recall;
    ShardBuild build = index_->begin_build(name, *plan);
    // Making full growing shards Flat gives memory back.
    const bool only_seals = plan->sealed.empty() && plan->spec.type == index::ShardType::kFlat;
    const auto fits = only_seals ? Result<void>()
                                 : setup_.memory->check(
                                       build_memory_bytes(build.spec, num_rows(build), build.dim),
                                       "building " + index::to_string(build.spec) + " of " +
                                           std::to_string(num_rows(build)) + " rows");
    if (!fits) {
      index_->end_build();
      return fits.error();
    }
    return std::optional<ShardBuild>(std::move(build));
  }
  return std::optional<ShardBuild>();
}

Result<std::shared_ptr<index::SealedShard>> LocalStore::build_files(const ShardBuild& build,
                                                                    BuildEffort effort,
                                                                    double target_recall,
                                                                    const BuildProgress& progress,
                                                                    const Deadline& deadline) {
  std::vector<index::RowRef> rows = merged(build.rows);
  if (rows.empty()) return std::shared_ptr<index::SealedShard>();
  std::error_code error;
  if (!std::filesystem::exists(shards_folder(), error)) {
    SIGHTLINE_TRY_DO(make_folders(shards_folder()));
    SIGHTLINE_TRY_DO(sync_folder(setup_.folder));
  }
  index::BuildOptions options;
  options.dim = build.dim;
  options.distance = build.distance;
  options.spec = build.spec;
  options.target_recall = target_recall;
  if (progress) {
    options.progress = [&](double share, const char* stage) { progress(share, stage); };
  }
  const auto folder = shards_folder() / build.folder;
  const auto work = [&](ComputePool* pool) -> Result<void> {
    SIGHTLINE_TRY(const auto spool, spool_rounded(build, rows, progress, deadline));
    return rows.empty() ? Result<void>()
                        : index::build_shard(folder, rows, options, pool, deadline);
  };
  if (effort == BuildEffort::kAllCores) {
    SIGHTLINE_TRY_DO(work(&pool_));
  } else {
    SIGHTLINE_TRY_DO(run_aside([&] { return work(nullptr); }));
  }
  if (rows.empty()) return std::shared_ptr<index::SealedShard>();
  index::OpenShardOptions open_options;
  open_options.dim = build.dim;
  open_options.distance = build.distance;
  return index::SealedShard::open(folder, open_options);
}

/// Rows that a shard holds rounded are made anew from the truth: `values` of `rows` lead there, as
/// long as what is returned lives (null: there are none). Those that have ended meanwhile go.
Result<std::unique_ptr<index::RowSpool>> LocalStore::spool_rounded(const ShardBuild& build,
                                                                   std::vector<index::RowRef>& rows,
                                                                   const BuildProgress& progress,
                                                                   const Deadline& deadline) const {
  std::vector<index::Slot> slots;
  for (const index::RowRef& row : rows) {
    if (row.values == nullptr) slots.push_back(row.slot);
  }
  if (slots.empty()) return std::unique_ptr<index::RowSpool>();
  if (progress) progress(0, "reading rows");
  SIGHTLINE_TRY(const Reading at, begin_read());
  SIGHTLINE_TRY(auto spool,
                index::RowSpool::create(shards_folder() / (build.folder + ".rows.tmp"), build.dim));
  std::vector<bool> has_ended(slots.size());
  std::size_t num_read = 0;
  Result<void> failure;
  auto expected = rows.begin();
  const auto take = [&](index::Slot slot, const Result<storage::VectorRow>& row) {
    const std::size_t number = num_read++;
    if (!failure) return;
    while (expected->slot != slot) ++expected;
    if (row && row->version == expected->version && row->values.size() == build.dim) {
      failure = spool->append(row->values);
      return;
    }
    const auto ended = row_has_ended(*at.view, build.vector_name, *expected);
    if (ended && *ended) {
      has_ended[number] = true;
    } else if (!ended || !row) {
      failure = !ended ? ended.error() : row.error();
    } else {
      failure = corruption(shown_name() + ": the vector of slot " + std::to_string(slot) +
                           " is not that of its record");
    }
  };
  for (std::size_t first = 0; first < slots.size(); first += kRowsAtOnce) {
    SIGHTLINE_TRY_DO(deadline.check("reading rows"));
    const auto block = std::span<const index::Slot>(slots).subspan(
        first, std::min(kRowsAtOnce, slots.size() - first));
    SIGHTLINE_TRY_DO(db_->visit_vectors(*at->snapshot, build.vector_name, block, take));
    SIGHTLINE_TRY_DO(failure);
  }
  SIGHTLINE_TRY_DO(spool->finish());

  std::size_t number = 0, num_spooled = 0;
  std::erase_if(rows, [&](index::RowRef& row) {
    if (row.values != nullptr) return false;
    if (has_ended[number++]) return true;
    row.values = spool->row(num_spooled++);
    return false;
  });
  return spool;
}

/// Whether the point of the slot has gone, or has another vector now.
Result<bool> LocalStore::row_has_ended(const StoreView& at, const std::string& vector_name,
                                       const index::RowRef& row) const {
  SIGHTLINE_TRY(const auto record, db_->slot_record(*at.snapshot, row.slot));
  if (!record) return true;
  for (const auto& [name, version] : record->vectors) {
    if (name == vector_name) return version != row.version;
  }
  return true;
}

Result<OptimizeSummary> LocalStore::put_in_place(const ShardBuild& build,
                                                 std::shared_ptr<index::SealedShard> fresh) {
  OptimizeSummary summary;
  summary.num_built = fresh != nullptr ? 1 : 0;
  summary.num_rows = num_rows(build);
  std::vector<std::string> replaced;
  {
    SIGHTLINE_TRY(const Reading open, begin_read());
    const Turn turn(*this);
    SIGHTLINE_TRY_DO(catch_up_index());
    if (!index_->is_valid(build)) {
      remove_shard_folder(build.folder);
      return Status{StatusCode::kCancelled, shown_name() + " was loaded anew meanwhile"};
    }
    // Should this fail, it is open whether the shard is listed: the next opening finds out.
    if (auto stored = writer_->put_shards(index_->list_after(build, fresh.get())); !stored)
      return after_failure(std::move(stored).error());
    index_->finish_build(build, std::move(fresh), writer_->counters().commit);
    index_is_behind_ = true;
    SIGHTLINE_TRY_DO(publish());
    index_is_behind_ = false;
  }
  for (const auto& shard : build.inputs) {
    if (const auto* sealed = dynamic_cast<const index::SealedShard*>(shard.get())) {
      remove_shard_folder(sealed->folder().filename().string());
      ++summary.num_removed;
    }
  }
  return summary;
}

/// Under its name it is whole or not there, for readers that open it at this moment.
void LocalStore::remove_shard_folder(const std::string& name) const {
  const auto folder = shards_folder() / name;
  const auto dying = shards_folder() / (name + ".tmp");
  std::error_code error;
  std::filesystem::rename(folder, dying, error);
  if (!error) std::filesystem::remove_all(dying, error);
  if (error && error != std::errc::no_such_file_or_directory)
    log_warning("index", "cannot remove " + folder.string() + ": " + error.message());
}

Result<OptimizeSummary> LocalStore::optimize(const OptimizeOptions& options, Deadline deadline) {
  std::vector<std::string> names;
  {
    SIGHTLINE_TRY(const Reading open, begin_change());
    for (const auto& [name, config] : open->config->vectors) names.push_back(name);
  }
  SIGHTLINE_TRY(const ShardKeeper::Pause pause, keeper_.pause(deadline));
  const StopRelay relay(deadline, keeper_);
  const BuildEffort effort =
      options.beside_searches ? BuildEffort::kBesideSearches : BuildEffort::kAllCores;
  // Shares of the whole: the slots first, then each vector name.
  const auto progress_of = [&](std::size_t part) -> BuildProgress {
    if (!options.progress) return nullptr;
    return [&, part](double share, std::string_view stage) {
      const auto num_parts = static_cast<double>(names.size() + 1);
      options.progress((static_cast<double>(part) + share) / num_parts, stage);
    };
  };
  OptimizeSummary total;
  auto moved = renumber_slots(options.force, effort, progress_of(0), relay.deadline());
  if (moved) {
    total.num_moved = *moved;
  } else if (moved.error().code == StatusCode::kCorruption) {
    // A damaged point stays where it is, and so do all.
    log_warning("storage", shown_name() + ": its slots stay as they are: " + moved.error().message);
  } else {
    SIGHTLINE_TRY_DO(deadline.check("optimising " + shown_name()));
    return std::move(moved).error();
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    const BuildProgress progress = progress_of(i + 1);
    std::optional<std::uint64_t> least_rows;
    for (int step = 0; step < kMaxStepsPerName; ++step) {
      const Planner planner = [&](const std::string& name,
                                  const ShardsState& state) -> std::optional<BuildPlan> {
        if (name != names[i]) return std::nullopt;
        least_rows = too_few_rows_for(state);
        if (step == 0 && options.force) return plan_rebuild(state);
        return plan_optimize(state, step == 0);
      };
      SIGHTLINE_TRY_DO(deadline.check("optimising " + shown_name()));
      auto done = build_step(planner, effort, progress, relay.deadline());
      if (!done) {
        SIGHTLINE_TRY_DO(deadline.check("optimising " + shown_name()));
        return std::move(done).error();
      }
      if (!*done) break;
      total.num_built += (*done)->num_built;
      total.num_removed += (*done)->num_removed;
      total.num_rows += (*done)->num_rows;
    }
    if (least_rows) {
      log_warning("index", shown_name() + ": " + view()->config->vectors.at(names[i]).index +
                               " takes " + std::to_string(*least_rows) +
                               " vectors; there are fewer, which are searched one by one");
    }
  }
  if (options.progress) options.progress(1, "done");
  return total;
}

// --- settings ------------------------------------------------------------------------------------

Result<void> LocalStore::set_index(std::string_view vector_name, std::string_view spec,
                                   double target_recall) {
  {
    SIGHTLINE_TRY(const Reading open, begin_change());
    const Turn turn(*this);
    SIGHTLINE_TRY_DO(catch_up_index());
    CollectionConfig config = *config_;
    const auto vector = config.vectors.find(std::string(vector_name));
    if (vector == config.vectors.end())
      return invalid_argument(shown_name() + " has no " + shown_vector_name(vector_name));
    vector->second.index = spec;
    vector->second.target_recall = target_recall;
    SIGHTLINE_TRY_DO(put_config(std::move(config)));
  }
  keeper_.note_write(0, false);
  return {};
}

/// In a Turn.
Result<void> LocalStore::put_config(CollectionConfig config) {
  SIGHTLINE_TRY_DO(validate_config(config));
  if (auto stored = writer_->put_config(config_to_json(config)); !stored)
    return after_failure(std::move(stored).error());
  config_ = std::make_shared<const CollectionConfig>(std::move(config));
  return publish();
}

Result<void> LocalStore::update_parameters(
    const std::function<Result<void>(CollectionConfig& config)>& edit) {
  SIGHTLINE_TRY(const Reading open, begin_change());
  const Turn turn(*this);
  SIGHTLINE_TRY_DO(catch_up_index());
  CollectionConfig config = *config_;
  SIGHTLINE_TRY_DO(edit(config));
  // What is left without parameters must be as it was.
  const auto rest = [](CollectionConfig bare) {
    bare.parameters = Json::object();
    for (auto& [name, vector] : bare.vectors) vector.parameters = Json::object();
    return config_to_json(bare);
  };
  if (rest(config) != rest(*config_))
    return invalid_argument("only the parameters of " + shown_name() + " can be changed");
  return put_config(std::move(config));
}

Result<void> LocalStore::create_payload_index(std::string_view field, FieldType type,
                                              const Json& parameters) {
  SIGHTLINE_TRY(const FieldPath path, FieldPath::parse(field));
  SIGHTLINE_TRY(const Reading open, begin_change());
  const Turn turn(*this);
  SIGHTLINE_TRY_DO(catch_up_index());
  if (auto stored = writer_->put_payload_index(path.text(), type, parameters); !stored)
    return after_failure(std::move(stored).error());
  index_is_behind_ = true;
  SIGHTLINE_TRY(const storage::SnapshotPtr snapshot, db_->snapshot());
  SIGHTLINE_TRY_DO(index_->add_payload_index(*db_, *snapshot, path.text(), type));
  SIGHTLINE_TRY_DO(publish());
  index_is_behind_ = false;
  return {};
}

Result<bool> LocalStore::drop_payload_index(std::string_view field) {
  SIGHTLINE_TRY(const FieldPath path, FieldPath::parse(field));
  SIGHTLINE_TRY(const Reading open, begin_change());
  const Turn turn(*this);
  SIGHTLINE_TRY_DO(catch_up_index());
  auto dropped = writer_->drop_payload_index(path.text());
  if (!dropped) return after_failure(std::move(dropped).error());
  if (*dropped) {
    index_->drop_payload_index(path.text());
    SIGHTLINE_TRY_DO(publish());
  }
  return *dropped;
}

// --- copies --------------------------------------------------------------------------------------

Result<Json> LocalStore::copy_to(const std::filesystem::path& folder, const Deadline& deadline) {
  // No shard is replaced while its files are linked.
  SIGHTLINE_TRY(const ShardKeeper::Pause pause, keeper_.pause(deadline));
  SIGHTLINE_TRY(const Reading open, begin_change());
  SIGHTLINE_TRY(const auto damages, db_->verify_files(*open->snapshot));
  if (!damages.empty()) {
    return corruption(shown_name() +
                      " is damaged and was not copied; \"collection repair\" mends " +
                      "it: " + damages.front());
  }
  SIGHTLINE_TRY_DO(make_folders(folder));
  const Turn turn(*this);
  SIGHTLINE_TRY_DO(catch_up_index());
  SIGHTLINE_TRY_DO(db_->checkpoint(folder / "db"));
  for (const std::string& name : index_->folders())
    SIGHTLINE_TRY_DO(link_folder(shards_folder() / name, folder / "shards" / name));
  std::error_code error;
  if (std::filesystem::exists(setup_.folder / "uploads", error))
    SIGHTLINE_TRY_DO(link_folder(setup_.folder / "uploads", folder / "uploads"));
  const storage::CollectionCounters& counters = writer_->counters();
  return Json{{"collection", setup_.name},
              {"commit", counters.commit},
              {"num_points", counters.num_points}};
}

}  // namespace sightline::pipeline
