// Exact scan of a growing shard: rows and bytes per second by kernel, dim and threads.
// Data: 50 MB or 400 MB of normal floats (the second is far beyond the caches); top_k 10, one query
// at a time. `threads` counts the caller and its helpers of the compute pool. Recall is 1 by
// construction.
#include <benchmark/benchmark.h>

#include <map>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "index/growing_shard.h"

namespace sightline::index {
namespace {

struct Data {
  std::unique_ptr<GrowingShard> shard;
  std::vector<float> query;
};

/// The rows of the last (dim, megabytes) asked for.
Data& data(std::size_t dim, std::size_t megabytes, Distance distance, const KernelTable& kernels) {
  static Data held;
  static std::tuple<std::size_t, std::size_t, Distance, const KernelTable*> made;
  const std::tuple wanted(dim, megabytes, distance, &kernels);
  if (made == wanted) return held;
  held.shard = nullptr;
  held.shard = std::make_unique<GrowingShard>(dim, distance, kernels);
  made = wanted;
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  held.query.resize(dim);
  for (float& value : held.query) value = normal(random);
  std::vector<float> row(dim + 997);
  for (float& value : row) value = normal(random);
  const std::size_t num_rows = (megabytes << 20) / (dim * sizeof(float));
  for (std::size_t i = 0; i < num_rows; ++i)
    held.shard->put(static_cast<Slot>(i), 1, std::span(row).subspan(i % 997, dim));
  return held;
}

void scan(benchmark::State& state, const KernelTable& kernels, Distance distance) {
  const auto dim = static_cast<std::size_t>(state.range(0));
  const auto megabytes = static_cast<std::size_t>(state.range(1));
  const auto threads = static_cast<std::size_t>(state.range(2));
  Data& held = data(dim, megabytes, distance, kernels);
  ComputePool pool({.num_threads = threads, .init_thread = {}, .set_width = {}});
  ShardQuery query;
  query.vector = held.query;
  for (auto _ : state) {
    auto found = held.shard->search(query, threads > 1 ? &pool : nullptr, Deadline::never());
    benchmark::DoNotOptimize(found);
  }
  const auto rows = static_cast<double>(held.shard->num_rows());
  const auto passes = static_cast<double>(state.iterations());
  state.counters["rows"] = rows;
  state.counters["rows/s"] = benchmark::Counter(rows * passes, benchmark::Counter::kIsRate);
  state.counters["bytes/s"] =
      benchmark::Counter(rows * passes * static_cast<double>(dim * sizeof(float)),
                         benchmark::Counter::kIsRate, benchmark::Counter::kIs1000);
}

void add_benchmarks() {
  const std::map<std::string, Distance> distances = {
      {"inner_product", Distance::kInnerProduct}, {"l2", Distance::kL2}, {"l1", Distance::kL1}};
  for (const KernelTable* kernels : supported_kernels()) {
    for (const auto& [name, distance] : distances) {
      auto* added = benchmark::RegisterBenchmark(
          ("scan/" + std::string(kernels->name) + "/" + name).c_str(),
          [kernels, d = distance](benchmark::State& state) { scan(state, *kernels, d); });
      added->ArgNames({"dim", "MB", "threads"})->UseRealTime()->Unit(benchmark::kMillisecond);
      added->Args({512, 400, 1});
      added->Args({512, 400, 2});
      if (distance == Distance::kInnerProduct) added->Args({256, 50, 1})->Args({256, 50, 2});
    }
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
