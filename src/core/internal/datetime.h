// core/internal/datetime.h: the way back of parse_datetime().
#pragma once

#include <cstdint>
#include <string>

namespace sightline::internal {

/// "2020-03-01T10:30:00Z", with six digits after the second where they are not zero. What lies
/// beyond the years that parse_datetime() reads becomes the first or last moment of them.
std::string format_datetime(std::int64_t micros);

}  // namespace sightline::internal
