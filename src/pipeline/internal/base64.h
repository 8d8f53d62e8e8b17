// pipeline/internal/base64.h: RFC 4648, section 4, and nothing more lenient.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace sightline::pipeline {

/// Whole groups of four characters, padded, no white space, no stray bits.
/// errors  kInvalidArgument: says where and why.
Result<std::vector<std::byte>> decode_base64(std::string_view text);

}  // namespace sightline::pipeline
