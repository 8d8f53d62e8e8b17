// http/percent.h: percent-encoding (RFC 3986) and query strings.
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"
#include "http/exchange.h"

namespace sightline::http {

/// errors  kInvalidArgument: '%' without two hex digits.
Result<std::string> percent_decode(std::string_view text);
/// Keeps unreserved characters alone.
std::string percent_encode(std::string_view text);

/// "a=1&b=x+y": '+' is a space here. A name without '=' has an empty value.
/// errors  kInvalidArgument.
Result<QueryString> parse_query(std::string_view text);

}  // namespace sightline::http
