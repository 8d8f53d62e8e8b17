// encoders/nn/linear.h: matrix products of a transformer, and the precision they run in.
//
// Parameters are float32. The *product type* says what the large products compute in: float32, or
// bfloat16/float16 with float32 accumulation. Everything between products (residual stream, layer
// norm, softmax) stays float32, in training and in inference alike.
#pragma once

#include <cstdint>

#include "encoders/nn/torch_compat.h"

namespace sightline::encoders::nn {

/// x [..., in] times weight [out, in] transposed, plus bias [out] (may be undefined), computed and
/// returned in `type`. Without autograd, float32 products on a CPU run in oneDNN, which reaches
/// twice the speed of OpenBLAS there.
torch::Tensor linear(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                     torch::ScalarType type);

/// A module whose large product follows the product type.
class ProductModule : public torch::nn::Module {
 public:
  torch::ScalarType product_type() const { return product_type_; }
  void set_product_type(torch::ScalarType type) { product_type_ = type; }

 private:
  torch::ScalarType product_type_ = torch::kFloat32;
};

/// y = x W^T + b. Keys: `weight`, `bias`.
class Linear : public ProductModule {
 public:
  enum class Bias { kNo, kYes };
  Linear(std::int64_t in_features, std::int64_t out_features, Bias with_bias = Bias::kYes);

  /// float [..., in] -> product_type() [..., out]
  torch::Tensor forward(const torch::Tensor& x) const;

  torch::Tensor weight;  ///< [out, in]
  torch::Tensor bias;    ///< [out]; undefined with Bias::kNo
};

/// Every ProductModule below `module` computes in `type`; parameters stay float32 (training).
void set_product_type(torch::nn::Module& module, torch::ScalarType type);

/// For inference: moves `module` to `device`, stores the weights of its products in `type`, and
/// drops gradients.
void freeze(torch::nn::Module& module, torch::Device device, torch::ScalarType type);

/// An uninitialised float32 parameter; load_weights() or an initialiser fills it.
torch::Tensor empty_parameter(torch::IntArrayRef shape);

}  // namespace sightline::encoders::nn
