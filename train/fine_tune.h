// train/fine_tune.h: goes on with the training of a CLIP model on somebody's own captioned
// pictures.
//
// A part of the captions is held out and measured now and then; what is kept is the best of these
// moments, the start included. Killed at any moment a run goes on from its last checkpoint.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.h"
#include "encoders/encoder.h"
#include "image/image.h"
#include "train/trainer.h"

namespace sightline::train {

/// Which tower stays as it is, its projection included. The factor on cosines is always trained.
enum class Freeze { kNone, kText, kImage };
Result<Freeze> parse_freeze(std::string_view text);  ///< "none", "text", "image"
std::string_view freeze_name(Freeze freeze);

/// Captioned pictures, wherever they lie.
struct Catalogue {
  std::vector<std::string> names;     ///< Of the pictures, for messages.
  std::vector<std::string> captions;  ///< Distinct.
  /// Of each picture: places in `captions`, each once, at least one.
  std::vector<std::vector<std::uint32_t>> captions_of;
  /// Reads and decodes picture i; called from many threads at once.
  std::function<Result<image::Image>(std::size_t i)> load;
};

/// Whether each picture is held out: by hash of its caption, so that equal captions stay together
/// and the answer is the same on every machine. Pictures that share a caption, directly or over
/// other pictures, go by the first caption of them all in the alphabet.
std::vector<bool> held_out_pictures(const Catalogue& catalogue, double share);

/// Recall of embeddings on captioned pictures, as Catalogue has them; each entry's `source` names
/// the direction. Runs are compared by the mean of all the figures.
using MeasureFn = std::function<Result<std::vector<HeldOutRecall>>(
    const encoders::EmbeddingBatch& pictures, const encoders::EmbeddingBatch& captions,
    const std::vector<std::vector<std::uint32_t>>& captions_of)>;

struct FineTuneOptions {
  std::string model = "embedded";       ///< What is started from: as for encoders::load_encoder().
  std::filesystem::path output_folder;  ///< New or empty, or what this very run wrote.
  std::filesystem::path work_folder;    ///< Checkpoints, log.jsonl, curves.png; made if missing.
  Freeze freeze = Freeze::kNone;
  double learning_rate = 0;   ///< 0..1; 0: default_learning_rate()
  double minutes = 0;         ///< Of active time; 0: `epochs` counts.
  double epochs = 5;          ///< Over the pictures that are trained on, > 0.
  std::size_t batch = 64;     ///< Pairs, 2..8192; at most the pictures that are trained on.
  double held_out = 0.1;      ///< Share, 0..0.9; 0: nothing is measured, the last weights win.
  double weight_decay = 0.1;  ///< Of matrices.
  std::uint64_t seed = 1;
  std::size_t num_measurements = 10;  ///< Of the held-out part, evenly over the run, 1..1000.
  std::size_t threads = 0;            ///< 0: one per core.
  std::string device = "auto";        ///< "auto", "cpu", "cuda"
  bool restart = false;               ///< Forget the checkpoint.
};

/// 1e-5 for published checkpoints, 1e-4 below 30 million parameters.
double default_learning_rate(std::uint64_t num_parameters);

struct FineTuneReport {
  std::filesystem::path folder;  ///< The model; written only if best_step > 0.
  std::uint64_t steps = 0;       ///< Of the whole run.
  std::uint64_t best_step = 0;   ///< What was kept; 0: nothing was better than the start.
  std::uint64_t pictures_seen = 0;
  double active_seconds = 0, learning_rate = 0;
  std::size_t num_trained = 0, num_held_out = 0;  ///< Pictures.
  /// Pictures that could not be read: name and reason.
  std::vector<std::pair<std::string, std::string>> skipped;
};

/// Runs on the calling thread with all cores. Progress has the stages "prepare", "train" and
/// "evaluate", as in trainer.h. AdamW, a warm-up over the first tenth and a cosine to a hundredth,
/// a moving average of the weights (which is measured and kept), light augmentation: crops of at
/// least four fifths of the area, brightness and contrast.
/// errors  kNotFound, kCorruption, kInvalidArgument: the model; kInvalidArgument: a setting,
/// nothing
///         held out, or nothing left to train on; kFailedPrecondition: the output folder is the
///         model itself or holds something else, or the checkpoint is of another run; kCancelled:
///         `stop` was requested, a checkpoint is written; kIoError.
Result<FineTuneReport> fine_tune(const FineTuneOptions& options, const Catalogue& catalogue,
                                 const MeasureFn& measure, const TrainProgressFn& progress,
                                 std::stop_token stop);

}  // namespace sightline::train
