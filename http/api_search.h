// http/api_search.h: /v1/search.
#pragma once

#include <string_view>

#include "core/json.h"
#include "http/route.h"
#include "http/services.h"
#include "pipeline/picture_search.h"

namespace sightline::http {

void add_search_routes(RouteTable& table, const Services& services);

/// A hit as docs/api.md shows it, without rank, scores and vector: {"id", "path", "width",
/// "height", "payload", "image_url", "thumbnail_url"}.
Json picture_json(const pipeline::PictureHit& hit, std::string_view collection);

}  // namespace sightline::http
