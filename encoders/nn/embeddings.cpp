#include "encoders/nn/embeddings.h"

#include <cmath>

#include "core/result.h"

namespace sightline::encoders::nn {

PatchEmbedding::PatchEmbedding(std::int64_t num_channels, std::int64_t patch_size, std::int64_t dim,
                               Linear::Bias with_bias) {
  weight =
      register_parameter("weight", empty_parameter({dim, num_channels, patch_size, patch_size}));
  if (with_bias == Linear::Bias::kYes) bias = register_parameter("bias", empty_parameter({dim}));
}

torch::Tensor PatchEmbedding::forward(const torch::Tensor& pixels) const {
  const std::int64_t n = pixels.size(0), channels = weight.size(1), patch = weight.size(2);
  const std::int64_t rows = pixels.size(2) / patch, columns = pixels.size(3) / patch;
  const torch::Tensor patches = pixels.narrow(2, 0, rows * patch)
                                    .narrow(3, 0, columns * patch)
                                    .reshape({n, channels, rows, patch, columns, patch})
                                    .permute({0, 2, 4, 1, 3, 5})
                                    .reshape({n, rows * columns, channels * patch * patch});
  return linear(patches, weight.flatten(1), bias, product_type()).to(torch::kFloat32);
}

TokenEmbedding::TokenEmbedding(std::int64_t vocab_size, std::int64_t dim) {
  weight = register_parameter("weight", empty_parameter({vocab_size, dim}));
}

torch::Tensor TokenEmbedding::forward(const torch::Tensor& ids) const {
  return at::embedding(weight, ids);
}

PositionEmbedding::PositionEmbedding(std::int64_t num_positions, std::int64_t dim) {
  weight = register_parameter("weight", empty_parameter({num_positions, dim}));
}

torch::Tensor PositionEmbedding::first(std::int64_t t) const { return weight.narrow(0, 0, t); }

torch::Tensor PositionEmbedding::grid(std::int64_t height, std::int64_t width,
                                      std::int64_t num_prefix) const {
  const std::int64_t num_patches = weight.size(0) - num_prefix, dim = weight.size(1);
  const auto side = static_cast<std::int64_t>(std::lround(std::sqrt(num_patches)));
  SIGHTLINE_CHECK(side * side == num_patches);
  if (height == side && width == side) return weight;
  const torch::Tensor learned =
      weight.narrow(0, num_prefix, num_patches).view({1, side, side, dim}).permute({0, 3, 1, 2});
  const torch::Tensor wanted =
      at::upsample_bicubic2d(learned.contiguous(), {height, width}, /*align_corners=*/false)
          .permute({0, 2, 3, 1})
          .reshape({height * width, dim});
  return at::cat({weight.narrow(0, 0, num_prefix), wanted});
}

}  // namespace sightline::encoders::nn
