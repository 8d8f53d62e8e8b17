#include "http/routes.h"

#include <utility>

#include "http/api_routes.h"
#include "http/openapi.h"
#include "http/qdrant_routes.h"

namespace sightline::http {

void add_all_routes(RouteTable& table, const Services& services, KeyRing& keys,
                    const std::filesystem::path& page, Readiness ready) {
  add_core_routes(table, services.folder, services.metrics, keys, std::move(ready));
  add_page_routes(table, page);
  add_own_routes(table, services);
  add_openapi_route(table);
  add_qdrant_routes(table, services);
}

}  // namespace sightline::http
