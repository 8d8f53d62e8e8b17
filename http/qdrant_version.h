// http/qdrant_version.h: what "/" tells programs.
#pragma once

#include "http/exchange.h"

namespace sightline::http {

/// {"title": "qdrant - vector search engine", "version": "1.19.0", "commit": 40 hex digits}
Response qdrant_version();

}  // namespace sightline::http
