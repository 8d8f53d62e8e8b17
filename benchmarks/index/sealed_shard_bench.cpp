// One search of a sealed shard, by type: latency beside recall@10, and what it read.
// Data: clustered rows (normal around 4,096 centres, or SIGHTLINE_BENCH_CLUSTERS; 200,000 x 256
// unless SIGHTLINE_BENCH_ROWS and SIGHTLINE_BENCH_DIM say otherwise; one cluster is the hardest
// data there is), held-out queries, one at a time, top_k 10, L2. `threads` counts the caller and
// its helpers of the compute pool. `filter`: percent of the rows that a filter leaves, at random;
// 0: none. `exact`: 1 asks for the exact scan, what a filtered search should not exceed. Effort
// (nprobe, ef, refine) is what calibration to 0.95 gives unless a benchmark names nprobe.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "index/internal/calibrate.h"
#include "tests/index/shard_fixture.h"

namespace sightline::index {
namespace {

constexpr std::size_t kQueries = 200;

std::size_t setting(const char* name, std::size_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoul(text, nullptr, 10);
}

std::size_t num_clusters() { return setting("SIGHTLINE_BENCH_CLUSTERS", 4096); }

const TestRows& rows() {
  static const TestRows held =
      clustered_rows(setting("SIGHTLINE_BENCH_ROWS", 200'000), setting("SIGHTLINE_BENCH_DIM", 256),
                     num_clusters(), 1);
  return held;
}

const TestRows& queries() {
  static const TestRows held = clustered_rows(kQueries, rows().dim, num_clusters(), 1, 1);
  return held;
}

/// What recall is measured against where a shard holds its rows rounded.
class HeldRows final : public TrueRows {
 public:
  bool read(Slot slot, Version, std::span<float> values) const override {
    const std::size_t place = slot - test_slot(0);  // there is a gap behind each seventh
    std::ranges::copy(rows()[place / 8 * 7 + place % 8], values.begin());
    return true;
  }
};

/// The calibrated shard of the last spec asked for.
std::shared_ptr<SealedShard> shard_of(const std::string& spec) {
  static std::string made;
  static std::shared_ptr<SealedShard> shard;
  if (made == spec) return shard;
  shard = nullptr;
  TestShard options;
  options.spec = parse_shard_spec(spec).value();
  auto data = make_shard_data(rows(), options);
  const auto start = std::chrono::steady_clock::now();
  const Calibration found =
      calibrate_shard(*data, kernels(), 0.95, 1, nullptr, Deadline::never()).value();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::fprintf(stderr, "%s: calibrated in %.1f s: nprobe %zu, ef %zu, refine %zu, recall %.3f\n",
               spec.c_str(), took.count(), found.nprobe, found.ef_search, found.refine,
               found.recall);
  data->nprobe = found.nprobe;
  data->ef_search = found.ef_search;
  data->refine = found.refine;
  shard = SealedShard::from_data(std::move(data));
  made = spec;
  return shard;
}

/// By slot: distances of rounded rows are not those of the truth. No two rows are as far.
double share_of(const std::vector<Candidate>& truth, const std::vector<Candidate>& found) {
  const auto hits = std::ranges::count_if(found, [&](const Candidate& hit) {
    return std::ranges::any_of(truth, [&](const Candidate& t) { return t.slot == hit.slot; });
  });
  return static_cast<double>(hits) / static_cast<double>(truth.size());
}

Bitmap filter_of(std::int64_t percent) {
  std::mt19937 random(1);
  Bitmap allowed;
  for (std::size_t row = 0; row < rows().size(); ++row) {
    if (static_cast<std::int64_t>(random() % 100) < percent) allowed.add(test_slot(row));
  }
  return allowed;
}

void search(benchmark::State& state, const std::string& spec) {
  const auto shard = shard_of(spec);
  const auto threads = static_cast<std::size_t>(state.range(1));
  const Bitmap allowed = filter_of(state.range(2));
  ComputePool pool({.num_threads = threads, .init_thread = {}, .set_width = {}});
  const HeldRows held;
  ShardQuery query;
  query.true_rows = &held;
  query.nprobe = static_cast<std::size_t>(state.range(0));
  query.allowed = state.range(2) == 0 ? nullptr : &allowed;
  SearchStats stats;
  double recall = 0;
  for (std::size_t i = 0; i < kQueries; ++i) {
    query.vector = queries()[i];
    query.exact = true;
    const auto truth = shard->search(query, nullptr, Deadline::never()).value();
    query.exact = false;
    query.stats = &stats;
    const auto found = shard->search(query, nullptr, Deadline::never()).value();
    query.stats = nullptr;
    recall += share_of(truth, found) / kQueries;
  }
  query.exact = state.range(3) != 0;
  std::size_t next = 0;
  for (auto _ : state) {
    query.vector = queries()[next++ % kQueries];
    auto found = shard->search(query, threads > 1 ? &pool : nullptr, Deadline::never());
    benchmark::DoNotOptimize(found);
  }
  const auto per_query = [](std::uint64_t sum) { return static_cast<double>(sum) / kQueries; };
  state.counters["recall@10"] = recall;
  state.counters["rows"] = static_cast<double>(shard->num_rows());
  state.counters["dim"] = static_cast<double>(rows().dim);
  state.counters["lists"] = per_query(stats.num_lists);
  state.counters["scanned"] = per_query(stats.num_scanned);
  state.counters["refined"] = per_query(stats.num_refined);
  state.SetLabel(kernels().name);
}

void add_benchmarks() {
  const std::size_t nlist = default_nlist(setting("SIGHTLINE_BENCH_ROWS", 200'000));
  const std::string ivf = "IVF" + std::to_string(nlist);
  const std::string pq = ",PQ" + std::to_string(setting("SIGHTLINE_BENCH_DIM", 256) / 8);
  for (const std::string& spec : {std::string("Flat"), ivf + ",Flat", ivf + ",SQ8", ivf + pq,
                                  ivf + pq + ",Refine(SQfp16)", std::string("HNSW32")}) {
    auto* added = benchmark::RegisterBenchmark(
        ("search/" + spec).c_str(), [spec](benchmark::State& state) { search(state, spec); });
    added->ArgNames({"nprobe", "threads", "filter", "exact"})
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
    added->Args({0, 1, 0, 0})->Args({0, 2, 0, 0});
    for (const std::int64_t percent : {1, 10, 15, 25, 50, 90})
      added->Args({0, 1, percent, 0})->Args({0, 1, percent, 1});
    if (spec.starts_with("IVF"))
      added->Args({16, 1, 0, 0})->Args({64, 1, 0, 0})->Args({64, 2, 0, 0});
  }
}

}  // namespace
}  // namespace sightline::index

int main(int argc, char** argv) {
  sightline::index::add_benchmarks();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
