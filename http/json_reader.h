// http/json_reader.h: the body of a request as JSON.
#pragma once

#include <string>
#include <string_view>
#include <vector>

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

/// Whether read_json() would take `text`, without a tree of it where it does. errors  its own.
Result<void> check_json(const std::string& text);

/// As read_json(), but a list of kMinRow numbers or more, not all of them integers, and all of them
/// finite as floats, comes as those floats: a binary value, which no JSON text stands for, that
/// row_of() reads. Vectors of queries need not become a tree and be gathered from it again.
Result<Json> read_json_with_rows(const std::string& text);

inline constexpr std::size_t kMinRow = 16;

/// The floats of such a value.
std::vector<float> row_of(const Json& binary);

}  // namespace sightline::http
