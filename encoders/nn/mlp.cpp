#include "encoders/nn/mlp.h"

namespace sightline::encoders::nn {
namespace {

// x sigmoid(a x) = silu(a x) / a: LibTorch vectorises silu, and it works in place.
constexpr double kQuickGeluSlope = 1.702;

}  // namespace

torch::Tensor activate(torch::Tensor x, Activation activation) {
  if (x.device().is_cpu()) x = x.to(torch::kFloat32);
  const bool in_place = !at::GradMode::is_enabled();
  switch (activation) {
    case Activation::kQuickGelu:
      if (in_place) return at::silu_(x.mul_(kQuickGeluSlope)).mul_(1.0 / kQuickGeluSlope);
      return at::silu(x * kQuickGeluSlope) * (1.0 / kQuickGeluSlope);
    case Activation::kGelu:
      return in_place ? at::gelu_(x, "none") : at::gelu(x, "none");
    case Activation::kGeluTanh:
      return in_place ? at::gelu_(x, "tanh") : at::gelu(x, "tanh");
  }
  return x;
}

Mlp::Mlp(std::int64_t dim, std::int64_t intermediate_dim, Activation activation)
    : activation_(activation) {
  fc1 = register_module("fc1", std::make_shared<Linear>(dim, intermediate_dim));
  fc2 = register_module("fc2", std::make_shared<Linear>(intermediate_dim, dim));
}

torch::Tensor Mlp::forward(const torch::Tensor& x) const {
  return fc2->forward(activate(fc1->forward(x), activation_));
}

}  // namespace sightline::encoders::nn
