// http/qdrant_routes.h: the core of Qdrant's REST API.
//
// What is served, what is kept without effect and what is left out: qdrant_paths.h, which
// docs/qdrant-compatibility.md shows.
#pragma once

#include "http/route.h"
#include "http/services.h"

namespace sightline::http {

/// All of the groups below, and a 501 for what is left out. "/" and the probes are other tables'.
void add_qdrant_routes(RouteTable& table, const Services& services);

void add_qdrant_collection_routes(RouteTable& table, const Services& services);
void add_qdrant_write_routes(RouteTable& table, const Services& services);
void add_qdrant_read_routes(RouteTable& table, const Services& services);
void add_qdrant_query_routes(RouteTable& table, const Services& services);

}  // namespace sightline::http
