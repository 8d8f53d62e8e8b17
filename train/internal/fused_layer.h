// train/internal/fused_layer.h: one transformer layer for training on a CPU: bf16 matrix products
// through LibTorch, everything between them in kernels/, forward and backward.
#pragma once

#include <cstdint>

#include "encoders/nn/encoder_layer.h"
#include "encoders/nn/torch_compat.h"

namespace sightline::train {

/// Whether fused_layer() can compute a layer of this shape.
bool fused_layer_fits(std::int64_t tokens, std::int64_t dim, std::int64_t num_heads,
                      encoders::Activation activation);

/// What `layer.forward(x, causal)` computes with bf16 products, differentiable by x and the layer's
/// parameters. x: float32 [n, tokens, dim] on the CPU.
torch::Tensor fused_layer(const torch::Tensor& x, const encoders::nn::EncoderLayer& layer,
                          std::int64_t num_heads, encoders::nn::Causal causal);

}  // namespace sightline::train
