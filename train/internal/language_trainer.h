// train/internal/language_trainer.h: the second stage of a run (TrainOptions::languages).
#pragma once

#include <stop_token>

#include "core/result.h"
#include "train/trainer.h"

namespace sightline::train {

/// Teaches the text tower of config.output_folder other languages and writes it back; the image
/// tower stays to the bit. The English model is kept as config.work_folder/english, the teacher of
/// this run and of later ones. Goes on from its checkpoint.
/// errors  as train(); kNotFound: no model there yet; kFailedPrecondition: the model speaks other
///         languages already and no English one is kept.
Result<TrainReport> train_languages(const TrainOptions& options, const TrainProgressFn& progress,
                                    std::stop_token stop);

}  // namespace sightline::train
