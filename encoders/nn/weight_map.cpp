#include "encoders/nn/weight_map.h"

#include <algorithm>
#include <map>

namespace sightline::encoders::nn {
namespace {

std::optional<torch::ScalarType> scalar_type(DType dtype) {
  switch (dtype) {
    case DType::kBool:
      return torch::kBool;
    case DType::kU8:
      return torch::kUInt8;
    case DType::kI8:
      return torch::kInt8;
    case DType::kI16:
      return torch::kInt16;
    case DType::kF16:
      return torch::kFloat16;
    case DType::kBF16:
      return torch::kBFloat16;
    case DType::kI32:
      return torch::kInt32;
    case DType::kF32:
      return torch::kFloat32;
    case DType::kF64:
      return torch::kFloat64;
    case DType::kI64:
      return torch::kInt64;
    case DType::kF8E5M2:
    case DType::kF8E4M3:
    case DType::kU16:
    case DType::kU32:
    case DType::kU64:
      return std::nullopt;
  }
  return std::nullopt;
}

std::string shape_text(torch::IntArrayRef shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i)
    text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

std::map<std::string, torch::Tensor> parameters_by_name(const torch::nn::Module& module) {
  std::map<std::string, torch::Tensor> parameters;
  for (const auto& item : module.named_parameters()) parameters.emplace(item.key(), item.value());
  return parameters;
}

// Calls visit(key, view, parameter) for each pair that belongs together; fills the report.
template <typename Visit>
WeightReport match(const std::map<std::string, torch::Tensor>& parameters,
                   const Checkpoint& checkpoint, const WeightMap& map, Visit visit) {
  WeightReport report;
  std::map<std::string, std::string> filled_by;
  for (const auto& [key, view] : checkpoint.tensors()) {
    const std::optional<std::string> name = map.parameter_of(key);
    if (!name) {
      report.ignored.push_back(key);
      continue;
    }
    const auto parameter = parameters.find(*name);
    if (parameter == parameters.end() || !filled_by.emplace(*name, key).second) {
      report.unexpected.push_back(key);
      continue;
    }
    if (parameter->second.sizes() != torch::IntArrayRef(view.shape)) {
      report.wrong_shape.push_back(key + " is " + view.describe() + ", the model wants " +
                                   shape_text(parameter->second.sizes()));
      continue;
    }
    visit(key, view, parameter->second);
  }
  for (const auto& [name, parameter] : parameters)
    if (filled_by.find(name) == filled_by.end()) report.missing.push_back(name);
  return report;
}

void append_fault(std::string& text, const char* what, const std::vector<std::string>& items) {
  if (items.empty()) return;
  if (!text.empty()) text += "; ";
  text += what + items.front();
  if (items.size() > 1) text += " and " + std::to_string(items.size() - 1) + " more";
}

}  // namespace

std::optional<std::string> WeightMap::keep_names(std::string_view key) {
  constexpr std::string_view kBuffer = "position_ids";
  if (key == kBuffer || key.ends_with(".position_ids")) return std::nullopt;
  return std::string(key);
}

std::string WeightReport::message() const {
  std::string text;
  append_fault(text, "missing weight ", missing);
  append_fault(text, "wrong shape: ", wrong_shape);
  append_fault(text, "unexpected weight ", unexpected);
  return text;
}

WeightReport compare_weights(const torch::nn::Module& module, const Checkpoint& checkpoint,
                             const WeightMap& map) {
  return match(parameters_by_name(module), checkpoint, map,
               [](const std::string&, const TensorView&, const torch::Tensor&) {});
}

Result<void> load_weights(torch::nn::Module& module, const Checkpoint& checkpoint,
                          const WeightMap& map) {
  const torch::NoGradGuard no_grad;
  struct Pair {
    std::string key;
    const TensorView* view;
    torch::Tensor parameter;
  };
  std::vector<Pair> pairs;
  const WeightReport report =
      match(parameters_by_name(module), checkpoint, map,
            [&](const std::string& key, const TensorView& view, const torch::Tensor& parameter) {
              pairs.push_back({key, &view, parameter});
            });
  if (!report.fits()) return invalid_argument(report.message());
  for (Pair& pair : pairs) {
    auto tensor = borrow_tensor(*pair.view);
    if (!tensor) return tensor.error().with_context(pair.key);
    if (!at::isFloatingType(tensor->scalar_type()))
      return Status{StatusCode::kUnimplemented,
                    pair.key + ": weights of type " + std::string(dtype_name(pair.view->dtype))};
    pair.parameter.copy_(*tensor);
  }
  return {};
}

Result<torch::Tensor> borrow_tensor(const TensorView& view) {
  const std::optional<torch::ScalarType> type = scalar_type(view.dtype);
  if (!type)
    return Status{StatusCode::kUnimplemented,
                  "tensors of type " + std::string(dtype_name(view.dtype))};
  const auto options = torch::TensorOptions().dtype(*type);
  const bool aligned =
      reinterpret_cast<std::uintptr_t>(view.bytes.data()) % dtype_size(view.dtype) == 0;
  if (!aligned || view.bytes.empty()) {
    torch::Tensor copy = torch::empty(view.shape, options);
    std::copy(view.bytes.begin(), view.bytes.end(), static_cast<std::byte*>(copy.data_ptr()));
    return copy;
  }
  return torch::from_blob(const_cast<std::byte*>(view.bytes.data()), view.shape, options);
}

Result<void> save_weights(const torch::nn::Module& module, const std::filesystem::path& path,
                          DType type) {
  const torch::NoGradGuard no_grad;
  if (type != DType::kF32 && type != DType::kF16 && type != DType::kBF16)
    return invalid_argument(path.string() + ": weights are written as F32, F16 or BF16, not " +
                            std::string(dtype_name(type)));
  std::map<std::string, torch::Tensor> kept;
  std::map<std::string, TensorView, std::less<>> views;
  for (const auto& [name, parameter] : parameters_by_name(module)) {
    const torch::Tensor tensor =
        parameter.detach().to(torch::kCPU, *scalar_type(type)).contiguous();
    kept.emplace(name, tensor);
    TensorView view;
    view.dtype = type;
    view.shape = tensor.sizes().vec();
    view.bytes = {static_cast<const std::byte*>(tensor.data_ptr()), tensor.nbytes()};
    views.emplace(name, std::move(view));
  }
  return write_safetensors(path, views);
}

std::uint64_t num_parameters(const torch::nn::Module& module) {
  std::uint64_t count = 0;
  for (const torch::Tensor& parameter : module.parameters())
    count += static_cast<std::uint64_t>(parameter.numel());
  return count;
}

}  // namespace sightline::encoders::nn
