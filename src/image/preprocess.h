// image/preprocess.h: decoded pixels -> the float tensor that an image tower eats.
//
// Follows the image processors of Hugging Face transformers (CLIP, SigLIP, BLIP), PIL backend:
// resize on uint8, centre crop with zero padding, value * rescale_factor, (x - mean) / std.
#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/result.h"
#include "image/image.h"
#include "image/resample.h"

namespace sightline::image {

/// What preprocessor_config.json asks for.
struct PreprocessSpec {
  bool do_resize = true;
  /// Either the short side (aspect kept), or exact height and width; the other is 0.
  std::size_t shortest_edge = 0;
  std::size_t height = 0, width = 0;
  Filter filter = Filter::kBicubic;
  bool do_center_crop = false;
  std::size_t crop_height = 0, crop_width = 0;
  bool do_rescale = true;
  double rescale_factor = 1.0 / 255.0;
  bool do_normalize = true;
  std::array<double, 3> mean{0.5, 0.5, 0.5};
  std::array<double, 3> std{0.5, 0.5, 0.5};

  std::size_t output_height() const;  ///< Rows fed to the tower.
  std::size_t output_width() const;
  Json to_json() const;  ///< Normalised form, for the model checksum.
};

/// Reads preprocessor_config.json in all its historical forms: integer or dict sizes, missing keys
/// (defaults of the named processor class), `feature_extractor_type`, resample as number.
/// errors  kInvalidArgument: unknown filter or class, sizes out of 1..4096, names the key.
Result<PreprocessSpec> parse_preprocess_spec(const Json& config);
/// `folder`/preprocessor_config.json.
Result<PreprocessSpec> load_preprocess_spec(const std::filesystem::path& folder);

/// The uint8 window after resize and crop: output_height() x output_width().
Result<Image> resize_and_crop(ImageView source, const PreprocessSpec& spec);

/// Writes float32 [3, output_height, output_width] to `out`.
/// errors  kInvalidArgument: empty picture, wrong size of `out`.
Result<void> preprocess(ImageView source, const PreprocessSpec& spec, std::span<float> out);

/// float32 [n, 3, height, width], row-major: what an image tower takes.
class PixelBatch {
 public:
  PixelBatch() = default;
  PixelBatch(std::size_t n, std::size_t height, std::size_t width)
      : n_(n), height_(height), width_(width), values_(n * 3 * height * width) {}

  std::size_t size() const { return n_; }
  std::size_t height() const { return height_; }
  std::size_t width() const { return width_; }
  std::size_t row_size() const { return 3 * height_ * width_; }  ///< floats of one picture
  std::span<float> row(std::size_t i) { return {values_.data() + i * row_size(), row_size()}; }
  std::span<const float> row(std::size_t i) const {
    return {values_.data() + i * row_size(), row_size()};
  }
  std::span<const float> values() const { return values_; }

 private:
  std::size_t n_ = 0, height_ = 0, width_ = 0;
  std::vector<float> values_;
};

}  // namespace sightline::image
