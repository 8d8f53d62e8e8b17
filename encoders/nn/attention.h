// encoders/nn/attention.h: multi-head attention.
#pragma once

#include <cstdint>
#include <memory>

#include "encoders/nn/linear.h"
#include "encoders/nn/torch_compat.h"

namespace sightline::encoders::nn {

enum class Causal { kNo, kYes };

/// softmax(q k^T / sqrt(head_dim) + mask) v, softmax in float32.
///
/// q       [n, heads, tq, head_dim]; k, v  [n, heads, tk, head_dim]
/// causal  position i sees keys 0..i; needs tq == tk.
/// mask    undefined, or float32 to add, broadcast to [n, heads, tq, tk]. A row must keep one key.
/// returns [n, heads, tq, head_dim]; float32 on a CPU, where half-precision attention is slow.
torch::Tensor dot_product_attention(const torch::Tensor& q, const torch::Tensor& k,
                                    const torch::Tensor& v, Causal causal,
                                    const torch::Tensor& mask = {});

/// A mask for dot_product_attention() that hides keys: int64 [n, tk], 1 where a key counts ->
/// float32 [n, 1, 1, tk].
torch::Tensor key_mask(const torch::Tensor& counts);

/// Self- or cross-attention with biases. Keys: `q_proj`, `k_proj`, `v_proj`, `out_proj`.
class Attention : public torch::nn::Module {
 public:
  /// num_heads divides dim.
  Attention(std::int64_t dim, std::int64_t num_heads);

  /// Every position of `x` [n, t, dim] attends to the positions of `x`.
  torch::Tensor forward(const torch::Tensor& x, Causal causal,
                        const torch::Tensor& mask = {}) const;
  /// Every position of `x` [n, tq, dim] attends to those of `context` [n, tk, dim].
  torch::Tensor attend(const torch::Tensor& x, const torch::Tensor& context, Causal causal,
                       const torch::Tensor& mask = {}) const;

  std::shared_ptr<Linear> q_proj, k_proj, v_proj, out_proj;

 private:
  std::int64_t num_heads_;
};

}  // namespace sightline::encoders::nn
