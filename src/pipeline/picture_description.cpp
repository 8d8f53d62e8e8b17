#include "pipeline/internal/picture_description.h"

#include <algorithm>
#include <utility>

#include "pipeline/file_uri.h"

namespace sightline::pipeline {
namespace {

/// Perceptual hash and thumbnail begin with a picture of this size: one pass over the pixels.
constexpr std::size_t kSmallEdge = 256;

}  // namespace

Result<PictureDescription> describe_picture(std::span<const std::byte> bytes,
                                            const codecs::ImageHeader& header,
                                            const codecs::Sha256& digest,
                                            const codecs::DecodeOptions& options,
                                            std::size_t thumbnail_edge, StageTimes& times,
                                            image::Image spare) {
  PictureDescription described;
  {
    CpuTimer timer(times, Stage::kDecode);
    SIGHTLINE_TRY(described.pixels, codecs::decode(bytes, options, std::move(spare)));
  }
  CpuTimer timer(times, Stage::kFacts);
  const image::ImageView pixels = described.pixels.view();
  SIGHTLINE_TRY(const image::Image small, codecs::shrink(pixels, kSmallEdge));
  described.facts = codecs::picture_facts(bytes, header, pixels, digest, small.view());
  if (thumbnail_edge > 0) {
    SIGHTLINE_TRY(described.thumbnail,
                  codecs::make_thumbnail(thumbnail_edge <= kSmallEdge ? small.view() : pixels,
                                         thumbnail_edge));
  }
  return described;
}

Result<std::optional<KnownPicture>> find_known_picture(const CollectionStore& store,
                                                       const std::string& content_hash,
                                                       std::string_view vector_name) {
  const std::optional<KnownPicture> none;
  SIGHTLINE_TRY(const auto id, store.find_content(content_hash));
  if (!id) return none;
  SIGHTLINE_TRY(auto points, store.get({&*id, 1}, {true, true}));
  if (points.empty() || !points[0]) return none;
  StoredPoint& point = *points[0];
  const auto vector =
      std::find_if(point.vectors.begin(), point.vectors.end(),
                   [&](const NamedVector& candidate) { return candidate.name == vector_name; });
  const auto facts = point.payload.find("_image");
  if (vector == point.vectors.end() || facts == point.payload.end() || !facts->is_object()) {
    return none;
  }
  KnownPicture known{std::move(*facts), std::move(*vector), {}};
  if (auto thumbnail = store.thumbnail(*id)) known.thumbnail = *std::move(thumbnail);
  return std::optional<KnownPicture>(std::move(known));
}

std::string last_name(std::string_view path) {
  return to_valid_utf8(path.substr(path.rfind('/') + 1));  // npos + 1 is 0
}

}  // namespace sightline::pipeline
