// train/trainer.h: trains the dual encoder that ships with the program, from scratch.
//
// Pictures and words come from scripts/training-data. A run prepares them once, learns a tokenizer
// from the captions, trains with checkpoints, and writes a Hugging Face folder; killed at any
// moment it goes on from its last checkpoint. Two more stages go on with that folder's model:
// languages, then pictures once more. Recipe and figures: encoders/embedded/README.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "core/result.h"
#include "train/sources.h"
#include "train/train_config.h"

namespace sightline::train {

/// What a run does, each with the model that the one before it left in config.output_folder.
enum class TrainStage {
  kBoth,       ///< Both towers, from random weights.
  kLanguages,  ///< LanguageStage: the text tower alone.
  kPictures,   ///< PictureStage: the image tower alone.
};

struct TrainOptions {
  TrainConfig config;
  /// Instead of what config.data_folder holds.
  std::optional<std::vector<SourcePicture>> sources;
  TrainStage stage = TrainStage::kBoth;
  bool restart = false;        ///< Forget the checkpoint.
  bool prepare_only = false;   ///< Stop once the pictures are ready.
  bool evaluate_only = false;  ///< Measure the folder that an earlier run wrote.
};

/// Share of queries (the titles of held-out pictures, one each) that find a picture of their title
/// among the first k of the source's held-out pictures.
struct HeldOutRecall {
  std::string source;
  std::size_t num_pictures = 0;
  double at_1 = 0, at_5 = 0, at_10 = 0;
};
Json to_json(const std::vector<HeldOutRecall>& recall);

/// Where a run stands. Stages: "prepare" (done, total: pictures), "train" (steps), "languages"
/// (steps), "evaluate".
struct TrainProgress {
  std::string stage;
  std::uint64_t done = 0, total = 0;  ///< total 0: not known
  double share = 0;                   ///< Of the stage, 0..1.
  double eta_seconds = 0;
  std::uint64_t pictures_seen = 0;
  std::string seen = "pictures";  ///< What is counted: the languages' stage sees "texts".
  double pictures_per_second = 0;
  double loss = 0, learning_rate = 0, logit_scale = 0;
  std::size_t image_size = 0;
  std::vector<HeldOutRecall> recall;  ///< Only in the "evaluate" stage.

  Json to_json() const;
};
using TrainProgressFn = std::function<void(const TrainProgress&)>;

struct TrainReport {
  std::filesystem::path folder;  ///< The model.
  std::uint64_t steps = 0, pictures_seen = 0;
  std::string seen = "pictures";  ///< What is counted: the languages' stage sees "texts".
  double active_seconds = 0;      ///< Of training, over all its runs.
  /// Measured on the written folder through encoders::load_encoder().
  std::vector<HeldOutRecall> recall;

  Json to_json() const;
};

/// Runs on the calling thread with all cores; `progress` is called from it, and while pictures are
/// prepared from one other thread at a time.
/// errors  kNotFound: no training data; kCancelled: `stop` was requested, a checkpoint is written
///         and the message says how to go on; kFailedPrecondition: the checkpoint belongs to
///         another model; kInvalidArgument: a setting; kIoError.
Result<TrainReport> train(const TrainOptions& options, const TrainProgressFn& progress,
                          std::stop_token stop);

}  // namespace sightline::train
