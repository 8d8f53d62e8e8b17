// What searches see of a LocalIndex that is written to and whose shards are built meanwhile:
// without a database, so that the thread sanitizer can watch.
#include "pipeline/internal/local_index.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "index/shard_builder.h"
#include "tests/support/temp_dir.h"

namespace sightline::pipeline {
namespace {

constexpr std::size_t kDim = 4;
constexpr index::Slot kPoints = 20;

CollectionConfig config() {
  CollectionConfig config;
  config.vectors[""] = {kDim, Metric::kDot, {}};
  return config;
}
SealingOptions small_shards() {
  SealingOptions options;
  options.full_rows = 50;
  return options;
}

class LocalIndexTest : public testing::Test {
 protected:
  struct Moment {
    index::Version version = 0;
    IndexView view;
  };

  void publish(index::Version version) {
    Moment fresh{version, index_.view()};
    const std::lock_guard lock(moment_mutex_);
    moment_ = std::move(fresh);
  }
  Moment moment() {
    const std::lock_guard lock(moment_mutex_);
    return moment_;
  }

  storage::RowEffect effect(storage::RowEffect::Kind kind, index::Slot slot, index::Version version,
                            std::uint64_t id) const {
    storage::RowEffect effect;
    effect.kind = kind;
    effect.slot = slot;
    effect.version = version;
    effect.id = PointId(id);
    return effect;
  }
  /// Commit `version` writes that number into every point; every tenth replaces one by another,
  /// every fiftieth numbers the slots anew.
  void commit(index::Version version) {
    using Kind = storage::RowEffect::Kind;
    const std::lock_guard turn(turn_);
    std::vector<storage::RowEffect> effects;
    const auto write = [&](index::Slot slot, std::uint64_t id) {
      effects.push_back(effect(Kind::kPut, slot, version, id));
      effects.back().values = {static_cast<float>(version), 0, 0, 0};
      effects.push_back(effect(Kind::kPayload, slot, version, id));
    };
    const auto leave = [&](index::Slot slot, std::uint64_t id) {
      effects.push_back(effect(Kind::kRemove, slot, version, id));
      effects.push_back(effect(Kind::kGone, slot, version, id));
    };
    if (version % 10 == 0) {
      leave(slots_.begin()->second, slots_.begin()->first);
      slots_.erase(slots_.begin());
    }
    while (slots_.size() < kPoints) slots_[next_id_++] = next_slot_++;
    if (version % 50 == 0) {
      index_.apply(effects);
      effects.clear();
      for (const auto& [id, slot] : slots_) write(slot, id);
      index_.apply(effects);
      effects.clear();
      for (const auto& [id, from, to] : index_.plan_moves()) {
        ASSERT_EQ(std::exchange(slots_.at(id.number()), to), from);
        write(to, id.number());
        leave(from, id.number());
      }
      next_slot_ = kPoints;
    } else {
      for (const auto& [id, slot] : slots_) write(slot, id);
    }
    index_.apply(effects);
    if (version % 50 == 0) index_.renew_ids();
    committed_ = version;
    publish(version);
  }

  /// As LocalStore does it: short turns around a long build.
  void build(bool everything) {
    std::unique_lock turn(turn_);
    const ShardsState state = index_.state("", config().vectors[""], 0);
    const auto plan = everything ? plan_rebuild(state)
                                 : plan_background(state, Activity::kWriting, small_shards());
    if (!plan) return;
    const ShardBuild build = index_.begin_build("", *plan);
    turn.unlock();
    std::vector<index::RowRef> rows;
    for (const auto& part : build.rows) rows.insert(rows.end(), part.begin(), part.end());
    std::sort(rows.begin(), rows.end(),
              [](const auto& a, const auto& b) { return a.slot < b.slot; });
    std::shared_ptr<index::SealedShard> fresh;
    if (!rows.empty()) {
      index::BuildOptions options;
      options.dim = kDim;
      options.spec = build.spec;
      const auto built =
          index::build_shard(dir_ / build.folder, rows, options, nullptr, Deadline::never());
      ASSERT_TRUE(built) << built.error().message;
      fresh = index::SealedShard::open(dir_ / build.folder, {.dim = kDim}).value();
    }
    turn.lock();
    ASSERT_TRUE(index_.is_valid(build));
    index_.finish_build(build, std::move(fresh), committed_);
    index_.end_build();
    publish(committed_);
  }

  /// A search finds every point once, as one commit wrote it.
  void check(const Moment& at) {
    const std::vector<float> vector = {1, 0, 0, 0};
    index::ShardQuery query;
    query.vector = vector;
    query.k = 1000;
    query.read_version = at.version;
    query.order = at.view.ids.get();
    const auto found = index::search_shards(at.view.shards->find("")->second.all, query, nullptr,
                                            Deadline::never());
    ASSERT_TRUE(found) << found.error().message;
    ASSERT_EQ(found->size(), kPoints) << "at version " << at.version;
    std::set<index::Slot> slots;
    std::uint64_t next_id = at.version / 10;  // one has gone at each tenth commit
    for (const index::Candidate& candidate : *found) {
      ASSERT_TRUE(slots.insert(candidate.slot).second) << candidate.slot << " twice";
      ASSERT_EQ(at.view.ids->get(candidate.slot), PointId(next_id++));  // ties come by id
      ASSERT_EQ(candidate.distance, -static_cast<float>(at.version));
    }
    ASSERT_EQ(at.view.points.slots().to_vector(),
              std::vector<index::Slot>(slots.begin(), slots.end()));
    ASSERT_EQ(at.view.with_vector.at("").count(), kPoints);
  }

  testing_support::TempDir dir_;
  LocalIndex index_{"c", dir_.path(), config(), small_shards()};
  std::mutex turn_;
  std::map<std::uint64_t, index::Slot> slots_;  // by id
  std::uint64_t next_id_ = 0;
  index::Slot next_slot_ = 0;
  index::Version committed_ = 0;
  std::mutex moment_mutex_;
  Moment moment_;
};

TEST_F(LocalIndexTest, SearchesSeeOneCommitWhileShardsAreBuilt) {
  commit(1);
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> num_searches{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      while (!done) {
        ASSERT_NO_FATAL_FAILURE(check(moment()));
        ++num_searches;
      }
    });
  }
  threads.emplace_back([&] {
    for (int i = 0; !done; ++i) ASSERT_NO_FATAL_FAILURE(build(i % 3 == 0));
  });
  std::vector<Moment> kept;
  for (index::Version version = 2; version <= 600; ++version) {
    commit(version);
    if (version % 97 == 0) kept.push_back(moment());
  }
  while (num_searches < 50) std::this_thread::yield();
  done = true;
  for (std::thread& thread : threads) thread.join();
  // What was seen once is seen for ever, whatever became of its shards.
  for (const Moment& at : kept) ASSERT_NO_FATAL_FAILURE(check(at));
  check(moment());
}

TEST_F(LocalIndexTest, TheListOfShardsIsThatOfTheFolders) {
  for (index::Version version = 1; version <= 30; ++version) commit(version);
  build(true);
  const Json list = index_.list();
  ASSERT_EQ(list["vectors"][""].size(), 1U);
  EXPECT_EQ(list["vectors"][""][0]["spec"], "Flat");
  EXPECT_EQ(listed_folders(list), index_.folders());
  EXPECT_TRUE(is_shard_folder(*index_.folders().begin()));
  for (const char* name : {"", "1", "00001", "000001.tmp", "../001", "12345678901234567890"})
    EXPECT_FALSE(is_shard_folder(name)) << name;
  EXPECT_TRUE(listed_folders(Json{{"vectors", 3}}).empty());
}

}  // namespace
}  // namespace sightline::pipeline
