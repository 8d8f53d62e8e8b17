#include "encoders/nn/attention.h"

#include <cmath>
#include <limits>

namespace sightline::encoders::nn {
namespace {

torch::ScalarType attention_type(const torch::Tensor& x) {
  return x.device().is_cpu() ? torch::kFloat32 : x.scalar_type();
}

// [n, t, heads * head_dim] -> [n, heads, t, head_dim]. Converted first: LibTorch converts strided
// tensors twenty times slower than contiguous ones.
torch::Tensor split_heads(const torch::Tensor& projected, std::int64_t num_heads) {
  const torch::Tensor x = projected.to(attention_type(projected));
  return x.view({x.size(0), x.size(1), num_heads, x.size(2) / num_heads}).transpose(1, 2);
}

torch::Tensor causal_mask(std::int64_t t, const torch::TensorOptions& options) {
  return torch::full({t, t}, -std::numeric_limits<float>::infinity(), options).triu_(1);
}

#if !SIGHTLINE_TORCH_AT_LEAST(2, 1)
// LibTorch before 2.1 has no fused attention: two batched products around a softmax.
torch::Tensor composed_attention(const torch::Tensor& q, const torch::Tensor& k,
                                 const torch::Tensor& v, const torch::Tensor& mask) {
  const std::int64_t n = q.size(0), heads = q.size(1), tq = q.size(2), tk = k.size(2);
  const double scale = 1.0 / std::sqrt(static_cast<double>(q.size(3)));
  const auto flat = [](const torch::Tensor& x) {
    return x.reshape({x.size(0) * x.size(1), x.size(2), x.size(3)});
  };
  torch::Tensor scores;
  if (mask.defined()) {
    const torch::Tensor added = mask.expand({n, heads, tq, tk}).reshape({n * heads, tq, tk});
    scores = at::baddbmm(added, flat(q), flat(k).transpose(1, 2), 1.0, scale);
  } else {
    // Not baddbmm() with a factor of 0: for small products LibTorch 1.13 multiplies what happens to
    // stand in the memory of the result by it, and zero times NaN is NaN.
    scores = at::bmm(flat(q) * scale, flat(k).transpose(1, 2));
  }
  const torch::Tensor weights = at::softmax(scores, -1, torch::kFloat32).to(v.scalar_type());
  return at::bmm(weights, flat(v)).view({n, heads, tq, v.size(3)});
}
#endif

}  // namespace

torch::Tensor dot_product_attention(const torch::Tensor& q, const torch::Tensor& k,
                                    const torch::Tensor& v, Causal causal,
                                    const torch::Tensor& mask) {
  const torch::ScalarType type = attention_type(q);
  torch::Tensor added = mask.defined() ? mask.to(type) : mask;
#if SIGHTLINE_TORCH_AT_LEAST(2, 1)
  const bool is_causal = causal == Causal::kYes && !added.defined();
  if (causal == Causal::kYes && added.defined())
    added = added + causal_mask(q.size(2), added.options());
  return at::scaled_dot_product_attention(
      q.to(type), k.to(type), v.to(type),
      added.defined() ? c10::optional<torch::Tensor>(added) : c10::nullopt, 0.0, is_causal);
#else
  if (causal == Causal::kYes) {
    const torch::Tensor upper = causal_mask(q.size(2), q.options().dtype(type));
    added = added.defined() ? added + upper : upper;
  }
  return composed_attention(q.to(type), k.to(type), v.to(type), added);
#endif
}

torch::Tensor key_mask(const torch::Tensor& counts) {
  return torch::zeros(counts.sizes(), counts.options().dtype(torch::kFloat32))
      .masked_fill_(counts.eq(0), -std::numeric_limits<float>::infinity())
      .unsqueeze(1)
      .unsqueeze(1);
}

Attention::Attention(std::int64_t dim, std::int64_t num_heads) : num_heads_(num_heads) {
  q_proj = register_module("q_proj", std::make_shared<Linear>(dim, dim));
  k_proj = register_module("k_proj", std::make_shared<Linear>(dim, dim));
  v_proj = register_module("v_proj", std::make_shared<Linear>(dim, dim));
  out_proj = register_module("out_proj", std::make_shared<Linear>(dim, dim));
}

torch::Tensor Attention::forward(const torch::Tensor& x, Causal causal,
                                 const torch::Tensor& mask) const {
  return attend(x, x, causal, mask);
}

torch::Tensor Attention::attend(const torch::Tensor& x, const torch::Tensor& context, Causal causal,
                                const torch::Tensor& mask) const {
  const torch::Tensor q = split_heads(q_proj->forward(x), num_heads_);
  const torch::Tensor k = split_heads(k_proj->forward(context), num_heads_);
  const torch::Tensor v = split_heads(v_proj->forward(context), num_heads_);
  const torch::Tensor heads = dot_product_attention(q, k, v, causal, mask);
  return out_proj->forward(heads.transpose(1, 2).reshape(x.sizes()));
}

}  // namespace sightline::encoders::nn
