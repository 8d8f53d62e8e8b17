// train/internal/dual_encoder.h: a CLIP model being trained: forward passes that are fast on few
// cores, and all parameters, gradients and optimiser state in flat tensors.
#pragma once

#include <cstdint>
#include <memory>

#include "encoders/nn/clip_model.h"
#include "train/kernels/kernel_table.h"
#include "train/train_config.h"

namespace sightline::train {

/// Which parameters a run changes; the others stay as they are. The scale of the logits is always
/// among the changed ones.
enum class TrainedPart { kAll, kText, kImage };

/// Thread-safety: one thread.
class DualEncoder {
 public:
  /// Random weights from LibTorch's generator. On CUDA the products run in bf16 as well.
  DualEncoder(const encoders::ClipConfig& config, torch::Device device,
              TrainedPart part = TrainedPart::kAll, LossKind loss = LossKind::kContrastive);

  /// float32 [n, 3, h, w] -> float32 [n, projection_dim], rows of L2 norm 1.
  /// kept  int64 [n, k] on the same device: the patches (row by row, ascending) that are looked at,
  ///       or undefined for all (FLIP, arXiv 2212.00794).
  torch::Tensor images(const torch::Tensor& pixels, const torch::Tensor& kept = {}) const;
  /// int64 [n, t] -> float32 [n, projection_dim], rows of L2 norm 1.
  torch::Tensor texts(const torch::Tensor& ids) const;
  /// Of the kind that the encoder was made with; arguments as of contrastive_loss().
  torch::Tensor loss(const torch::Tensor& images, const torch::Tensor& texts,
                     const torch::Tensor& concepts) const;

  encoders::nn::ClipModel& model() { return *model_; }
  torch::Device device() const { return device_; }

  // float32 [P] each, of the part that is trained: parameters (the model's own are views of it),
  // their gradients, AdamW's moments, the moving average of the parameters. Matrices, which decay,
  // come first.
  torch::Tensor parameters, gradients, moment1, moment2, ema;
  std::int64_t num_decaying() const { return num_decaying_; }
  torch::Tensor logit_bias;  ///< scalar, trained; undefined but with the sigmoid loss

  /// Gradient clipping, one step of AdamW, the moving average; gradients are zero afterwards.
  /// `step` counts from 1. Returns the gradients' norm before clipping; a norm that is not finite
  /// leaves everything as it was.
  double update(std::int64_t step, double learning_rate, double beta1, double beta2,
                double weight_decay, double clip_norm, double ema_decay);

  /// Exchanges parameters and moving average: twice is once nothing.
  void swap_with_ema();
  /// After weights were written into model(): the moving average begins with them.
  void restart_ema();

 private:
  torch::Tensor run_layers(torch::Tensor x, const encoders::nn::TransformerEncoder& encoder,
                           const encoders::ClipTowerConfig& tower,
                           encoders::nn::Causal causal) const;

  std::shared_ptr<encoders::nn::ClipModel> model_;
  torch::Device device_;
  LossKind loss_;
  std::int64_t num_decaying_ = 0;
};

/// Mean of the cross entropies of both directions. All pairs with equal concepts are true; their
/// targets are uniform.
///
/// images, texts  float32 [n, dim], rows of L2 norm 1
/// concepts       int64 [n]
/// log_scale      scalar, the logarithm of the factor on cosines; at most log(100) is used.
torch::Tensor contrastive_loss(const torch::Tensor& images, const torch::Tensor& texts,
                               const torch::Tensor& concepts, const torch::Tensor& log_scale);

/// SigLIP's: -log sigmoid(+-(scale * cosine + bias)) summed over all n * n pairs, divided by n;
/// plus where concepts are equal. Arguments as above; bias: scalar.
torch::Tensor sigmoid_loss(const torch::Tensor& images, const torch::Tensor& texts,
                           const torch::Tensor& concepts, const torch::Tensor& log_scale,
                           const torch::Tensor& bias);

}  // namespace sightline::train
