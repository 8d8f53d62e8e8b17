// http/internal/qdrant_request.h: what the handlers of Qdrant's routes begin with.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/json.h"
#include "core/result.h"
#include "http/exchange.h"
#include "http/route.h"
#include "http/services.h"
#include "pipeline/collection_store.h"

namespace sightline::http {

/// A request whose query parameters have been checked.
struct QdrantRequest {
  Request& http;
  const Services& services;
  std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
  bool wait = false;  ///< Writes are always done when they are answered; only the word differs.

  const std::string& collection() const { return http.param("collection"); }
  /// The collection of the path. errors  kNotFound, in Qdrant's words; those of
  /// check_collection_name().
  Result<std::shared_ptr<pipeline::CollectionStore>> open() const;
  /// kValidation: of no length that names have, or with characters that none has.
  Result<void> check_collection_name() const;
  Result<Json> read_body() const;
};

/// Any collection or alias. errors  kNotFound, in Qdrant's words; kPermissionDenied: the key is not
/// for it.
Result<std::shared_ptr<pipeline::CollectionStore>> open_collection(const QdrantRequest& request,
                                                                   std::string_view name);

using QdrantHandler = std::function<Result<Response>(const QdrantRequest& request)>;

struct QdrantRoute {
  Method method = Method::kGet;
  std::string pattern;
  Right right = Right::kRead;
  Lane lane = Lane::kQuery;
  std::string summary;
  bool has_body = false;  ///< JSON
};
/// Adds the route with Qdrant's errors; `wait`, `ordering`, `consistency` and `timeout` are checked
/// before `handle` is called. `services` outlives the table.
void add_route(RouteTable& table, const Services& services, QdrantRoute route,
               QdrantHandler handle);

}  // namespace sightline::http
