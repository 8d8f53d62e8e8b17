#include "benchmarks/encoders/random_model.h"

#include <fstream>

#include "core/json.h"
#include "encoders/nn/clip_model.h"
#include "encoders/nn/weight_map.h"

namespace sightline::benchmarks {

encoders::ClipConfig clip_config_of(ModelShape shape) {
  encoders::ClipConfig config;  // the defaults are ViT-B/32
  if (shape == ModelShape::kVitB32) return config;
  config.projection_dim = 256;
  config.vision.image_size = 64;
  config.vision.patch_size = 8;
  config.vision.num_layers = 6;
  config.text.num_layers = 3;
  config.text.vocab_size = 6000;
  config.text.max_positions = 20;
  config.text.eos_token_id = 999;
  for (encoders::ClipTowerConfig* tower : {static_cast<encoders::ClipTowerConfig*>(&config.vision),
                                           static_cast<encoders::ClipTowerConfig*>(&config.text)}) {
    tower->hidden_size = 192;
    tower->intermediate_size = 768;
    tower->num_heads = 6;
  }
  return config;
}

void write_random_model(ModelShape shape, const std::filesystem::path& folder) {
  const encoders::ClipConfig config = clip_config_of(shape);
  encoders::nn::ClipModel model(config);
  torch::manual_seed(1);
  model.initialize();
  encoders::nn::save_weights(model, folder / "model.safetensors", encoders::DType::kBF16).value();
  std::ofstream(folder / "config.json") << encoders::clip_config_json(config).dump();
  const auto size = config.vision.image_size;
  std::ofstream(folder / "preprocessor_config.json") << Json{
      {"image_processor_type", "CLIPImageProcessor"},
      {"size", {{"shortest_edge", size}}},
      {"crop_size", {{"height", size}, {"width", size}}}}.dump();
  const std::filesystem::path data = SIGHTLINE_TEST_DATA;
  const auto tokenizer =
      data / (shape == ModelShape::kVitB32 ? "tokenizers/clip" : "clip-vit-tiny");
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"}) {
    std::filesystem::copy_file(tokenizer / name, folder / name);
  }
}

}  // namespace sightline::benchmarks
