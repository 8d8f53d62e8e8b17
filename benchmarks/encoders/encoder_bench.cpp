// What it measures: pictures, texts and tokenised captions per second through load_encoder(), on
// all cores, with random weights of two shapes: `embedded` (64 x 64 pictures, patch 8, width 192, 6
// blocks; text 3 blocks) and `vit_b_32` (224 x 224, 12 blocks of 768; text 12 blocks of 512).
// GFLOP/s counts the products alone.
//
//   encoder_bench --benchmark_filter=image
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <malloc.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <stdexcept>
#include <thread>

#include "benchmarks/encoders/random_model.h"
#include "encoders/encoder.h"
#include "encoders/tokenizer.h"
#include "tests/support/temp_dir.h"

namespace sightline::encoders {
namespace {

using benchmarks::clip_config_of;
using benchmarks::ModelShape;
using testing_support::TempDir;

const Encoder& encoder_of(ModelShape shape, Precision precision) {
  static std::map<ModelShape, std::unique_ptr<TempDir>> folders;
  static std::map<std::pair<ModelShape, Precision>, std::unique_ptr<Encoder>> encoders;
  auto& encoder = encoders[{shape, precision}];
  if (!encoder) {
    auto& folder = folders[shape];
    if (!folder) {
      folder = std::make_unique<TempDir>();
      benchmarks::write_random_model(shape, folder->path());
    }
    EncoderOptions options;
    options.model = folder->path().string();
    options.precision = precision;
    encoder = load_encoder(options).value();
  }
  return *encoder;
}

// Floating-point operations of the products of one tower for `tokens` tokens.
double tower_flop(const ClipTowerConfig& tower, double tokens) {
  const auto width = static_cast<double>(tower.hidden_size);
  const auto inner = static_cast<double>(tower.intermediate_size);
  const double per_token = 2 * (4 * width * width + 2 * width * inner) + 4 * tokens * width;
  return static_cast<double>(tower.num_layers) * tokens * per_token;
}

std::vector<std::string> captions(std::size_t n) {
  const char* const words[] = {"a",     "photo", "of",     "two",   "small", "dogs", "playing",
                               "in",    "the",   "park",   "red",   "house", "at",   "night",
                               "ocean", "with",  "bright", "light", "and",   "trees"};
  std::mt19937 random(7);
  std::vector<std::string> texts(n);
  for (std::string& text : texts)
    for (std::size_t i = 0; i < 4 + random() % 9; ++i)
      text += (text.empty() ? "" : " ") + std::string(words[random() % std::size(words)]);
  return texts;
}

void image(benchmark::State& state, ModelShape shape, Precision precision) {
  const Encoder& encoder = encoder_of(shape, precision);
  const auto n = static_cast<std::size_t>(state.range(0));
  const std::size_t size = encoder.info().image_size;
  image::PixelBatch pixels(n, size, size);
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (std::size_t i = 0; i < n; ++i)
    for (float& value : pixels.row(i)) value = normal(random);
  for (auto _ : state) benchmark::DoNotOptimize(encoder.encode_pixels(pixels, Deadline::never()));
  const ClipVisionConfig vision = clip_config_of(shape).vision;
  const double tokens = 1.0 + static_cast<double>(vision.grid_size() * vision.grid_size());
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.counters["GFLOP/s"] =
      benchmark::Counter(1e-9 * static_cast<double>(n) * tower_flop(vision, tokens),
                         benchmark::Counter::kIsIterationInvariantRate);
}

void text(benchmark::State& state, ModelShape shape, Precision precision) {
  const Encoder& encoder = encoder_of(shape, precision);
  const auto texts = captions(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(encoder.encode_texts(texts, Deadline::never()));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void tokenize(benchmark::State& state) {
  const auto tokenizer =
      load_tokenizer(std::filesystem::path(SIGHTLINE_TEST_DATA) / "tokenizers/clip").value();
  const auto texts = captions(1000);
  for (auto _ : state)
    for (const std::string& caption : texts)
      benchmark::DoNotOptimize(tokenizer->encode(caption, 77));
  state.SetItemsProcessed(state.iterations() * 1000);
}

void load_tokenizer_json(benchmark::State& state) {
  for (auto _ : state)
    benchmark::DoNotOptimize(
        load_tokenizer(std::filesystem::path(SIGHTLINE_TEST_DATA) / "tokenizers/clip").value());
}

BENCHMARK_CAPTURE(image, embedded_fp32, ModelShape::kEmbedded, Precision::kFloat32)
    ->Arg(1)
    ->Arg(256)
    ->UseRealTime();
BENCHMARK_CAPTURE(image, embedded_bf16, ModelShape::kEmbedded, Precision::kBFloat16)
    ->Arg(1)
    ->Arg(256)
    ->UseRealTime();
BENCHMARK_CAPTURE(image, vit_b_32_fp32, ModelShape::kVitB32, Precision::kFloat32)
    ->Arg(1)
    ->Arg(64)
    ->UseRealTime();
BENCHMARK_CAPTURE(image, vit_b_32_bf16, ModelShape::kVitB32, Precision::kBFloat16)
    ->Arg(1)
    ->Arg(64)
    ->UseRealTime();
BENCHMARK_CAPTURE(text, embedded_fp32, ModelShape::kEmbedded, Precision::kFloat32)
    ->Arg(1)
    ->Arg(256)
    ->UseRealTime();
BENCHMARK_CAPTURE(text, vit_b_32_fp32, ModelShape::kVitB32, Precision::kFloat32)
    ->Arg(1)
    ->Arg(256)
    ->UseRealTime();
BENCHMARK_CAPTURE(text, vit_b_32_bf16, ModelShape::kVitB32, Precision::kBFloat16)
    ->Arg(1)
    ->Arg(256)
    ->UseRealTime();
BENCHMARK(tokenize);
BENCHMARK(load_tokenizer_json)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sightline::encoders

int main(int argc, char** argv) {
  if (std::getenv("OMP_NUM_THREADS") == nullptr)  // LibTorch alone would count physical cores
    at::set_num_threads(static_cast<int>(std::max(1U, std::thread::hardware_concurrency())));
  // By default glibc returns freed activations to the system and faults them in again, layer by
  // layer.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
