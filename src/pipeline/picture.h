// pipeline/picture.h: an encoded picture that somebody gives us.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <variant>
#include <vector>

namespace sightline::pipeline {

/// The bytes of a picture file, or the file that holds them.
struct Picture {
  /// How messages call it: "photo.jpg", "/photos/a.jpg", "http://host/a.jpg". May be empty.
  std::string name;
  std::variant<std::vector<std::byte>, std::filesystem::path> data;
};

}  // namespace sightline::pipeline
