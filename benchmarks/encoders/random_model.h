// benchmarks/encoders/random_model.h: model folders with random weights, for their shape alone.
#pragma once

#include <filesystem>

#include "encoders/clip_config.h"

namespace sightline::benchmarks {

enum class ModelShape {
  kEmbedded,  ///< 64 x 64 pictures, patch 8, width 192, 6 blocks
  kVitB32,    ///< 224 x 224, patch 32, width 768, 12 blocks
};

encoders::ClipConfig clip_config_of(ModelShape shape);

/// Writes a Hugging Face folder that load_encoder() takes.
void write_random_model(ModelShape shape, const std::filesystem::path& folder);

}  // namespace sightline::benchmarks
