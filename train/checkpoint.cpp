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

}  // namespace

Result<void> save_checkpoint(const std::filesystem::path& path, const DualEncoder& encoder,
                             const RunState& state) {
  std::map<std::string, encoders::TensorView, std::less<>> views;
  Tensors kept;  // copies of what lies on another device live until the file is written
  for (auto& [name, tensor] : tensors_of(encoder)) {
    const torch::Tensor here = tensor.cpu().contiguous();
    kept.emplace_back(name, here);
    views[name] = {encoders::DType::kF32,
                   {here.numel()},
                   {static_cast<const std::byte*>(here.data_ptr()), here.nbytes()}};
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
  if (state.identity != identity) {
    return failed_precondition(path.string() +
                               " is of another model, tokenizer or data: use --restart");
  }
  const torch::NoGradGuard no_grad;
  for (auto& [name, tensor] : tensors_of(encoder)) {
    const auto view = parsed->find(std::string_view(name));
    if (view == parsed->end() || view->second.dtype != encoders::DType::kF32 ||
        view->second.bytes.size() != tensor.nbytes()) {
      return corruption(path.string() + ": " + name + " is missing or has another size");
    }
    torch::Tensor copy = torch::empty({tensor.numel()}, torch::kFloat32);
    std::memcpy(copy.data_ptr(), view->second.bytes.data(), view->second.bytes.size());
    tensor.copy_(copy);
  }
  return state;
}

}  // namespace sightline::train
