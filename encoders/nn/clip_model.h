// encoders/nn/clip_model.h: CLIP (Radford et al., arXiv 2103.00020) as transformers' CLIPModel.
//
// Parameters carry the key names of published checkpoints, so named_parameters() is the checkpoint.
// The same modules train (autograd on) and infer (freeze(), InferenceMode).
#pragma once

#include <memory>

#include "encoders/clip_config.h"
#include "encoders/nn/embeddings.h"
#include "encoders/nn/encoder_layer.h"
#include "encoders/nn/layer_norm.h"
#include "encoders/nn/linear.h"
#include "encoders/nn/torch_compat.h"

namespace sightline::encoders::nn {

/// Keys: `embeddings.{class_embedding,patch_embedding,position_embedding}`, `pre_layrnorm` (spelt
/// so in every checkpoint), `encoder`, `post_layernorm`.
class ClipVisionTower : public torch::nn::Module {
 public:
  explicit ClipVisionTower(const ClipVisionConfig& config);

  /// float [n, 3, h, w] -> float32 [n, hidden]: the normalised class token. Sizes other than the
  /// trained one interpolate the position embeddings; h and w hold at least one patch.
  /// tap  "patch_embedding" [n, patches, hidden], "embeddings", "pre_layrnorm", "layer_i" [n, 1 +
  ///      patches, hidden].
  torch::Tensor forward(const torch::Tensor& pixels, const StageTap& tap = {}) const;

  torch::Tensor class_embedding;  ///< [hidden]
  std::shared_ptr<PatchEmbedding> patch_embedding;
  std::shared_ptr<PositionEmbedding> position_embedding;
  std::shared_ptr<LayerNorm> pre_layrnorm, post_layernorm;
  std::shared_ptr<TransformerEncoder> encoder;
};

/// Keys: `embeddings.{token_embedding,position_embedding}`, `encoder`, `final_layer_norm`.
class ClipTextTower : public torch::nn::Module {
 public:
  explicit ClipTextTower(const ClipTextConfig& config);

  /// int64 [n, t], 1 <= t <= max_positions -> float32 [n, hidden]: the normalised vector at the
  /// pooled position (see pooled_positions()). What stands behind that position does not matter.
  /// attention_mask  undefined, or int64 [n, t]: 1 where a token counts as a key. Changes only what
  ///                 padding positions compute, which nothing reads but `tap`.
  /// tap  "embeddings", "layer_i", "last_hidden_state" [n, t, hidden].
  torch::Tensor forward(const torch::Tensor& ids, const StageTap& tap = {},
                        const torch::Tensor& attention_mask = {}) const;

  /// int64 [n, t] -> int64 [n], by the rule of ClipTextConfig::eos_token_id.
  torch::Tensor pooled_positions(const torch::Tensor& ids) const;

  std::shared_ptr<TokenEmbedding> token_embedding;
  std::shared_ptr<PositionEmbedding> position_embedding;
  std::shared_ptr<TransformerEncoder> encoder;
  std::shared_ptr<LayerNorm> final_layer_norm;

 private:
  std::int64_t eos_token_id_;
};

/// Keys: `vision_model`, `text_model`, `visual_projection`, `text_projection`, `logit_scale`.
/// Parameters are uninitialised until load_weights() or initialize().
class ClipModel : public torch::nn::Module {
 public:
  explicit ClipModel(const ClipConfig& config);

  /// Random weights drawn as CLIP and transformers draw them, from LibTorch's default generator.
  void initialize();

  /// Projected features, float32 [n, projection_dim], not normalised.
  torch::Tensor image_features(const torch::Tensor& pixels, const StageTap& tap = {}) const;
  torch::Tensor text_features(const torch::Tensor& ids, const StageTap& tap = {},
                              const torch::Tensor& attention_mask = {}) const;

  const ClipConfig& config() const { return config_; }

  std::shared_ptr<ClipVisionTower> vision_model;
  std::shared_ptr<ClipTextTower> text_model;
  std::shared_ptr<Linear> visual_projection, text_projection;
  torch::Tensor log_logit_scale;  ///< scalar; key `logit_scale`

 private:
  ClipConfig config_;
};

}  // namespace sightline::encoders::nn
