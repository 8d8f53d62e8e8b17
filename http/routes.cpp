#include "http/routes.h"

#include "http/api_routes.h"
#include "http/openapi.h"

namespace sightline::http {

void add_all_routes(RouteTable& table, const Services& services, KeyRing& keys,
                    const std::filesystem::path& page) {
  add_core_routes(table, services.folder, services.metrics, keys);
  add_page_routes(table, page);
  add_own_routes(table, services);
  add_openapi_route(table);
}

}  // namespace sightline::http
