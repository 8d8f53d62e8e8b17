// encoders/nn/embeddings.h: what turns pixels and token ids into the vectors a transformer takes.
#pragma once

#include <cstdint>

#include "encoders/nn/linear.h"
#include "encoders/nn/torch_compat.h"

namespace sightline::encoders::nn {

/// One vector per square patch: a convolution whose stride is its kernel. Keys: `weight`, `bias`.
class PatchEmbedding : public ProductModule {
 public:
  PatchEmbedding(std::int64_t num_channels, std::int64_t patch_size, std::int64_t dim,
                 Linear::Bias with_bias);

  /// float [n, channels, h, w] -> float32 [n, (h / patch) * (w / patch), dim], patches row by row.
  /// Rows and columns beyond the last whole patch are not seen.
  torch::Tensor forward(const torch::Tensor& pixels) const;

  torch::Tensor weight;  ///< [dim, channels, patch, patch]
  torch::Tensor bias;    ///< [dim]; undefined without one
};

/// A row per token id. Keys: `weight`.
class TokenEmbedding : public torch::nn::Module {
 public:
  TokenEmbedding(std::int64_t vocab_size, std::int64_t dim);

  /// int64 [n, t], each in 0..vocab_size - 1 -> float32 [n, t, dim]
  torch::Tensor forward(const torch::Tensor& ids) const;

  torch::Tensor weight;  ///< [vocab_size, dim]
};

/// A learned row per position. Keys: `weight`.
class PositionEmbedding : public torch::nn::Module {
 public:
  PositionEmbedding(std::int64_t num_positions, std::int64_t dim);

  /// Rows 0..t - 1: [t, dim]; t <= num_positions.
  torch::Tensor first(std::int64_t t) const;
  /// Rows for a grid of height x width patches behind `num_prefix` rows (class token) that stay as
  /// they are: [num_prefix + height * width, dim]. Another shape than the learned square is
  /// interpolated: bicubic, a = -0.75, align_corners false, no antialiasing. Gradients flow
  /// through.
  torch::Tensor grid(std::int64_t height, std::int64_t width, std::int64_t num_prefix) const;

  torch::Tensor weight;  ///< [num_positions, dim]
};

}  // namespace sightline::encoders::nn
