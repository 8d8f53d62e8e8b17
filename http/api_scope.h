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
#include "pipeline/image_source.h"

namespace sightline::http {

/// errors  kPermissionDenied: the key has not this right for the collection.
Result<void> check_right(const Principal& principal, Right right, std::string_view collection);

/// The collection, if the key may do `right` in it. errors  also kNotFound names it.
Result<std::shared_ptr<pipeline::CollectionStore>> open_for(const Services& services,
                                                            const Principal& principal, Right right,
                                                            std::string_view name);

/// The bytes that the `image` of a request stands for. Paths of the server are for admins: to
/// others no folder is open. errors  those of ImageSource, but kInvalidArgument where another
/// server failed.
Result<pipeline::Picture> load_image(const Services& services, const Principal& principal,
                                     std::string_view source, const Deadline& deadline);

/// The names that the key may read, sorted.
Result<std::vector<std::string>> visible_collections(const Services& services,
                                                     const Principal& principal);

/// The route's {collection}, or `name` where one was given, or the default.
std::string collection_or_default(const Services& services, std::string_view name);

}  // namespace sightline::http
