// core/internal/numbers.h: integers of JSON as int64.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

#include "core/json.h"

namespace sightline::internal {

/// nullopt: no integer, or one above 2^63 - 1. A float is no integer, 5.0 included.
inline std::optional<std::int64_t> as_int64(const Json& value) {
  if (value.is_number_unsigned() &&
      value.get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
    return std::nullopt;
  }
  if (!value.is_number_integer()) return std::nullopt;
  return value.get<std::int64_t>();
}

}  // namespace sightline::internal
