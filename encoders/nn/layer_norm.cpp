#include "encoders/nn/layer_norm.h"

#include "encoders/nn/linear.h"

namespace sightline::encoders::nn {

LayerNorm::LayerNorm(std::int64_t dim, double eps) : eps_(eps) {
  weight = register_parameter("weight", torch::ones({dim}));
  bias = register_parameter("bias", torch::zeros({dim}));
}

torch::Tensor LayerNorm::forward(const torch::Tensor& x) const {
  return at::layer_norm(x.to(torch::kFloat32), weight.sizes(), weight, bias, eps_);
}

}  // namespace sightline::encoders::nn
