// http/errors.h: the one mapping from failures to HTTP.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "core/json.h"
#include "core/result.h"
#include "http/exchange.h"
#include "http/route.h"

namespace sightline::http {

/// kInvalidArgument 400, kValidation 422, kNotFound 404, kAlreadyExists 409, kDeadlineExceeded 408,
/// kUnimplemented 501, ...
int http_status(StatusCode code);

/// 400 "Format error in JSON body: `detail`".
Status format_error(std::string_view detail);
/// 422 "Validation error in JSON body: [`path`: value `value` invalid, `rule`]".
Status validation_error(std::string_view path, const Json& value, std::string_view rule);
/// Where in a request something stands.
enum class RequestPlace { kJsonBody, kQueryParameters, kForm };
/// What format_error() and validation_error() made, said of `place` instead of the JSON body.
Status said_of(RequestPlace place, Status status);
template <typename T>
Result<T> said_of(RequestPlace place, Result<T> result) {
  if (result) return result;
  return said_of(place, std::move(result).error());
}
/// 501 "sightline does not offer `feature`": a noun, singular or plural.
Status left_out(std::string_view feature);

/// The answer to a failed request, in the style of its route. `seconds`: since the request began.
/// Where Qdrant has a prefix for the kind ("Not found: ", "Wrong input: "), it is put before
/// messages that lack it. 401 carries WWW-Authenticate, 501 x-should-retry: false, 429 a
/// Retry-After of 1 to 9.
Response error_response(const Status& status, ErrorStyle style, double seconds);
/// For failures that have no StatusCode: 405, 413, 415, 429, 431.
Response error_response(int http_status, std::string_view message, ErrorStyle style,
                        double seconds);

}  // namespace sightline::http
