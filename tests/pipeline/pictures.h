// tests/pipeline/pictures.h: small pictures and tars made on the spot.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace sightline::testing_support {

/// A PNG whose pixels depend on `seed` alone: equal seeds give equal bytes.
std::string make_png(std::uint32_t seed, int width = 40, int height = 30);
std::string make_jpeg(std::uint32_t seed, int width = 40, int height = 30);

/// An uncompressed tar (pax) of {name, content}, in order.
std::string make_tar(const std::vector<std::pair<std::string, std::string>>& members);

/// Moves the file's mtime by `seconds`.
void touch(const std::filesystem::path& file, int seconds);

}  // namespace sightline::testing_support
