// codecs/internal/pixels.h: what decoders do with pixels.
#pragma once

#include "codecs/decode.h"
#include "image/image.h"

namespace sightline::codecs {

/// width x height pixels of `channels` bytes (later cut to three), zeroed.
/// errors  kResourceExhausted: no memory.
Result<image::Image> make_image(std::size_t width, std::size_t height, std::size_t channels = 3);

/// width x height pixels of any content, in the memory of `spare` if it suffices and is not more
/// than about twice of what is needed. errors  as make_image().
Result<image::Image> reuse_image(image::Image spare, std::size_t width, std::size_t height);

/// `count` RGBA pixels -> RGB. `rgb` may be `rgba`: the work is done in place.
void flatten_rgba(const std::uint8_t* rgba, std::size_t count, AlphaRule rule, std::uint8_t* rgb);
/// The same for colours that were multiplied with alpha before.
void flatten_premultiplied(const std::uint8_t* rgba, std::size_t count, AlphaRule rule,
                           std::uint8_t* rgb);

/// a * b / 255, rounded, as Pillow's MULDIV255.
inline std::uint32_t mul_div_255(std::uint32_t a, std::uint32_t b) {
  const std::uint32_t product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

/// Turns stored pixels upright; `orientation` is EXIF's 1..8. 2..4 work in place.
Result<image::Image> apply_orientation(image::Image stored, int orientation);

}  // namespace sightline::codecs
