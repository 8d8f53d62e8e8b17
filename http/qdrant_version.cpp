#include "http/qdrant_version.h"

#include "core/json.h"

namespace sightline::http {

Response qdrant_version() {
  Response response;
  response.body = dump_json(Json{{"title", "qdrant - vector search engine"},
                                 {"version", "1.19.0"},
                                 {"commit", SIGHTLINE_COMMIT}});
  return response;
}

}  // namespace sightline::http
