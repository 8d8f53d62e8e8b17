#include "train/train_config.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <numbers>

#include "settings/toml_file.h"

namespace sightline::train {
namespace fs = std::filesystem;
namespace {

using Setter = std::function<void(const Json&)>;

/// Keys that set `config`, by their name in the file. Setters throw Json::exception on a wrong
/// type.
std::map<std::string, Setter> setters(TrainConfig& c, const fs::path& base) {
  const auto number = [](double& to) { return Setter([&to](const Json& v) { v.get_to(to); }); };
  const auto count = [](auto& to) {
    return Setter([&to](const Json& v) {
      // A float or a negative number would be converted without a word.
      if (!v.is_number_unsigned()) (void)v.get_ref<const Json::number_unsigned_t&>();
      v.get_to(to);
    });
  };
  const auto path = [&base](fs::path& to) {
    return Setter([&to, &base](const Json& v) { to = base / v.get<std::string>(); });
  };
  const auto both = [count](std::int64_t& a, std::int64_t& b) {
    return Setter([=, &a, &b](const Json& v) {
      count(a)(v);
      b = a;
    });
  };
  const auto phases = [count, number](std::vector<TrainPhase>& to) {
    return Setter([&to, count, number](const Json& v) {
      to.clear();
      for (const auto& item : v) {
        TrainPhase& phase = to.emplace_back();
        for (const auto& [key, value] : item.items()) {
          if (key == "until")
            number(phase.until)(value);
          else if (key == "image_size")
            count(phase.image_size)(value);
          else if (key == "batch")
            count(phase.batch)(value);
          else if (key == "keep")
            number(phase.keep)(value);
          else
            (void)Json::object().at("phase." + key);
        }
      }
    });
  };
  return {
      {"data.folder", path(c.data_folder)},
      {"data.prepared_folder", path(c.prepared_folder)},
      {"tokenizer.vocab_size", count(c.vocab_size)},
      {"tokenizer.max_tokens", count(c.max_tokens)},
      {"model.image_size", count(c.model.vision.image_size)},
      {"model.patch_size", count(c.model.vision.patch_size)},
      {"model.width", both(c.model.vision.hidden_size, c.model.text.hidden_size)},
      {"model.mlp_width", both(c.model.vision.intermediate_size, c.model.text.intermediate_size)},
      {"model.heads", both(c.model.vision.num_heads, c.model.text.num_heads)},
      {"model.image_layers", count(c.model.vision.num_layers)},
      {"model.text_layers", count(c.model.text.num_layers)},
      {"model.projection", count(c.model.projection_dim)},
      {"optimizer.learning_rate", number(c.learning_rate)},
      {"optimizer.final_learning_rate", number(c.final_learning_rate)},
      {"optimizer.beta1", number(c.beta1)},
      {"optimizer.beta2", number(c.beta2)},
      {"optimizer.weight_decay", number(c.weight_decay)},
      {"optimizer.clip_norm", number(c.clip_norm)},
      {"optimizer.ema_decay", number(c.ema_decay)},
      {"optimizer.warmup_steps", count(c.warmup_steps)},
      {"loss.kind",
       [&c](const Json& v) {
         const auto kind = v.get<std::string>();
         if (kind != "contrastive" && kind != "sigmoid") {
           (void)Json::object().at("\"" + kind + "\", which is not contrastive or sigmoid");
         }
         c.loss = kind == "sigmoid" ? LossKind::kSigmoid : LossKind::kContrastive;
       }},
      {"captions.title", number(c.captions.title)},
      {"captions.title_and_words", number(c.captions.title_and_words)},
      {"captions.prompt", number(c.captions.prompt)},
      {"captions.full_stop", number(c.captions.full_stop)},
      {"augment.rotation_degrees", number(c.augment.rotation_degrees)},
      {"augment.scale_low", number(c.augment.scale_low)},
      {"augment.scale_high", number(c.augment.scale_high)},
      {"augment.stretch", number(c.augment.stretch)},
      {"augment.shift", number(c.augment.shift)},
      {"augment.mirror", number(c.augment.mirror)},
      {"augment.letterbox", number(c.augment.letterbox)},
      {"augment.coloured_background", number(c.augment.coloured_background)},
      {"augment.colour", number(c.augment.colour)},
      {"augment.gray", number(c.augment.gray)},
      {"augment.tint", number(c.augment.tint)},
      {"augment.final_strength", number(c.final_strength)},
      {"run.minutes", number(c.minutes)},
      {"run.steps", count(c.steps)},
      {"run.seed", count(c.seed)},
      {"run.checkpoint_minutes", number(c.checkpoint_minutes)},
      {"run.evaluate_minutes", number(c.evaluate_minutes)},
      {"run.threads", count(c.threads)},
      {"run.device", [&c](const Json& v) { v.get_to(c.device); }},
      {"run.work_folder", path(c.work_folder)},
      {"languages.init", path(c.languages.init)},
      {"languages.vocab_size", count(c.languages.vocab_size)},
      {"languages.minutes", number(c.languages.minutes)},
      {"languages.steps", count(c.languages.steps)},
      {"languages.batch", count(c.languages.batch)},
      {"languages.learning_rate", number(c.languages.learning_rate)},
      {"languages.final_learning_rate", number(c.languages.final_learning_rate)},
      {"languages.english", number(c.languages.english)},
      {"languages.final_english", number(c.languages.final_english)},
      {"languages.contrast", number(c.languages.contrast)},
      {"output.folder", path(c.output_folder)},
      {"pictures.minutes", number(c.pictures.minutes)},
      {"pictures.steps", count(c.pictures.steps)},
      {"pictures.learning_rate", number(c.pictures.learning_rate)},
      {"pictures.final_learning_rate", number(c.pictures.final_learning_rate)},
      {"phase", phases(c.phases)},
      {"pictures.phase", phases(c.pictures.phases)},
  };
}

Status rule(const std::string& key, double value, const std::string& wanted) {
  return invalid_argument(key + " is " + Json(value).dump() + "; it must be " + wanted);
}

/// name  "phase" or "pictures.phase"
Result<void> check_phases(const std::vector<TrainPhase>& phases, const std::string& name,
                          std::size_t patch) {
  if (phases.empty() || phases.back().until != 1.0) {
    return invalid_argument("the last [[" + name + "]] must have until = 1.0");
  }
  double before = 0;
  for (const auto& phase : phases) {
    if (!(phase.until > before)) return rule(name + ".until", phase.until, "ascending");
    before = phase.until;
    if (phase.image_size < patch || phase.image_size % patch != 0 || phase.image_size > 512) {
      return rule(name + ".image_size", static_cast<double>(phase.image_size),
                  "a multiple of model.patch_size, at most 512");
    }
    if (phase.batch < 2 || phase.batch > 8192) {
      return rule(name + ".batch", static_cast<double>(phase.batch), "2..8192");
    }
    if (!(phase.keep >= 0.1 && phase.keep <= 1)) return rule(name + ".keep", phase.keep, "0.1..1");
  }
  return {};
}

}  // namespace

fs::path training_cache() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && *cache != '\0') return fs::path(cache) / "sightline";
  const char* home = std::getenv("HOME");
  return fs::path(home != nullptr ? home : ".") / ".cache" / "sightline";
}

Result<TrainConfig> load_train_config(const fs::path& path) {
  SIGHTLINE_TRY(const auto entries, settings::read_toml_file(path));
  std::error_code error;
  const fs::path base = fs::absolute(path, error).parent_path();
  TrainConfig config;
  config.data_folder = training_cache() / "training-data";
  config.prepared_folder = training_cache() / "train" / "pictures";
  config.work_folder = training_cache() / "train" / path.stem();
  config.model.projection_dim = 256;
  config.model.vision.image_size = 64;
  config.model.vision.patch_size = 8;
  config.model.vision.num_layers = 6;
  config.model.text.num_layers = 3;
  for (encoders::ClipTowerConfig* tower :
       {static_cast<encoders::ClipTowerConfig*>(&config.model.vision),
        static_cast<encoders::ClipTowerConfig*>(&config.model.text)}) {
    tower->hidden_size = 192;
    tower->intermediate_size = 768;
    tower->num_heads = 6;
    tower->activation = encoders::Activation::kQuickGelu;
  }
  config.phases = {TrainPhase{}};
  const auto known = setters(config, base);
  const std::pair<std::string_view, std::map<std::string, double>*> weights[] = {
      {"data.weights.", &config.source_weights}, {"languages.weights.", &config.languages.weights}};
  for (const auto& entry : entries) {
    const std::string where = path.string() + ":" + std::to_string(entry.line) + ": ";
    try {
      bool is_weight = false;
      for (const auto& [prefix, to] : weights) {
        if (!entry.key.starts_with(prefix)) continue;
        (*to)[entry.key.substr(prefix.size())] = entry.value.get<double>();
        is_weight = true;
      }
      if (is_weight) continue;
      const auto setter = known.find(entry.key);
      if (setter == known.end()) return invalid_argument(where + "unknown key " + entry.key);
      setter->second(entry.value);
    } catch (const Json::exception& e) {
      return invalid_argument(where + entry.key + ": " + e.what());
    }
  }
  if (config.output_folder.empty())
    return invalid_argument(path.string() + ": output.folder is missing");
  if (const auto checked = check_train_config(config); !checked) {
    return checked.error().with_context(path.string());
  }
  return config;
}

Result<void> check_train_config(const TrainConfig& c) {
  if (c.vocab_size < 514 || c.vocab_size > 65536) {
    return rule("tokenizer.vocab_size", static_cast<double>(c.vocab_size), "514..65536");
  }
  if (c.max_tokens < 4 || c.max_tokens > 77) {
    return rule("tokenizer.max_tokens", static_cast<double>(c.max_tokens), "4..77");
  }
  for (const auto& [prefix, weights] : {std::pair{"data.weights.", &c.source_weights},
                                        std::pair{"languages.weights.", &c.languages.weights}}) {
    for (const auto& [name, weight] : *weights) {
      if (!(weight >= 0 && weight <= 1000)) return rule(prefix + name, weight, "0..1000");
    }
  }
  if (c.languages.vocab_size < 514 || c.languages.vocab_size > 65536) {
    return rule("languages.vocab_size", static_cast<double>(c.languages.vocab_size), "514..65536");
  }
  if (c.languages.batch < 2 || c.languages.batch > 8192) {
    return rule("languages.batch", static_cast<double>(c.languages.batch), "2..8192");
  }
  const auto patch = static_cast<std::size_t>(c.model.vision.patch_size);
  SIGHTLINE_TRY_DO(check_phases(c.phases, "phase", patch));
  if (!c.pictures.phases.empty()) {
    SIGHTLINE_TRY_DO(check_phases(c.pictures.phases, "pictures.phase", patch));
  }
  const struct {
    const char* key;
    double value, low, high;
  } kRanges[] = {
      {"optimizer.learning_rate", c.learning_rate, 0, 1},
      {"optimizer.final_learning_rate", c.final_learning_rate, 0, 1},
      {"optimizer.beta1", c.beta1, 0, 0.9999},
      {"optimizer.beta2", c.beta2, 0, 0.999999},
      {"optimizer.weight_decay", c.weight_decay, 0, 10},
      {"optimizer.clip_norm", c.clip_norm, 1e-6, 1e6},
      {"optimizer.ema_decay", c.ema_decay, 0, 0.999999},
      {"augment.final_strength", c.final_strength, 0, 1},
      {"augment.scale_low", c.augment.scale_low, 0.1, 1},
      {"augment.scale_high", c.augment.scale_high, 1, 10},
      {"languages.minutes", c.languages.steps > 0 ? 1.0 : c.languages.minutes, 1e-3, 1e5},
      {"languages.learning_rate", c.languages.learning_rate, 0, 1},
      {"languages.final_learning_rate", c.languages.final_learning_rate, 0, 1},
      {"languages.english", c.languages.english, 0, 1},
      {"languages.final_english", c.languages.final_english, 0, 1},
      {"languages.contrast", c.languages.contrast, 0, 100},
      {"pictures.minutes", c.pictures.steps > 0 ? 1.0 : c.pictures.minutes, 1e-3, 1e5},
      {"pictures.learning_rate", c.pictures.learning_rate, 0, 1},
      {"pictures.final_learning_rate", c.pictures.final_learning_rate, 0, 1},
      {"run.minutes", c.steps > 0 ? 1.0 : c.minutes, 1e-3, 1e5},
      {"run.checkpoint_minutes", c.checkpoint_minutes, 0, 1e5},
      {"run.evaluate_minutes", c.evaluate_minutes, 0, 1e5}};
  for (const auto& [key, value, low, high] : kRanges) {
    if (!(value >= low && value <= high)) {
      return rule(key, value, Json(low).dump() + ".." + Json(high).dump());
    }
  }
  if (c.device != "auto" && c.device != "cpu" && c.device != "cuda") {
    return invalid_argument("run.device is \"" + c.device + "\"; it must be auto, cpu or cuda");
  }
  return {};
}

double learning_rate_at(const TrainConfig& config, std::uint64_t step, double share) {
  const double fall = 0.5 * (1.0 + std::cos(std::numbers::pi * std::clamp(share, 0.0, 1.0)));
  const double rate =
      config.final_learning_rate + (config.learning_rate - config.final_learning_rate) * fall;
  const double warm = config.warmup_steps == 0
                          ? 1.0
                          : static_cast<double>(step) / static_cast<double>(config.warmup_steps);
  return rate * std::min(1.0, warm);
}

const TrainPhase& phase_at(const TrainConfig& config, double share) {
  for (const auto& phase : config.phases) {
    if (share < phase.until) return phase;
  }
  return config.phases.back();
}

}  // namespace sightline::train
