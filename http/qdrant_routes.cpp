#include "http/qdrant_routes.h"

#include <string>
#include <utility>

#include "http/errors.h"
#include "http/qdrant_paths.h"

namespace sightline::http {

void add_qdrant_routes(RouteTable& table, const Services& services) {
  add_qdrant_collection_routes(table, services);
  add_qdrant_write_routes(table, services);
  add_qdrant_read_routes(table, services);
  add_qdrant_query_routes(table, services);
  for (const QdrantPath& path : qdrant_paths()) {
    if (path.support != Support::kLeftOut) continue;
    Route route;
    route.method = path.method;
    route.pattern = route_pattern(path.path);
    route.right = path.method == Method::kGet ? Right::kRead : Right::kWrite;
    route.body = {.json = true, .form = true, .file = true};
    route.lane = Lane::kInline;
    route.errors = ErrorStyle::kQdrant;
    route.summary = "Left out: " + std::string(path.note) + ".";
    route.handle = [note = path.note](Request&) -> Result<Response> { return left_out(note); };
    table.add(std::move(route));
  }
}

}  // namespace sightline::http
