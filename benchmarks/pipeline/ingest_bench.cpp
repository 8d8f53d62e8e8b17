// What it measures: pictures per second of a whole ingest run (walk, read, hash, decode, facts,
// thumbnail, preprocess, encode, store with sync) into an empty collection, beside what the cores
// could do at best: cores / (CPU seconds of decode + preprocess + encode per picture), the CPU
// seconds taken on one thread, in batches of 8, just before. `busy` is the quotient of the two; 0.9
// or more is wanted, on a machine that does nothing else. `busy_all` counts facts, thumbnail and
// hash as work, too. `cpu_ms` is all CPU time of the run per picture: it holds on a busy machine as
// well. Data: JPEGs of 1280 x 960 pixels made on the spot (about 150 KB), models with
// random weights in the shapes of the embedded model and of ViT-B/32.
//
//   ingest_bench --benchmark_filter=embedded
#include <benchmark/benchmark.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>

#include "benchmarks/encoders/random_model.h"
#include "benchmarks/pipeline/random_picture.h"
#include "codecs/decode.h"
#include "codecs/facts.h"
#include "core/compute_pool.h"
#include "encoders/encoder.h"
#include "image/preprocess.h"
#include "pipeline/data_folder.h"
#include "pipeline/ingest.h"
#include "pipeline/internal/stage_times.h"
#include "settings/library_setup.h"
#include "tests/support/temp_dir.h"

namespace sightline::pipeline {
namespace {

using benchmarks::ModelShape;
using testing_support::TempDir;
using Seconds = std::chrono::duration<double>;

double process_cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// CPU seconds per picture on one thread.
struct CpuCost {
  double decode = 0, preprocess = 0, encode = 0, facts = 0;
  double core() const { return decode + preprocess + encode; }
};

CpuCost measure(const encoders::Encoder& encoder, std::size_t num_pictures) {
  const auto& spec = encoder.info().preprocess;
  image::PixelBatch batch(8, spec.output_height(), spec.output_width());
  CpuCost cost;
  const auto clock = [last = thread_cpu_time()]() mutable {
    return Seconds(thread_cpu_time() - std::exchange(last, thread_cpu_time())).count();
  };
  for (std::size_t first = 0; first < num_pictures + 8; first += 8) {
    if (first == 8) cost = {};  // the first batch warms up
    for (std::size_t i = 0; i < 8; ++i) {
      const std::string text = benchmarks::random_picture(first + i);
      const auto bytes = std::as_bytes(std::span(text));
      const auto header = codecs::parse_header(bytes).value();
      auto lap = clock;
      lap();
      const auto picture = codecs::decode(bytes, {}).value();
      cost.decode += lap();
      image::preprocess(picture.view(), spec, batch.row(i)).value();
      cost.preprocess += lap();
      const auto small = codecs::shrink(picture.view(), 256).value();
      codecs::picture_facts(bytes, header, picture.view(), codecs::sha256(bytes), small.view());
      benchmark::DoNotOptimize(codecs::make_thumbnail(small.view()).value());
      cost.facts += lap();
    }
    auto lap = clock;
    lap();
    benchmark::DoNotOptimize(encoder.encode_pixels(batch, Deadline::never()).value());
    cost.encode += lap();
  }
  for (double* part : {&cost.decode, &cost.preprocess, &cost.encode, &cost.facts})
    *part /= static_cast<double>(num_pictures);
  return cost;
}

void ingest_run(benchmark::State& state, ModelShape shape) {
  const auto num_pictures = static_cast<std::size_t>(state.range(0));
  const TempDir model, pictures;
  benchmarks::write_random_model(shape, model.path());
  encoders::EncoderOptions options;
  options.model = model.path().string();
  options.device = encoders::Device::kCpu;
  const auto encoder = encoders::load_encoder(options).value();
  for (std::size_t i = 0; i < num_pictures; ++i) {
    pictures.write(std::to_string(i) + ".jpg", benchmarks::random_picture(i));
  }
  const CpuCost cost = measure(*encoder, 64);

  ComputePool pool(settings::pool_options(0));
  IngestReport report;
  double seconds = 0, cpu_seconds = 0;
  for (auto _ : state) {
    const TempDir data;
    const auto folder = DataFolder::open(data.path(), Access::kWrite, {}, pool).value();
    const auto store =
        open_or_create_for(*folder, "default", encoder->info(), codecs::AlphaRule::kWhite).value();
    IngestOptions ingest_options;
    ingest_options.paths = {pictures.path().string()};
    const double cpu_before = process_cpu_seconds();
    report = ingest(*store, *encoder, pool, ingest_options, {}, {}).value();
    cpu_seconds += process_cpu_seconds() - cpu_before;
    seconds += report.stages.at("total_s");
  }
  const double rate =
      static_cast<double>(num_pictures) * static_cast<double>(state.iterations()) / seconds;
  const auto cores = static_cast<double>(usable_cores());
  state.counters["pictures/s"] = rate;
  state.counters["cores"] = cores;
  state.counters["decode_ms"] = cost.decode * 1e3;
  state.counters["preprocess_ms"] = cost.preprocess * 1e3;
  state.counters["encode_ms"] = cost.encode * 1e3;
  state.counters["facts_ms"] = cost.facts * 1e3;
  state.counters["cpu_ms"] = cpu_seconds * 1e3 / static_cast<double>(num_pictures) /
                             static_cast<double>(state.iterations());
  for (const auto& [stage, stage_seconds] : report.stages) state.counters[stage] = stage_seconds;
  state.counters["busy"] = rate * cost.core() / cores;
  state.counters["busy_all"] = rate * (cost.core() + cost.facts) / cores;
}

BENCHMARK_CAPTURE(ingest_run, embedded, ModelShape::kEmbedded)
    ->Arg(3000)
    ->Iterations(1)
    ->Unit(benchmark::kSecond);
BENCHMARK_CAPTURE(ingest_run, vit_b_32, ModelShape::kVitB32)
    ->Arg(200)
    ->Iterations(1)
    ->Unit(benchmark::kSecond);

}  // namespace
}  // namespace sightline::pipeline

int main(int argc, char** argv) {
  sightline::settings::set_up_process();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
