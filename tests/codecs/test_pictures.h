// tests/codecs/test_pictures.h: the files of tests/data/images and what they show.
#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "codecs/decode.h"

namespace sightline::codecs {

inline std::filesystem::path data_folder() { return SIGHTLINE_TEST_DATA; }

inline std::vector<std::byte> load_file(const std::filesystem::path& path) {
  auto bytes = read_file(path);
  return bytes ? *std::move(bytes) : std::vector<std::byte>();
}
inline std::vector<std::byte> load_picture(const std::string& name) {
  return load_file(data_folder() / "images" / name);
}

/// pixel() of make_images.py: RGBA of the drawn picture of kDrawnWidth x kDrawnHeight.
inline constexpr std::size_t kDrawnWidth = 23, kDrawnHeight = 17;
using Rgba = std::array<int, 4>;
inline Rgba drawn(std::size_t column, std::size_t row) {
  const int x = static_cast<int>(column), y = static_cast<int>(row);
  return {x * 11 & 255, y * 15 & 255, x * y * 3 & 255, y == 0 ? 0 : 255 - x * 9};
}

}  // namespace sightline::codecs
