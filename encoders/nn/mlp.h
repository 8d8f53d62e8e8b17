// encoders/nn/mlp.h: the feed-forward half of a transformer layer.
#pragma once

#include <cstdint>
#include <memory>

#include "encoders/activation.h"
#include "encoders/nn/linear.h"
#include "encoders/nn/torch_compat.h"

namespace sightline::encoders::nn {

/// `activation` of every element, in the type of `x`; on a CPU float32, where LibTorch has fast
/// kernels for no other type. Without autograd `x` may be overwritten.
torch::Tensor activate(torch::Tensor x, Activation activation);

/// fc2(activation(fc1(x))). Keys: `fc1`, `fc2`.
class Mlp : public torch::nn::Module {
 public:
  Mlp(std::int64_t dim, std::int64_t intermediate_dim, Activation activation);

  torch::Tensor forward(const torch::Tensor& x) const;  ///< [..., dim] -> [..., dim]

  std::shared_ptr<Linear> fc1, fc2;

 private:
  Activation activation_;
};

}  // namespace sightline::encoders::nn
