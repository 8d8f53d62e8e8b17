// train/render.h: a picture file or an SVG document -> a small square with alpha.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace sightline::train {

/// Pixels of a prepared picture: kSide x kSide RGBA, colours multiplied by alpha (as cairo has
/// them, so that sampling between pixels needs no division).
inline constexpr std::size_t kSide = 80;
inline constexpr std::size_t kPictureBytes = kSide * kSide * 4;

struct Rendered {
  std::vector<std::uint8_t> rgba;  ///< kPictureBytes; the picture is stretched to the square.
  float aspect = 1.0f;             ///< Width / height of the picture itself.
};

/// librsvg. errors  kInvalidArgument: not SVG, or nothing to draw; names `what`.
Result<Rendered> render_svg(std::string_view svg, std::string_view what);

/// PNG with its alpha (codecs::decode() composites); SVG by extension. Pictures of more than 40
/// megapixels are refused before they are decoded.
/// errors  kIoError, kInvalidArgument, kCorruption, kResourceExhausted; names the file.
Result<Rendered> render_file(const std::filesystem::path& file);

}  // namespace sightline::train
