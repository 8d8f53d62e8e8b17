// The sigmoid loss: values by hand, gradients against finite differences.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "encoders/nn/torch_compat.h"
#include "tests/train/small_clip_config.h"
#include "train/internal/dual_encoder.h"

namespace sightline::train {
namespace {

using torch::Tensor;

double softplus(double x) { return std::log1p(std::exp(x)); }

TEST(SigmoidLoss, HandComputedValues) {
  const Tensor unit = torch::eye(2), zero = torch::zeros({});
  // Logits 1 on the diagonal, 0 beside it, bias 0: two true pairs, two wrong ones, over two rows.
  EXPECT_NEAR(sigmoid_loss(unit, unit, torch::tensor({1, 2}), zero, zero).item<double>(),
              softplus(-1) + softplus(0), 1e-6);
  // Equal captions: all four pairs are true.
  EXPECT_NEAR(sigmoid_loss(unit, unit, torch::tensor({7, 7}), zero, zero).item<double>(),
              softplus(-1) + softplus(0), 1e-6);
  // Scale 10 and bias -10, as SigLIP begins: logits 0 and -10.
  EXPECT_NEAR(sigmoid_loss(unit, unit, torch::tensor({1, 2}), torch::full({}, std::log(10.0)),
                           torch::full({}, -10.0))
                  .item<double>(),
              softplus(0) + softplus(-10), 1e-5);
}

TEST(SigmoidLoss, GradientsMatchFiniteDifferences) {
  torch::manual_seed(3);
  const auto options = torch::TensorOptions(torch::kFloat64);
  const Tensor concepts = torch::tensor({4, 5, 4, 6}, torch::kLong);
  std::vector<Tensor> inputs{torch::randn({4, 3}, options), torch::randn({4, 3}, options),
                             torch::full({}, 0.7, options), torch::full({}, -1.5, options)};
  const auto value = [&] {
    return sigmoid_loss(inputs[0], inputs[1], concepts, inputs[2], inputs[3]);
  };
  for (Tensor& input : inputs) input.set_requires_grad(true);
  value().backward();
  const torch::NoGradGuard no_grad;
  constexpr double kStep = 1e-5;
  for (Tensor& input : inputs) {
    const Tensor flat = input.view({-1}), gradient = input.grad().reshape({-1});
    for (std::int64_t i = 0; i < flat.numel(); ++i) {
      flat[i] += kStep;
      const double above = value().item<double>();
      flat[i] -= 2 * kStep;
      const double below = value().item<double>();
      flat[i] += kStep;
      EXPECT_NEAR(gradient[i].item<double>(), (above - below) / (2 * kStep), 1e-6);
    }
  }
}

TEST(SigmoidLoss, TheEncoderTrainsItsBias) {
  torch::manual_seed(5);
  const encoders::ClipConfig config = small_config();
  const DualEncoder plain(config, torch::kCPU);
  EXPECT_FALSE(plain.logit_bias.defined());
  DualEncoder encoder(config, torch::kCPU, TrainedPart::kAll, LossKind::kSigmoid);
  ASSERT_TRUE(encoder.logit_bias.defined());
  EXPECT_EQ(encoder.parameters.numel(), plain.parameters.numel() + 1);
  EXPECT_EQ(encoder.logit_bias.item<double>(), -10.0);
  const Tensor pixels = torch::randn({4, 3, 32, 32});
  const Tensor ids = torch::tensor({3, 49, 4, 49, 5, 49, 6, 49}, torch::kLong).view({4, 2});
  const Tensor concepts = torch::arange(4, torch::kLong);
  double first = 0, last = 0;
  for (int step = 1; step <= 30; ++step) {
    const Tensor loss = encoder.loss(encoder.images(pixels), encoder.texts(ids), concepts);
    last = loss.item<double>();
    if (step == 1) first = last;
    loss.backward();
    encoder.update(step, 3e-3, 0.9, 0.98, 0.0, 1.0, 0.9);
  }
  EXPECT_LT(last, 0.7 * first);
  EXPECT_NE(encoder.logit_bias.item<double>(), -10.0);
}

}  // namespace
}  // namespace sightline::train
