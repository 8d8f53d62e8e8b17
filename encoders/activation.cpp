#include "encoders/activation.h"

#include <string>

namespace sightline::encoders {

Result<Activation> parse_activation(std::string_view name) {
  if (name == "gelu") return Activation::kGelu;
  if (name == "quick_gelu") return Activation::kQuickGelu;
  if (name == "gelu_pytorch_tanh" || name == "gelu_new" || name == "gelu_fast")
    return Activation::kGeluTanh;
  return invalid_argument("hidden_act is \"" + std::string(name) +
                          "\"; known are gelu, quick_gelu, gelu_pytorch_tanh, gelu_new, gelu_fast");
}

std::string_view activation_name(Activation activation) {
  switch (activation) {
    case Activation::kGelu:
      return "gelu";
    case Activation::kQuickGelu:
      return "quick_gelu";
    case Activation::kGeluTanh:
      return "gelu_pytorch_tanh";
  }
  return "gelu";
}

}  // namespace sightline::encoders
