#include "encoders/nn/clip_model.h"

#include <cmath>

namespace sightline::encoders::nn {
namespace {

EncoderLayerOptions layer_options(const ClipTowerConfig& config) {
  EncoderLayerOptions options;
  options.dim = config.hidden_size;
  options.intermediate_dim = config.intermediate_size;
  options.num_heads = config.num_heads;
  options.activation = config.activation;
  options.layer_norm_eps = config.layer_norm_eps;
  return options;
}

double power(std::int64_t base, double exponent) {
  return std::pow(static_cast<double>(base), exponent);
}

void initialize_linear(Linear& linear, double deviation) {
  linear.weight.normal_(0.0, deviation);
  if (linear.bias.defined()) linear.bias.zero_();
}

void initialize_tower(TransformerEncoder& encoder, const ClipTowerConfig& config) {
  const double factor = config.initializer_factor;
  const double into_stream = power(2 * config.num_layers, -0.5) * factor;
  for (const auto& layer : encoder.layers()) {
    const double inner = power(config.hidden_size, -0.5);
    initialize_linear(*layer->self_attn->q_proj, inner * into_stream);
    initialize_linear(*layer->self_attn->k_proj, inner * into_stream);
    initialize_linear(*layer->self_attn->v_proj, inner * into_stream);
    initialize_linear(*layer->self_attn->out_proj, inner * factor);
    initialize_linear(*layer->mlp->fc1, power(2 * config.hidden_size, -0.5) * factor);
    initialize_linear(*layer->mlp->fc2, inner * into_stream);
  }
}

}  // namespace

ClipVisionTower::ClipVisionTower(const ClipVisionConfig& config) {
  const auto embeddings = register_module("embeddings", std::make_shared<torch::nn::Module>());
  class_embedding =
      embeddings->register_parameter("class_embedding", empty_parameter({config.hidden_size}));
  patch_embedding = embeddings->register_module(
      "patch_embedding", std::make_shared<PatchEmbedding>(config.num_channels, config.patch_size,
                                                          config.hidden_size, Linear::Bias::kNo));
  position_embedding = embeddings->register_module(
      "position_embedding", std::make_shared<PositionEmbedding>(
                                config.grid_size() * config.grid_size() + 1, config.hidden_size));
  pre_layrnorm = register_module(
      "pre_layrnorm", std::make_shared<LayerNorm>(config.hidden_size, config.layer_norm_eps));
  encoder = register_module(
      "encoder", std::make_shared<TransformerEncoder>(layer_options(config), config.num_layers));
  post_layernorm = register_module(
      "post_layernorm", std::make_shared<LayerNorm>(config.hidden_size, config.layer_norm_eps));
}

torch::Tensor ClipVisionTower::forward(const torch::Tensor& pixels, const StageTap& tap) const {
  const std::int64_t patch = patch_embedding->weight.size(2);
  const torch::Tensor patches = patch_embedding->forward(pixels);
  if (tap) tap("patch_embedding", patches);
  const torch::Tensor first = class_embedding.expand({pixels.size(0), 1, class_embedding.size(0)});
  torch::Tensor x = at::cat({first, patches}, 1) +
                    position_embedding->grid(pixels.size(2) / patch, pixels.size(3) / patch, 1);
  if (tap) tap("embeddings", x);
  x = pre_layrnorm->forward(x);
  if (tap) tap("pre_layrnorm", x);
  x = encoder->forward(x, Causal::kNo, {}, tap);
  return post_layernorm->forward(x.select(1, 0));
}

ClipTextTower::ClipTextTower(const ClipTextConfig& config) : eos_token_id_(config.eos_token_id) {
  const auto embeddings = register_module("embeddings", std::make_shared<torch::nn::Module>());
  token_embedding = embeddings->register_module(
      "token_embedding", std::make_shared<TokenEmbedding>(config.vocab_size, config.hidden_size));
  position_embedding = embeddings->register_module(
      "position_embedding",
      std::make_shared<PositionEmbedding>(config.max_positions, config.hidden_size));
  encoder = register_module(
      "encoder", std::make_shared<TransformerEncoder>(layer_options(config), config.num_layers));
  final_layer_norm = register_module(
      "final_layer_norm", std::make_shared<LayerNorm>(config.hidden_size, config.layer_norm_eps));
}

torch::Tensor ClipTextTower::forward(const torch::Tensor& ids, const StageTap& tap,
                                     const torch::Tensor& attention_mask) const {
  torch::Tensor x = token_embedding->forward(ids) + position_embedding->first(ids.size(1));
  if (tap) tap("embeddings", x);
  const torch::Tensor mask = attention_mask.defined() ? key_mask(attention_mask) : attention_mask;
  x = encoder->forward(x, Causal::kYes, mask, tap);
  if (tap) tap("last_hidden_state", final_layer_norm->forward(x));
  const torch::Tensor rows = torch::arange(ids.size(0), ids.options());
  return final_layer_norm->forward(x.index({rows, pooled_positions(ids)}));
}

torch::Tensor ClipTextTower::pooled_positions(const torch::Tensor& ids) const {
  constexpr std::int64_t kLegacyEndToken = 2;
  if (eos_token_id_ == kLegacyEndToken) return ids.argmax(-1);
  return ids.eq(eos_token_id_).to(torch::kInt32).argmax(-1);
}

ClipModel::ClipModel(const ClipConfig& config) : config_(config) {
  text_model = register_module("text_model", std::make_shared<ClipTextTower>(config.text));
  vision_model = register_module("vision_model", std::make_shared<ClipVisionTower>(config.vision));
  visual_projection = register_module(
      "visual_projection", std::make_shared<Linear>(config.vision.hidden_size,
                                                    config.projection_dim, Linear::Bias::kNo));
  text_projection = register_module(
      "text_projection",
      std::make_shared<Linear>(config.text.hidden_size, config.projection_dim, Linear::Bias::kNo));
  log_logit_scale = register_parameter("logit_scale", empty_parameter({}));
}

// transformers' CLIPPreTrainedModel._init_weights, after OpenAI's CLIP.initialize_parameters.
void ClipModel::initialize() {
  const torch::NoGradGuard no_grad;
  const ClipTextConfig& text = config_.text;
  const ClipVisionConfig& vision = config_.vision;
  text_model->token_embedding->weight.normal_(0.0,
                                              text.initializer_range * text.initializer_factor);
  text_model->position_embedding->weight.normal_(0.0,
                                                 text.initializer_range * text.initializer_factor);
  vision_model->class_embedding.normal_(
      0.0, power(vision.hidden_size, -0.5) * vision.initializer_factor);
  vision_model->patch_embedding->weight.normal_(
      0.0, vision.initializer_range * vision.initializer_factor);
  vision_model->position_embedding->weight.normal_(
      0.0, vision.initializer_range * vision.initializer_factor);
  initialize_tower(*text_model->encoder, text);
  initialize_tower(*vision_model->encoder, vision);
  initialize_linear(*visual_projection,
                    power(vision.hidden_size, -0.5) * config_.initializer_factor);
  initialize_linear(*text_projection, power(text.hidden_size, -0.5) * config_.initializer_factor);
  log_logit_scale.fill_(config_.logit_scale_init);
}

torch::Tensor ClipModel::image_features(const torch::Tensor& pixels, const StageTap& tap) const {
  return visual_projection->forward(vision_model->forward(pixels, tap)).to(torch::kFloat32);
}

torch::Tensor ClipModel::text_features(const torch::Tensor& ids, const StageTap& tap,
                                       const torch::Tensor& attention_mask) const {
  return text_projection->forward(text_model->forward(ids, tap, attention_mask))
      .to(torch::kFloat32);
}

}  // namespace sightline::encoders::nn
