#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>
#include <vector>

#include "train/kernels/kernels.h"

namespace sightline::train {
namespace {

using Doubles = std::vector<double>;

bf16 narrow(double value) {
  return static_cast<bf16>(std::bit_cast<std::uint32_t>(static_cast<float>(value)) >> 16);
}
double widen(bf16 value) {
  return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(value) << 16));
}

std::vector<bf16> random_halves(std::size_t n, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal;
  std::vector<bf16> out(n);
  for (bf16& value : out) value = narrow(normal(generator));
  return out;
}

std::vector<float> random_floats(std::size_t n, unsigned seed) {
  std::vector<float> out;
  for (const bf16 value : random_halves(n, seed)) out.push_back(static_cast<float>(widen(value)));
  return out;
}

double relative_error(const Doubles& got, const Doubles& wanted) {
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    difference += (got[i] - wanted[i]) * (got[i] - wanted[i]);
    norm += wanted[i] * wanted[i];
  }
  return std::sqrt(difference / norm);
}

Doubles widened(const std::vector<bf16>& values) {
  Doubles out;
  for (const bf16 value : values) out.push_back(widen(value));
  return out;
}

/// sum(out * weights) of plain attention in double precision, for outputs and numeric gradients.
Doubles reference_attention(const Doubles& qkv, const AttentionShape& s) {
  const std::size_t inner = s.heads * s.head_dim, stride = 3 * inner;
  Doubles out(s.tokens * inner, 0.0);
  for (std::size_t h = 0; h < s.heads; ++h) {
    for (std::size_t i = 0; i < s.tokens; ++i) {
      const std::size_t seen = s.causal ? i + 1 : s.tokens;
      Doubles p(seen);
      double sum = 0;
      for (std::size_t j = 0; j < seen; ++j) {
        double dot = 0;
        for (std::size_t d = 0; d < s.head_dim; ++d) {
          dot +=
              qkv[i * stride + h * s.head_dim + d] * qkv[j * stride + inner + h * s.head_dim + d];
        }
        sum += p[j] = std::exp(dot / std::sqrt(static_cast<double>(s.head_dim)));
      }
      for (std::size_t j = 0; j < seen; ++j) {
        for (std::size_t d = 0; d < s.head_dim; ++d) {
          out[i * inner + h * s.head_dim + d] +=
              p[j] / sum * qkv[j * stride + 2 * inner + h * s.head_dim + d];
        }
      }
    }
  }
  return out;
}

class TrainingKernels : public testing::TestWithParam<const KernelTable*> {
 protected:
  const KernelTable& kernels_ = *GetParam();
};

TEST_P(TrainingKernels, AttentionMatchesDoublePrecision) {
  for (const std::size_t tokens : {1u, 2u, 15u, 16u, 17u, 26u, 65u, 80u}) {
    for (const std::size_t head_dim : {32u, 64u}) {
      for (const bool causal : {false, true}) {
        const AttentionShape shape{tokens, 2, head_dim, causal};
        const auto qkv = random_halves(tokens * 6 * head_dim, 7);
        std::vector<bf16> out(tokens * 2 * head_dim);
        kernels_.attention(qkv.data(), shape, out.data());
        EXPECT_LT(relative_error(widened(out), reference_attention(widened(qkv), shape)), 4e-3)
            << tokens << " tokens, head_dim " << head_dim << ", causal " << causal;
      }
    }
  }
}

TEST_P(TrainingKernels, AttentionBackwardMatchesNumericGradients) {
  for (const std::size_t tokens : {3u, 17u}) {
    for (const bool causal : {false, true}) {
      const AttentionShape shape{tokens, 1, 32, causal};
      const auto qkv = random_halves(tokens * 96, 8), weights = random_halves(tokens * 32, 9);
      std::vector<bf16> gradient(qkv.size());
      std::vector<float> sums(96, 0.0f);
      kernels_.attention_backward(qkv.data(), weights.data(), shape, gradient.data(), sums.data());
      const auto value = [&](const Doubles& at) {
        const Doubles out = reference_attention(at, shape);
        double sum = 0;
        for (std::size_t i = 0; i < out.size(); ++i) sum += out[i] * widen(weights[i]);
        return sum;
      };
      Doubles at = widened(qkv), wanted, column_sums(96, 0.0);
      for (std::size_t i = 0; i < at.size(); ++i) {
        constexpr double kStep = 1e-5;
        const double kept = at[i];
        at[i] = kept + kStep;
        const double up = value(at);
        at[i] = kept - kStep;
        wanted.push_back((up - value(at)) / (2 * kStep));
        at[i] = kept;
        column_sums[i % 96] += wanted.back();
      }
      EXPECT_LT(relative_error(widened(gradient), wanted), 5e-3) << tokens << " tokens";
      EXPECT_LT(relative_error({sums.begin(), sums.end()}, column_sums), 5e-3);
    }
  }
}

TEST_P(TrainingKernels, LayerNormAndItsGradient) {
  constexpr std::size_t kRows = 3, kWidth = 40;
  auto x = random_floats(kRows * kWidth, 1);
  const auto gamma = random_floats(kWidth, 2), beta = random_floats(kWidth, 3);
  const auto bias = random_floats(kWidth, 4);
  const auto add = random_halves(kRows * kWidth, 5), dy = random_halves(kRows * kWidth, 6);
  Doubles sum;
  for (std::size_t i = 0; i < x.size(); ++i) {
    sum.push_back(static_cast<double>(x[i]) + widen(add[i]) +
                  static_cast<double>(bias[i % kWidth]));
  }
  const auto forward = [&](const Doubles& at) {
    Doubles out(at.size());
    for (std::size_t r = 0; r < kRows; ++r) {
      double mean = 0, variance = 0;
      for (std::size_t i = 0; i < kWidth; ++i) mean += at[r * kWidth + i] / kWidth;
      for (std::size_t i = 0; i < kWidth; ++i) {
        variance += std::pow(at[r * kWidth + i] - mean, 2) / kWidth;
      }
      for (std::size_t i = 0; i < kWidth; ++i) {
        out[r * kWidth + i] = (at[r * kWidth + i] - mean) / std::sqrt(variance + 1e-5) *
                                  static_cast<double>(gamma[i]) +
                              static_cast<double>(beta[i]);
      }
    }
    return out;
  };
  std::vector<bf16> out(x.size());
  std::vector<float> mean(kRows), rstd(kRows);
  kernels_.layer_norm(x.data(), add.data(), bias.data(), gamma.data(), beta.data(), kRows, kWidth,
                      1e-5f, out.data(), mean.data(), rstd.data());
  EXPECT_LT(relative_error({x.begin(), x.end()}, sum), 1e-6) << "x takes the sum";
  EXPECT_LT(relative_error(widened(out), forward(sum)), 4e-3);

  std::vector<float> dx(x.size(), 1.0f), dgamma(kWidth, 0.0f), dbeta(kWidth, 0.0f);
  kernels_.layer_norm_backward(dy.data(), x.data(), mean.data(), rstd.data(), gamma.data(), kRows,
                               kWidth, dx.data(), dgamma.data(), dbeta.data());
  Doubles at = sum, wanted;
  const auto value = [&] {
    const Doubles y = forward(at);
    double total = 0;
    for (std::size_t i = 0; i < y.size(); ++i) total += y[i] * widen(dy[i]);
    return total;
  };
  for (double& entry : at) {
    constexpr double kStep = 1e-5;
    const double kept = entry;
    entry = kept + kStep;
    const double up = value();
    entry = kept - kStep;
    wanted.push_back(1.0 + (up - value()) / (2 * kStep));  // dx is added to
    entry = kept;
  }
  EXPECT_LT(relative_error({dx.begin(), dx.end()}, wanted), 1e-3);
  for (std::size_t i = 0; i < kWidth; ++i) {
    double expected = 0;
    for (std::size_t r = 0; r < kRows; ++r) expected += widen(dy[r * kWidth + i]);
    EXPECT_NEAR(static_cast<double>(dbeta[i]), expected, 1e-4);
  }
}

TEST_P(TrainingKernels, QuickGeluAndItsGradient) {
  constexpr std::size_t kRows = 2, kWidth = 23;
  auto u = random_halves(kRows * kWidth, 11);
  u[0] = narrow(-60);
  u[1] = narrow(60);
  const auto dout = random_halves(u.size(), 12);
  std::vector<bf16> out(u.size()), du = dout;
  std::vector<float> sums(kWidth, 0.0f);
  kernels_.quick_gelu(u.data(), u.size(), out.data());
  kernels_.quick_gelu_backward(u.data(), du.data(), kRows, kWidth, sums.data());
  const auto gelu = [](double x) { return x / (1 + std::exp(-1.702 * x)); };
  Doubles value, gradient, column_sums(kWidth, 0.0);
  for (std::size_t i = 0; i < u.size(); ++i) {
    const double x = widen(u[i]);
    value.push_back(gelu(x));
    gradient.push_back(widen(dout[i]) * (gelu(x + 1e-5) - gelu(x - 1e-5)) / 2e-5);
    column_sums[i % kWidth] += gradient.back();
  }
  EXPECT_LT(relative_error(widened(out), value), 4e-3);
  EXPECT_LT(relative_error(widened(du), gradient), 4e-3);
  EXPECT_LT(relative_error({sums.begin(), sums.end()}, column_sums), 1e-4);
}

TEST_P(TrainingKernels, AdamTakesOneStep) {
  const AdamStep step{0.1f, 0.9f, 0.98f, 1e-8f, 0.1f, 0.02f, 0.5f, 0.5f, 0.75f};
  for (const std::size_t n : {1u, 16u, 19u}) {
    std::vector<float> gradient(n, 2.0f), parameter(n, 1.0f), m(n, 0.0f), v(n, 0.0f), ema(n, 1.0f);
    kernels_.adam(step, n, gradient.data(), parameter.data(), m.data(), v.data(), ema.data());
    // The scaled gradient is 1: m = 0.1, v = 0.02, both 1 once corrected; decay adds 0.5 * 1.
    EXPECT_NEAR(parameter[n - 1], 1 - 0.1 * (1 + 0.5), 1e-6);
    EXPECT_NEAR(m[n - 1], 0.1, 1e-7);
    EXPECT_NEAR(v[n - 1], 0.02, 1e-7);
    EXPECT_NEAR(ema[n - 1], 1 - 0.25 * 0.15, 1e-6);
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, TrainingKernels,
                         testing::ValuesIn(supported_kernels().begin(), supported_kernels().end()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace sightline::train
