#include "http/api_routes.h"

#include "http/api_collections.h"
#include "http/api_images.h"
#include "http/api_info.h"
#include "http/api_jobs.h"
#include "http/api_search.h"

namespace sightline::http {

void add_own_routes(RouteTable& table, const Services& services) {
  add_search_routes(table, services);
  add_collection_info_routes(table, services);
  add_image_routes(table, services);
  add_job_routes(table, services);
  add_info_routes(table, services);
}

}  // namespace sightline::http
