// encoders/model_settings.h: what sightline itself keeps beside a model's files:
// MODEL/sightline.json.
#pragma once

#include <filesystem>
#include <optional>

#include "core/result.h"

namespace sightline::encoders {

/// No part of the model's identity: embeddings do not depend on it.
struct ModelSettings {
  /// Key "strong_spreads", more than 0 and at most 100: from so many spreads above the collection's
  /// background a score counts as a strong match (pipeline/score_background.h). Fitted by
  /// `sightline eval encoder --save-threshold`.
  std::optional<double> strong_spreads;
};

/// Of the folder's sightline.json; nothing is set without that file.
/// errors  kInvalidArgument: names the file, the key and the rule; kIoError.
Result<ModelSettings> read_model_settings(const std::filesystem::path& folder);

/// Writes or replaces the file. errors  kIoError.
Result<void> write_model_settings(const std::filesystem::path& folder,
                                  const ModelSettings& settings);

}  // namespace sightline::encoders
