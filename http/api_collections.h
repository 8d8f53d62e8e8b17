// http/api_collections.h: /v1/collections: what is in them, for people and for the page.
#pragma once

#include "http/route.h"
#include "http/services.h"

namespace sightline::http {

/// The list, one collection, its facets and duplicates. Pictures are brought in by api_images.h.
void add_collection_info_routes(RouteTable& table, const Services& services);

}  // namespace sightline::http
