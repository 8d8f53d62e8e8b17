// image/resample.h: Pillow's antialiased resampling, to the bit.
//
// Separable, horizontal pass first, 8-bit fixed point with 22-bit weights
// (Pillow's src/libImaging/Resample.c).
#pragma once

#include <cstddef>
#include <string_view>

#include "core/result.h"
#include "image/image.h"

namespace sightline::image {

enum class Filter { kBilinear, kBicubic };

/// Part of the resized picture that is wanted, in pixels of the result.
struct Window {
  std::size_t x = 0, y = 0, width = 0, height = 0;
};

/// Resizes `source` to width x height and returns `window` of it; only the source rows and columns
/// that the window needs are read, so the cost follows the window.
/// errors  kInvalidArgument: an empty source or size, a window outside the result.
Result<Image> resample(ImageView source, std::size_t width, std::size_t height, Filter filter,
                       Window window);
/// The whole resized picture.
Result<Image> resample(ImageView source, std::size_t width, std::size_t height, Filter filter);

}  // namespace sightline::image
