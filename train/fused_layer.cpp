#include "train/internal/fused_layer.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "train/kernels/kernels.h"

namespace sightline::train {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
constexpr float kEpsilon = 1e-5f;

bf16* bits(const Tensor& t) { return static_cast<bf16*>(t.data_ptr()); }
float* floats(const Tensor& t) { return t.data_ptr<float>(); }
std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

/// Calls f(begin, end, chunk) for one chunk of 0..n-1 a thread.
template <typename F>
void in_chunks(std::int64_t n, F f) {
  const std::int64_t chunks =
      std::max<std::int64_t>(1, std::min<std::int64_t>(n, at::get_num_threads()));
  at::parallel_for(0, chunks, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t c = first; c < last; ++c) f(n * c / chunks, n * (c + 1) / chunks, c);
  });
}

Tensor partial_sums(std::int64_t width) {
  return torch::zeros({at::get_num_threads(), width}, torch::kFloat32);
}

Tensor half_like(std::int64_t rows, std::int64_t width) {
  return torch::empty({rows, width}, torch::kBFloat16);
}

/// Output and statistics of a layer norm over the rows of `x`, after x += add + bias if given.
struct Normed {
  Tensor out, mean, rstd;
};
Normed normalise(const Tensor& x, const Tensor& add, const Tensor& bias, const Tensor& gamma,
                 const Tensor& beta) {
  const std::int64_t rows = x.size(0), width = x.size(1);
  Normed n{half_like(rows, width), torch::empty({rows}), torch::empty({rows})};
  in_chunks(rows, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
    const std::int64_t at = begin * width;
    kernels().layer_norm(floats(x) + at, add.defined() ? bits(add) + at : nullptr,
                         add.defined() ? floats(bias) : nullptr, floats(gamma), floats(beta),
                         size(end - begin), size(width), kEpsilon, bits(n.out) + at,
                         floats(n.mean) + begin, floats(n.rstd) + begin);
  });
  return n;
}

/// dx += the layer norm's gradient; returns {dgamma, dbeta}.
std::pair<Tensor, Tensor> normalise_backward(const Tensor& dy, const Tensor& x, const Tensor& mean,
                                             const Tensor& rstd, const Tensor& gamma,
                                             const Tensor& dx) {
  const std::int64_t width = x.size(1);
  const Tensor dgamma = partial_sums(width), dbeta = partial_sums(width);
  in_chunks(x.size(0), [&](std::int64_t begin, std::int64_t end, std::int64_t chunk) {
    const std::int64_t at = begin * width;
    kernels().layer_norm_backward(bits(dy) + at, floats(x) + at, floats(mean) + begin,
                                  floats(rstd) + begin, floats(gamma), size(end - begin),
                                  size(width), floats(dx) + at, floats(dgamma) + chunk * width,
                                  floats(dbeta) + chunk * width);
  });
  return {dgamma.sum(0), dbeta.sum(0)};
}

/// {bf16(x), sum over the rows of x}
std::pair<Tensor, Tensor> narrowed(const Tensor& x) {
  const std::int64_t width = x.size(1);
  const Tensor out = half_like(x.size(0), width), sums = partial_sums(width);
  in_chunks(x.size(0), [&](std::int64_t begin, std::int64_t end, std::int64_t chunk) {
    kernels().to_bf16_and_sum(floats(x) + begin * width, size(end - begin), size(width),
                              bits(out) + begin * width, floats(sums) + chunk * width);
  });
  return {out, sums.sum(0)};
}

Tensor half(const Tensor& t) { return t.to(torch::kBFloat16); }

/// Parameters in the order that the function takes them.
enum Parameter {
  kNorm1Weight,
  kNorm1Bias,
  kQkvWeight,
  kQkvBias,
  kOutWeight,
  kOutBias,
  kNorm2Weight,
  kNorm2Bias,
  kFc1Weight,
  kFc1Bias,
  kFc2Weight,
  kFc2Bias,
  kNumParameters
};

struct FusedLayer : torch::autograd::Function<FusedLayer> {
  static Tensor forward(AutogradContext* ctx, const Tensor& input, std::int64_t num_heads,
                        bool causal, const Tensor& norm1_weight, const Tensor& norm1_bias,
                        const Tensor& qkv_weight, const Tensor& qkv_bias, const Tensor& out_weight,
                        const Tensor& out_bias, const Tensor& norm2_weight,
                        const Tensor& norm2_bias, const Tensor& fc1_weight, const Tensor& fc1_bias,
                        const Tensor& fc2_weight, const Tensor& fc2_bias) {
    const std::int64_t n = input.size(0), tokens = input.size(1), width = input.size(2);
    const AttentionShape shape{size(tokens), size(num_heads), size(width / num_heads), causal};
    const Tensor x = input.contiguous().view({n * tokens, width});
    const Tensor qkv_half = half(qkv_weight), out_half = half(out_weight);
    const Tensor fc1_half = half(fc1_weight), fc2_half = half(fc2_weight);

    const Normed first = normalise(x, {}, {}, norm1_weight, norm1_bias);
    const Tensor qkv = at::linear(first.out, qkv_half, half(qkv_bias));
    const Tensor attended = half_like(n * tokens, width);
    in_chunks(n, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
      for (std::int64_t i = begin; i < end; ++i) {
        kernels().attention(bits(qkv) + i * tokens * 3 * width, shape,
                            bits(attended) + i * tokens * width);
      }
    });
    const Tensor middle = x.clone();
    const Normed second =
        normalise(middle, at::mm(attended, out_half.t()), out_bias, norm2_weight, norm2_bias);
    const Tensor hidden = at::linear(second.out, fc1_half, half(fc1_bias));
    const Tensor active = torch::empty_like(hidden);
    in_chunks(hidden.numel(), [&](std::int64_t begin, std::int64_t end, std::int64_t) {
      kernels().quick_gelu(bits(hidden) + begin, size(end - begin), bits(active) + begin);
    });
    const Tensor update = at::mm(active, fc2_half.t());
    const Tensor output = middle.clone();
    in_chunks(n * tokens, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
      kernels().add_residual(floats(output) + begin * width, bits(update) + begin * width,
                             floats(fc2_bias), size(end - begin), size(width));
    });
    ctx->saved_data["num_heads"] = num_heads;
    ctx->saved_data["causal"] = causal;
    ctx->save_for_backward({x, first.out, first.mean, first.rstd, qkv, attended, middle, second.out,
                            second.mean, second.rstd, hidden, active, norm1_weight, norm2_weight,
                            qkv_half, out_half, fc1_half, fc2_half});
    return output.view({n, tokens, width});
  }

  static variable_list backward(AutogradContext* ctx, variable_list outputs) {
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &normed1 = saved[1], &mean1 = saved[2], &rstd1 = saved[3],
                 &qkv = saved[4], &attended = saved[5], &middle = saved[6], &normed2 = saved[7],
                 &mean2 = saved[8], &rstd2 = saved[9], &hidden = saved[10], &active = saved[11],
                 &norm1_weight = saved[12], &norm2_weight = saved[13], &qkv_half = saved[14],
                 &out_half = saved[15], &fc1_half = saved[16], &fc2_half = saved[17];
    const std::int64_t num_heads = ctx->saved_data["num_heads"].toInt();
    const std::int64_t n = outputs[0].size(0), tokens = outputs[0].size(1), width = x.size(1);
    const AttentionShape shape{size(tokens), size(num_heads), size(width / num_heads),
                               ctx->saved_data["causal"].toBool()};
    Tensor grads[kNumParameters];
    const Tensor dy = outputs[0].contiguous().view({n * tokens, width});

    Tensor dy_half;
    std::tie(dy_half, grads[kFc2Bias]) = narrowed(dy);
    grads[kFc2Weight] = at::mm(dy_half.t(), active).to(torch::kFloat32);
    const Tensor dhidden = at::mm(dy_half, fc2_half);
    const std::int64_t inner = hidden.size(1);
    const Tensor fc1_sums = partial_sums(inner);
    in_chunks(n * tokens, [&](std::int64_t begin, std::int64_t end, std::int64_t chunk) {
      kernels().quick_gelu_backward(bits(hidden) + begin * inner, bits(dhidden) + begin * inner,
                                    size(end - begin), size(inner),
                                    floats(fc1_sums) + chunk * inner);
    });
    grads[kFc1Bias] = fc1_sums.sum(0);
    grads[kFc1Weight] = at::mm(dhidden.t(), normed2).to(torch::kFloat32);
    const Tensor dx = dy.clone();
    std::tie(grads[kNorm2Weight], grads[kNorm2Bias]) =
        normalise_backward(at::mm(dhidden, fc1_half), middle, mean2, rstd2, norm2_weight, dx);

    Tensor dx_half;
    std::tie(dx_half, grads[kOutBias]) = narrowed(dx);
    grads[kOutWeight] = at::mm(dx_half.t(), attended).to(torch::kFloat32);
    const Tensor dattended = at::mm(dx_half, out_half);
    const Tensor dqkv = torch::empty_like(qkv), qkv_sums = partial_sums(3 * width);
    in_chunks(n, [&](std::int64_t begin, std::int64_t end, std::int64_t chunk) {
      for (std::int64_t i = begin; i < end; ++i) {
        kernels().attention_backward(
            bits(qkv) + i * tokens * 3 * width, bits(dattended) + i * tokens * width, shape,
            bits(dqkv) + i * tokens * 3 * width, floats(qkv_sums) + chunk * 3 * width);
      }
    });
    grads[kQkvBias] = qkv_sums.sum(0);
    grads[kQkvWeight] = at::mm(dqkv.t(), normed1).to(torch::kFloat32);
    std::tie(grads[kNorm1Weight], grads[kNorm1Bias]) =
        normalise_backward(at::mm(dqkv, qkv_half), x, mean1, rstd1, norm1_weight, dx);

    variable_list all{dx.view({n, tokens, width}), Tensor(), Tensor()};
    all.insert(all.end(), std::begin(grads), std::end(grads));
    return all;
  }
};

}  // namespace

bool fused_layer_fits(std::int64_t tokens, std::int64_t dim, std::int64_t num_heads,
                      encoders::Activation activation) {
  const std::int64_t head_dim = dim / num_heads;
  return size(tokens) <= kMaxTokens && (head_dim == 32 || head_dim == 64) &&
         activation == encoders::Activation::kQuickGelu;
}

Tensor fused_layer(const Tensor& x, const encoders::nn::EncoderLayer& layer, std::int64_t num_heads,
                   encoders::nn::Causal causal) {
  const auto& attention = *layer.self_attn;
  return FusedLayer::apply(
      x, num_heads, causal == encoders::nn::Causal::kYes, layer.layer_norm1->weight,
      layer.layer_norm1->bias,
      torch::cat({attention.q_proj->weight, attention.k_proj->weight, attention.v_proj->weight}),
      torch::cat({attention.q_proj->bias, attention.k_proj->bias, attention.v_proj->bias}),
      attention.out_proj->weight, attention.out_proj->bias, layer.layer_norm2->weight,
      layer.layer_norm2->bias, layer.mlp->fc1->weight, layer.mlp->fc1->bias, layer.mlp->fc2->weight,
      layer.mlp->fc2->bias);
}

}  // namespace sightline::train
