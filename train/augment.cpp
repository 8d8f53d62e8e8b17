#include "train/augment.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

namespace sightline::train {
namespace {

using Rgba = std::array<float, 4>;  // 0..1, multiplied by alpha
using Rgb = std::array<float, 3>;

/// Output position (-1..1 both ways) to source position in the same terms.
struct Affine {
  float xx = 1, xy = 0, yx = 0, yy = 1, x0 = 0, y0 = 0;
};

/// Colour after drawing: colour * gain + offset, then towards gray by `gray`.
struct Tone {
  Rgb gain{1, 1, 1};
  float offset = 0;
  float gray = 0;
};

struct Background {
  Rgb top{1, 1, 1}, bottom{1, 1, 1};
};

/// Square of RGBA bytes.
struct Texture {
  const std::uint8_t* bytes;
  int side;

  Rgba at(int x, int y) const {
    if (x < 0 || y < 0 || x >= side || y >= side) return {};
    const std::uint8_t* p = bytes + (y * side + x) * 4;
    constexpr float kScale = 1.0f / 255.0f;
    return {static_cast<float>(p[0]) * kScale, static_cast<float>(p[1]) * kScale,
            static_cast<float>(p[2]) * kScale, static_cast<float>(p[3]) * kScale};
  }
  /// Bilinear; x, y in pixels, a pixel's centre at +0.5.
  Rgba sample(float x, float y) const {
    x -= 0.5f;
    y -= 0.5f;
    const float fx = std::floor(x), fy = std::floor(y);
    const int ix = static_cast<int>(fx), iy = static_cast<int>(fy);
    const float wx = x - fx, wy = y - fy;
    const Rgba a = at(ix, iy), b = at(ix + 1, iy), c = at(ix, iy + 1), d = at(ix + 1, iy + 1);
    Rgba out;
    for (std::size_t i = 0; i < 4; ++i) {
      out[i] = (a[i] * (1 - wx) + b[i] * wx) * (1 - wy) + (c[i] * (1 - wx) + d[i] * wx) * wy;
    }
    return out;
  }
};

/// Half the side, each pixel the mean of four.
void halve(const std::uint8_t* from, int side, std::uint8_t* to) {
  for (int y = 0; y < side / 2; ++y) {
    const std::uint8_t* row = from + y * 2 * side * 4;
    for (int x = 0; x < side / 2; ++x, row += 8, to += 4) {
      for (int c = 0; c < 4; ++c) {
        to[c] = static_cast<std::uint8_t>(
            (row[c] + row[c + 4] + row[side * 4 + c] + row[side * 4 + c + 4] + 2) / 4);
      }
    }
  }
}

struct Look {
  Affine map;
  Tone tone;
  Background background;
  Rgb tint{0, 0, 0};  // added to a one-colour icon, times alpha
};

void draw(const StoredPicture& picture, std::size_t size, const image::PreprocessSpec& spec,
          const Look& look, std::span<float> out) {
  // Sampling every second pixel or fewer would skip thin lines: draw those sizes from a half.
  std::array<std::uint8_t, kPictureBytes / 4> half;
  Texture texture{picture.rgba.data(), static_cast<int>(kSide)};
  if (size * 3 <= kSide * 2) {
    halve(picture.rgba.data(), static_cast<int>(kSide), half.data());
    texture = {half.data(), static_cast<int>(kSide / 2)};
  }
  const Affine& m = look.map;
  const Tone& tone = look.tone;
  const std::size_t area = size * size;
  const float to_unit = 2.0f / static_cast<float>(size);
  const float to_pixels = static_cast<float>(texture.side) * 0.5f;
  std::array<float, 3> mean, inverse;
  for (std::size_t c = 0; c < 3; ++c) {
    mean[c] = static_cast<float>(spec.mean[c]);
    inverse[c] = static_cast<float>(1.0 / spec.std[c]);
  }
  for (std::size_t y = 0; y < size; ++y) {
    const float v = (static_cast<float>(y) + 0.5f) * to_unit - 1.0f;
    const float down = 0.5f * (v + 1.0f);
    Rgb behind;
    for (std::size_t c = 0; c < 3; ++c) {
      behind[c] = look.background.top[c] * (1 - down) + look.background.bottom[c] * down;
    }
    for (std::size_t x = 0; x < size; ++x) {
      const float u = (static_cast<float>(x) + 0.5f) * to_unit - 1.0f;
      const Rgba p = texture.sample((m.xx * u + m.xy * v + m.x0 + 1.0f) * to_pixels,
                                    (m.yx * u + m.yy * v + m.y0 + 1.0f) * to_pixels);
      Rgb colour;
      for (std::size_t c = 0; c < 3; ++c) {
        colour[c] = p[c] + look.tint[c] * p[3] + behind[c] * (1 - p[3]);
        colour[c] = colour[c] * tone.gain[c] + tone.offset;
      }
      const float luma = 0.299f * colour[0] + 0.587f * colour[1] + 0.114f * colour[2];
      for (std::size_t c = 0; c < 3; ++c) {
        const float value = std::clamp(colour[c] + (luma - colour[c]) * tone.gray, 0.0f, 1.0f);
        out[c * area + y * size + x] = (value - mean[c]) * inverse[c];
      }
    }
  }
}

float as_float(double value) { return static_cast<float>(value); }

Rgb random_colour(Random& random) {
  return {as_float(random.uniform()), as_float(random.uniform()), as_float(random.uniform())};
}

Affine random_map(const StoredPicture& picture, const AugmentOptions& o, double strength,
                  Random& random) {
  const double angle =
      o.rotation_degrees * strength * random.uniform(-1, 1) * std::numbers::pi / 180.0;
  const double scale =
      std::exp(random.uniform(std::log(o.scale_low), std::log(o.scale_high)) * strength);
  const double stretch = std::exp(random.uniform(-o.stretch, o.stretch) * strength * 0.5);
  double wide = scale * stretch, high = scale / stretch;
  if (random.chance(o.letterbox)) {
    const double keep = random.uniform();
    const double aspect = static_cast<double>(picture.aspect);
    if (aspect > 1) high *= std::pow(1.0 / aspect, keep);
    if (aspect < 1) wide *= std::pow(aspect, keep);
  }
  const bool mirror = random.chance(o.mirror) && picture.may_mirror;
  // Inverse of: stretch, rotate, shift.
  const double cosine = std::cos(angle), sine = std::sin(angle);
  const double dx = o.shift * 2 * strength * random.uniform(-1, 1);
  const double dy = o.shift * 2 * strength * random.uniform(-1, 1);
  const double sign = mirror ? -1.0 : 1.0;
  Affine m;
  m.xx = as_float(sign * cosine / wide);
  m.xy = as_float(sign * sine / wide);
  m.yx = as_float(-sine / high);
  m.yy = as_float(cosine / high);
  m.x0 = as_float(-sign * (cosine * dx + sine * dy) / wide);
  m.y0 = as_float((sine * dx - cosine * dy) / high);
  return m;
}

}  // namespace

void augment(const StoredPicture& picture, std::size_t size, const image::PreprocessSpec& spec,
             const AugmentOptions& options, double strength, Random& random, std::span<float> out) {
  Look look;
  look.map = random_map(picture, options, strength, random);
  if (random.chance(options.coloured_background * strength)) {
    look.background.top = random_colour(random);
    look.background.bottom = random.chance(0.5) ? look.background.top : random_colour(random);
  }
  if (picture.one_colour && random.chance(options.tint)) look.tint = random_colour(random);
  if (random.chance(options.colour)) {
    const double contrast = 1.0 + 0.3 * strength * random.uniform(-1, 1);
    for (float& gain : look.tone.gain) {
      gain = as_float(contrast * (1.0 + 0.15 * strength * random.uniform(-1, 1)));
    }
    look.tone.offset = as_float(0.15 * strength * random.uniform(-1, 1));
    look.tone.gray = as_float(random.uniform(0, 0.4 * strength));
  }
  if (random.chance(options.gray * strength)) look.tone.gray = 1.0f;
  draw(picture, size, spec, look, out);
}

void draw_plain(const StoredPicture& picture, std::size_t size, const image::PreprocessSpec& spec,
                std::span<float> out) {
  draw(picture, size, spec, Look{}, out);
}

}  // namespace sightline::train
