// encoders/activation.h: the activation functions that checkpoints name in `hidden_act`.
#pragma once

#include <string_view>

#include "core/result.h"

namespace sightline::encoders {

enum class Activation {
  kGelu,       ///< x * Phi(x), by erf: "gelu"
  kQuickGelu,  ///< x * sigmoid(1.702 x): "quick_gelu"
  kGeluTanh,   ///< tanh form: "gelu_pytorch_tanh", "gelu_new", "gelu_fast"
};

/// Hugging Face's name. kInvalidArgument: names the value and lists the known ones.
Result<Activation> parse_activation(std::string_view name);
std::string_view activation_name(Activation activation);

}  // namespace sightline::encoders
