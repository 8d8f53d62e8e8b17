// apps/output_file.h: files that commands write their answers to.
#pragma once

#include <filesystem>
#include <string_view>

#include "core/result.h"

namespace sightline::apps {

/// Writes `bytes` to `file`. A regular file appears whole or not at all (written beside it, then
/// renamed); a pipe or device is written to directly.
/// errors  kIoError, kResourceExhausted (disk full), kPermissionDenied; names the path.
Result<void> write_file(const std::filesystem::path& file, std::string_view bytes);

}  // namespace sightline::apps
