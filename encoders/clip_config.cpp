#include "encoders/clip_config.h"

#include <cmath>
#include <initializer_list>
#include <string>
#include <vector>

namespace sightline::encoders {
namespace {

// One (sub)configuration: the later of its objects that holds a key decides, null counts as absent.
class Section {
 public:
  Section(std::string name, std::initializer_list<const Json*> objects)
      : name_(std::move(name)), objects_(objects) {}

  Result<void> read(const char* key, std::int64_t low, std::int64_t high,
                    std::int64_t& value) const {
    const Json* found = find(key);
    if (found == nullptr) return check(key, low, high, value);
    if (!found->is_number_integer() ||
        (found->is_number_unsigned() && found->get<std::uint64_t>() > (1ULL << 62)))
      return wrong(key, found->dump(), "an integer is wanted");
    value = found->get<std::int64_t>();
    return check(key, low, high, value);
  }
  Result<void> read(const char* key, double low, double high, double& value) const {
    const Json* found = find(key);
    if (found == nullptr) return {};
    if (!found->is_number()) return wrong(key, found->dump(), "a number is wanted");
    value = found->get<double>();
    if (!std::isfinite(value) || value < low || value > high)
      return wrong(key, found->dump(), "it must be " + Json(low).dump() + ".." + Json(high).dump());
    return {};
  }
  Result<void> read(const char* key, Activation& value) const {
    const Json* found = find(key);
    if (found == nullptr) return {};
    if (!found->is_string()) return wrong(key, found->dump(), "a string is wanted");
    auto parsed = parse_activation(found->get_ref<const std::string&>());
    if (!parsed) return parsed.error().with_context(name_);
    value = *parsed;
    return {};
  }
  Status wrong(const char* key, const std::string& value, const std::string& rule) const {
    return invalid_argument(name_ + (name_.empty() ? "" : ".") + key + " is " + value + "; " +
                            rule);
  }

 private:
  const Json* find(const char* key) const {
    const Json* result = nullptr;
    for (const Json* object : objects_) {
      if (object == nullptr) continue;
      const auto found = object->find(key);
      if (found != object->end() && !found->is_null()) result = &*found;
    }
    return result;
  }
  Result<void> check(const char* key, std::int64_t low, std::int64_t high,
                     std::int64_t value) const {
    if (value < low || value > high)
      return wrong(key, std::to_string(value),
                   "it must be " + std::to_string(low) + ".." + std::to_string(high));
    return {};
  }

  std::string name_;
  std::vector<const Json*> objects_;
};

Result<const Json*> sub_object(const Json& config, const char* key) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return nullptr;
  if (!found->is_object())
    return invalid_argument(std::string(key) + " is " + found->type_name() +
                            "; an object is wanted");
  return &*found;
}

Result<void> check_architecture(const Json& config) {
  const auto architectures = config.find("architectures");
  if (architectures != config.end() && !architectures->is_null()) {
    if (!architectures->is_array() || architectures->empty())
      return invalid_argument("architectures must be a list of names");
    for (const Json& name : *architectures)
      if (name == "CLIPModel") return {};
    return invalid_argument("unknown architecture " + architectures->front().dump() +
                            "; known is \"CLIPModel\"");
  }
  const auto type = config.find("model_type");
  if (type == config.end() || *type != "clip")
    return invalid_argument("unknown architecture: no `architectures`, and model_type is " +
                            (type == config.end() ? std::string("missing") : type->dump()) +
                            "; known is \"clip\"");
  return {};
}

Result<void> read_tower(const Section& section, ClipTowerConfig& tower) {
  SIGHTLINE_TRY_DO(section.read("hidden_size", 1, 16384, tower.hidden_size));
  SIGHTLINE_TRY_DO(section.read("intermediate_size", 1, 65536, tower.intermediate_size));
  SIGHTLINE_TRY_DO(section.read("num_hidden_layers", 1, 256, tower.num_layers));
  SIGHTLINE_TRY_DO(section.read("num_attention_heads", 1, 1024, tower.num_heads));
  SIGHTLINE_TRY_DO(section.read("hidden_act", tower.activation));
  SIGHTLINE_TRY_DO(section.read("layer_norm_eps", 0.0, 1.0, tower.layer_norm_eps));
  SIGHTLINE_TRY_DO(section.read("initializer_range", 0.0, 100.0, tower.initializer_range));
  SIGHTLINE_TRY_DO(section.read("initializer_factor", 0.0, 100.0, tower.initializer_factor));
  if (tower.hidden_size % tower.num_heads != 0)
    return section.wrong("num_attention_heads", std::to_string(tower.num_heads),
                         "it must divide hidden_size " + std::to_string(tower.hidden_size));
  return {};
}

Json tower_json(const ClipTowerConfig& tower, const char* model_type) {
  return {{"model_type", model_type},
          {"hidden_size", tower.hidden_size},
          {"intermediate_size", tower.intermediate_size},
          {"num_hidden_layers", tower.num_layers},
          {"num_attention_heads", tower.num_heads},
          {"hidden_act", activation_name(tower.activation)},
          {"layer_norm_eps", tower.layer_norm_eps},
          {"attention_dropout", 0.0},
          {"initializer_range", tower.initializer_range},
          {"initializer_factor", tower.initializer_factor}};
}

}  // namespace

ClipConfig::ClipConfig() {
  text.hidden_size = 512;
  text.intermediate_size = 2048;
  text.num_layers = 12;
  text.num_heads = 8;
  vision.hidden_size = 768;
  vision.intermediate_size = 3072;
  vision.num_layers = 12;
  vision.num_heads = 12;
}

Result<ClipConfig> parse_clip_config(const Json& config) {
  if (!config.is_object()) return invalid_argument("the configuration is not a JSON object");
  SIGHTLINE_TRY_DO(check_architecture(config));
  SIGHTLINE_TRY(const Json* text_object, sub_object(config, "text_config"));
  SIGHTLINE_TRY(const Json* text_override, sub_object(config, "text_config_dict"));
  SIGHTLINE_TRY(const Json* vision_object, sub_object(config, "vision_config"));
  SIGHTLINE_TRY(const Json* vision_override, sub_object(config, "vision_config_dict"));

  ClipConfig result;
  const Section top("", {&config});
  SIGHTLINE_TRY_DO(top.read("projection_dim", 1, 16384, result.projection_dim));
  SIGHTLINE_TRY_DO(top.read("logit_scale_init_value", -100.0, 100.0, result.logit_scale_init));
  SIGHTLINE_TRY_DO(top.read("initializer_factor", 0.0, 100.0, result.initializer_factor));

  ClipTextConfig& text = result.text;
  const Section text_section("text_config", {text_object, text_override});
  constexpr std::int64_t kMaxVocab = 1 << 24;
  SIGHTLINE_TRY_DO(read_tower(text_section, text));
  SIGHTLINE_TRY_DO(text_section.read("vocab_size", 1, kMaxVocab, text.vocab_size));
  SIGHTLINE_TRY_DO(text_section.read("max_position_embeddings", 1, 65536, text.max_positions));
  SIGHTLINE_TRY_DO(text_section.read("bos_token_id", -1, kMaxVocab, text.bos_token_id));
  SIGHTLINE_TRY_DO(text_section.read("eos_token_id", -1, kMaxVocab, text.eos_token_id));
  SIGHTLINE_TRY_DO(text_section.read("pad_token_id", -1, kMaxVocab, text.pad_token_id));

  ClipVisionConfig& vision = result.vision;
  const Section vision_section("vision_config", {vision_object, vision_override});
  SIGHTLINE_TRY_DO(read_tower(vision_section, vision));
  SIGHTLINE_TRY_DO(vision_section.read("image_size", 1, 4096, vision.image_size));
  SIGHTLINE_TRY_DO(vision_section.read("patch_size", 1, vision.image_size, vision.patch_size));
  SIGHTLINE_TRY_DO(vision_section.read("num_channels", 3, 3, vision.num_channels));
  return result;
}

Json clip_config_json(const ClipConfig& config) {
  Json text = tower_json(config.text, "clip_text_model");
  text["vocab_size"] = config.text.vocab_size;
  text["max_position_embeddings"] = config.text.max_positions;
  text["bos_token_id"] = config.text.bos_token_id;
  text["eos_token_id"] = config.text.eos_token_id;
  text["pad_token_id"] = config.text.pad_token_id;
  text["projection_dim"] = config.projection_dim;
  Json vision = tower_json(config.vision, "clip_vision_model");
  vision["image_size"] = config.vision.image_size;
  vision["patch_size"] = config.vision.patch_size;
  vision["num_channels"] = config.vision.num_channels;
  vision["projection_dim"] = config.projection_dim;
  return {{"architectures", {"CLIPModel"}},
          {"model_type", "clip"},
          {"projection_dim", config.projection_dim},
          {"logit_scale_init_value", config.logit_scale_init},
          {"initializer_factor", config.initializer_factor},
          {"text_config", std::move(text)},
          {"vision_config", std::move(vision)}};
}

}  // namespace sightline::encoders
