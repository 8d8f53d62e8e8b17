#include "encoders/nn/linear.h"

namespace sightline::encoders::nn {
namespace {

// Below this many rows the set-up of a oneDNN convolution costs more than its speed saves.
constexpr std::int64_t kMinRowsForOneDnn = 32;

bool use_onednn(const torch::Tensor& x, std::int64_t rows) {
  return rows >= kMinRowsForOneDnn && !at::GradMode::is_enabled() && x.device().is_cpu() &&
         at::globalContext().userEnabledMkldnn() && at::Context::hasMKLDNN();
}

// A product is a 1x1 convolution over a picture of one column, channels last: the one oneDNN entry
// of LibTorch that takes plain float32 tensors without copying them.
torch::Tensor onednn_linear(const torch::Tensor& rows, const torch::Tensor& weight,
                            const torch::Tensor& bias) {
  const std::int64_t n = rows.size(0), in = rows.size(1), out = weight.size(0);
  const std::vector<std::int64_t> none{0, 0}, one{1, 1};
  const torch::Tensor columns = rows.contiguous().view({1, n, 1, in}).permute({0, 3, 1, 2});
  const torch::Tensor kernel = weight.contiguous().view({out, in, 1, 1});
  const torch::Tensor y = at::mkldnn_convolution(
      columns, kernel, bias.defined() ? c10::optional<torch::Tensor>(bias) : c10::nullopt, none,
      one, one, 1);
  return y.permute({0, 2, 3, 1}).reshape({n, out});
}

// Module::modules() would need `module` to live in a shared_ptr.
template <typename Visit>
void for_each_module(torch::nn::Module& module, Visit visit) {
  visit(module);
  for (const auto& child : module.children()) for_each_module(*child, visit);
}

}  // namespace

torch::Tensor linear(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                     torch::ScalarType type) {
  const torch::Tensor rows = x.to(type).reshape({-1, x.size(-1)});
  const torch::Tensor w = weight.to(type);
  const torch::Tensor b = bias.defined() ? bias.to(type) : bias;
  std::vector<std::int64_t> shape = x.sizes().vec();
  shape.back() = weight.size(0);
  if (type == torch::kFloat32 && use_onednn(rows, rows.size(0)))
    return onednn_linear(rows, w, b).view(shape);
  if (!b.defined()) return at::mm(rows, w.t()).view(shape);
  return at::addmm(b, rows, w.t()).view(shape);
}

Linear::Linear(std::int64_t in_features, std::int64_t out_features, Bias with_bias) {
  weight = register_parameter("weight", empty_parameter({out_features, in_features}));
  if (with_bias == Bias::kYes) bias = register_parameter("bias", empty_parameter({out_features}));
}

torch::Tensor Linear::forward(const torch::Tensor& x) const {
  return linear(x, weight, bias, product_type());
}

void set_product_type(torch::nn::Module& module, torch::ScalarType type) {
  for_each_module(module, [type](torch::nn::Module& child) {
    if (auto* product = dynamic_cast<ProductModule*>(&child)) product->set_product_type(type);
  });
}

void freeze(torch::nn::Module& module, torch::Device device, torch::ScalarType type) {
  const torch::NoGradGuard no_grad;
  for_each_module(module, [&](torch::nn::Module& child) {
    auto* product = dynamic_cast<ProductModule*>(&child);
    if (product != nullptr) product->set_product_type(type);
    for (auto& parameter : child.parameters(/*recurse=*/false)) {
      parameter.set_requires_grad(false);
      parameter.set_data(parameter.to(device, product != nullptr ? type : torch::kFloat32));
    }
  });
}

torch::Tensor empty_parameter(torch::IntArrayRef shape) {
  return torch::empty(shape, torch::TensorOptions().dtype(torch::kFloat32));
}

}  // namespace sightline::encoders::nn
