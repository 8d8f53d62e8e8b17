// pipeline/internal/http_fetch.h: a file from another server (libcurl).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/deadline.h"
#include "core/result.h"
#include "pipeline/image_source.h"

namespace sightline::pipeline {

/// GET of an http or https address, following redirects between these two. Every connection is made
/// to an address that options.may_connect() has seen and allowed, so a name that resolves
/// differently the second time gains nothing. No proxy, no cookies, no credentials of ours.
/// errors  those of ImageSource::load().
Result<std::vector<std::byte>> fetch_http(const std::string& url, const ImageSourceOptions& options,
                                          const Deadline& deadline);

}  // namespace sightline::pipeline
