// k-means, assignment to centroids and PQ training beside FAISS's own, in seconds of wall time, on
// all cores. Data: rows of norm 1 around 20,000 centres. `ratio_to_faiss`: our time over FAISS's
// measured just before in the same run; `mean_distance`: mean squared distance of the rows from
// their centroids (PQ: from what their codes stand for). `busy`: another thread holds a core
// meanwhile, as a second job would. The CPU column is the time of all threads, spinning ones
// included.
#include <benchmark/benchmark.h>
#include <faiss/Clustering.h>
#include <faiss/IndexFlat.h>
#include <faiss/impl/ProductQuantizer.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "index/kmeans.h"

namespace sightline::index {
namespace {

constexpr std::size_t kDim = 512;

const std::vector<float>& data(std::size_t n) {
  static std::map<std::size_t, std::vector<float>> held;
  std::vector<float>& rows = held[n];
  if (!rows.empty()) return rows;
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> pool(20'000 * kDim);
  for (float& value : pool) value = normal(random);
  std::vector<float> noise(kDim + 65'537);
  for (float& value : noise) value = normal(random);
  rows.resize(n * kDim);
  for (std::size_t i = 0; i < n; ++i) {
    const float* center = &pool[random() % 20'000 * kDim];
    const float* shift = &noise[random() % 65'537];
    float* row = &rows[i * kDim];
    float squares = 0;
    for (std::size_t d = 0; d < kDim; ++d) {
      row[d] = center[d] + 0.8F * shift[d];
      squares += row[d] * row[d];
    }
    for (std::size_t d = 0; d < kDim; ++d) row[d] /= std::sqrt(squares);
  }
  return rows;
}

/// Holds one core while it lives.
class BusyThread {
 public:
  explicit BusyThread(bool wanted) {
    if (!wanted) return;
    thread_ = std::jthread([](const std::stop_token& stop) {
      std::atomic<std::uint64_t> spins = 0;
      while (!stop.stop_requested()) spins.fetch_add(1, std::memory_order_relaxed);
    });
  }

 private:
  std::jthread thread_;
};

ComputePool& pool() {
  static ComputePool pool({.num_threads = 0, .init_thread = {}, .set_width = {}});
  return pool;
}

/// Runs one side of a comparison; `name` is the same for both sides.
void measure(benchmark::State& state, const std::string& name, bool faiss_side, bool busy,
             const std::function<double()>& work) {
  static std::map<std::string, double> faiss_seconds;
  const BusyThread holder(busy);
  for (auto _ : state) {
    const auto begin = std::chrono::steady_clock::now();
    state.counters["mean_distance"] = work();
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
    if (faiss_side) faiss_seconds[name] = time.count();
    if (!faiss_side && faiss_seconds.contains(name))
      state.counters["ratio_to_faiss"] = time.count() / faiss_seconds[name];
  }
}

double faiss_kmeans(std::size_t n, std::size_t num_clusters, std::size_t num_iterations) {
  faiss::Clustering clustering(static_cast<int>(kDim), static_cast<int>(num_clusters));
  clustering.niter = static_cast<int>(num_iterations);
  faiss::IndexFlatL2 index(static_cast<std::int64_t>(kDim));
  clustering.train(static_cast<std::int64_t>(n), data(n).data(), index);
  return double{clustering.iteration_stats.back().obj} / static_cast<double>(n);
}

double our_kmeans(std::size_t n, std::size_t num_clusters, std::size_t num_iterations,
                  KMeansOptions::Start start) {
  KMeansOptions options;
  options.num_clusters = num_clusters;
  options.num_iterations = num_iterations;
  options.start = start;
  double last = 0;
  options.progress = [&last](std::size_t, double mean_distance) { last = mean_distance; };
  benchmark::DoNotOptimize(kmeans(data(n), kDim, options, &pool(), Deadline::never()).value());
  return last;
}

double mean(const std::vector<float>& distances) {
  double sum = 0;
  for (const float distance : distances) sum += double{distance};
  return sum / static_cast<double>(distances.size());
}

double faiss_assign(std::size_t n, std::size_t num_clusters) {
  faiss::IndexFlatL2 index(static_cast<std::int64_t>(kDim));
  index.add(static_cast<std::int64_t>(num_clusters), data(n).data());
  std::vector<float> distances(n);
  std::vector<std::int64_t> labels(n);
  index.search(static_cast<std::int64_t>(n), data(n).data(), 1, distances.data(), labels.data());
  return mean(distances);
}

double our_assign(std::size_t n, std::size_t num_clusters) {
  const std::span<const float> rows = data(n);
  const CentroidSearch search(rows.first(num_clusters * kDim), kDim, false);
  std::vector<float> distances(n);
  std::vector<std::uint32_t> labels(n);
  std::vector<std::future<void>> tasks;
  constexpr std::size_t kBlock = 960;
  for (std::size_t first = 0; first < n; first += kBlock) {
    const std::size_t count = std::min(kBlock, n - first);
    tasks.push_back(pool().submit(Priority::kBuild, [=, &search, &labels, &distances] {
      search.assign(rows.subspan(first * kDim, count * kDim),
                    std::span(labels).subspan(first, count),
                    std::span(distances).subspan(first, count));
    }));
  }
  for (auto& task : tasks) task.get();
  return mean(distances);
}

double error_of(const faiss::ProductQuantizer& quantizer, const std::vector<float>& rows) {
  const std::size_t n = rows.size() / kDim;
  std::vector<std::uint8_t> codes(n * quantizer.code_size);
  std::vector<float> decoded(rows.size());
  quantizer.compute_codes(rows.data(), codes.data(), n);
  quantizer.decode(codes.data(), decoded.data(), n);
  double sum = 0;
  for (std::size_t i = 0; i < rows.size(); ++i)
    sum += std::pow(double{rows[i]} - double{decoded[i]}, 2);
  return sum / static_cast<double>(n);
}

void add_pq(std::size_t n, std::size_t num_subvectors, bool busy) {
  const std::string name = "pq" + std::to_string(num_subvectors) + (busy ? "_busy" : "");
  const auto add = [&](const char* side, auto train) {
    benchmark::RegisterBenchmark((name + side).c_str(),
                                 [=](benchmark::State& state) {
                                   faiss::ProductQuantizer quantizer(kDim, num_subvectors, 8);
                                   measure(state, name, std::string(side) == "/faiss", busy, [&] {
                                     train(quantizer);
                                     return 0.0;
                                   });
                                   state.counters["mean_distance"] =
                                       error_of(quantizer, data(4096));
                                 })
        ->Iterations(1)
        ->UseRealTime()
        ->MeasureProcessCPUTime()
        ->Unit(benchmark::kSecond);
  };
  add("/faiss", [n](faiss::ProductQuantizer& quantizer) { quantizer.train(n, data(n).data()); });
  add("/ours", [=](faiss::ProductQuantizer& quantizer) {
    quantizer.centroids =
        train_product_quantizer(data(n), kDim, num_subvectors, 25, 1, &pool(), Deadline::never())
            .value();
  });
}

void add_pair(const std::string& name, bool busy, const std::function<double()>& theirs,
              const std::function<double()>& ours) {
  for (const bool faiss_side : {true, false}) {
    benchmark::RegisterBenchmark((name + (faiss_side ? "/faiss" : "/ours")).c_str(),
                                 [=](benchmark::State& state) {
                                   measure(state, name, faiss_side, busy,
                                           faiss_side ? theirs : ours);
                                 })
        ->Iterations(1)
        ->UseRealTime()
        ->MeasureProcessCPUTime()
        ->Unit(benchmark::kSecond);
  }
}

void add_benchmarks() {
  using Start = KMeansOptions::Start;
  for (const bool busy : {false, true}) {
    const std::string suffix = busy ? "_busy" : "";
    add_pair(
        "kmeans_small/rows:32768/clusters:1024" + suffix, busy,
        [] { return faiss_kmeans(32'768, 1024, 10); },
        [] { return our_kmeans(32'768, 1024, 10, Start::kRandom); });
    add_pair(
        "kmeans/rows:262144/clusters:4096" + suffix, busy,
        [] { return faiss_kmeans(262'144, 4096, 10); },
        [] { return our_kmeans(262'144, 4096, 10, Start::kRandom); });
    add_pq(65'536, 64, busy);
  }
  add_pair(
      "kmeans_plus_plus/rows:262144/clusters:4096", false,
      [] { return faiss_kmeans(262'144, 4096, 10); },
      [] { return our_kmeans(262'144, 4096, 10, Start::kPlusPlus); });
  add_pair(
      "assign/rows:262144/centroids:4096", false, [] { return faiss_assign(262'144, 4096); },
      [] { return our_assign(262'144, 4096); });
  add_pair(
      "assign/rows:1000000/centroids:4096", false, [] { return faiss_assign(1'000'000, 4096); },
      [] { return our_assign(1'000'000, 4096); });
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
