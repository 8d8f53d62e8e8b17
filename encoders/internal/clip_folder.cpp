#include "encoders/internal/clip_folder.h"

#include "core/checksum.h"
#include "encoders/internal/checksum_cache.h"
#include "encoders/nn/weight_map.h"

namespace sightline::encoders {
namespace {

namespace fs = std::filesystem;

// The configuration less what changes no embedding.
Json identity_json(const ClipConfig& config) {
  Json json = clip_config_json(config);
  for (const char* key : {"logit_scale_init_value", "initializer_factor"}) json.erase(key);
  for (const char* tower : {"text_config", "vision_config"})
    for (const char* key : {"initializer_range", "initializer_factor", "attention_dropout",
                            "bos_token_id", "pad_token_id", "projection_dim"})
      json[tower].erase(key);
  return json;
}

Result<void> add_weights(const Checkpoint& checkpoint, Checksum128& checksum) {
  const torch::NoGradGuard no_grad;
  for (const auto& [key, view] : checkpoint.tensors()) {
    const auto name = nn::WeightMap::keep_names(key);
    if (!name) continue;
    checksum.update(std::to_string(name->size()) + ":" + *name + "[");
    for (const std::int64_t dimension : view.shape)
      checksum.update(std::to_string(dimension) + ",");
    checksum.update("]");
    SIGHTLINE_TRY(const torch::Tensor tensor, nn::borrow_tensor(view));
    if (!at::isFloatingType(tensor.scalar_type()))
      return Status{StatusCode::kUnimplemented,
                    key + ": weights of type " + std::string(dtype_name(view.dtype))};
    const torch::Tensor values = tensor.to(torch::kFloat32).contiguous();
    checksum.update({static_cast<const std::byte*>(values.data_ptr()), values.nbytes()});
  }
  return {};
}

std::vector<fs::path> files_of(const ClipFolder& folder) {
  std::vector<fs::path> files = folder.checkpoint.files();
  std::error_code error;
  for (const char* name :
       {"config.json", "preprocessor_config.json", "model.safetensors.index.json", "tokenizer.json",
        "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt"})
    if (fs::exists(folder.path / name, error)) files.push_back(folder.path / name);
  return files;
}

}  // namespace

Result<ClipConfig> read_clip_config(const fs::path& folder) {
  SIGHTLINE_TRY(const Json json, read_json_file(folder / "config.json"));
  auto config = parse_clip_config(json);
  if (!config) return config.error().with_context((folder / "config.json").string());
  return config;
}

Result<ClipFolder> read_clip_folder(const fs::path& folder) {
  ClipFolder result;
  std::error_code error;
  result.path = fs::canonical(folder, error);
  if (error) return not_found(folder.string() + ": " + error.message());
  SIGHTLINE_TRY(result.config, read_clip_config(result.path));
  SIGHTLINE_TRY(result.tokenizer, read_tokenizer_spec(result.path));
  SIGHTLINE_TRY(result.preprocess, image::load_preprocess_spec(result.path));
  SIGHTLINE_TRY(result.checkpoint, Checkpoint::open(result.path));
  SIGHTLINE_TRY(result.settings, read_model_settings(result.path));

  const auto size = static_cast<std::size_t>(result.config.vision.image_size);
  if (result.preprocess.output_height() != size || result.preprocess.output_width() != size)
    return invalid_argument(result.path.string() + ": preprocessor_config.json makes pictures of " +
                            std::to_string(result.preprocess.output_width()) + " x " +
                            std::to_string(result.preprocess.output_height()) +
                            " pixels, vision_config.image_size is " + std::to_string(size));
  return result;
}

Result<std::string> model_checksum(const ClipFolder& folder) {
  const std::vector<fs::path> files = files_of(folder);
  const std::string stamp = file_stamp(files);
  if (auto cached = cached_checksum(folder.path, stamp)) return *std::move(cached);
  Checksum128 checksum;
  SIGHTLINE_TRY_DO(add_weights(folder.checkpoint, checksum));
  checksum.update(dump_json(identity_json(folder.config)));
  add_to_checksum(folder.tokenizer, checksum);
  checksum.update(dump_json(folder.preprocess.to_json()));
  const std::string hex = checksum.hex();
  store_checksum(folder.path, stamp, files, hex);
  return hex;
}

}  // namespace sightline::encoders
