// http/api_jobs.h: /v1/jobs: bulk indexing of the server's own folders.
#pragma once

#include "http/route.h"
#include "http/services.h"

namespace sightline::http {

void add_job_routes(RouteTable& table, const Services& services);

}  // namespace sightline::http
