// http/api_scope.h: how /v1 reaches collections for whoever asks.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "http/exchange.h"
#include "http/services.h"
#include "pipeline/collection_store.h"

namespace sightline::http {

/// errors  kPermissionDenied: the key has not this right for the collection.
Result<void> check_right(const Principal& principal, Right right, std::string_view collection);

/// The collection, if the key may do `right` in it. errors  also kNotFound names it.
Result<std::shared_ptr<pipeline::CollectionStore>> open_for(const Services& services,
                                                            const Principal& principal, Right right,
                                                            std::string_view name);

/// The names that the key may read, sorted.
Result<std::vector<std::string>> visible_collections(const Services& services,
                                                     const Principal& principal);

/// The route's {collection}, or `name` where one was given, or the default.
std::string collection_or_default(const Services& services, std::string_view name);

}  // namespace sightline::http
