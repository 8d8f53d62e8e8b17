// pipeline/internal/spare_pictures.h: memory of pictures that are done with, for those to come.
#pragma once

#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "image/image.h"

namespace sightline::pipeline {

/// Thread-safe.
class SparePictures {
 public:
  /// Keeps at most `max_bytes` of memory in all.
  explicit SparePictures(std::uint64_t max_bytes) : max_bytes_(max_bytes) {}

  /// The one kept last, still warm in the caches; an empty one if none is kept.
  image::Image take() {
    const std::lock_guard lock(mutex_);
    if (kept_.empty()) return {};
    image::Image spare = std::move(kept_.back());
    kept_.pop_back();
    bytes_ -= spare.rgb.capacity();
    return spare;
  }

  /// Frees it if there is no room.
  void keep(image::Image picture) {
    const std::uint64_t bytes = picture.rgb.capacity();
    const std::lock_guard lock(mutex_);
    if (bytes > max_bytes_ - bytes_) return;
    bytes_ += bytes;
    kept_.push_back(std::move(picture));
  }

 private:
  const std::uint64_t max_bytes_;
  std::mutex mutex_;
  std::vector<image::Image> kept_;
  std::uint64_t bytes_ = 0;
};

}  // namespace sightline::pipeline
