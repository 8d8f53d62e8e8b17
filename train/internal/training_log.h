// train/internal/training_log.h: what a run did, for people and programs: log.jsonl and curves.png
// in its work folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>

#include "core/result.h"
#include "train/trainer.h"

namespace sightline::train {

/// One JSON object a line: TrainProgress::to_json() and `time`, seconds since 1970. A run that goes
/// on appends; lines of steps that it does again are taken away first, and so is half a line.
/// Thread-safety: one thread.
class TrainingLog {
 public:
  /// from_step  the run goes on behind this step; 0: begins anew.
  /// errors  kIoError.
  static Result<TrainingLog> open(const std::filesystem::path& folder, std::uint64_t from_step);

  /// Appends; what cannot be written is a warning in the program's log, once.
  void add(const TrainProgress& progress);
  /// Draws curves.png anew: the loss, and the recall at 10 of each held-out set, over the pictures
  /// (or texts) seen. A failure is a warning.
  void draw() const;

 private:
  TrainingLog(std::filesystem::path folder, std::ofstream file)
      : folder_(std::move(folder)), file_(std::move(file)) {}

  std::filesystem::path folder_;
  std::ofstream file_;
  bool has_failed_ = false;
};

/// Draws the curves of `log` to `png`. errors  kNotFound, kIoError, kInternal.
Result<void> draw_training_curves(const std::filesystem::path& log,
                                  const std::filesystem::path& png);

}  // namespace sightline::train
