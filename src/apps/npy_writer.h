// apps/npy_writer.h: arrays for NumPy (.npy format 1.0, numpy.org/neps/nep-0001-npy-format.html).
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "core/result.h"

namespace sightline::apps {

/// Little-endian float32 ("<f4") in C order: header and values.
std::string npy_bytes(std::span<const std::size_t> shape, std::span<const float> values);

/// Writes `bytes` to `file`. A regular file appears whole or not at all (written beside it, then
/// renamed); a pipe or device is written to directly.
/// errors  kIoError, kResourceExhausted (disk full), kPermissionDenied; names the path.
Result<void> write_file(const std::filesystem::path& file, std::string_view bytes);

}  // namespace sightline::apps
