// codecs/facts.h: what we know of a picture besides its pixels: stored at ingest under the
// payload key `_image`, all filterable.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "codecs/decode.h"
#include "core/json.h"
#include "core/result.h"
#include "image/image.h"

namespace sightline::codecs {

using Sha256 = std::array<std::uint8_t, 32>;
Sha256 sha256(std::span<const std::byte> bytes);
Sha256 sha256(std::string_view text);

/// 64-bit DCT hash ("pHash"): 32 x 32 gray, 8 x 8 low frequencies against their median.
/// Pictures that look alike differ in few bits.
std::uint64_t perceptual_hash(image::ImageView picture);

/// Facts found in EXIF, IPTC and XMP (exiv2). Never fails: damaged metadata yields fewer facts.
/// Keys, each only if known:
///   "taken_at"    RFC 3339; without offset in the file it is taken as UTC ("...Z")
///   "camera"      "Make Model"
///   "place"       {"lat", "lon"} degrees WGS 84, or with "name", "city", "country" from IPTC/XMP
///   "caption", "title", "credit", "rights"  strings;  "keywords"  list of strings
Json read_metadata(std::span<const std::byte> bytes);

/// The picture with its longer side at most `longest_edge` pixels (bilinear, antialiased); never
/// enlarged. errors  kInvalidArgument: an empty picture, longest_edge outside 1..65500.
Result<image::Image> shrink(image::ImageView pixels, std::size_t longest_edge);

/// The `_image` object: "width" and "height" (as seen, after orientation), "format", "bytes",
/// "content_hash" ("sha256:HEX"), "perceptual_hash" (16 hex digits) and the keys of
/// read_metadata(). "uri" and "name" are added by ingest.
/// `small` is what the perceptual hash is taken from if not empty: `pixels` after shrink(), a pass
/// over the pixels less, for a hash that differs in few bits.
Json picture_facts(std::span<const std::byte> bytes, const ImageHeader& header,
                   image::ImageView pixels, const Sha256& content_hash,
                   image::ImageView small = {});

/// JPEG (quality 80) of shrink().
Result<std::string> make_thumbnail(image::ImageView pixels, std::size_t longest_edge = 256);

}  // namespace sightline::codecs
