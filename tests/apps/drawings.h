// tests/apps/drawings.h: coloured shapes with captions, which the model that ships knows.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>

#include "tests/apps/program.h"

namespace sightline::apps::testing {

inline constexpr std::array<const char*, 6> kColourNames{"red",    "green",  "blue",
                                                         "yellow", "purple", "black"};
inline constexpr std::array<const char*, 2> kShapeNames{"circle", "square"};
inline constexpr std::array<std::array<int, 3>, 6> kColours{
    {{220, 40, 50}, {60, 170, 70}, {60, 120, 230}, {250, 200, 40}, {140, 80, 190}, {30, 30, 30}}};

/// A circle or a square on white: a 24-bit BMP of 72 x 72 pixels. `copy`
/// changes its size and place a little.
inline void draw_shape(const std::filesystem::path& file, std::size_t colour, std::size_t shape,
                       int copy) {
  constexpr int kSide = 72, kBytes = kSide * kSide * 3;
  std::string bmp = "BM";
  const auto put = [&](std::uint32_t value, int count) {
    for (int i = 0; i < count; ++i) bmp += static_cast<char>(value >> (8 * i) & 0xFF);
  };
  put(54 + kBytes, 4), put(0, 4), put(54, 4);
  put(40, 4), put(kSide, 4), put(kSide, 4), put(1, 2), put(24, 2), put(0, 4), put(kBytes, 4);
  put(2835, 4), put(2835, 4), put(0, 4), put(0, 4);
  const int radius = 30 - copy, middle = 36 + copy;
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) {
      const int dx = x - middle, dy = y - 36;
      const bool inside = shape == 0 ? dx * dx + dy * dy <= radius * radius
                                     : std::max(std::abs(dx), std::abs(dy)) <= radius - 4;
      for (int c = 2; c >= 0; --c) {
        bmp += static_cast<char>(inside ? kColours[colour][static_cast<std::size_t>(c)] : 255);
      }
    }
  }
  std::ofstream(file, std::ios::binary) << bmp;
}

/// Draws every shape `copies` times into `box`/shapes and lists them in `box`/NAME (JSONL), with
/// captions like "red circle". Returns the list's path.
inline std::filesystem::path draw_catalogue(const Sandbox& box, const std::string& name,
                                            int copies) {
  std::filesystem::create_directories(box.path("shapes"));
  std::string rows;
  for (std::size_t colour = 0; colour < kColours.size(); ++colour) {
    for (std::size_t shape = 0; shape < kShapeNames.size(); ++shape) {
      const std::string caption =
          std::string(kColourNames[colour]) + " " + std::string(kShapeNames[shape]);
      for (int copy = 0; copy < copies; ++copy) {
        const std::string file = "shapes/" + std::to_string(colour) + std::to_string(shape) + "-" +
                                 std::to_string(copy) + ".bmp";
        draw_shape(box.path(file), colour, shape, copy);
        rows += Json{{"image", file}, {"caption", caption}}.dump() + "\n";
      }
    }
  }
  return box.dir().write(name, rows);
}

}  // namespace sightline::apps::testing
