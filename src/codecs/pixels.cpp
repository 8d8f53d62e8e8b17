#include "codecs/internal/pixels.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <stdexcept>

namespace sightline::codecs {
namespace {

constexpr std::size_t kTile = 32;  // pixels; a tile of both pictures fits the first-level cache

std::uint8_t on_white(std::uint8_t value, std::uint8_t alpha) {
  return static_cast<std::uint8_t>(mul_div_255(value, alpha) + 255 - alpha);
}

std::uint8_t undo_alpha(std::uint8_t value, std::uint8_t alpha) {
  if (alpha == 0 || alpha == 255) return value;
  return static_cast<std::uint8_t>(std::min<std::uint32_t>(255, 255u * value / alpha));
}

void reverse_pixels(std::uint8_t* first, std::size_t count) {
  if (count == 0) return;
  std::uint8_t* last = first + 3 * (count - 1);
  for (; first < last; first += 3, last -= 3) std::swap_ranges(first, first + 3, last);
}

void mirror_rows(image::Image& picture) {
  for (std::size_t y = 0; y < picture.height; ++y) {
    reverse_pixels(picture.rgb.data() + y * picture.width * 3, picture.width);
  }
}

void flip_rows(image::Image& picture) {
  const std::size_t row = picture.width * 3;
  for (std::size_t y = 0; y < picture.height / 2; ++y) {
    std::uint8_t* upper = picture.rgb.data() + y * row;
    std::swap_ranges(upper, upper + row, picture.rgb.data() + (picture.height - 1 - y) * row);
  }
}

// out(x, y) = in(y, x), tile by tile.
void transpose(const image::Image& in, image::Image& out) {
  for (std::size_t top = 0; top < in.height; top += kTile) {
    for (std::size_t left = 0; left < in.width; left += kTile) {
      const std::size_t bottom = std::min(top + kTile, in.height);
      const std::size_t right = std::min(left + kTile, in.width);
      for (std::size_t x = left; x < right; ++x) {
        for (std::size_t y = top; y < bottom; ++y) {
          std::memcpy(&out.rgb[(x * out.width + y) * 3], &in.rgb[(y * in.width + x) * 3], 3);
        }
      }
    }
  }
}

}  // namespace

Result<image::Image> make_image(std::size_t width, std::size_t height, std::size_t channels) {
  try {
    image::Image picture{width, height, {}};
    picture.rgb.resize(width * height * channels);
    return picture;
  } catch (const std::exception&) {  // bad_alloc or length_error
    return Status{StatusCode::kResourceExhausted, "no memory for a picture of " +
                                                      std::to_string(width) + " x " +
                                                      std::to_string(height) + " pixels"};
  }
}

Result<image::Image> reuse_image(image::Image spare, std::size_t width, std::size_t height) {
  const std::size_t pixels = spare.rgb.capacity() / 3;
  if (pixels / height < width || pixels / 2 / height > width) {
    spare = {};  // growing it would copy what nobody needs; a huge one exceeds the decode's budget
    return make_image(width, height);
  }
  spare.width = width;
  spare.height = height;
  spare.rgb.resize(width * height * 3);
  return spare;
}

void flatten_rgba(const std::uint8_t* rgba, std::size_t count, AlphaRule rule, std::uint8_t* rgb) {
  for (std::size_t i = 0; i < count; ++i, rgba += 4, rgb += 3) {
    const std::uint8_t alpha = rule == AlphaRule::kDrop ? std::uint8_t{255} : rgba[3];
    if (alpha == 255) {
      for (std::size_t c = 0; c < 3; ++c) rgb[c] = rgba[c];
    } else {
      for (std::size_t c = 0; c < 3; ++c) rgb[c] = on_white(rgba[c], alpha);
    }
  }
}

void flatten_premultiplied(const std::uint8_t* rgba, std::size_t count, AlphaRule rule,
                           std::uint8_t* rgb) {
  for (std::size_t i = 0; i < count; ++i, rgba += 4, rgb += 3) {
    const std::uint8_t alpha = rgba[3];
    for (std::size_t c = 0; c < 3; ++c) {
      rgb[c] = rule == AlphaRule::kDrop
                   ? undo_alpha(rgba[c], alpha)
                   : static_cast<std::uint8_t>(std::min(255, rgba[c] + 255 - alpha));
    }
  }
}

Result<image::Image> apply_orientation(image::Image stored, int orientation) {
  switch (orientation) {
    case 2:
      mirror_rows(stored);
      return stored;
    case 3:
      reverse_pixels(stored.rgb.data(), stored.width * stored.height);
      return stored;
    case 4:
      flip_rows(stored);
      return stored;
    case 5:
    case 6:
    case 7:
    case 8:
      break;
    default:
      return stored;
  }
  SIGHTLINE_TRY(image::Image upright, make_image(stored.height, stored.width));
  transpose(stored, upright);
  stored = {};
  if (orientation == 6 || orientation == 7) mirror_rows(upright);
  if (orientation == 8 || orientation == 7) flip_rows(upright);
  return upright;
}

}  // namespace sightline::codecs
