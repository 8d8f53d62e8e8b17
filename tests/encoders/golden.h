// tests/encoders/golden.h: what the Python reference model computed, beside its checkpoint.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "core/json.h"
#include "encoders/nn/torch_compat.h"
#include "encoders/nn/weight_map.h"
#include "encoders/safetensors.h"

namespace sightline::encoders::testing_support {

inline std::filesystem::path data_folder(const std::string& name) {
  return std::filesystem::path(SIGHTLINE_TEST_DATA) / name;
}

/// golden.safetensors and golden.json of tests/data/NAME.
class Golden {
 public:
  explicit Golden(const std::string& name)
      : tensors_(Checkpoint::open(data_folder(name) / "golden.safetensors").value()),
        notes_(read_json_file(data_folder(name) / "golden.json").value()) {}

  bool has(const std::string& name) const { return tensors_.find(name) != nullptr; }
  torch::Tensor tensor(const std::string& name) const {
    const TensorView* view = tensors_.find(name);
    SIGHTLINE_CHECK(view != nullptr);
    return nn::borrow_tensor(*view).value().clone();
  }
  const Json& notes() const { return notes_; }
  double atol() const { return notes_["tolerance"]["atol"]; }
  double rtol() const { return notes_["tolerance"]["rtol"]; }
  double logits_atol() const { return notes_["tolerance"]["logits_atol"]; }

 private:
  Checkpoint tensors_;
  Json notes_;
};

/// |got - wanted| <= atol + rtol |wanted| everywhere, shapes equal.
inline void expect_close(const torch::Tensor& got, const torch::Tensor& wanted, double atol,
                         double rtol, const std::string& what) {
  ASSERT_EQ(got.sizes(), wanted.sizes()) << what;
  const torch::Tensor excess = (got - wanted).abs() - (atol + rtol * wanted.abs());
  EXPECT_LE(excess.max().item<double>(), 0.0)
      << what << ": largest difference " << (got - wanted).abs().max().item<double>();
}

/// Smallest cosine between rows of two [n, dim] tensors.
inline double min_cosine(const torch::Tensor& a, const torch::Tensor& b) {
  return at::cosine_similarity(a, b, 1, 1e-12).min().item<double>();
}

}  //  namespace sightline::encoders::testing_support
