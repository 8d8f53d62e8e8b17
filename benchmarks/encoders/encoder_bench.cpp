// What it measures: pictures, texts and tokenised captions per second through load_encoder(), on
// all cores, with random weights of two shapes: `small` (64 x 64 pictures, patch 8, width 192, 6
// blocks; text 3 blocks: the shape of the embedded model) and `vit_b_32` (224 x 224, 12 blocks of
// 768; text 12 blocks of 512). GFLOP/s counts the products alone.
//
//   encoder_bench --benchmark_filter=image
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <malloc.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <stdexcept>
#include <thread>

#include "encoders/encoder.h"
#include "encoders/nn/clip_model.h"
#include "encoders/nn/weight_map.h"
#include "encoders/tokenizer.h"

namespace sightline::encoders {
namespace {

namespace fs = std::filesystem;

enum Shape { kSmall, kVitB32 };

ClipConfig config_of(Shape shape) {
  ClipConfig config;  // the defaults are ViT-B/32
  if (shape == kVitB32) return config;
  config.projection_dim = 256;
  config.vision.image_size = 64;
  config.vision.patch_size = 8;
  config.vision.num_layers = 6;
  config.text.num_layers = 3;
  config.text.vocab_size = 6000;
  config.text.max_positions = 20;
  config.text.eos_token_id = 999;
  for (ClipTowerConfig* tower : {static_cast<ClipTowerConfig*>(&config.vision),
                                 static_cast<ClipTowerConfig*>(&config.text)}) {
    tower->hidden_size = 192;
    tower->intermediate_size = 768;
    tower->num_heads = 6;
  }
  return config;
}

// A model folder with random weights, gone when the program ends.
class ModelFolder {
 public:
  explicit ModelFolder(Shape shape)
      : path_(fs::temp_directory_path() /
              ("sightline-encoder-bench-" + std::to_string(std::random_device()()))) {
    fs::create_directories(path_);
    const ClipConfig config = config_of(shape);
    nn::ClipModel model(config);
    torch::manual_seed(1);
    model.initialize();
    nn::save_weights(model, path_ / "model.safetensors", DType::kBF16).value();
    std::ofstream(path_ / "config.json") << clip_config_json(config).dump();
    const auto size = config.vision.image_size;
    std::ofstream(path_ / "preprocessor_config.json") << Json{
        {"image_processor_type", "CLIPImageProcessor"},
        {"size", {{"shortest_edge", size}}},
        {"crop_size", {{"height", size}, {"width", size}}}}.dump();
    const fs::path data = SIGHTLINE_TEST_DATA;
    const fs::path tokenizer = data / (shape == kSmall ? "clip-vit-tiny" : "tokenizers/clip");
    for (const char* name : {"tokenizer.json", "tokenizer_config.json"})
      fs::copy_file(tokenizer / name, path_ / name);
  }
  ~ModelFolder() {
    std::error_code error;
    fs::remove_all(path_, error);
  }
  ModelFolder(const ModelFolder&) = delete;
  ModelFolder& operator=(const ModelFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

const Encoder& encoder_of(Shape shape, Precision precision) {
  static std::map<Shape, std::unique_ptr<ModelFolder>> folders;
  static std::map<std::pair<Shape, Precision>, std::unique_ptr<Encoder>> encoders;
  auto& encoder = encoders[{shape, precision}];
  if (!encoder) {
    auto& folder = folders[shape];
    if (!folder) folder = std::make_unique<ModelFolder>(shape);
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

void image(benchmark::State& state, Shape shape, Precision precision) {
  const Encoder& encoder = encoder_of(shape, precision);
  const auto n = static_cast<std::size_t>(state.range(0));
  const std::size_t size = encoder.info().image_size;
  image::PixelBatch pixels(n, size, size);
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (std::size_t i = 0; i < n; ++i)
    for (float& value : pixels.row(i)) value = normal(random);
  for (auto _ : state) benchmark::DoNotOptimize(encoder.encode_pixels(pixels, Deadline::never()));
  const ClipVisionConfig vision = config_of(shape).vision;
  const double tokens = 1.0 + static_cast<double>(vision.grid_size() * vision.grid_size());
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.counters["GFLOP/s"] =
      benchmark::Counter(1e-9 * static_cast<double>(n) * tower_flop(vision, tokens),
                         benchmark::Counter::kIsIterationInvariantRate);
}

void text(benchmark::State& state, Shape shape, Precision precision) {
  const Encoder& encoder = encoder_of(shape, precision);
  const auto texts = captions(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(encoder.encode_texts(texts, Deadline::never()));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void tokenize(benchmark::State& state) {
  const auto tokenizer = load_tokenizer(fs::path(SIGHTLINE_TEST_DATA) / "tokenizers/clip").value();
  const auto texts = captions(1000);
  for (auto _ : state)
    for (const std::string& caption : texts)
      benchmark::DoNotOptimize(tokenizer->encode(caption, 77));
  state.SetItemsProcessed(state.iterations() * 1000);
}

void load_tokenizer_json(benchmark::State& state) {
  for (auto _ : state)
    benchmark::DoNotOptimize(
        load_tokenizer(fs::path(SIGHTLINE_TEST_DATA) / "tokenizers/clip").value());
}

BENCHMARK_CAPTURE(image, small_fp32, kSmall, Precision::kFloat32)->Arg(1)->Arg(256)->UseRealTime();
BENCHMARK_CAPTURE(image, small_bf16, kSmall, Precision::kBFloat16)->Arg(1)->Arg(256)->UseRealTime();
BENCHMARK_CAPTURE(image, vit_b_32_fp32, kVitB32, Precision::kFloat32)
    ->Arg(1)
    ->Arg(64)
    ->UseRealTime();
BENCHMARK_CAPTURE(image, vit_b_32_bf16, kVitB32, Precision::kBFloat16)
    ->Arg(1)
    ->Arg(64)
    ->UseRealTime();
BENCHMARK_CAPTURE(text, small_fp32, kSmall, Precision::kFloat32)->Arg(1)->Arg(256)->UseRealTime();
BENCHMARK_CAPTURE(text, vit_b_32_fp32, kVitB32, Precision::kFloat32)
    ->Arg(1)
    ->Arg(256)
    ->UseRealTime();
BENCHMARK_CAPTURE(text, vit_b_32_bf16, kVitB32, Precision::kBFloat16)
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
