// encoders/clip_config.h: what config.json of a CLIP checkpoint says.
#pragma once

#include <cstdint>

#include "core/json.h"
#include "core/result.h"
#include "encoders/activation.h"

namespace sightline::encoders {

/// The transformer of one tower. Ranges are checked by parse_clip_config().
struct ClipTowerConfig {
  std::int64_t hidden_size = 0;        ///< Width of the residual stream, 1..16384.
  std::int64_t intermediate_size = 0;  ///< Width inside the MLP, 1..65536.
  std::int64_t num_layers = 0;         ///< 1..256
  std::int64_t num_heads = 0;          ///< Divides hidden_size.
  Activation activation = Activation::kQuickGelu;
  double layer_norm_eps = 1e-5;
  double initializer_range = 0.02;
  double initializer_factor = 1.0;
};

struct ClipTextConfig : ClipTowerConfig {
  std::int64_t vocab_size = 49408;  ///< 1..2^24
  std::int64_t max_positions = 77;  ///< Longest text in tokens, 1..65536.
  std::int64_t bos_token_id = 49406;
  /// Where the pooled vector is taken: the first position of this id, or position 0 without one.
  /// The value 2 (OpenAI's and LAION's files, never the tokenizer's id) means the first position of
  /// the largest id.
  std::int64_t eos_token_id = 49407;
  std::int64_t pad_token_id = 1;
};

struct ClipVisionConfig : ClipTowerConfig {
  std::int64_t image_size = 224;  ///< pixels, 1..4096
  std::int64_t patch_size = 32;   ///< pixels, 1..image_size; a remainder at the border is not seen.
  std::int64_t num_channels = 3;
  std::int64_t grid_size() const { return image_size / patch_size; }  ///< patches along one side
};

/// Defaults are those of transformers 5.12 (ViT-B/32), which config.json files leave out.
struct ClipConfig {
  ClipConfig();
  ClipTextConfig text;
  ClipVisionConfig vision;
  std::int64_t projection_dim = 512;  ///< Dimensions of an embedding, 1..16384.
  double logit_scale_init = 2.6592;   ///< Initial log of the factor on cosines.
  double initializer_factor = 1.0;
};

/// Reads config.json, OpenAI's older `text_config_dict`/`vision_config_dict` included.
/// errors  kInvalidArgument: another architecture, a wrong type, a value out of range; names the
/// key.
Result<ClipConfig> parse_clip_config(const Json& config);

/// Every value, in the form of config.json that transformers reads. Two configurations of equal
/// meaning give equal JSON: this is the normalised form that the model checksum covers.
Json clip_config_json(const ClipConfig& config);

}  // namespace sightline::encoders
