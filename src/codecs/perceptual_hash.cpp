#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "codecs/facts.h"
#include "image/resample.h"

namespace sightline::codecs {
namespace {

constexpr std::size_t kEdge = 32;  // of the gray picture
constexpr std::size_t kLow = 8;    // lowest frequencies kept along each axis

using Cosines = std::array<std::array<double, kEdge>, kLow>;

const Cosines& cosines() {
  static const Cosines table = [] {
    Cosines values{};
    for (std::size_t k = 0; k < kLow; ++k) {
      for (std::size_t x = 0; x < kEdge; ++x) {
        values[k][x] = std::cos(std::numbers::pi * static_cast<double>(k * (2 * x + 1)) /
                                static_cast<double>(2 * kEdge));
      }
    }
    return values;
  }();
  return table;
}

}  // namespace

// Zauner, "Implementation and benchmarking of perceptual image hash functions" (2010), in the form
// of Python's imagehash.phash.
std::uint64_t perceptual_hash(image::ImageView picture) {
  const auto small = image::resample(picture, kEdge, kEdge, image::Filter::kBilinear);
  if (!small) return 0;
  std::array<std::array<double, kLow>, kEdge> rows{};  // transformed along x
  for (std::size_t y = 0; y < kEdge; ++y) {
    for (std::size_t x = 0; x < kEdge; ++x) {
      const std::uint8_t* rgb = &small->rgb[(y * kEdge + x) * 3];
      const double gray = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
      for (std::size_t k = 0; k < kLow; ++k) rows[y][k] += gray * cosines()[k][x];
    }
  }
  std::array<double, kLow * kLow> low{};
  for (std::size_t v = 0; v < kLow; ++v) {
    for (std::size_t u = 0; u < kLow; ++u) {
      for (std::size_t y = 0; y < kEdge; ++y) low[v * kLow + u] += rows[y][u] * cosines()[v][y];
    }
  }
  std::array<double, kLow* kLow> sorted = low;
  std::sort(sorted.begin(), sorted.end());
  const double median = (sorted[31] + sorted[32]) / 2;
  std::uint64_t hash = 0;
  for (const double value : low) hash = hash << 1 | (value > median ? 1u : 0u);
  return hash;
}

}  // namespace sightline::codecs
