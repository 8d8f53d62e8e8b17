// train/train_config.h: the settings of a training run, read from TOML.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/result.h"
#include "encoders/clip_config.h"
#include "train/augment.h"
#include "train/captions.h"

namespace sightline::train {

/// Part of the schedule. Small pictures first train several times as many for the same arithmetic
/// (CLIPA, arXiv 2305.07017).
struct TrainPhase {
  double until = 1.0;           ///< Share of the run at which it ends, ascending; the last is 1.
  std::size_t image_size = 64;  ///< pixels, a multiple of the patch size
  std::size_t batch = 256;      ///< pairs, 2..8192
  double keep = 1.0;            ///< Share of the patches that are looked at, 0.1..1.
};

/// The second stage: the text tower learns other languages from the English model, by texts alone
/// (Reimers & Gurevych, arXiv 2004.09813). The image tower stays as it is.
struct LanguageStage {
  /// A model that knows its languages already and goes on from there; empty: the English model's
  /// text tower with new tokens. Its vocabulary is kept.
  std::filesystem::path init;
  std::size_t vocab_size = 12500;  ///< With the English tokens, 514..65536.
  double minutes = 20;             ///< Of active time; ignored if steps > 0.
  std::uint64_t steps = 0;
  std::size_t batch = 512;  ///< texts, 2..8192
  double learning_rate = 1e-3, final_learning_rate = 1e-5;
  /// Share of English texts, so that English stays, at the start and at the end, 0..1.
  double english = 0.45, final_english = 0.9;
  double contrast = 0.5;  ///< Weight of the contrastive term beside the cosine's, 0..100.
  /// How often a language is drawn, relative to 1.
  std::map<std::string, double> weights;
};

/// The third stage: the image tower goes on with the pictures, while the text tower stays as the
/// languages' stage left it. What the first stage says of captions, augmentation, loss and
/// optimiser holds, but for the rates.
struct PictureStage {
  double minutes = 40;  ///< Of active time; ignored if steps > 0.
  std::uint64_t steps = 0;
  double learning_rate = 5e-4, final_learning_rate = 1e-5;
  std::vector<TrainPhase> phases;  ///< [[pictures.phase]]; none: as the last [[phase]].
};

/// How the pairs of a batch are compared.
enum class LossKind {
  kContrastive,  ///< Softmax over the batch, both ways (CLIP, arXiv 2103.00020).
  kSigmoid,      ///< Every pair on its own, with a learned bias; begins with scale 10 and bias -10
                 ///< (SigLIP, arXiv 2303.15343).
};

struct TrainConfig {
  // [data]
  std::filesystem::path data_folder;      ///< Of scripts/training-data; default: its default.
  std::filesystem::path prepared_folder;  ///< Default: CACHE/sightline/train/pictures.
  /// How often a picture of a source is drawn, relative to 1.
  std::map<std::string, double> source_weights;

  // [tokenizer]
  std::size_t vocab_size = 6000;  ///< 514..65536
  std::size_t max_tokens = 32;    ///< Longest text with start and end token, 4..77.

  // [model]; what the tokenizer decides is filled in later.
  encoders::ClipConfig model;

  // [[phase]]
  std::vector<TrainPhase> phases;

  // [optimizer]
  double learning_rate = 1e-3, final_learning_rate = 1e-5;
  double beta1 = 0.9, beta2 = 0.98, weight_decay = 0.1, clip_norm = 1.0, ema_decay = 0.998;
  std::uint64_t warmup_steps = 200;

  // [loss]
  LossKind loss = LossKind::kContrastive;  ///< kind = "contrastive" or "sigmoid"

  // [captions], [augment]
  CaptionMix captions;
  AugmentOptions augment;
  double final_strength = 0.5;  ///< Of the augmentation, at the end; 1 at the start.

  // [run]
  double minutes = 42;      ///< Of active time; ignored if steps > 0.
  std::uint64_t steps = 0;  ///< A run of so many steps is repeatable to the bit on one machine.
  std::uint64_t seed = 1;
  double checkpoint_minutes = 3, evaluate_minutes = 5;
  std::size_t threads = 0;            ///< 0: one per core.
  std::string device = "auto";        ///< "auto", "cpu", "cuda"
  std::filesystem::path work_folder;  ///< Checkpoints. Default: CACHE/sightline/train/NAME.

  // [languages], [languages.weights]
  LanguageStage languages;

  // [pictures], [[pictures.phase]]
  PictureStage pictures;

  // [output]
  std::filesystem::path output_folder;  ///< The Hugging Face folder; its README.md stays.
};

/// CACHE/sightline with CACHE as XDG says.
std::filesystem::path training_cache();

/// Reads a TOML file. Unknown keys are errors. Relative paths are relative to the file's folder.
/// errors  kNotFound, kInvalidArgument: names file, key, value and rule.
Result<TrainConfig> load_train_config(const std::filesystem::path& path);

/// The rules that the comments state. errors  kInvalidArgument: names key, value and rule.
Result<void> check_train_config(const TrainConfig& config);

/// Learning rate at `step` (from 1), `share` of the run done: linear warm-up, then cosine.
double learning_rate_at(const TrainConfig& config, std::uint64_t step, double share);

/// The phase of the moment.
const TrainPhase& phase_at(const TrainConfig& config, double share);

}  // namespace sightline::train
