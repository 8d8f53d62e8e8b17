// http/internal/openapi_data.h: what /openapi.json says beside the routes' own words.
#pragma once

#include <string_view>

namespace sightline::http {

/// JSON object: "METHOD /pattern" -> {"tag", "parameters", "body", "answer"}; docs in openapi.cpp.
extern const std::string_view kOperations;
/// JSON object: the schemas that operations name by "#NAME".
extern const std::string_view kSchemas;

}  // namespace sightline::http
