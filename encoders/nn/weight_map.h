// encoders/nn/weight_map.h: brings the tensors of a checkpoint into the parameters of a module.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "encoders/nn/torch_compat.h"
#include "encoders/safetensors.h"

namespace sightline::encoders::nn {

/// What a checkpoint's key means to a module. The default takes keys as they are and ignores the
/// `position_ids` buffers that transformers saved before 4.31.
struct WeightMap {
  /// Name of the parameter that `key` fills, or nothing for keys that carry no weight.
  std::function<std::optional<std::string>(std::string_view key)> parameter_of = keep_names;

  static std::optional<std::string> keep_names(std::string_view key);
};

/// How a checkpoint fits a module. All lists are sorted.
struct WeightReport {
  std::vector<std::string> missing;      ///< Parameters that no key fills.
  std::vector<std::string> unexpected;   ///< Keys that fill no parameter.
  std::vector<std::string> ignored;      ///< Keys that the map says carry no weight.
  std::vector<std::string> wrong_shape;  ///< "key is F32 [2, 3], the model wants [3, 2]"
  bool fits() const { return missing.empty() && unexpected.empty() && wrong_shape.empty(); }
  /// One line that names the first fault of each kind and counts the others.
  std::string message() const;
};

/// Compares names, shapes and types; reads no values.
WeightReport compare_weights(const torch::nn::Module& module, const Checkpoint& checkpoint,
                             const WeightMap& map = {});

/// Copies every tensor into its parameter as float32: a mapping may vanish under its reader, a copy
/// does not.
/// errors  kInvalidArgument: WeightReport::message(); kUnimplemented: a type that holds no floats.
Result<void> load_weights(torch::nn::Module& module, const Checkpoint& checkpoint,
                          const WeightMap& map = {});

/// A tensor over the bytes of `view`, without copying when they are aligned; it must not outlive
/// them. errors  kUnimplemented: a type LibTorch does not have.
Result<torch::Tensor> borrow_tensor(const TensorView& view);

/// Writes all parameters of `module` under their names as `type` (F32, F16, BF16).
/// errors  kInvalidArgument: another type; kIoError.
Result<void> save_weights(const torch::nn::Module& module, const std::filesystem::path& path,
                          DType type);

/// Number of elements in all parameters.
std::uint64_t num_parameters(const torch::nn::Module& module);

}  // namespace sightline::encoders::nn
