// encoders/nn/encoder_layer.h: pre-norm transformer layers, as in CLIP, SigLIP and ViT.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "encoders/activation.h"
#include "encoders/nn/attention.h"
#include "encoders/nn/layer_norm.h"
#include "encoders/nn/mlp.h"
#include "encoders/nn/torch_compat.h"

namespace sightline::encoders::nn {

/// Sees what a stage of a tower computed ("embeddings", "layer_1", ...); for parity tests.
using StageTap = std::function<void(std::string_view stage, const torch::Tensor& value)>;

struct EncoderLayerOptions {
  std::int64_t dim = 0;               ///< Width of the residual stream.
  std::int64_t intermediate_dim = 0;  ///< Width inside the MLP.
  std::int64_t num_heads = 0;
  Activation activation = Activation::kGelu;
  double layer_norm_eps = 1e-5;
};

/// x + attention(norm(x)), then x + mlp(norm(x)).
/// Keys: `layer_norm1`, `self_attn`, `layer_norm2`, `mlp`.
class EncoderLayer : public torch::nn::Module {
 public:
  explicit EncoderLayer(const EncoderLayerOptions& options);

  /// float32 [n, t, dim] -> float32 [n, t, dim]; `x` is left as it is.
  torch::Tensor forward(const torch::Tensor& x, Causal causal,
                        const torch::Tensor& mask = {}) const;

  std::shared_ptr<LayerNorm> layer_norm1, layer_norm2;
  std::shared_ptr<Attention> self_attn;
  std::shared_ptr<Mlp> mlp;
};

/// A stack of layers. Keys: `layers.0`, `layers.1`, ...
class TransformerEncoder : public torch::nn::Module {
 public:
  TransformerEncoder(const EncoderLayerOptions& options, std::int64_t num_layers);

  /// float32 [n, t, dim] -> float32 [n, t, dim]. `tap` sees "layer_1" to "layer_N".
  torch::Tensor forward(torch::Tensor x, Causal causal, const torch::Tensor& mask = {},
                        const StageTap& tap = {}) const;

  const std::vector<std::shared_ptr<EncoderLayer>>& layers() const { return layers_; }

 private:
  std::vector<std::shared_ptr<EncoderLayer>> layers_;
};

}  // namespace sightline::encoders::nn
