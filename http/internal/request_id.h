// http/internal/request_id.h: what a request goes by in logs and in X-Request-Id.
#pragma once

#include <string>

#include "http/exchange.h"

namespace sightline::http::internal {

/// Differs between requests and between processes.
std::string new_request_id();
/// The client's own id, if it is one that logs and headers can carry, or a new one.
std::string request_id(const Headers& headers);

}  // namespace sightline::http::internal
