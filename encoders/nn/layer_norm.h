// encoders/nn/layer_norm.h: layer normalisation over the last axis.
#pragma once

#include <cstdint>

#include "encoders/nn/torch_compat.h"

namespace sightline::encoders::nn {

/// (x - mean) / sqrt(var + eps) * weight + bias. Keys: `weight`, `bias`.
class LayerNorm : public torch::nn::Module {
 public:
  LayerNorm(std::int64_t dim, double eps);

  /// Any float type [..., dim] -> float32 [..., dim]
  torch::Tensor forward(const torch::Tensor& x) const;

  torch::Tensor weight, bias;  ///< [dim]

 private:
  double eps_;
};

}  // namespace sightline::encoders::nn
