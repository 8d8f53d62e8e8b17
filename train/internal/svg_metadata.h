// train/internal/svg_metadata.h: title, keywords and author in the RDF of openclipart's SVG files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sightline::train {

struct SvgMetadata {
  std::string title, creator;
  std::vector<std::string> keywords;
};

/// Looks for the elements by name, without parsing XML: the files are too often malformed. What is
/// missing stays empty.
SvgMetadata parse_svg_metadata(std::string_view svg);

}  // namespace sightline::train
