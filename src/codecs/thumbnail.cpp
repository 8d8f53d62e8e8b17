#include <algorithm>
#include <cmath>

#include "codecs/facts.h"
#include "codecs/internal/formats.h"
#include "image/resample.h"

namespace sightline::codecs {
namespace {

constexpr int kQuality = 80;
constexpr std::size_t kMaxEdge = 65'500;  // of a JPEG

std::size_t scaled(std::size_t edge, std::size_t to, std::size_t from) {
  const double exact =
      static_cast<double>(edge) * static_cast<double>(to) / static_cast<double>(from);
  return std::max<std::size_t>(1, static_cast<std::size_t>(std::llround(exact)));
}

}  // namespace

Result<image::Image> shrink(image::ImageView pixels, std::size_t longest_edge) {
  if (longest_edge == 0 || longest_edge > kMaxEdge) {
    return invalid_argument("longest_edge is " + std::to_string(longest_edge) + "; it must be 1.." +
                            std::to_string(kMaxEdge));
  }
  const std::size_t longer = std::max(pixels.width, pixels.height);
  const std::size_t edge = std::min(longer, longest_edge);
  const std::size_t width = longer == 0 ? 0 : scaled(pixels.width, edge, longer);
  const std::size_t height = longer == 0 ? 0 : scaled(pixels.height, edge, longer);
  // Bilinear reads half as many pixels as bicubic, and of large pictures two rows per row of the
  // result are enough: at this size nobody sees the difference. Down first: the kernel that adds
  // rows is several times as quick as the one that works along them.
  const std::size_t step = height == 0 ? 1 : std::max<std::size_t>(1, pixels.height / (2 * height));
  const image::ImageView rows{pixels.data, pixels.width, (pixels.height + step - 1) / step,
                              pixels.stride * step};
  SIGHTLINE_TRY(const image::Image flat,
                image::resample(rows, pixels.width, height, image::Filter::kBilinear));
  return image::resample(flat.view(), width, height, image::Filter::kBilinear);
}

Result<std::string> make_thumbnail(image::ImageView pixels, std::size_t longest_edge) {
  SIGHTLINE_TRY(const image::Image small, shrink(pixels, longest_edge));
  return encode_jpeg(small.view(), kQuality);
}

}  // namespace sightline::codecs
