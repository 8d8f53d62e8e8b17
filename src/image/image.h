// image/image.h: decoded pixels in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sightline::image {

/// Borrowed 8-bit RGB pixels: row y starts at data + y * stride, 3 bytes a pixel.
struct ImageView {
  const std::uint8_t* data = nullptr;
  std::size_t width = 0;   ///< pixels
  std::size_t height = 0;  ///< pixels
  std::size_t stride = 0;  ///< bytes, >= 3 * width
};

/// Owned 8-bit RGB pixels, rows packed.
struct Image {
  std::size_t width = 0;
  std::size_t height = 0;
  std::vector<std::uint8_t> rgb;  ///< height * width * 3

  ImageView view() const { return {rgb.data(), width, height, width * 3}; }
};

}  // namespace sightline::image
