#include "image/preprocess.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace sightline::image {
namespace {

struct Size {
  std::size_t width, height;
};

Size resized_size(ImageView source, const PreprocessSpec& spec) {
  if (!spec.do_resize) return {source.width, source.height};
  if (spec.shortest_edge == 0) return {spec.width, spec.height};
  // transformers: int(shortest * long / short), a division of doubles, truncated.
  const auto long_edge = [&](std::size_t longer, std::size_t shorter) {
    return static_cast<std::size_t>(static_cast<double>(spec.shortest_edge * longer) /
                                    static_cast<double>(shorter));
  };
  if (source.width <= source.height) {
    return {spec.shortest_edge, long_edge(source.height, source.width)};
  }
  return {long_edge(source.width, source.height), spec.shortest_edge};
}

// Where a crop of `wanted` pixels lies on an edge of `size`: either it starts inside, or the
// picture starts inside the crop (zeros around it).
struct Span {
  std::size_t source = 0, target = 0, length = 0;
};

Span centre(std::size_t size, std::size_t wanted) {
  if (size >= wanted) return {(size - wanted) / 2, 0, wanted};
  return {0, (wanted - size + 1) / 2, size};
}

Result<void> check_not_empty(ImageView source) {
  if (source.data != nullptr && source.width > 0 && source.height > 0) return {};
  return invalid_argument("preprocess: the picture has " + std::to_string(source.width) + " x " +
                          std::to_string(source.height) + " pixels; it must not be empty");
}

}  // namespace

Result<Image> resize_and_crop(ImageView source, const PreprocessSpec& spec) {
  SIGHTLINE_TRY_DO(check_not_empty(source));
  const Size size = resized_size(source, spec);
  const std::size_t width = spec.output_width(), height = spec.output_height();
  if (width == 0 || height == 0) {
    return invalid_argument(
        "preprocess: the output has no fixed size: without a centre crop both "
        "height and width must be given");
  }
  const Span x = spec.do_center_crop ? centre(size.width, width) : Span{0, 0, width};
  const Span y = spec.do_center_crop ? centre(size.height, height) : Span{0, 0, height};
  SIGHTLINE_TRY(Image window, resample(source, size.width, size.height, spec.filter,
                                       Window{x.source, y.source, x.length, y.length}));
  if (window.width == width && window.height == height) return window;

  Image padded;
  padded.width = width;
  padded.height = height;
  padded.rgb.resize(width * height * 3);
  for (std::size_t row = 0; row < window.height; ++row) {
    std::memcpy(padded.rgb.data() + ((y.target + row) * width + x.target) * 3,
                window.rgb.data() + row * window.width * 3, window.width * 3);
  }
  return padded;
}

Result<void> preprocess(ImageView source, const PreprocessSpec& spec, std::span<float> out) {
  SIGHTLINE_TRY(const Image pixels, resize_and_crop(source, spec));
  const std::size_t plane = pixels.width * pixels.height;
  if (out.size() != 3 * plane) {
    return invalid_argument("preprocess: the output holds " + std::to_string(out.size()) +
                            " floats; it must hold 3 x " + std::to_string(pixels.height) + " x " +
                            std::to_string(pixels.width));
  }
  for (std::size_t channel = 0; channel < 3; ++channel) {
    // As numpy does it: the rescaling in double, rounded to float; the rest in float.
    std::array<float, 256> table{};
    const float mean = static_cast<float>(spec.mean[channel]);
    const float std = static_cast<float>(spec.std[channel]);
    for (std::size_t v = 0; v < table.size(); ++v) {
      float value = static_cast<float>(v);
      if (spec.do_rescale) {
        value = static_cast<float>(static_cast<double>(v) * spec.rescale_factor);
      }
      table[v] = spec.do_normalize ? (value - mean) / std : value;
    }
    const std::uint8_t* in = pixels.rgb.data() + channel;
    float* values = out.data() + channel * plane;
    for (std::size_t i = 0; i < plane; ++i) values[i] = table[in[3 * i]];
  }
  return {};
}

}  // namespace sightline::image
