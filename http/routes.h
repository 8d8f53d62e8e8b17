// http/routes.h: all routes of the service.
#pragma once

#include <filesystem>
#include <functional>

#include "http/keys.h"
#include "http/route.h"
#include "http/services.h"

namespace sightline::http {

/// Why requests are not answered well yet (the message), or that they are. Empty: they are.
using Readiness = std::function<Result<void>()>;

/// Everything below, sightline's own API and Qdrant's.
void add_all_routes(RouteTable& table, const Services& services, KeyRing& keys,
                    const std::filesystem::path& page, Readiness ready = {});

/// /healthz, /livez, /readyz, /metrics, /metrics-summary, and /v1/session, by which the page trades
/// a key for a cookie.
void add_core_routes(RouteTable& table, const pipeline::DataFolder& folder, Metrics& metrics,
                     KeyRing& keys, Readiness ready = {});

/// "/" (the page to browsers, Qdrant's version answer to programs), "/dashboard" and "/assets/...".
/// `folder` holds index.html; a file that is not there is a 404.
void add_page_routes(RouteTable& table, const std::filesystem::path& folder);

/// The page's folder: $SIGHTLINE_PAGE_DIR, PREFIX/share/sightline/page beside the program, or the
/// source tree it was built from.
std::filesystem::path page_folder();

}  // namespace sightline::http
