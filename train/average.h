// train/average.h: one model out of several that were trained from the same start.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/result.h"

namespace sightline::train {

/// Writes to `out` the folder of models[0] with the mean of all the models' weights, in the type of
/// models[0]. Means pay off between runs that share their beginning ("model soups", arXiv
/// 2203.05482); those of models trained apart tell nothing apart.
/// models  two or more folders, or "embedded"
/// errors  kInvalidArgument: fewer than two, or models of unlike architecture, preprocessing or
///         tokenizer: names both and what differs; kFailedPrecondition: `out` is there and is not
///         an empty folder; those of encoders::check_model(); kIoError.
Result<void> average_models(const std::vector<std::string>& models,
                            const std::filesystem::path& out);

}  // namespace sightline::train
