#include "train/internal/dual_encoder.h"

#include <ATen/Parallel.h>

#include <cmath>
#include <vector>

#include "train/internal/fused_layer.h"
#include "train/kernels/kernels.h"

namespace sightline::train {
namespace {

using encoders::nn::Causal;
using encoders::nn::EncoderLayer;
using torch::Tensor;
constexpr double kAdamEpsilon = 1e-8;
constexpr double kFirstBias = -10.0;         // arXiv 2303.15343
constexpr double kFusedLayerNormEps = 1e-5;  // what fused_layer() computes with
const double kMaxLogScale = std::log(100.0);

/// The layer's output at one position of each row alone: keys and values are all that is computed
/// of the others. position: int64 [n]; mask: float32 [n, 1, 1, tokens] or undefined.
Tensor last_layer(const EncoderLayer& layer, const Tensor& x, const Tensor& position,
                  const Tensor& mask) {
  const Tensor index = position.view({-1, 1, 1}).expand({-1, 1, x.size(2)});
  const Tensor normed = layer.layer_norm1->forward(x);
  Tensor y = x.gather(1, index);
  y = y + layer.self_attn->attend(normed.gather(1, index), normed, Causal::kNo, mask);
  y = y + layer.mlp->forward(layer.layer_norm2->forward(y));
  return y.squeeze(1);
}

/// float32 [n, n]: 1 where concepts are equal.
Tensor equal_concepts(const Tensor& concepts) {
  return concepts.unsqueeze(0).eq(concepts.unsqueeze(1)).to(torch::kFloat32);
}

Tensor unit_rows(const Tensor& x) { return x / x.norm(2, {1}, true).clamp_min(1e-12); }

bool is_of(TrainedPart part, std::string_view name) {
  const bool text = name.starts_with("text_");
  const bool image = name.starts_with("vision_") || name.starts_with("visual_");
  return part == TrainedPart::kAll || (!text && !image) || text == (part == TrainedPart::kText);
}

}  // namespace

DualEncoder::DualEncoder(const encoders::ClipConfig& config, torch::Device device, TrainedPart part,
                         LossKind loss)
    : model_(std::make_shared<encoders::nn::ClipModel>(config)), device_(device), loss_(loss) {
  model_->initialize();
  encoders::nn::set_product_type(*model_, torch::kBFloat16);
  std::vector<Tensor> ordered;
  for (const bool decays : {true, false}) {
    for (const auto& item : model_->named_parameters()) {
      Tensor p = item.value();
      if ((p.dim() >= 2) != decays) continue;
      if (!is_of(part, item.key())) {
        p.set_data(p.detach().to(device));
        p.set_requires_grad(false);
        continue;
      }
      ordered.push_back(p);
      if (decays) num_decaying_ += p.numel();
    }
  }
  if (loss == LossKind::kSigmoid) {
    logit_bias = torch::full({}, kFirstBias);
    ordered.push_back(logit_bias);
  }
  std::vector<Tensor> rows;
  for (const Tensor& p : ordered) rows.push_back(p.detach().reshape({-1}));
  parameters = torch::cat(rows).to(device);
  gradients = torch::zeros_like(parameters);
  moment1 = torch::zeros_like(parameters);
  moment2 = torch::zeros_like(parameters);
  ema = parameters.clone();
  std::int64_t at = 0;
  for (Tensor& p : ordered) {
    p.set_data(parameters.narrow(0, at, p.numel()).view(p.sizes()));
    p.set_requires_grad(true);
    p.mutable_grad() = gradients.narrow(0, at, p.numel()).view(p.sizes());
    at += p.numel();
  }
}

Tensor DualEncoder::run_layers(Tensor x, const encoders::nn::TransformerEncoder& encoder,
                               const encoders::ClipTowerConfig& tower, Causal causal) const {
  const auto& layers = encoder.layers();
  const bool fused = device_.is_cpu() && tower.layer_norm_eps == kFusedLayerNormEps &&
                     fused_layer_fits(x.size(1), x.size(2), tower.num_heads, tower.activation);
  for (std::size_t i = 0; i + 1 < layers.size(); ++i) {
    x = fused ? fused_layer(x, *layers[i], tower.num_heads, causal) : layers[i]->forward(x, causal);
  }
  return x;
}

Tensor DualEncoder::images(const Tensor& pixels, const Tensor& kept) const {
  const auto& tower = *model_->vision_model;
  const auto& config = model_->config().vision;
  const std::int64_t n = pixels.size(0), patch = config.patch_size, width = config.hidden_size;
  const std::int64_t rows = pixels.size(2) / patch, columns = pixels.size(3) / patch;
  // What stands beyond the last whole patch is not seen.
  Tensor patches = pixels.narrow(2, 0, rows * patch)
                       .narrow(3, 0, columns * patch)
                       .reshape({n, 3, rows, patch, columns, patch})
                       .permute({0, 2, 4, 1, 3, 5})
                       .reshape({n, rows * columns, 3 * patch * patch});
  const Tensor position = tower.position_embedding->grid(rows, columns, 1);
  Tensor patch_position = position.narrow(0, 1, rows * columns);
  if (kept.defined()) {
    patches = patches.gather(1, kept.unsqueeze(2).expand({-1, -1, patches.size(2)}));
    patch_position = patch_position.index_select(0, kept.reshape({-1})).view({n, -1, width});
  }
  const Tensor embedded =
      encoders::nn::linear(patches, tower.patch_embedding->weight.view({width, -1}), {},
                           torch::kBFloat16) +
      patch_position;
  const Tensor first = (tower.class_embedding + position[0]).expand({n, 1, width});
  Tensor x = tower.pre_layrnorm->forward(torch::cat({first, embedded.to(torch::kFloat32)}, 1));
  x = run_layers(x, *tower.encoder, config, Causal::kNo);
  x = last_layer(*tower.encoder->layers().back(), x,
                 torch::zeros({n}, torch::TensorOptions(torch::kLong).device(device_)), {});
  x = model_->visual_projection->forward(tower.post_layernorm->forward(x));
  return unit_rows(x.to(torch::kFloat32));
}

Tensor DualEncoder::texts(const Tensor& ids) const {
  const auto& tower = *model_->text_model;
  const auto& config = model_->config().text;
  const Tensor end = tower.pooled_positions(ids);
  Tensor x = tower.token_embedding->forward(ids) + tower.position_embedding->first(ids.size(1));
  x = run_layers(x, *tower.encoder, config, Causal::kYes);
  const Tensor unseen = torch::arange(ids.size(1), ids.options()).unsqueeze(0) > end.unsqueeze(1);
  const Tensor mask = torch::zeros({ids.size(0), 1, 1, ids.size(1)},
                                   torch::TensorOptions(torch::kFloat32).device(device_))
                          .masked_fill(unseen.view({ids.size(0), 1, 1, ids.size(1)}), -1e30);
  x = last_layer(*tower.encoder->layers().back(), x, end, mask);
  x = model_->text_projection->forward(tower.final_layer_norm->forward(x));
  return unit_rows(x.to(torch::kFloat32));
}

Tensor DualEncoder::loss(const Tensor& images, const Tensor& texts, const Tensor& concepts) const {
  const Tensor& log_scale = model_->log_logit_scale;
  return loss_ == LossKind::kSigmoid ? sigmoid_loss(images, texts, concepts, log_scale, logit_bias)
                                     : contrastive_loss(images, texts, concepts, log_scale);
}

double DualEncoder::update(std::int64_t step, double learning_rate, double beta1, double beta2,
                           double weight_decay, double clip_norm, double ema_decay) {
  const torch::NoGradGuard no_grad;
  const double norm = gradients.norm().item<double>();
  if (!std::isfinite(norm)) {
    gradients.zero_();
    return norm;
  }
  const double scale = norm > clip_norm ? clip_norm / norm : 1.0;
  const double correction1 = 1.0 - std::pow(beta1, static_cast<double>(step));
  const double correction2 = 1.0 - std::pow(beta2, static_cast<double>(step));
  // A young average would be mostly the random start.
  const double warm = (1.0 + static_cast<double>(step)) / (10.0 + static_cast<double>(step));
  ema_decay = std::min(ema_decay, warm);
  if (device_.is_cpu()) {
    AdamStep s{static_cast<float>(learning_rate),
               static_cast<float>(beta1),
               static_cast<float>(beta2),
               static_cast<float>(kAdamEpsilon),
               static_cast<float>(correction1),
               static_cast<float>(correction2),
               0.0f,
               static_cast<float>(scale),
               static_cast<float>(ema_decay)};
    const auto run = [&](std::int64_t from, std::int64_t to) {
      at::parallel_for(from, to, 1 << 16, [&, s](std::int64_t begin, std::int64_t end) {
        kernels().adam(s, static_cast<std::size_t>(end - begin),
                       gradients.data_ptr<float>() + begin, parameters.data_ptr<float>() + begin,
                       moment1.data_ptr<float>() + begin, moment2.data_ptr<float>() + begin,
                       ema.data_ptr<float>() + begin);
      });
    };
    s.weight_decay = static_cast<float>(weight_decay);
    run(0, num_decaying_);
    s.weight_decay = 0.0f;
    run(num_decaying_, parameters.numel());
  } else {
    gradients.mul_(scale);
    moment1.mul_(beta1).add_(gradients, 1.0 - beta1);
    moment2.mul_(beta2).addcmul_(gradients, gradients, 1.0 - beta2);
    parameters.narrow(0, 0, num_decaying_).mul_(1.0 - learning_rate * weight_decay);
    parameters.addcdiv_(moment1 / correction1, (moment2 / correction2).sqrt_().add_(kAdamEpsilon),
                        -learning_rate);
    ema.lerp_(parameters, 1.0 - ema_decay);
  }
  model_->log_logit_scale.clamp_max_(kMaxLogScale);
  gradients.zero_();
  return norm;
}

void DualEncoder::swap_with_ema() {
  const torch::NoGradGuard no_grad;
  const Tensor kept = parameters.clone();
  parameters.copy_(ema);
  ema.copy_(kept);
}

void DualEncoder::restart_ema() {
  const torch::NoGradGuard no_grad;
  ema.copy_(parameters);
}

Tensor contrastive_loss(const Tensor& images, const Tensor& texts, const Tensor& concepts,
                        const Tensor& log_scale) {
  const Tensor logits = torch::mm(images, texts.t()) * log_scale.clamp_max(kMaxLogScale).exp();
  const Tensor same = equal_concepts(concepts);
  const Tensor targets = same / same.sum(1, true);
  const auto cross_entropy = [&](const Tensor& rows) {
    return -(targets * rows.log_softmax(1)).sum(1).mean();
  };
  return 0.5 * (cross_entropy(logits) + cross_entropy(logits.t()));
}

Tensor sigmoid_loss(const Tensor& images, const Tensor& texts, const Tensor& concepts,
                    const Tensor& log_scale, const Tensor& bias) {
  const Tensor logits =
      torch::mm(images, texts.t()) * log_scale.clamp_max(kMaxLogScale).exp() + bias;
  const Tensor sign = 2 * equal_concepts(concepts) - 1;
  return -torch::log_sigmoid(sign * logits).sum() / images.size(0);
}

}  // namespace sightline::train
