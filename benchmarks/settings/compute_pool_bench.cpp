// How pictures should go through the compute pool: batches encoded as short tasks (one thread each,
// on every worker) or as wide units (all cores, one at a time).
//
// ForwardPass: one transformer forward pass with 1 and with all threads; milliseconds.
// Ingest: pictures through a decode of known length and batches of forward passes; `efficiency` is
// the share of cores / (CPU seconds of both, measured alone just before) that came through. Data:
// none is read; weights are random, decoding is arithmetic on 1 MiB. Figures in
// docs/decisions/0002-wide-units.md, 0003-openmp-does-not-spin.md.
#include <benchmark/benchmark.h>
#include <torch/torch.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "core/compute_pool.h"
#include "settings/library_setup.h"

namespace sightline {
namespace {

using SteadyClock = std::chrono::steady_clock;

double seconds_since(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

/// A vision transformer's layers with 50 tokens, as ViT-B/32 has them.
class Transformer {
 public:
  Transformer(std::int64_t layers, std::int64_t dim) : dim_(dim) {
    for (std::int64_t i = 0; i < layers; ++i) {
      layers_.push_back({torch::randn({3 * dim, dim}) * 0.02, torch::randn({dim, dim}) * 0.02,
                         torch::randn({4 * dim, dim}) * 0.02, torch::randn({dim, 4 * dim}) * 0.02});
    }
  }

  void forward(std::int64_t batch) const {
    const torch::InferenceMode no_grad;
    const std::int64_t tokens = 50, heads = dim_ / 64;
    auto x = torch::ones({batch, tokens, dim_});
    for (const Layer& layer : layers_) {
      const auto qkv = torch::linear(torch::layer_norm(x, {dim_}), layer.qkv)
                           .view({batch, tokens, 3, heads, 64})
                           .permute({2, 0, 3, 1, 4});
      const auto weights = torch::softmax(torch::matmul(qkv[0], qkv[1].transpose(-1, -2)) / 8, -1);
      x = x +
          torch::linear(
              torch::matmul(weights, qkv[2]).permute({0, 2, 1, 3}).reshape({batch, tokens, dim_}),
              layer.out);
      x = x + torch::linear(torch::gelu(torch::linear(torch::layer_norm(x, {dim_}), layer.up)),
                            layer.down);
    }
    benchmark::DoNotOptimize(x.data_ptr());
  }

 private:
  struct Layer {
    torch::Tensor qkv, out, up, down;
  };
  std::int64_t dim_;
  std::vector<Layer> layers_;
};

/// Arithmetic that takes `rounds` times one pass over 1 MiB.
void decode(int rounds) {
  thread_local std::vector<float> pixels(1 << 18);
  for (int i = 0; i < rounds; ++i) {
    for (float& pixel : pixels) pixel = pixel * 0.999F + 0.5F;
    benchmark::ClobberMemory();
  }
}

void BM_ForwardPass(benchmark::State& state) {
  settings::set_up_process();
  const Transformer model(state.range(0), state.range(1));
  const std::size_t width = state.range(3) == 0 ? usable_cores() : 1;
  settings::set_thread_width(width);
  model.forward(state.range(2));
  for (auto _ : state) model.forward(state.range(2));
  settings::set_thread_width(1);
  state.counters["threads"] = static_cast<double>(width);
}
BENCHMARK(BM_ForwardPass)
    ->ArgNames({"layers", "dim", "batch", "single"})
    ->ArgsProduct({{3}, {256}, {8, 32}, {1, 0}})
    ->ArgsProduct({{12}, {768}, {8}, {1, 0}})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

void BM_Ingest(benchmark::State& state) {
  settings::set_up_process();
  const Transformer model(state.range(0), state.range(1));
  const int batch = static_cast<int>(state.range(2));
  const bool wide = state.range(3) != 0;
  const int num_pictures = batch * 16;
  constexpr int kRounds = 100;

  model.forward(batch);
  auto start = SteadyClock::now();
  for (int i = 0; i < 3; ++i) model.forward(batch);
  const double encode_seconds = seconds_since(start) / 3 / batch;
  decode(kRounds);
  start = SteadyClock::now();
  for (int i = 0; i < 20; ++i) decode(kRounds);
  const double decode_seconds = seconds_since(start) / 20;

  ComputePool pool(settings::pool_options(0));
  double seconds = 0;
  for (auto _ : state) {
    start = SteadyClock::now();
    std::mutex mutex;
    std::condition_variable changed;
    int started = 0, decoded = 0, done = 0;
    std::unique_lock lock(mutex);
    while (done < num_pictures) {
      // At most three batches are under way, as memory for pixels is bounded.
      for (; started < num_pictures && started - done < 3 * batch; ++started) {
        (void)pool.submit(Priority::kDecode, [&, rounds = kRounds / 2 + started * 37 % kRounds] {
          decode(rounds);
          const std::lock_guard guard(mutex);
          ++decoded;
          changed.notify_one();
        });
      }
      if (decoded >= batch) {
        decoded -= batch;
        const auto unit = [&] {
          model.forward(batch);
          const std::lock_guard guard(mutex);
          done += batch;
          changed.notify_one();
        };
        (void)(wide ? pool.submit_wide(Priority::kDecode, unit)
                    : pool.submit(Priority::kRerank, unit));
      } else {
        changed.wait(lock);
      }
    }
    seconds += seconds_since(start);
  }
  const double rate = static_cast<double>(state.iterations()) * num_pictures / seconds;
  const double ideal = static_cast<double>(pool.num_threads()) / (decode_seconds + encode_seconds);
  state.counters["pictures/s"] = rate;
  state.counters["efficiency"] = rate / ideal;
}
BENCHMARK(BM_Ingest)
    ->ArgNames({"layers", "dim", "batch", "wide"})
    ->ArgsProduct({{3}, {256}, {8, 32}, {0, 1}})
    ->ArgsProduct({{12}, {768}, {8}, {0, 1}})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace sightline

BENCHMARK_MAIN();
