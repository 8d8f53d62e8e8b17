// http/internal/text.h: what HTTP does to short texts.
#pragma once

#include <string>
#include <string_view>

namespace sightline::http::internal {

/// ASCII letters alone.
std::string lower(std::string_view text);
/// Without spaces and tabs at both ends.
std::string_view trim(std::string_view text);

}  // namespace sightline::http::internal
