#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <new>

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

std::uint8_t mean(unsigned a, unsigned b) { return static_cast<std::uint8_t>((a + b + 1) / 2); }

void average(const std::uint8_t* a, const std::uint8_t* b, std::size_t bytes, std::uint8_t* out) {
  // A known number of steps, and a place that nothing else can be: so it becomes vector code.
  constexpr std::size_t kBlock = 64;
  std::size_t at = 0;
  for (; at + kBlock <= bytes; at += kBlock) {
    std::array<std::uint8_t, kBlock> block;
    for (std::size_t i = 0; i < kBlock; ++i) block[i] = mean(a[at + i], b[at + i]);
    std::memcpy(out + at, block.data(), kBlock);
  }
  for (; at < bytes; ++at) out[at] = mean(a[at], b[at]);
}

/// Down to `height` rows, of which each is the mean of two: those in the middle of the halves of
/// what it stands for.
image::Image fewer_rows(image::ImageView pixels, std::size_t height) {
  image::Image out;
  out.width = pixels.width;
  out.height = height;
  out.rgb.resize(pixels.width * height * 3);
  const auto row = [&](std::size_t quarter) {
    return pixels.data + quarter * pixels.height / (4 * height) * pixels.stride;
  };
  for (std::size_t y = 0; y < height; ++y)
    average(row(4 * y + 1), row(4 * y + 3), pixels.width * 3, &out.rgb[y * pixels.width * 3]);
  return out;
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
  // result are enough: at this size nobody sees the difference. Down first: adding rows is several
  // times as quick as working along them.
  image::Image flat;
  if (height > 0 && pixels.height / 4 >= height) {
    try {
      flat = fewer_rows(pixels, height);
    } catch (const std::bad_alloc&) {
      return Status{StatusCode::kResourceExhausted, "no memory to shrink a picture"};
    }
  } else {
    SIGHTLINE_TRY(flat, image::resample(pixels, pixels.width, height, image::Filter::kBilinear));
  }
  return image::resample(flat.view(), width, height, image::Filter::kBilinear);
}

Result<std::string> make_thumbnail(image::ImageView pixels, std::size_t longest_edge) {
  SIGHTLINE_TRY(const image::Image small, shrink(pixels, longest_edge));
  return encode_jpeg(small.view(), kQuality);
}

}  // namespace sightline::codecs
