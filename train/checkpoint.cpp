#include "train/internal/checkpoint.h"

#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "codecs/decode.h"
#include "core/json.h"
#include "encoders/safetensors.h"

namespace sightline::train {
namespace {

using Tensors = std::vector<std::pair<const char*, torch::Tensor>>;

Tensors tensors_of(const DualEncoder& encoder) {
  return {{"parameters", encoder.parameters},
          {"moment1", encoder.moment1},
          {"moment2", encoder.moment2},
          {"ema", encoder.ema}};
}

encoders::TensorView view_of(const torch::Tensor& flat) {
  return {encoders::DType::kF32,
          {flat.numel()},
          {static_cast<const std::byte*>(flat.data_ptr()), flat.nbytes()}};
}

using Views = std::map<std::string, encoders::TensorView, std::less<>>;

Result<void> read_flat(const Views& views, const char* name, const std::string& path,
                       torch::Tensor& into) {
  const auto view = views.find(std::string_view(name));
  if (view == views.end() || view->second.dtype != encoders::DType::kF32 ||
      view->second.bytes.size() != into.nbytes()) {
    return corruption(path + ": " + name + " is missing or has another size");
  }
  const torch::NoGradGuard no_grad;
  const torch::Tensor copy = torch::empty({into.numel()}, torch::kFloat32);
  std::memcpy(copy.data_ptr(), view->second.bytes.data(), view->second.bytes.size());
  into.copy_(copy);
  return {};
}

Status of_another_run(const std::filesystem::path& path) {
  return failed_precondition(path.string() +
                             " is of another model, tokenizer or data: use --restart");
}

}  // namespace

Result<void> save_checkpoint(const std::filesystem::path& path, const DualEncoder& encoder,
                             const RunState& state) {
  std::map<std::string, encoders::TensorView, std::less<>> views;
  Tensors kept;  // copies of what lies on another device live until the file is written
  for (auto& [name, tensor] : tensors_of(encoder)) {
    const torch::Tensor here = tensor.cpu().contiguous();
    kept.emplace_back(name, here);
    views[name] = view_of(here);
  }
  const Json run{{"step", state.step},
                 {"pictures_seen", state.pictures_seen},
                 {"active_seconds", state.active_seconds},
                 {"random", state.random},
                 {"identity", state.identity}};
  return encoders::write_safetensors(path, views, {{"format", "pt"}, {"run", run.dump()}});
}

Result<RunState> load_checkpoint(const std::filesystem::path& path, const std::string& identity,
                                 DualEncoder& encoder) {
  SIGHTLINE_TRY(const auto bytes, codecs::read_file(path));
  std::map<std::string, std::string> metadata;
  const auto parsed = encoders::parse_safetensors(bytes, &metadata);
  if (!parsed) return parsed.error().with_context(path.string());
  RunState state;
  try {
    const Json run = Json::parse(metadata["run"]);
    run.at("step").get_to(state.step);
    run.at("pictures_seen").get_to(state.pictures_seen);
    run.at("active_seconds").get_to(state.active_seconds);
    run.at("random").get_to(state.random);
    run.at("identity").get_to(state.identity);
  } catch (const Json::exception& e) {
    return corruption(path.string() + ": " + e.what());
  }
  if (state.identity != identity) return of_another_run(path);
  for (auto& [name, tensor] : tensors_of(encoder)) {
    SIGHTLINE_TRY_DO(read_flat(*parsed, name, path.string(), tensor));
  }
  return state;
}

Result<void> save_flat_weights(const std::filesystem::path& path, const std::string& identity,
                               const FlatWeights& known, const torch::Tensor& weights) {
  const torch::Tensor here = weights.cpu().contiguous();
  const Json run{{"step", known.step}, {"score", known.score}, {"identity", identity}};
  return encoders::write_safetensors(path, {{"weights", view_of(here)}},
                                     {{"format", "pt"}, {"run", run.dump()}});
}

Result<FlatWeights> load_flat_weights(const std::filesystem::path& path,
                                      const std::string& identity, torch::Tensor* into) {
  SIGHTLINE_TRY(const auto bytes, codecs::read_file(path));
  std::map<std::string, std::string> metadata;
  const auto parsed = encoders::parse_safetensors(bytes, &metadata);
  if (!parsed) return parsed.error().with_context(path.string());
  FlatWeights known;
  const Json run = Json::parse(metadata["run"], nullptr, false);
  if (!run.is_object() || !run.contains("step") || !run.contains("score")) {
    return corruption(path.string() + ": it does not say of what step it is");
  }
  if (run.value("identity", "") != identity) return of_another_run(path);
  known.step = run["step"].get<std::uint64_t>();
  known.score = run["score"].get<double>();
  if (into != nullptr) SIGHTLINE_TRY_DO(read_flat(*parsed, "weights", path.string(), *into));
  return known;
}

}  // namespace sightline::train
