// What it measures: steps of the trainer of the embedded model's shape (drawing a batch, both
// towers forward and backward, AdamW) on synthetic pictures, on all cores, by picture size, next to
// the machine's rate for one of its matrix products measured in the same run.
//
//   train_bench --benchmark_filter=step/64
//
// items_per_second: pictures. GFLOP/s counts the products alone, forward and twice that backward;
// of_matrix_rate is their share of what the plain product reaches. draw and update are shares of
// the time: the batch (augmentation, captions, tokens), and clipping, AdamW and moving average.
#include <benchmark/benchmark.h>
#include <torch/torch.h>

#include <chrono>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "encoders/tokenizer.h"
#include "train/internal/batch_maker.h"
#include "train/internal/dual_encoder.h"
#include "train/internal/model_folder.h"
#include "train/internal/torch_setup.h"

namespace sightline::train {
namespace {

constexpr std::size_t kNumPictures = 2000;
constexpr std::size_t kBatch = 256;

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// GFLOP/s of [256 * 65, 192] times [192, 768], the largest product of a step, in bf16 as there.
double matrix_rate() {
  static const double rate = [] {
    const torch::NoGradGuard no_grad;
    const torch::Tensor a = torch::randn({kBatch * 65, 192}).to(torch::kBFloat16);
    const torch::Tensor b = torch::randn({192, 768}).to(torch::kBFloat16);
    double best = 1e30;
    for (int i = 0; i < 30; ++i) {
      const double start = seconds();
      benchmark::DoNotOptimize(torch::mm(a, b));
      best = std::min(best, seconds() - start);
    }
    return 2.0 * kBatch * 65 * 192 * 768 / best * 1e-9;
  }();
  return rate;
}

/// Pictures of noise with captions of a few words.
class Pictures {
 public:
  Pictures() : pixels_(kNumPictures * kPictureBytes) {
    const char* const words[] = {"red",  "blue",  "house", "dog",   "cat",  "tree",
                                 "boat", "fruit", "small", "round", "bird", "flag"};
    std::mt19937 random(3);
    for (auto& value : pixels_) value = static_cast<std::uint8_t>(random());
    for (std::size_t i = 0; i < kNumPictures; ++i) {
      StoredPicture picture;
      picture.source = "noise";
      for (std::size_t k = 0; k < 1 + random() % 3; ++k) {
        picture.words.title += (k > 0 ? " " : "") + std::string(words[random() % 12]);
      }
      for (std::size_t k = 0; k < 4; ++k) picture.words.words.emplace_back(words[random() % 12]);
      picture.concept_id = title_hash(picture.words.title);
      picture.rgba = {pixels_.data() + i * kPictureBytes, kPictureBytes};
      all.push_back(std::move(picture));
    }
  }
  std::vector<StoredPicture> all;

 private:
  std::vector<std::uint8_t> pixels_;
};

double layers_flop(const encoders::ClipTowerConfig& tower, double tokens) {
  const auto width = static_cast<double>(tower.hidden_size);
  const auto inner = static_cast<double>(tower.intermediate_size);
  const double per_token = 2 * (4 * width * width + 2 * width * inner) + 4 * tokens * width;
  return static_cast<double>(tower.num_layers) * tokens * per_token;
}

/// Of one step's products.
double step_flop(const encoders::ClipConfig& model, const TrainBatch& batch) {
  const double patch = static_cast<double>(model.vision.patch_size);
  const double patches =
      static_cast<double>(batch.pixels.size(2) * batch.pixels.size(3)) / (patch * patch);
  const double embedding =
      2 * patches * 3 * patch * patch * static_cast<double>(model.vision.hidden_size);
  double flop = static_cast<double>(batch.pixels.size(0)) *
                (embedding + layers_flop(model.vision, patches + 1));
  for (const TextGroup& group : batch.texts) {
    flop += static_cast<double>(group.ids.size(0)) *
            layers_flop(model.text, static_cast<double>(group.ids.size(1)));
  }
  return 3 * flop;
}

void step(benchmark::State& state) {
  static const Pictures pictures;
  static const auto config =
      load_train_config(SIGHTLINE_SOURCE_DIR "/config/train-embedded.toml").value();
  static const auto tokenizer =
      encoders::load_tokenizer(SIGHTLINE_SOURCE_DIR "/encoders/embedded").value();
  keep_freed_memory();
  set_training_threads(0);
  encoders::ClipConfig model = config.model;
  model.text.vocab_size = static_cast<std::int64_t>(tokenizer->vocab_size());
  model.text.max_positions = static_cast<std::int64_t>(config.max_tokens);
  model.text.eos_token_id = model.text.pad_token_id = tokenizer->end_id();
  DualEncoder encoder(model, torch::kCPU);
  const auto spec = trained_preprocessing(static_cast<std::size_t>(model.vision.image_size));
  const BatchMaker batches(pictures.all, config, *tokenizer, spec);
  const TrainPhase phase{1.0, static_cast<std::size_t>(state.range(0)), kBatch, 1.0};
  Random random(1);
  const double rate = matrix_rate();
  double drawing = 0, updating = 0, flop = 0;
  std::int64_t number = 0;
  const auto run = [&] {
    const double begin = seconds();
    const TrainBatch batch = batches.draw(phase, 1.0, random);
    drawing += seconds() - begin;
    std::vector<torch::Tensor> texts;
    const torch::Tensor images = encoder.images(batch.pixels, batch.kept);
    for (const TextGroup& group : batch.texts) texts.push_back(encoder.texts(group.ids));
    encoder.loss(images, torch::cat(texts), batch.concepts).backward();
    const double computed = seconds();
    encoder.update(++number, config.learning_rate, config.beta1, config.beta2, config.weight_decay,
                   config.clip_norm, config.ema_decay);
    updating += seconds() - computed;
    flop += step_flop(model, batch);
  };
  for (int i = 0; i < 3; ++i) run();  // fresh memory, lazily made products
  drawing = updating = flop = 0;
  const double start = seconds();
  for (auto _ : state) run();
  const double all = seconds() - start;
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBatch));
  state.counters["GFLOP/s"] = flop / all * 1e-9;
  state.counters["of_matrix_rate"] = flop / all * 1e-9 / rate;
  state.counters["draw"] = drawing / all;
  state.counters["update"] = updating / all;
}
BENCHMARK(step)->Arg(32)->Arg(40)->Arg(64)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sightline::train

BENCHMARK_MAIN();
