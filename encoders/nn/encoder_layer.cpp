#include "encoders/nn/encoder_layer.h"

#include <string>

namespace sightline::encoders::nn {

EncoderLayer::EncoderLayer(const EncoderLayerOptions& options) {
  layer_norm1 = register_module("layer_norm1",
                                std::make_shared<LayerNorm>(options.dim, options.layer_norm_eps));
  self_attn =
      register_module("self_attn", std::make_shared<Attention>(options.dim, options.num_heads));
  layer_norm2 = register_module("layer_norm2",
                                std::make_shared<LayerNorm>(options.dim, options.layer_norm_eps));
  mlp = register_module(
      "mlp", std::make_shared<Mlp>(options.dim, options.intermediate_dim, options.activation));
}

torch::Tensor EncoderLayer::forward(const torch::Tensor& x, Causal causal,
                                    const torch::Tensor& mask) const {
  torch::Tensor y = x + self_attn->forward(layer_norm1->forward(x), causal, mask);
  const torch::Tensor change = mlp->forward(layer_norm2->forward(y));
  return at::GradMode::is_enabled() ? y + change : y.add_(change);
}

TransformerEncoder::TransformerEncoder(const EncoderLayerOptions& options,
                                       std::int64_t num_layers) {
  const auto list = register_module("layers", std::make_shared<torch::nn::Module>());
  for (std::int64_t i = 0; i < num_layers; ++i)
    layers_.push_back(
        list->register_module(std::to_string(i), std::make_shared<EncoderLayer>(options)));
}

torch::Tensor TransformerEncoder::forward(torch::Tensor x, Causal causal, const torch::Tensor& mask,
                                          const StageTap& tap) const {
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    x = layers_[i]->forward(x, causal, mask);
    if (tap) tap("layer_" + std::to_string(i + 1), x);
  }
  return x;
}

}  // namespace sightline::encoders::nn
