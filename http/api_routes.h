// http/api_routes.h: sightline's own API (docs/api.md).
#pragma once

#include "http/route.h"
#include "http/services.h"

namespace sightline::http {

/// All of /v1 but what add_core_routes() brings.
void add_own_routes(RouteTable& table, const Services& services);

}  // namespace sightline::http
