// http/api_images.h: pictures in (/v1/collections/{collection}/images) and out (/v1/images).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/result.h"
#include "http/exchange.h"
#include "http/route.h"
#include "http/services.h"
#include "pipeline/upload.h"

namespace sightline::http {

void add_image_routes(RouteTable& table, const Services& services);

/// What a request brings in.
struct UploadWish {
  std::vector<pipeline::UploadItem> items;
  std::vector<std::filesystem::path> tars;
};
/// The parts of a form: files, their `payload` and `id`s (docs/api.md).
/// errors  kValidation.
Result<UploadWish> uploads_from_form(std::span<const FormPart> parts);

}  // namespace sightline::http
