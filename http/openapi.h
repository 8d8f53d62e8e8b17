// http/openapi.h: /openapi.json, the description of sightline's own routes for programs.
#pragma once

#include <vector>

#include "core/json.h"
#include "http/route.h"

namespace sightline::http {

/// Whether the document is about the route: all but Qdrant's, which have a published description
/// of their own, and the page's files.
bool is_described(const Route& route);

/// What is described: "POST /v1/search" and so on, for the test that compares it with the routes.
std::vector<std::string> described_operations();

/// OpenAPI 3.1 of those routes of `table` that are described. Summaries and rights are the
/// routes' own; parameters, bodies and answers are data in openapi_data.cpp.
Json openapi_document(const RouteTable& table);

/// To be called after all other routes are in `table`, which outlives its handlers.
void add_openapi_route(RouteTable& table);

}  // namespace sightline::http
