#include "train/average.h"

#include <fstream>
#include <system_error>

#include "encoders/clip_config.h"
#include "encoders/encoder.h"
#include "encoders/nn/clip_model.h"
#include "encoders/nn/weight_map.h"
#include "image/preprocess.h"
#include "train/internal/model_folder.h"

namespace sightline::train {
namespace fs = std::filesystem;
namespace {

/// What two models must share.
struct Model {
  fs::path folder;
  encoders::ClipConfig config;
  Json preprocess, checked;
};

Result<Model> read_model(const std::string& name) {
  Model model;
  SIGHTLINE_TRY(model.folder, encoders::resolve_model_folder(name));
  SIGHTLINE_TRY(model.checked, encoders::check_model(model.folder));
  if (const Json& problems = model.checked.at("problems"); !problems.empty()) {
    return invalid_argument(model.folder.string() + ": " + problems[0].get<std::string>());
  }
  SIGHTLINE_TRY(const Json config, read_json_file(model.folder / "config.json"));
  SIGHTLINE_TRY(model.config, encoders::parse_clip_config(config));
  SIGHTLINE_TRY(const image::PreprocessSpec spec, image::load_preprocess_spec(model.folder));
  model.preprocess = spec.to_json();
  return model;
}

/// The first key in which two configurations differ, or "".
std::string difference(const Json& a, const Json& b) {
  const Json patch = Json::diff(a, b);
  return patch.empty() ? "" : patch[0].value("path", "");
}

/// The vocabulary, wherever the folder has it: what a token's text and number are.
Result<Json> vocabulary(const fs::path& folder) {
  std::error_code error;
  const bool is_one = fs::exists(folder / "tokenizer.json", error);
  SIGHTLINE_TRY(Json read, read_json_file(folder / (is_one ? "tokenizer.json" : "vocab.json")));
  Json out = Json::object();
  const Json& model = is_one && read.contains("model") ? read["model"] : read;
  out["vocab"] = is_one && model.contains("vocab") ? model["vocab"] : read;
  if (is_one && model.contains("merges")) {
    out["merges"] = model["merges"];
  } else {
    std::ifstream in(folder / "merges.txt", std::ios::binary);
    out["merges"] = Json::array();
    for (std::string line; std::getline(in, line);) {
      if (!line.empty() && !line.starts_with("#version")) out["merges"].push_back(line);
    }
  }
  // A merge is "a b" or, in newer files, ["a", "b"].
  for (Json& merge : out["merges"]) {
    if (merge.is_array() && merge.size() == 2) {
      merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
    }
  }
  return out;
}

Result<void> check_alike(const Model& a, const Model& b) {
  const std::string both = a.folder.string() + " and " + b.folder.string();
  const auto fail = [&both](const std::string& what) {
    return invalid_argument(both + " differ in " + what + "; only models of one kind are averaged");
  };
  Json one = encoders::clip_config_json(a.config), other = encoders::clip_config_json(b.config);
  for (Json* config : {&one, &other}) {
    for (const char* key : {"logit_scale_init_value", "initializer_factor"}) config->erase(key);
  }
  if (const auto key = difference(one, other); !key.empty()) return fail("config.json at " + key);
  if (const auto key = difference(a.preprocess, b.preprocess); !key.empty()) {
    return fail("preprocessing at " + key);
  }
  SIGHTLINE_TRY(const Json words, vocabulary(a.folder));
  SIGHTLINE_TRY(const Json other_words, vocabulary(b.folder));
  if (words != other_words) return fail("the tokenizer's vocabulary");
  return {};
}

}  // namespace

Result<void> average_models(const std::vector<std::string>& names, const fs::path& out) {
  if (names.size() < 2) {
    return invalid_argument("there are " + std::to_string(names.size()) +
                            " models; an average needs two at least");
  }
  std::error_code error;
  if (fs::exists(fs::symlink_status(out, error)) &&
      !(fs::is_directory(out, error) && fs::is_empty(out, error))) {
    return failed_precondition(out.string() + " is there already; name a new or an empty folder");
  }
  std::vector<Model> models;
  for (const std::string& name : names) {
    SIGHTLINE_TRY(Model model, read_model(name));
    if (!models.empty()) SIGHTLINE_TRY_DO(check_alike(models[0], model));
    models.push_back(std::move(model));
  }
  try {
    const torch::NoGradGuard no_grad;
    encoders::nn::ClipModel mean(models[0].config), next(models[0].config);
    for (std::size_t i = 0; i < models.size(); ++i) {
      SIGHTLINE_TRY(const auto weights, encoders::Checkpoint::open(models[i].folder));
      SIGHTLINE_TRY_DO(encoders::nn::load_weights(i == 0 ? mean : next, weights));
      if (i == 0) continue;
      const auto added = next.named_parameters();
      // The running mean: large sums would lose the last bits.
      for (auto& item : mean.named_parameters()) {
        item.value().add_((added[item.key()] - item.value()) / static_cast<double>(i + 1));
      }
    }
    Json of = Json::array();
    for (const Model& model : models) of.push_back(model.checked.at("checksum"));
    return write_changed_model(mean, models[0].folder, stored_dtype(models[0].checked.at("dtype")),
                               Json{{"mean_of", of}}, "average.json", out);
  } catch (const c10::Error& e) {
    return internal_error(std::string("averaging: ") + e.what_without_backtrace());
  }
}

}  // namespace sightline::train
