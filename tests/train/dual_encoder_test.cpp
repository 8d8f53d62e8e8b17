#include "train/internal/dual_encoder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>

#include "encoders/nn/torch_compat.h"
#include "tests/train/small_clip_config.h"
#include "train/internal/evaluate.h"
#include "train/internal/fused_layer.h"

namespace sightline::train {
namespace {

using encoders::nn::Causal;
using torch::Tensor;

double relative_error(const Tensor& got, const Tensor& wanted) {
  return ((got - wanted).norm() / wanted.norm()).item<double>();
}

class DualEncoderTest : public testing::Test {
 protected:
  DualEncoderTest() {
    torch::manual_seed(5);
    encoder_ = std::make_unique<DualEncoder>(small_config(), torch::kCPU);
  }
  std::unique_ptr<DualEncoder> encoder_;
};

TEST_F(DualEncoderTest, FusedLayerMatchesTheModulesForwardAndBackward) {
  const auto& layer = *encoder_->model().text_model->encoder->layers()[0];
  for (const Causal causal : {Causal::kNo, Causal::kYes}) {
    const Tensor weights = torch::randn({3, 11, 64});
    Tensor gradients[2], inputs[2], outputs[2];
    const Tensor x = torch::randn({3, 11, 64});
    for (const int fused : {0, 1}) {
      encoders::nn::set_product_type(encoder_->model(), torch::kFloat32);
      const Tensor leaf = x.clone().requires_grad_(true);
      const Tensor y =
          fused == 1 ? fused_layer(leaf, layer, 2, causal) : layer.forward(leaf, causal);
      (y * weights).sum().backward();
      outputs[fused] = (y - leaf).detach();
      inputs[fused] = (leaf.grad() - weights).clone();
      gradients[fused] = encoder_->gradients.clone();
      encoder_->gradients.zero_();
    }
    EXPECT_LT(relative_error(outputs[1], outputs[0]), 0.01);
    EXPECT_LT(relative_error(inputs[1], inputs[0]), 0.01);
    EXPECT_LT(relative_error(gradients[1], gradients[0]), 0.01);
    EXPECT_GT(gradients[0].norm().item<double>(), 0.1);
  }
}

TEST_F(DualEncoderTest, APartStaysAsItIsWhileTheOtherIsTrained) {
  for (const TrainedPart part : {TrainedPart::kText, TrainedPart::kImage}) {
    DualEncoder encoder(small_config(), torch::kCPU, part);
    const auto before = encoder.model().named_parameters();
    std::map<std::string, Tensor> old;
    for (const auto& item : before) old[item.key()] = item.value().detach().clone();
    const Tensor concepts = torch::arange(2, torch::kLong);
    const Tensor ids = torch::tensor({48, 3, 49, 48, 7, 49}, torch::kLong).view({2, 3});
    contrastive_loss(encoder.images(torch::randn({2, 3, 32, 32})), encoder.texts(ids), concepts,
                     encoder.model().log_logit_scale)
        .backward();
    encoder.update(1, 1e-2, 0.9, 0.98, 0.1, 1.0, 0.99);
    for (const auto& [name, value] : old) {
      const bool is_text = name.starts_with("text_"), is_image = name.starts_with("vis");
      const bool stays = part == TrainedPart::kText ? is_image : is_text;
      const bool is_same = torch::equal(encoder.model().named_parameters()[name], value);
      if (stays) {
        EXPECT_TRUE(is_same) << name;
      } else if (name.ends_with("projection.weight")) {
        EXPECT_FALSE(is_same) << name;
      }
    }
  }
}

TEST_F(DualEncoderTest, TowersMatchTheModel) {
  const torch::NoGradGuard no_grad;
  encoders::nn::set_product_type(encoder_->model(), torch::kFloat32);
  const auto unit = [](const Tensor& t) { return t / t.norm(2, {1}, true); };
  for (const std::int64_t size : {32, 16, 48}) {
    const Tensor pixels = torch::randn({4, 3, size, size});
    EXPECT_LT(
        relative_error(encoder_->images(pixels), unit(encoder_->model().image_features(pixels))),
        0.02)
        << size << " pixels";
  }
  Tensor ids = torch::full({3, 9}, 49, torch::kLong);
  for (std::int64_t row = 0; row < 3; ++row) {
    ids[row].narrow(0, 0, 3 + 2 * row).copy_(torch::randint(0, 48, {3 + 2 * row}, torch::kLong));
  }
  EXPECT_LT(relative_error(encoder_->texts(ids), unit(encoder_->model().text_features(ids))), 0.02);
}

TEST_F(DualEncoderTest, KeptPatchesAreAllThatIsSeen) {
  const torch::NoGradGuard no_grad;
  const Tensor pixels = torch::randn({2, 3, 32, 32});
  const Tensor all = torch::arange(16).repeat({2, 1});
  EXPECT_LT(relative_error(encoder_->images(pixels, all), encoder_->images(pixels)), 1e-5);
  const Tensor first_row = torch::arange(4).repeat({2, 1});
  Tensor changed = pixels.clone();
  changed.narrow(2, 8, 24).normal_();  // everything below the first row of patches
  EXPECT_LT(
      relative_error(encoder_->images(changed, first_row), encoder_->images(pixels, first_row)),
      1e-6);
  EXPECT_GT(relative_error(encoder_->images(changed), encoder_->images(pixels)), 0.05);
}

TEST_F(DualEncoderTest, UpdateClipsDecaysMatricesAndAverages) {
  const torch::NoGradGuard no_grad;
  const std::int64_t matrices = encoder_->num_decaying(), all = encoder_->parameters.numel();
  ASSERT_GT(matrices, 0);
  ASSERT_LT(matrices, all);
  encoder_->parameters.fill_(1.0);
  encoder_->ema.fill_(1.0);
  encoder_->gradients.fill_(1.0);
  const double norm = encoder_->update(1, 0.1, 0.9, 0.98, 0.5, 1e9, 0.998);
  EXPECT_NEAR(norm, std::sqrt(static_cast<double>(all)), 1e-2);
  // AdamW's first step is the sign of the gradient; matrices decay by 0.1 * 0.5 besides.
  EXPECT_NEAR(encoder_->parameters[0].item<double>(), 0.85, 1e-5);
  EXPECT_NEAR(encoder_->parameters[all - 1].item<double>(), 0.9, 1e-5);
  // A young average follows at 1 - 2/11.
  EXPECT_NEAR(encoder_->ema[0].item<double>(), 1 - 0.15 * 9.0 / 11.0, 1e-5);
  EXPECT_EQ(encoder_->gradients.abs().max().item<double>(), 0.0);

  const Tensor before = encoder_->parameters.clone();
  encoder_->gradients.fill_(std::nan(""));
  EXPECT_TRUE(std::isnan(encoder_->update(2, 0.1, 0.9, 0.98, 0.5, 1.0, 0.998)));
  EXPECT_TRUE(torch::equal(encoder_->parameters, before)) << "a step without a number is skipped";

  encoder_->swap_with_ema();
  EXPECT_TRUE(torch::equal(encoder_->ema, before));
  EXPECT_EQ(encoder_->model().text_model->token_embedding->weight.data_ptr<float>() >=
                encoder_->parameters.data_ptr<float>(),
            true)
      << "the model's parameters are views of the flat ones";
}

TEST(ContrastiveLoss, HandComputedValues) {
  const Tensor unit = torch::eye(2), scale = torch::zeros({});
  const double log_e_plus_1 = std::log(std::exp(1.0) + 1);
  // Each row is (1, 0): -log(e / (e + 1)).
  EXPECT_NEAR(contrastive_loss(unit, unit, torch::tensor({1, 2}), scale).item<double>(),
              log_e_plus_1 - 1, 1e-6);
  // Both captions are equal: half of the weight each.
  EXPECT_NEAR(contrastive_loss(unit, unit, torch::tensor({7, 7}), scale).item<double>(),
              log_e_plus_1 - 0.5, 1e-6);
  // Three pairs, the first two equal, unlike rows: rows of logits (1, 0, 0), (0, 1, 0), (0, 0, 1).
  const double log_e_plus_2 = std::log(std::exp(1.0) + 2);
  EXPECT_NEAR(contrastive_loss(torch::eye(3), torch::eye(3), torch::tensor({7, 7, 8}), scale)
                  .item<double>(),
              (2 * (log_e_plus_2 - 0.5) + (log_e_plus_2 - 1)) / 3, 1e-6);
  // The scale is exp(log_scale), and at most 100.
  const Tensor large = torch::full({}, 50.0);
  const Tensor turned = torch::tensor({{0.0f, 1.0f}, {1.0f, 0.0f}});
  EXPECT_NEAR(contrastive_loss(unit, turned, torch::tensor({1, 2}), large).item<double>(), 100.0,
              1e-3);
}

TEST(RecallOf, CountsPicturesOfAnEqualTitle) {
  // Text 0 finds picture 2, which has its title, before its own picture.
  const Tensor images = torch::tensor({{1.0f, 0.0f}, {0.0f, 1.0f}, {0.8f, 0.6f}});
  const Tensor texts = torch::tensor({{0.8f, 0.6f}, {1.0f, 0.0f}, {0.8f, 0.6f}});
  const auto recall = recall_of(images, texts, torch::tensor({5, 6, 5}));
  EXPECT_EQ(recall.num_pictures, 3u);
  EXPECT_NEAR(recall.at_1, 2.0 / 3.0, 1e-9);
  EXPECT_NEAR(recall.at_5, 1.0, 1e-9);
}

}  // namespace
}  // namespace sightline::train
