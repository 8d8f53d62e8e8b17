#include "train/internal/model_folder.h"

#include <array>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "core/checksum.h"
#include "core/json.h"
#include "encoders/nn/weight_map.h"

namespace sightline::train {
namespace fs = std::filesystem;
namespace {

constexpr std::array<double, 3> kMean{0.48145466, 0.4578275, 0.40821073};
constexpr std::array<double, 3> kStd{0.26862954, 0.26130258, 0.27577711};
constexpr std::array kTokenizerFiles{"vocab.json", "merges.txt", "tokenizer.json",
                                     "tokenizer_config.json", "special_tokens_map.json"};

/// Of a folder whose weights alone change.
constexpr std::array kCopiedFiles{"config.json",
                                  "preprocessor_config.json",
                                  "processor_config.json",
                                  "vocab.json",
                                  "merges.txt",
                                  "added_tokens.json",
                                  "tokenizer.json",
                                  "tokenizer_config.json",
                                  "special_tokens_map.json",
                                  "LICENSE",
                                  "LICENSE.md",
                                  "LICENSE.txt"};

Result<void> write_text(const fs::path& path, const std::string& text) {
  const fs::path unfinished = path.string() + ".part";
  std::ofstream out(unfinished, std::ios::binary);
  out << text;
  out.close();
  std::error_code error;
  if (out) fs::rename(unfinished, path, error);
  if (!out || error) return io_error("cannot write " + path.string());
  return {};
}

std::string table(const TrainReport& report) {
  std::ostringstream out;
  out << "| held out | pictures | R@1 | R@5 | R@10 |\n|---|---|---|---|---|\n";
  for (const auto& recall : report.recall) {
    std::array<char, 64> numbers{};
    std::snprintf(numbers.data(), numbers.size(), "%.3f | %.3f | %.3f", recall.at_1, recall.at_5,
                  recall.at_10);
    out << "| " << recall.source << " | " << recall.num_pictures << " | " << numbers.data()
        << " |\n";
  }
  if (report.steps > 0) {
    std::array<char, 160> run{};
    std::snprintf(run.data(), run.size(), "\n%llu steps, %.2f million %s seen in %.0f minutes.\n",
                  static_cast<unsigned long long>(report.steps),
                  static_cast<double>(report.pictures_seen) / 1e6, report.seen.c_str(),
                  report.active_seconds / 60);
    out << run.data();
  }
  return std::move(out).str();
}

}  // namespace

Result<void> keep_model_folder(const fs::path& from, const fs::path& to) {
  if (!fs::exists(from / "model.safetensors")) {
    return not_found(from.string() +
                     " holds no model yet: train without --languages or --pictures");
  }
  std::error_code error;
  fs::create_directories(to.parent_path(), error);
  const fs::path unfinished = to.string() + ".part";
  fs::remove_all(unfinished, error);
  fs::copy(from, unfinished, fs::copy_options::recursive, error);
  if (!error) fs::rename(unfinished, to, error);
  if (error) return io_error("cannot write " + to.string() + ": " + error.message());
  return {};
}

image::PreprocessSpec trained_preprocessing(std::size_t image_size) {
  image::PreprocessSpec spec;
  spec.height = spec.width = image_size;
  spec.filter = image::Filter::kBicubic;
  spec.mean = kMean;
  spec.std = kStd;
  return spec;
}

Result<void> write_model_folder(const encoders::nn::ClipModel& model,
                                const fs::path& tokenizer_folder, const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return io_error("cannot create " + folder.string() + ": " + error.message());
  fs::remove(folder / "sightline.json", error);  // was fitted for the weights before
  for (const char* name : kTokenizerFiles) {
    fs::copy_file(tokenizer_folder / name, folder / name, fs::copy_options::overwrite_existing,
                  error);
    if (error) return io_error("cannot write " + (folder / name).string() + ": " + error.message());
  }
  const auto size = model.config().vision.image_size;
  const OrderedJson square{{"height", size}, {"width", size}};
  const OrderedJson preprocessor{{"image_processor_type", "CLIPImageProcessor"},
                                 {"do_convert_rgb", true},
                                 {"do_resize", true},
                                 {"size", square},
                                 {"resample", 3},
                                 {"do_center_crop", false},
                                 {"crop_size", square},
                                 {"do_rescale", true},
                                 {"rescale_factor", 1.0 / 255.0},
                                 {"do_normalize", true},
                                 {"image_mean", kMean},
                                 {"image_std", kStd}};
  SIGHTLINE_TRY_DO(write_text(folder / "preprocessor_config.json", preprocessor.dump(2) + '\n'));
  Json config = encoders::clip_config_json(model.config());
  config["architectures"] = Json::array({"CLIPModel"});
  config["model_type"] = "clip";
  config["torch_dtype"] = "float16";
  SIGHTLINE_TRY_DO(write_text(folder / "config.json", config.dump(2) + '\n'));
  return encoders::nn::save_weights(model, folder / "model.safetensors", encoders::DType::kF16);
}

std::string checksum_of(const encoders::Checkpoint& weights) {
  Checksum128 sum;
  for (const auto& [name, tensor] : weights.tensors()) sum.update(tensor.bytes);
  return sum.hex();
}

encoders::DType stored_dtype(const std::string& stored) {
  if (stored == "F16") return encoders::DType::kF16;
  return stored == "BF16" ? encoders::DType::kBF16 : encoders::DType::kF32;
}

Result<void> write_changed_model(const encoders::nn::ClipModel& model, const fs::path& base,
                                 encoders::DType dtype, const Json& marker,
                                 const std::string& marker_name, const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return io_error("cannot create " + folder.string() + ": " + error.message());
  SIGHTLINE_TRY_DO(write_text(folder / marker_name, marker.dump(2) + '\n'));
  for (const char* name : kCopiedFiles) {
    if (!fs::exists(base / name, error)) continue;
    std::ifstream in(base / name, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    if (!in) return io_error("cannot read " + (base / name).string());
    SIGHTLINE_TRY_DO(write_text(folder / name, text.str()));
  }
  return encoders::nn::save_weights(model, folder / "model.safetensors", dtype);
}

Result<void> write_recall_table(const fs::path& card, const std::string& mark,
                                const TrainReport& report) {
  std::ifstream in(card, std::ios::binary);
  if (!in) return {};
  std::ostringstream read;
  read << in.rdbuf();
  std::string text = std::move(read).str();
  const std::string first = "<!-- " + mark + " -->\n", last = "<!-- /" + mark + " -->";
  const std::size_t begin = text.find(first), end = text.find(last);
  if (begin == std::string::npos || end == std::string::npos || end < begin) return {};
  text.replace(begin + first.size(), end - begin - first.size(), table(report));
  return write_text(card, text);
}

}  // namespace sightline::train
