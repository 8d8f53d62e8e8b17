// A process of its own for the tests of locks, crashes and readers beside a writer.
//   store_process write DIR sync|interval DIM MEMTABLE_BYTES [COMMITS]
//       continues the script of store_script.h; prints each commit's number once acknowledged
//   store_process load DIR DIM [STEPS]
//       continues the second script, with shards that are sealed, trained and rebuilt all the time
//   store_process mix DIR
//       continues the script of mixed_script.h in the same way
//   store_process hold DIR      holds the writer's lock until its input ends
//   store_process check DIR DIM reads the collection as another process and compares
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "core/compute_pool.h"
#include "pipeline/data_folder.h"
#include "tests/pipeline/mixed_script.h"
#include "tests/pipeline/store_script.h"

namespace sightline::pipeline {
namespace {

int fail(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  return 1;
}

int write_script(const std::string& folder, bool sync, std::size_t dim,
                 std::uint64_t memtable_bytes, std::uint64_t num_commits, ComputePool& pool) {
  StoreOptions options;
  options.durability = sync ? Durability::kSync : Durability::kInterval;
  options.sync_interval_ms = 20;
  options.memtable_bytes = memtable_bytes;
  auto data = DataFolder::open(folder, Access::kWrite, options, pool);
  if (!data) return fail(data.error().message);
  auto store = (*data)->open_collection("c");
  if (!store) {
    CollectionConfig config;
    config.vectors[""] = {dim, Metric::kCosine, {}};
    store = (*data)->create_collection("c", config);
  }
  if (!store) return fail(store.error().message);
  const auto info = (*store)->info();
  if (!info) return fail(info.error().message);
  const std::uint64_t first = info->commit_number + 1;
  for (std::uint64_t commit = first; num_commits == 0 || commit < first + num_commits; ++commit) {
    const auto written = (*store)->write(script::commit_ops(commit, dim));
    if (!written) return fail(written.error().message);
    const std::string line = std::to_string(written->commit_number) + "\n";
    if (write(STDOUT_FILENO, line.data(), line.size()) < 0) return 0;
  }
  return 0;
}

/// Shards are sealed, trained and merged all the time.
StoreOptions restless() {
  StoreOptions options;
  options.durability = Durability::kInterval;
  options.sync_interval_ms = 20;
  options.memtable_bytes = 1'000'000;
  options.sealing.full_rows = 100;
  options.sealing.small_rows = 20;
  options.sealing.idle = std::chrono::milliseconds(1);
  return options;
}

Result<void> optimise_now(CollectionStore& store) {
  OptimizeOptions force;
  force.force = true;
  SIGHTLINE_TRY_DO(store.optimize(force, Deadline::never()));
  return {};
}

int load_script(const std::string& folder, std::size_t dim, std::uint64_t num_steps,
                ComputePool& pool) {
  auto data = DataFolder::open(folder, Access::kWrite, restless(), pool);
  if (!data) return fail(data.error().message);
  auto store = (*data)->open_collection("c");
  if (!store) {
    CollectionConfig config;
    config.vectors[""] = {dim, Metric::kCosine, {}};
    config.vectors[""].index = "IVF4,Flat";
    store = (*data)->create_collection("c", config);
    if (!store) return fail(store.error().message);
    const auto made = (*store)->create_payload_index("even", FieldType::kBool);
    if (!made) return fail(made.error().message);
  }
  const auto done = script::load_step(**store);
  if (!done) return fail(done.error().message);
  for (std::uint64_t step = *done + 1; num_steps == 0 || step <= *done + num_steps; ++step) {
    const auto written = (*store)->write(script::load_ops(step, dim));
    if (!written) return fail(written.error().message);
    const std::string line = std::to_string(step) + "\n";
    if (write(STDOUT_FILENO, line.data(), line.size()) < 0) return 0;
    if (step % 40 != 0) continue;
    if (const auto optimised = optimise_now(**store); !optimised)
      return fail(optimised.error().message);
  }
  return 0;
}

int mixed_script(const std::string& folder, ComputePool& pool) {
  auto data = DataFolder::open(folder, Access::kWrite, restless(), pool);
  if (!data) return fail(data.error().message);
  auto store = (*data)->open_collection("c");
  if (!store) {
    CollectionConfig config;
    config.vectors["image"] = {script::kImageDim, Metric::kCosine, {}};
    config.vectors["image"].index = "IVF4,Flat";
    config.vectors["text"] = {script::kTextDim, Metric::kCosine, {}};
    store = (*data)->create_collection("c", config);
    if (!store) return fail(store.error().message);
  }
  if (!(*store)->info()->payload_indexes.contains("tag")) {  // A kill may have come before.
    const auto made = (*store)->create_payload_index("tag", FieldType::kInteger);
    if (!made) return fail(made.error().message);
  }
  const auto done = script::load_step(**store);
  if (!done) return fail(done.error().message);
  for (std::uint64_t step = *done + 1;; ++step) {
    const auto written = (*store)->write(script::mixed_ops(step));
    if (!written) return fail(written.error().message);
    const std::string line = std::to_string(step) + "\n";
    if (write(STDOUT_FILENO, line.data(), line.size()) < 0) return 0;
    if (step % 40 != 0) continue;
    if (const auto optimised = optimise_now(**store); !optimised)
      return fail(optimised.error().message);
  }
}

int hold(const std::string& folder, ComputePool& pool) {
  StoreOptions options;
  options.owner = "store_process hold";
  auto data = DataFolder::open(folder, Access::kWrite, options, pool);
  if (!data) return fail(data.error().message);
  std::puts("held");
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}

int check(const std::string& folder, std::size_t dim, ComputePool& pool) {
  auto data = DataFolder::open(folder, Access::kRead, {}, pool);
  if (!data) return fail(data.error().message);
  auto store = (*data)->open_collection("c");
  if (!store) return fail(store.error().message);
  if (const auto caught_up = (*store)->catch_up(); !caught_up)
    return fail(caught_up.error().message);
  const std::string difference = script::difference(**store, dim);
  return difference.empty() ? 0 : fail(difference);
}

int run(int argc, char** argv) {
  ComputePool pool({.num_threads = 1, .init_thread = {}, .set_width = {}});
  const std::string mode = argc > 2 ? argv[1] : "";
  if (mode == "write" && argc >= 6) {
    return write_script(argv[2], std::string(argv[3]) == "sync",
                        std::strtoull(argv[4], nullptr, 10), std::strtoull(argv[5], nullptr, 10),
                        argc > 6 ? std::strtoull(argv[6], nullptr, 10) : 0, pool);
  }
  if (mode == "load" && argc >= 4) {
    return load_script(argv[2], std::strtoull(argv[3], nullptr, 10),
                       argc > 4 ? std::strtoull(argv[4], nullptr, 10) : 0, pool);
  }
  if (mode == "mix") return mixed_script(argv[2], pool);
  if (mode == "hold") return hold(argv[2], pool);
  if (mode == "check" && argc == 4)
    return check(argv[2], std::strtoull(argv[3], nullptr, 10), pool);
  return fail("usage: store_process write|load|mix|hold|check DIR ...");
}

}  // namespace
}  // namespace sightline::pipeline

int main(int argc, char** argv) { return sightline::pipeline::run(argc, argv); }
