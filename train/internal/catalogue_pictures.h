// train/internal/catalogue_pictures.h: the pictures of a catalogue as the model's preprocessing
// leaves them, and light changes to them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "core/result.h"
#include "image/preprocess.h"
#include "train/fine_tune.h"
#include "train/random.h"

namespace sightline::train {

/// Keeps pictures in memory after resize and crop, before normalising; those beyond a bound are
/// decoded anew each time. What it borrows outlives it.
/// Thread-safety: const methods may run on many threads at once.
class CataloguePictures {
 public:
  CataloguePictures(const Catalogue& catalogue, const image::PreprocessSpec& spec,
                    std::uint64_t max_bytes = std::uint64_t{2} << 30)
      : catalogue_(catalogue), spec_(spec), max_bytes_(max_bytes) {}

  /// Reads every picture once on `num_threads` threads. errors  kCancelled.
  Result<void> read_all(std::size_t num_threads,
                        const std::function<void(std::size_t done)>& progress,
                        std::stop_token stop);

  bool is_usable(std::size_t i) const { return reasons_[i].empty(); }
  /// Why picture `i` is not usable.
  const std::string& reason(std::size_t i) const { return reasons_[i]; }
  std::size_t height() const { return spec_.output_height(); }
  std::size_t width() const { return spec_.output_width(); }
  std::size_t row_size() const { return 3 * height() * width(); }

  /// Writes picture `i` as the searching program sees it: float32 [3, height, width].
  /// errors  of what has to be decoded anew.
  Result<void> draw_plain(std::size_t i, std::span<float> out) const;
  /// The same with light changes of crop, brightness and contrast.
  Result<void> draw_changed(std::size_t i, Random& random, std::span<float> out) const;

 private:
  /// height x width RGB bytes.
  Result<image::Image> resized(std::size_t i) const;
  Result<void> draw(std::size_t i, Random* random, std::span<float> out) const;

  const Catalogue& catalogue_;
  const image::PreprocessSpec spec_;
  const std::uint64_t max_bytes_;
  std::vector<image::Image> kept_;
  std::vector<std::string> reasons_;
};

}  // namespace sightline::train
