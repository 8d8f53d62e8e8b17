// train/sources.h: which pictures scripts/training-data fetched, and what is known of them in
// words.
//
// Licences and what each source holds: encoders/embedded/README.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/result.h"
#include "train/captions.h"

namespace sightline::train {

/// One picture with its words, not yet decoded.
struct SourcePicture {
  std::string source;  ///< "stamps", "openclipart", "noto", "emoji-apple", ...
  std::string name;    ///< File or icon name within the source.
  Words words{};
  bool held_out = false;         ///< Never trained on.
  bool one_colour = false;       ///< A stencil: black with alpha, to be tinted.
  bool may_mirror = true;        ///< Mirrored it still shows the same thing (no letters).
  std::filesystem::path file{};  ///< A PNG or SVG file, or empty:
  std::string svg{};             ///< an SVG document.
};

/// Sources that are measured on and never trained on, by their names.
bool is_measured_only(const std::string& source);

/// Tux Paint's stamps below `data` alone. errors  kNotFound as list_sources().
Result<std::vector<SourcePicture>> list_stamps(const std::filesystem::path& data);

/// Lists every picture below `data` (what scripts/training-data made), in an order that depends on
/// the files alone. Held out by hash of the title: one in five of the stamps' titles, one in ten of
/// openclipart's; all of Apple's and Facebook's emoji. Skin tones are left out.
/// errors  kNotFound: `data` lacks a package, names it and scripts/training-data.
Result<std::vector<SourcePicture>> list_sources(const std::filesystem::path& data);

}  // namespace sightline::train
