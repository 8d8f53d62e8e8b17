// train/kernels/kernel_table.h: the loops of a transformer block that are not big matrix products,
// forward and backward, for one CPU level.
//
// LibTorch's own small-batch attention, softmax and layer norm take several times as long as the
// bf16 matrix products between them (26 tokens, 6 heads of 32: 250 ms of a 400 ms step).
// Activations between products are bf16 (upper half of a float), the residual stream and statistics
// are float.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sightline::train {

using bf16 = std::uint16_t;

/// Shape of the attention of one batch. head_dim is 32 or 64, tokens at most kMaxTokens.
struct AttentionShape {
  std::size_t tokens, heads, head_dim;
  bool causal;
};
inline constexpr std::size_t kMaxTokens = 80;

/// One step of AdamW with an exponential moving average of the parameters.
struct AdamStep {
  float learning_rate, beta1, beta2, epsilon;
  float correction1, correction2;  ///< 1 - beta^t
  float weight_decay;              ///< 0 for vectors
  float gradient_scale;            ///< From clipping.
  float ema_decay;
};

struct KernelTable {
  const char* name;  ///< "generic", "avx2", "avx512"

  /// out = (x - mean) * rstd * gamma + beta for `rows` rows of `width` floats; keeps mean and rstd.
  /// With `add` (bf16) and `bias`, first x += add + bias, in place.
  void (*layer_norm)(float* x, const bf16* add, const float* bias, const float* gamma,
                     const float* beta, std::size_t rows, std::size_t width, float epsilon,
                     bf16* out, float* mean, float* rstd);
  /// dx += gradient of layer_norm by x given its output's gradient `dy`; adds to dgamma, dbeta.
  void (*layer_norm_backward)(const bf16* dy, const float* x, const float* mean, const float* rstd,
                              const float* gamma, std::size_t rows, std::size_t width, float* dx,
                              float* dgamma, float* dbeta);
  /// x += add + bias.
  void (*add_residual)(float* x, const bf16* add, const float* bias, std::size_t rows,
                       std::size_t width);
  /// out = bf16(x); column_sum += sum over rows of x.
  void (*to_bf16_and_sum)(const float* x, std::size_t rows, std::size_t width, bf16* out,
                          float* column_sum);
  /// out = u * sigmoid(1.702 u) ("quick_gelu").
  void (*quick_gelu)(const bf16* u, std::size_t n, bf16* out);
  /// du = dout * quick_gelu'(u), in place in `dout`; column_sum += sum over rows of du.
  void (*quick_gelu_backward)(const bf16* u, bf16* dout, std::size_t rows, std::size_t width,
                              float* column_sum);
  /// Softmax attention of one picture or text. qkv: [tokens, 3, heads, head_dim];
  /// out: [tokens, heads, head_dim].
  void (*attention)(const bf16* qkv, const AttentionShape& shape, bf16* out);
  /// dqkv from dout; adds the column sums of dqkv to column_sum [3 * heads * head_dim].
  void (*attention_backward)(const bf16* qkv, const bf16* dout, const AttentionShape& shape,
                             bf16* dqkv, float* column_sum);
  void (*adam)(const AdamStep& step, std::size_t n, const float* gradient, float* parameter,
               float* moment1, float* moment2, float* ema);
};

}  // namespace sightline::train
