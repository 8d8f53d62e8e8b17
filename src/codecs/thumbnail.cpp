#include <algorithm>
#include <cmath>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "codecs/facts.h"
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

Result<std::string> make_thumbnail(image::ImageView pixels, std::size_t longest_edge) {
  if (longest_edge == 0 || longest_edge > kMaxEdge) {
    return invalid_argument("thumbnail: longest_edge is " + std::to_string(longest_edge) +
                            "; it must be 1.." + std::to_string(kMaxEdge));
  }
  const std::size_t longer = std::max(pixels.width, pixels.height);
  const std::size_t edge = std::min(longer, longest_edge);
  const std::size_t width = longer == 0 ? 0 : scaled(pixels.width, edge, longer);
  const std::size_t height = longer == 0 ? 0 : scaled(pixels.height, edge, longer);
  SIGHTLINE_TRY(image::Image small,
                image::resample(pixels, width, height, image::Filter::kBicubic));
  for (std::size_t i = 0; i < small.rgb.size(); i += 3) std::swap(small.rgb[i], small.rgb[i + 2]);
  try {
    const cv::Mat bgr(static_cast<int>(height), static_cast<int>(width), CV_8UC3, small.rgb.data());
    std::vector<std::uint8_t> jpeg;
    if (!cv::imencode(".jpg", bgr, jpeg, {cv::IMWRITE_JPEG_QUALITY, kQuality})) {
      return internal_error("thumbnail: the JPEG encoder failed");
    }
    return std::string(jpeg.begin(), jpeg.end());
  } catch (const cv::Exception& e) {
    return internal_error(std::string("thumbnail: ") + e.err);
  }
}

}  // namespace sightline::codecs
