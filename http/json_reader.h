// http/json_reader.h: the body of a request as JSON.
#pragma once

#include <string>
#include <string_view>

#include "core/json.h"
#include "core/result.h"

namespace sightline::http {

inline constexpr int kMaxJsonDepth = 128;

/// Integers of -2^63..2^64-1 keep their value; longer ones become floats. Of a key that comes twice
/// the last value counts. Quickest for a text with `kJsonPadding` bytes of capacity behind it, as
/// Request::body has.
/// errors  kInvalidArgument: "Format error in JSON body: ..." with line and column; also nesting
///         deeper than kMaxJsonDepth.
Result<Json> read_json(const std::string& text);

inline constexpr std::size_t kJsonPadding = 64;

}  // namespace sightline::http
