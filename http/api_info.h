// http/api_info.h: /v1/info and /v1/models.
#pragma once

#include "http/route.h"
#include "http/services.h"

namespace sightline::http {

void add_info_routes(RouteTable& table, const Services& services);

}  // namespace sightline::http
