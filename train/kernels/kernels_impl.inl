// The loops themselves, compiled once per CPU level by kernels_LEVEL.cpp, each into a namespace of
// its own: plain C++ and the compilers' vector types, 16 floats wide, which a narrower CPU splits.

#include <cstring>

#include "train/kernels/kernel_table.h"

namespace sightline::train {
namespace {

typedef float Floats __attribute__((vector_size(64), aligned(4), may_alias));
typedef std::int32_t Ints __attribute__((vector_size(64), aligned(4), may_alias));
constexpr std::size_t kLanes = 16;

inline float widen(bf16 value) {
  const std::uint32_t bits = static_cast<std::uint32_t>(value) << 16;
  float out;
  std::memcpy(&out, &bits, 4);
  return out;
}

inline bf16 narrow(float value) {  // to nearest, ties to even
  std::uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return static_cast<bf16>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

/// exp for finite x, relative error 2e-7: 2^n times a polynomial on [-ln2/2, ln2/2] (Cephes).
inline float fast_exp(float x) {
  x = x < -87.0f ? -87.0f : (x > 88.0f ? 88.0f : x);
  const float n =
      static_cast<float>(static_cast<std::int32_t>(x * 1.44269504f + (x < 0 ? -0.5f : 0.5f)));
  const float r = x - n * 0.693359375f + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const std::int32_t bits = (static_cast<std::int32_t>(n) + 127) << 23;
  float scale;
  std::memcpy(&scale, &bits, 4);
  return p * scale;
}

void add_residual(float* x, const bf16* add, const float* bias, std::size_t rows,
                  std::size_t width) {
  for (std::size_t r = 0; r < rows; ++r, x += width, add += width) {
    for (std::size_t i = 0; i < width; ++i) x[i] += widen(add[i]) + bias[i];
  }
}

void layer_norm(float* x, const bf16* add, const float* bias, const float* gamma, const float* beta,
                std::size_t rows, std::size_t width, float epsilon, bf16* out, float* mean,
                float* rstd) {
  const float scale = 1.0f / static_cast<float>(width);
  for (std::size_t r = 0; r < rows; ++r, x += width, out += width) {
    if (add != nullptr) {
      add_residual(x, add, bias, 1, width);
      add += width;
    }
    float sum = 0;
    for (std::size_t i = 0; i < width; ++i) sum += x[i];
    const float mu = sum * scale;
    float squares = 0;
    for (std::size_t i = 0; i < width; ++i) squares += (x[i] - mu) * (x[i] - mu);
    const float inverse = 1.0f / __builtin_sqrtf(squares * scale + epsilon);
    mean[r] = mu;
    rstd[r] = inverse;
    for (std::size_t i = 0; i < width; ++i) {
      out[i] = narrow((x[i] - mu) * inverse * gamma[i] + beta[i]);
    }
  }
}

void layer_norm_backward(const bf16* dy, const float* x, const float* mean, const float* rstd,
                         const float* gamma, std::size_t rows, std::size_t width, float* dx,
                         float* dgamma, float* dbeta) {
  const float scale = 1.0f / static_cast<float>(width);
  for (std::size_t r = 0; r < rows; ++r, x += width, dx += width, dy += width) {
    const float mu = mean[r], inverse = rstd[r];
    float sum = 0, dot = 0;
    for (std::size_t i = 0; i < width; ++i) {
      const float g = widen(dy[i]), normed = (x[i] - mu) * inverse;
      dgamma[i] += g * normed;
      dbeta[i] += g;
      sum += g * gamma[i];
      dot += g * gamma[i] * normed;
    }
    sum *= scale;
    dot *= scale;
    for (std::size_t i = 0; i < width; ++i) {
      const float normed = (x[i] - mu) * inverse;
      dx[i] += inverse * (widen(dy[i]) * gamma[i] - sum - normed * dot);
    }
  }
}

void to_bf16_and_sum(const float* x, std::size_t rows, std::size_t width, bf16* out,
                     float* column_sum) {
  for (std::size_t r = 0; r < rows; ++r, x += width, out += width) {
    for (std::size_t i = 0; i < width; ++i) {
      out[i] = narrow(x[i]);
      column_sum[i] += x[i];
    }
  }
}

void quick_gelu(const bf16* u, std::size_t n, bf16* out) {
  for (std::size_t i = 0; i < n; ++i) {
    const float x = widen(u[i]);
    out[i] = narrow(x / (1.0f + fast_exp(-1.702f * x)));
  }
}

void quick_gelu_backward(const bf16* u, bf16* dout, std::size_t rows, std::size_t width,
                         float* column_sum) {
  for (std::size_t r = 0; r < rows; ++r, u += width, dout += width) {
    for (std::size_t i = 0; i < width; ++i) {
      const float x = widen(u[i]);
      const float s = 1.0f / (1.0f + fast_exp(-1.702f * x));
      const float d = widen(dout[i]) * (s + 1.702f * x * s * (1.0f - s));
      column_sum[i] += d;
      dout[i] = narrow(d);
    }
  }
}

/// C[r] = sum over k of A[r * a_row + k * a_k] * B[k] for NV vectors of 16 a row; R rows at a time
/// stay in registers.
template <std::size_t NV, std::size_t R>
inline void product_rows(std::size_t depth, const float* a, std::size_t a_row, std::size_t a_k,
                         const float* b, float* c) {
  Floats sum[R][NV];
  for (std::size_t r = 0; r < R; ++r) {
    for (std::size_t v = 0; v < NV; ++v) sum[r][v] = Floats{};
  }
  for (std::size_t k = 0; k < depth; ++k) {
    Floats row[NV];
    for (std::size_t v = 0; v < NV; ++v) {
      row[v] = *reinterpret_cast<const Floats*>(b + (k * NV + v) * kLanes);
    }
    for (std::size_t r = 0; r < R; ++r) {
      const float factor = a[r * a_row + k * a_k];
      for (std::size_t v = 0; v < NV; ++v) sum[r][v] += row[v] * factor;
    }
  }
  for (std::size_t r = 0; r < R; ++r) {
    for (std::size_t v = 0; v < NV; ++v) {
      *reinterpret_cast<Floats*>(c + (r * NV + v) * kLanes) = sum[r][v];
    }
  }
}

template <std::size_t NV>
inline void product(std::size_t rows, std::size_t depth, const float* a, std::size_t a_row,
                    std::size_t a_k, const float* b, float* c) {
  std::size_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    product_rows<NV, 4>(depth, a + r * a_row, a_row, a_k, b, c + r * NV * kLanes);
  }
  for (; r < rows; ++r) {
    product_rows<NV, 1>(depth, a + r * a_row, a_row, a_k, b, c + r * NV * kLanes);
  }
}

constexpr std::size_t kMaxHeadDim = 64;

/// q, k or v of one head as floats [tokens, head_dim].
template <std::size_t DV>
inline void load_head(const bf16* from, std::size_t stride, std::size_t tokens, float factor,
                      float* to) {
  for (std::size_t t = 0; t < tokens; ++t, from += stride, to += DV * kLanes) {
    for (std::size_t i = 0; i < DV * kLanes; ++i) to[i] = widen(from[i]) * factor;
  }
}

/// [tokens, head_dim] -> [head_dim, TV * 16], zero beyond `tokens`.
template <std::size_t TV, std::size_t DV>
inline void transpose(const float* from, std::size_t tokens, float* to) {
  for (std::size_t d = 0; d < DV * kLanes; ++d) {
    float* row = to + d * TV * kLanes;
    for (std::size_t t = 0; t < tokens; ++t) row[t] = from[t * DV * kLanes + d];
    for (std::size_t t = tokens; t < TV * kLanes; ++t) row[t] = 0;
  }
}

/// Rows of scores -> probabilities; entries that are not seen become 0.
template <std::size_t TV>
inline void softmax_rows(float* scores, std::size_t tokens, bool causal) {
  for (std::size_t t = 0; t < tokens; ++t) {
    float* row = scores + t * TV * kLanes;
    const std::size_t seen = causal ? t + 1 : tokens;
    for (std::size_t i = seen; i < TV * kLanes; ++i) row[i] = -1e30f;
    float highest = row[0];
    for (std::size_t i = 1; i < TV * kLanes; ++i) highest = row[i] > highest ? row[i] : highest;
    for (std::size_t i = 0; i < TV * kLanes; ++i) row[i] = fast_exp(row[i] - highest);
    for (std::size_t i = seen; i < TV * kLanes; ++i) row[i] = 0;
    float sum = 0;
    for (std::size_t i = 0; i < TV * kLanes; ++i) sum += row[i];
    const float inverse = 1.0f / sum;
    for (std::size_t i = 0; i < TV * kLanes; ++i) row[i] *= inverse;
  }
}

inline float inverse_sqrt(std::size_t n) { return 1.0f / __builtin_sqrtf(static_cast<float>(n)); }

template <std::size_t TV, std::size_t DV>
void attention_of(const bf16* qkv, const AttentionShape& shape, bf16* out) {
  constexpr std::size_t kDim = DV * kLanes;
  const std::size_t tokens = shape.tokens, inner = shape.heads * kDim, stride = 3 * inner;
  alignas(64) float q[kMaxTokens * kDim], k[kMaxTokens * kDim], v[kMaxTokens * kDim];
  alignas(64) float kt[kDim * TV * kLanes], p[kMaxTokens * TV * kLanes], o[kMaxTokens * kDim];
  for (std::size_t h = 0; h < shape.heads; ++h) {
    load_head<DV>(qkv + h * kDim, stride, tokens, inverse_sqrt(kDim), q);
    load_head<DV>(qkv + inner + h * kDim, stride, tokens, 1.0f, k);
    load_head<DV>(qkv + 2 * inner + h * kDim, stride, tokens, 1.0f, v);
    transpose<TV, DV>(k, tokens, kt);
    product<TV>(tokens, kDim, q, kDim, 1, kt, p);
    softmax_rows<TV>(p, tokens, shape.causal);
    product<DV>(tokens, tokens, p, TV * kLanes, 1, v, o);
    for (std::size_t t = 0; t < tokens; ++t) {
      bf16* to = out + t * inner + h * kDim;
      for (std::size_t i = 0; i < kDim; ++i) to[i] = narrow(o[t * kDim + i]);
    }
  }
}

template <std::size_t TV, std::size_t DV>
void attention_backward_of(const bf16* qkv, const bf16* dout, const AttentionShape& shape,
                           bf16* dqkv, float* column_sum) {
  constexpr std::size_t kDim = DV * kLanes, kRow = TV * kLanes;
  const std::size_t tokens = shape.tokens, inner = shape.heads * kDim, stride = 3 * inner;
  const float scale = inverse_sqrt(kDim);
  alignas(64) float q[kMaxTokens * kDim], k[kMaxTokens * kDim], v[kMaxTokens * kDim];
  alignas(64) float dy[kMaxTokens * kDim], d[kMaxTokens * kDim], turned[kDim * kRow];
  alignas(64) float p[kMaxTokens * kRow], dp[kMaxTokens * kRow];
  const auto store = [&](std::size_t part, std::size_t h, float factor) {
    float* sum = column_sum + part * inner + h * kDim;
    for (std::size_t t = 0; t < tokens; ++t) {
      bf16* to = dqkv + t * stride + part * inner + h * kDim;
      for (std::size_t i = 0; i < kDim; ++i) {
        const float value = d[t * kDim + i] * factor;
        to[i] = narrow(value);
        sum[i] += value;
      }
    }
  };
  for (std::size_t h = 0; h < shape.heads; ++h) {
    load_head<DV>(qkv + h * kDim, stride, tokens, scale, q);
    load_head<DV>(qkv + inner + h * kDim, stride, tokens, 1.0f, k);
    load_head<DV>(qkv + 2 * inner + h * kDim, stride, tokens, 1.0f, v);
    load_head<DV>(dout + h * kDim, inner, tokens, 1.0f, dy);
    transpose<TV, DV>(k, tokens, turned);
    product<TV>(tokens, kDim, q, kDim, 1, turned, p);
    softmax_rows<TV>(p, tokens, shape.causal);
    product<DV>(tokens, tokens, p, 1, kRow, dy, d);
    store(2, h, 1.0f);
    transpose<TV, DV>(v, tokens, turned);
    product<TV>(tokens, kDim, dy, kDim, 1, turned, dp);
    for (std::size_t t = 0; t < tokens; ++t) {
      const float* row = p + t * kRow;
      float* drow = dp + t * kRow;
      float dot = 0;
      for (std::size_t i = 0; i < kRow; ++i) dot += row[i] * drow[i];
      for (std::size_t i = 0; i < kRow; ++i) drow[i] = row[i] * (drow[i] - dot);
    }
    product<DV>(tokens, tokens, dp, kRow, 1, k, d);
    store(0, h, scale);
    product<DV>(tokens, tokens, dp, 1, kRow, q, d);  // q holds the scale already
    store(1, h, 1.0f);
  }
}

template <std::size_t DV>
void attention_dim(const bf16* qkv, const AttentionShape& shape, bf16* out) {
  switch ((shape.tokens + kLanes - 1) / kLanes) {
    case 1:
      return attention_of<1, DV>(qkv, shape, out);
    case 2:
      return attention_of<2, DV>(qkv, shape, out);
    case 3:
      return attention_of<3, DV>(qkv, shape, out);
    case 4:
      return attention_of<4, DV>(qkv, shape, out);
    default:
      return attention_of<5, DV>(qkv, shape, out);
  }
}

template <std::size_t DV>
void attention_backward_dim(const bf16* qkv, const bf16* dout, const AttentionShape& shape,
                            bf16* dqkv, float* column_sum) {
  switch ((shape.tokens + kLanes - 1) / kLanes) {
    case 1:
      return attention_backward_of<1, DV>(qkv, dout, shape, dqkv, column_sum);
    case 2:
      return attention_backward_of<2, DV>(qkv, dout, shape, dqkv, column_sum);
    case 3:
      return attention_backward_of<3, DV>(qkv, dout, shape, dqkv, column_sum);
    case 4:
      return attention_backward_of<4, DV>(qkv, dout, shape, dqkv, column_sum);
    default:
      return attention_backward_of<5, DV>(qkv, dout, shape, dqkv, column_sum);
  }
}

void attention(const bf16* qkv, const AttentionShape& shape, bf16* out) {
  if (shape.head_dim == 32) return attention_dim<2>(qkv, shape, out);
  attention_dim<4>(qkv, shape, out);
}

void attention_backward(const bf16* qkv, const bf16* dout, const AttentionShape& shape, bf16* dqkv,
                        float* column_sum) {
  if (shape.head_dim == 32) return attention_backward_dim<2>(qkv, dout, shape, dqkv, column_sum);
  attention_backward_dim<4>(qkv, dout, shape, dqkv, column_sum);
}

void adam(const AdamStep& s, std::size_t n, const float* gradient, float* parameter, float* moment1,
          float* moment2, float* ema) {
  const float inverse1 = 1.0f / s.correction1, inverse2 = 1.0f / s.correction2;
  for (std::size_t i = 0; i < n; ++i) {
    const float g = gradient[i] * s.gradient_scale;
    moment1[i] = s.beta1 * moment1[i] + (1.0f - s.beta1) * g;
    moment2[i] = s.beta2 * moment2[i] + (1.0f - s.beta2) * g * g;
    const float step = moment1[i] * inverse1 / (__builtin_sqrtf(moment2[i] * inverse2) + s.epsilon);
    parameter[i] -= s.learning_rate * (step + s.weight_decay * parameter[i]);
    ema[i] += (1.0f - s.ema_decay) * (parameter[i] - ema[i]);
  }
}

constexpr KernelTable make_table(const char* name) {
  return {name,       layer_norm,          layer_norm_backward, add_residual,       to_bf16_and_sum,
          quick_gelu, quick_gelu_backward, attention,           attention_backward, adam};
}

}  // namespace
}  // namespace sightline::train
