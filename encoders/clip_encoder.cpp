#include <ATen/Parallel.h>
#include <torch/cuda.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <numeric>

#include "encoders/encoder.h"
#include "encoders/internal/clip_folder.h"
#include "encoders/nn/clip_model.h"
#include "encoders/nn/weight_map.h"

namespace sightline::encoders {
namespace {

namespace fs = std::filesystem;

// Floats of the widest activation of one forward pass on a CPU. Larger batches are cut, so that
// activations stay in the cache and below the 32 MiB from which malloc maps fresh pages each time:
// faulting those in costs as much as the products.
constexpr std::int64_t kActivationFloats = 1'500'000;

// Runs `work`, which returns a Result, and turns LibTorch's exceptions into a Status.
template <typename Work>
auto translate(const char* what, Work work) -> decltype(work()) {
  try {
    return work();
  } catch (const c10::Error& e) {
    return internal_error(std::string(what) + ": " + e.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return Status{StatusCode::kResourceExhausted, std::string(what) + ": out of memory"};
  } catch (const std::exception& e) {
    return internal_error(std::string(what) + ": " + e.what());
  }
}

Result<torch::Device> pick_device(Device device) {
  const bool has_cuda = device != Device::kCpu && torch::cuda::is_available();
  if (device == Device::kCuda && !has_cuda)
    return failed_precondition("device cuda: this machine or its LibTorch has no CUDA");
  return has_cuda ? torch::Device(torch::kCUDA) : torch::Device(torch::kCPU);
}

torch::ScalarType scalar_type(Precision precision) {
  switch (precision) {
    case Precision::kFloat32:
      return torch::kFloat32;
    case Precision::kBFloat16:
      return torch::kBFloat16;
    case Precision::kFloat16:
      return torch::kFloat16;
  }
  return torch::kFloat32;
}

// How many rows of `tokens` tokens one forward pass takes.
std::size_t rows_per_pass(torch::Device device, std::int64_t tokens, std::int64_t widest) {
  if (!device.is_cpu()) return static_cast<std::size_t>(-1);
  return static_cast<std::size_t>(std::max<std::int64_t>(1, kActivationFloats / (tokens * widest)));
}

class ClipEncoder : public Encoder {
 public:
  ClipEncoder(EncoderInfo info, std::unique_ptr<Tokenizer> tokenizer,
              std::unique_ptr<nn::ClipModel> model, torch::Device device)
      : info_(std::move(info)),
        tokenizer_(std::move(tokenizer)),
        model_(std::move(model)),
        device_(device) {}

  Result<EmbeddingBatch> encode_pixels(const image::PixelBatch& pixels, Deadline deadline,
                                       Normalize normalize) const override {
    SIGHTLINE_TRY_DO(check_pixels(pixels));
    SIGHTLINE_TRY_DO(deadline.check("encoding pictures"));
    return translate("encoding pictures", [&]() -> Result<EmbeddingBatch> {
      const c10::InferenceMode inference;
      const ClipVisionConfig& vision = model_->config().vision;
      const auto height = static_cast<std::int64_t>(pixels.height());
      const auto width = static_cast<std::int64_t>(pixels.width());
      const std::int64_t tokens = 1 + (height / vision.patch_size) * (width / vision.patch_size);
      const std::size_t step = rows_per_pass(device_, tokens, vision.intermediate_size);
      EmbeddingBatch batch(pixels.size(), info_.dim);
      for (std::size_t begin = 0; begin < pixels.size(); begin += std::min(step, pixels.size())) {
        const std::size_t n = std::min(step, pixels.size() - begin);
        // from_blob() wants a mutable pointer; the model only reads.
        const torch::Tensor input =
            torch::from_blob(const_cast<float*>(pixels.row(begin).data()),
                             {static_cast<std::int64_t>(n), 3, height, width}, torch::kFloat32)
                .to(device_);
        const torch::Tensor rows = model_->image_features(input).to(torch::kCPU).contiguous();
        std::memcpy(batch.row(begin).data(), rows.data_ptr<float>(), rows.nbytes());
      }
      SIGHTLINE_TRY_DO(finish_rows(batch, normalize, "picture"));
      return batch;
    });
  }

  Result<EmbeddingBatch> encode_texts(std::span<const std::string> texts, Deadline deadline,
                                      Normalize normalize) const override {
    SIGHTLINE_TRY_DO(check_count(texts.size(), "texts"));
    SIGHTLINE_TRY_DO(deadline.check("encoding texts"));
    return translate("encoding texts", [&]() -> Result<EmbeddingBatch> {
      std::vector<std::vector<std::int32_t>> ids(texts.size());
      for (std::size_t i = 0; i < texts.size(); ++i)
        ids[i] = tokenizer_->encode(texts[i], info_.max_tokens);
      // Texts of like length share a pass, padded to the longest of them.
      std::vector<std::size_t> order(texts.size());
      std::iota(order.begin(), order.end(), std::size_t{0});
      std::stable_sort(order.begin(), order.end(),
                       [&](std::size_t a, std::size_t b) { return ids[a].size() < ids[b].size(); });
      const c10::InferenceMode inference;
      EmbeddingBatch batch(texts.size(), info_.dim);
      for (std::size_t begin = 0; begin < order.size();) {
        const std::size_t end = pass_end(ids, order, begin);
        encode_pass(ids, std::span(order).subspan(begin, end - begin), batch);
        begin = end;
      }
      SIGHTLINE_TRY_DO(finish_rows(batch, normalize, "text"));
      return batch;
    });
  }

  const EncoderInfo& info() const override { return info_; }

 private:
  Result<void> check_count(std::size_t n, const char* what) const {
    if (n >= 1 && n <= info_.max_batch) return {};
    return invalid_argument("a batch of " + std::to_string(n) + " " + what + "; it must hold 1.." +
                            std::to_string(info_.max_batch));
  }

  Result<void> check_pixels(const image::PixelBatch& pixels) const {
    SIGHTLINE_TRY_DO(check_count(pixels.size(), "pictures"));
    constexpr std::size_t kMaxSide = 4096;
    const auto patch = static_cast<std::size_t>(model_->config().vision.patch_size);
    if (pixels.height() == info_.image_size && pixels.width() == info_.image_size) return {};
    for (const std::size_t side : {pixels.height(), pixels.width()})
      if (side == 0 || side > kMaxSide || side % patch != 0)
        return invalid_argument("pictures of " + std::to_string(pixels.width()) + " x " +
                                std::to_string(pixels.height()) +
                                " pixels; sides must be multiples of the patch size " +
                                std::to_string(patch) + ", at most 4096");
    return {};
  }

  // The largest `end` for which the texts order[begin..end) fit into one pass; at least begin + 1.
  std::size_t pass_end(const std::vector<std::vector<std::int32_t>>& ids,
                       const std::vector<std::size_t>& order, std::size_t begin) const {
    std::size_t end = begin + 1;
    for (; end < order.size(); ++end) {
      const auto tokens =
          static_cast<std::int64_t>(std::max<std::size_t>(1, ids[order[end]].size()));
      if (end + 1 - begin > rows_per_pass(device_, tokens, model_->config().text.intermediate_size))
        break;
    }
    return end;
  }

  void encode_pass(const std::vector<std::vector<std::int32_t>>& ids,
                   std::span<const std::size_t> texts, EmbeddingBatch& batch) const {
    const std::size_t columns = std::max<std::size_t>(1, ids[texts.back()].size());
    const torch::Tensor input =
        torch::zeros({static_cast<std::int64_t>(texts.size()), static_cast<std::int64_t>(columns)},
                     torch::kInt64);
    auto* row = input.data_ptr<std::int64_t>();
    for (const std::size_t text : texts) {
      std::copy(ids[text].begin(), ids[text].end(), row);
      // Filled with its own last id, a row is pooled where it was without filling, whichever the
      // end-of-text rule.
      if (!ids[text].empty()) std::fill(row + ids[text].size(), row + columns, ids[text].back());
      row += columns;
    }
    const torch::Tensor rows =
        model_->text_features(input.to(device_)).to(torch::kCPU).contiguous();
    const auto* values = rows.data_ptr<float>();
    for (const std::size_t text : texts) {
      std::copy_n(values, info_.dim, batch.row(text).data());
      values += info_.dim;
    }
  }

  Result<void> finish_rows(EmbeddingBatch& batch, Normalize normalize, const char* what) const {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      double squares = 0.0;
      for (const float value : batch.row(i)) squares += static_cast<double>(value) * value;
      if (!std::isfinite(squares))
        return internal_error("model " + info_.name + ": " + what + " " + std::to_string(i) +
                              " of the batch gives numbers that are not finite");
      if (normalize == Normalize::kNo || squares == 0.0) continue;
      const double factor = 1.0 / std::sqrt(squares);
      for (float& value : batch.row(i)) value = static_cast<float>(value * factor);
    }
    return {};
  }

  EncoderInfo info_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<nn::ClipModel> model_;
  torch::Device device_;
};

EncoderInfo describe(const ClipFolder& folder, const nn::ClipModel& model, std::string checksum) {
  EncoderInfo info;
  info.name = folder.path.filename().string();
  info.path = folder.path;
  info.checksum = std::move(checksum);
  info.architecture = "CLIPModel";
  info.dim = static_cast<std::size_t>(folder.config.projection_dim);
  info.image_size = static_cast<std::size_t>(folder.config.vision.image_size);
  info.max_tokens = static_cast<std::size_t>(folder.config.text.max_positions);
  info.logit_scale = std::exp(model.log_logit_scale.item<double>());
  info.strong_spreads = folder.settings.strong_spreads;
  info.num_parameters = nn::num_parameters(model);
  info.preprocess = folder.preprocess;
  return info;
}

Result<std::unique_ptr<Tokenizer>> load_clip_tokenizer(const ClipFolder& folder) {
  SIGHTLINE_TRY(auto tokenizer, make_clip_tokenizer(folder.tokenizer));
  if (tokenizer->vocab_size() > static_cast<std::size_t>(folder.config.text.vocab_size))
    return invalid_argument(
        "the tokenizer has ids up to " + std::to_string(tokenizer->vocab_size() - 1) +
        ", text_config.vocab_size is " + std::to_string(folder.config.text.vocab_size));
  return tokenizer;
}

Result<std::unique_ptr<Encoder>> load_clip_encoder(const ClipFolder& folder,
                                                   const EncoderOptions& options) {
  SIGHTLINE_TRY(const torch::Device device, pick_device(options.device));
  if (device.is_cpu() && options.precision == Precision::kFloat16)
    return invalid_argument("precision fp16 needs a GPU; a CPU takes fp32 or bf16");
  SIGHTLINE_TRY(auto tokenizer, load_clip_tokenizer(folder));
  auto model = std::make_unique<nn::ClipModel>(folder.config);
  SIGHTLINE_TRY_DO(nn::load_weights(*model, folder.checkpoint));
  SIGHTLINE_TRY(std::string checksum, model_checksum(folder));
  EncoderInfo info = describe(folder, *model, std::move(checksum));
  if (options.model == "embedded") info.name = options.model;
  info.precision = options.precision;
  info.device = device.is_cpu() ? Device::kCpu : Device::kCuda;
  nn::freeze(*model, device, scalar_type(options.precision));
  return std::unique_ptr<Encoder>(std::make_unique<ClipEncoder>(
      std::move(info), std::move(tokenizer), std::move(model), device));
}

// The types the weights are stored in: "F32", or "BF16, F32".
std::string stored_types(const Checkpoint& checkpoint) {
  std::map<std::string_view, int> types;
  for (const auto& [key, view] : checkpoint.tensors())
    if (nn::WeightMap::keep_names(key)) ++types[dtype_name(view.dtype)];
  std::string text;
  for (const auto& [type, count] : types) text += (text.empty() ? "" : ", ") + std::string(type);
  return text;
}

// What config.json names, known or not; null if it names nothing.
Json named_architecture(const fs::path& folder) {
  const auto config = read_json_file(folder / "config.json");
  if (!config || !config->is_object()) return {};
  const auto names = config->find("architectures");
  if (names != config->end() && names->is_array() && !names->empty() && names->front().is_string())
    return names->front();
  const auto type = config->find("model_type");
  return type != config->end() && type->is_string() ? *type : Json();
}

}  // namespace

Result<std::unique_ptr<Encoder>> load_encoder(const EncoderOptions& options) {
  SIGHTLINE_TRY(const fs::path path, resolve_model_folder(options.model));
  SIGHTLINE_TRY(const ClipFolder folder, read_clip_folder(path));
  auto encoder = translate("loading", [&] { return load_clip_encoder(folder, options); });
  if (!encoder) return encoder.error().with_context(folder.path.string());
  return encoder;
}

Result<Json> check_model(const fs::path& folder) {
  SIGHTLINE_TRY(const ClipConfig config, read_clip_config(folder));
  SIGHTLINE_TRY(const Checkpoint checkpoint, Checkpoint::open(folder));
  return translate("checking", [&]() -> Result<Json> {
    const nn::ClipModel model(config);
    nn::WeightReport report = nn::compare_weights(model, checkpoint);
    Json problems = Json::array();
    if (!report.fits()) problems.push_back(report.message());
    for (const std::string& fault : report.wrong_shape)
      report.missing.push_back(fault.substr(0, fault.find(' ')));
    std::sort(report.missing.begin(), report.missing.end());
    Json checksum;
    if (const auto whole = read_clip_folder(folder)) {
      if (const auto tokenizer = load_clip_tokenizer(*whole); !tokenizer)
        problems.push_back(tokenizer.error().message);
      if (const auto hex = model_checksum(*whole))
        checksum = *hex;
      else
        problems.push_back(hex.error().message);
    } else {
      problems.push_back(whole.error().message);
    }
    std::vector<std::string> unused = report.unexpected;
    unused.insert(unused.end(), report.ignored.begin(), report.ignored.end());
    std::sort(unused.begin(), unused.end());
    return Json{{"architecture", "CLIPModel"},
                {"dim", config.projection_dim},
                {"image_size", config.vision.image_size},
                {"max_tokens", config.text.max_positions},
                {"parameters", nn::num_parameters(model)},
                {"dtype", stored_types(checkpoint)},
                {"checksum", std::move(checksum)},
                {"missing", report.missing},
                {"unused", std::move(unused)},
                {"wrong_shape", report.wrong_shape},
                {"problems", std::move(problems)}};
  });
}

Json describe_unreadable_model(const fs::path& folder, const Status& why) {
  Json report{{"architecture", named_architecture(folder)},
              {"dim", nullptr},
              {"image_size", nullptr},
              {"max_tokens", nullptr},
              {"parameters", nullptr},
              {"dtype", nullptr},
              {"checksum", nullptr},
              {"missing", nullptr},
              {"unused", nullptr},
              {"wrong_shape", nullptr},
              {"problems", Json::array({why.message})}};
  if (const auto config = read_clip_config(folder)) {
    report["dim"] = config->projection_dim;
    report["image_size"] = config->vision.image_size;
    report["max_tokens"] = config->text.max_positions;
  }
  if (const auto checkpoint = Checkpoint::open(folder)) {
    std::int64_t num_elements = 0;
    for (const auto& [key, view] : checkpoint->tensors())
      if (nn::WeightMap::keep_names(key)) num_elements += view.num_elements();
    report["parameters"] = num_elements;
    report["dtype"] = stored_types(*checkpoint);
  } else if (checkpoint.error().message != why.message) {
    report["problems"].push_back(checkpoint.error().message);
  }
  return report;
}

}  // namespace sightline::encoders
