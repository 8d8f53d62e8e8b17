// pipeline/internal/picture_description.h: what is stored of a picture beside its vector.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "codecs/decode.h"
#include "codecs/facts.h"
#include "core/json.h"
#include "core/result.h"
#include "image/image.h"
#include "pipeline/collection_store.h"
#include "pipeline/internal/stage_times.h"

namespace sightline::pipeline {

struct PictureDescription {
  image::Image pixels;
  Json facts;  ///< `_image` without "uri" and "name".
  std::string thumbnail;
};
/// Decodes (`spare`: see codecs::decode) and describes. errors  those of codecs::decode().
Result<PictureDescription> describe_picture(std::span<const std::byte> bytes,
                                            const codecs::ImageHeader& header,
                                            const codecs::Sha256& digest,
                                            const codecs::DecodeOptions& options,
                                            std::size_t thumbnail_edge, StageTimes& times,
                                            image::Image spare = {});

/// What a point of the collection has of a picture already.
struct KnownPicture {
  Json facts;
  NamedVector vector;
  std::string thumbnail;
};
/// Of a point whose picture has these very bytes, if there is one with a vector of the name.
Result<std::optional<KnownPicture>> find_known_picture(const CollectionStore& store,
                                                       const std::string& content_hash,
                                                       std::string_view vector_name);

/// The file name of a path or a member, fit for a payload.
std::string last_name(std::string_view path);

}  // namespace sightline::pipeline
