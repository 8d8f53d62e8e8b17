#include <algorithm>
#include <exception>
#include <utility>

#include "codecs/decode_budget.h"
#include "codecs/facts.h"
#include "core/checksum.h"
#include "pipeline/file_uri.h"
#include "pipeline/internal/picture_description.h"
#include "pipeline/internal/source_reader.h"
#include "pipeline/internal/tar_reader.h"
#include "pipeline/upload.h"
#include "pipeline/upload_shelf.h"

namespace sightline::pipeline {
namespace {

// Enough for the header of nearly every picture.
constexpr std::uint64_t kHeadBytes = std::uint64_t{256} << 10;

struct FormatFacts {
  const char* content_type;
  bool shown_by_browsers;
};
FormatFacts facts_of(codecs::Format format) {
  switch (format) {
    case codecs::Format::kJpeg:
      return {"image/jpeg", true};
    case codecs::Format::kPng:
      return {"image/png", true};
    case codecs::Format::kWebp:
      return {"image/webp", true};
    case codecs::Format::kTiff:
      return {"image/tiff", false};
    case codecs::Format::kBmp:
      return {"image/bmp", true};
    case codecs::Format::kGif:
      return {"image/gif", true};
    case codecs::Format::kHeic:
      return {"image/heic", false};
    case codecs::Format::kAvif:
      return {"image/avif", true};
  }
  return {"application/octet-stream", false};
}

Status gone(const PointId& id, std::string_view why) {
  return not_found("the picture of point " + id.to_string() + " " + std::string(why));
}

/// Where the picture of a point is to be read.
Result<Source> locate(const CollectionStore& store, const PointId& id, const SourceRecord& record) {
  Source source;
  if (const auto hex = upload_hash(record.uri)) {
    if (store.uploads() == nullptr) return gone(id, "is kept elsewhere");
    source.path = store.uploads()->path_of(*hex).string();
    return source;
  }
  const auto name = parse_source_uri(record.uri);
  if (!name) return gone(id, "is not a file");
  source.path = name->path;
  source.member = name->member;
  if (source.member.empty()) return source;
  TarIndex tars;
  const auto tar = tars.tar(source.path);
  if (!tar) return gone(id, "lay in a tar that cannot be read any more");
  const auto member = (*tar)->members.find(source.member);
  if (member == (*tar)->members.end()) return gone(id, "is no longer in its tar");
  source.tar_offset = member->second.offset;
  return source;
}

/// The picture's bytes as far as they were needed to know that they are those of `record`.
Result<std::vector<std::byte>> read_checked(SourceReader& reader, const Source& source,
                                            const SourceRecord& record, const PointId& id) {
  if (reader.size() != record.size) return gone(id, "was changed since it was indexed");
  std::vector<std::byte> bytes;
  // The store's own files are never changed, others only with their mtime.
  const bool is_known = upload_hash(record.uri).has_value() ||
                        (source.member.empty() && reader.mtime_ns() == record.mtime_ns);
  SIGHTLINE_TRY_DO(reader.read_to(is_known ? kHeadBytes : reader.size(), bytes));
  if (!is_known && "sha256:" + to_hex(codecs::sha256(bytes)) != record.content_hash)
    return gone(id, "was changed since it was indexed");
  return bytes;
}

Result<std::string> preview(std::span<const std::byte> bytes, const codecs::ImageHeader& header,
                            std::size_t edge, EncoderHost& encoders, const Deadline& deadline) {
  codecs::DecodeOptions options = encoders.options().decode;
  options.alpha = codecs::AlphaRule::kWhite;
  codecs::DecodeBudget::Lease lease;
  if (std::uint64_t{header.width} * header.height <= options.max_pixels) {
    SIGHTLINE_TRY(lease, encoders.decode_budget().acquire(
                             codecs::decode_cost_bytes(header) + bytes.size(), deadline));
  }
  SIGHTLINE_TRY(const image::Image decoded, codecs::decode(bytes, options));
  return codecs::make_thumbnail(decoded.view(), edge);
}

struct PictureRecord {
  SourceRecord source;
  std::string name;  // that the user knows it by; may be empty
};

Result<PictureRecord> find_record(const CollectionStore& store, const PointId& id) {
  SIGHTLINE_TRY(const auto points, store.get({&id, 1}, {true, false}));
  if (points.empty() || !points[0]) return not_found("there is no point " + id.to_string());
  const Json& payload = points[0]->payload;
  const auto facts = payload.find("_image");
  const auto text = [&](const char* key) -> const std::string* {
    if (facts == payload.end() || !facts->is_object()) return nullptr;
    const auto at = facts->find(key);
    return at != facts->end() && at->is_string() ? &at->get_ref<const std::string&>() : nullptr;
  };
  const std::string* uri = text("uri");
  if (uri == nullptr) return not_found("point " + id.to_string() + " has no picture");
  // A payload may say anything; what was indexed is what `sources` says.
  SIGHTLINE_TRY(auto record, store.find_source(*uri));
  if (!record || record->id != id || record->content_hash.empty())
    return not_found("point " + id.to_string() + " has no picture here");
  const std::string* name = text("name");
  return PictureRecord{*std::move(record), name == nullptr ? "" : *name};
}

Result<PointPicture> read_picture(const CollectionStore& store, const PointId& id,
                                  const PointPictureOptions& options, EncoderHost& encoders,
                                  ComputePool& pool, const Deadline& deadline) {
  SIGHTLINE_TRY(const PictureRecord found, find_record(store, id));
  const SourceRecord& record = found.source;
  SIGHTLINE_TRY(const Source source, locate(store, id, record));
  const auto reader = open_source(source);
  if (!reader) return gone(id, "is gone");
  SIGHTLINE_TRY(std::vector<std::byte> bytes, read_checked(**reader, source, record, id));
  auto header = codecs::parse_header(bytes);
  if (!header && bytes.size() < record.size) {
    SIGHTLINE_TRY_DO((*reader)->read_to(record.size, bytes));
    header = codecs::parse_header(bytes);
  }
  if (!header) return header.error().with_context("the picture of point " + id.to_string());

  const FormatFacts format = facts_of(header->format);
  PointPicture picture;
  picture.content_type = format.content_type;
  picture.etag = record.content_hash.substr(record.content_hash.find(':') + 1);
  // Uploads lie in files that are called by their content.
  picture.name = upload_hash(record.uri)
                     ? last_name(found.name)
                     : last_name(source.member.empty() ? source.path : source.member);
  if (!format.shown_by_browsers && !options.original) {
    SIGHTLINE_TRY_DO((*reader)->read_to(record.size, bytes));
    SIGHTLINE_TRY(picture.body, pool.submit(Priority::kDecode,
                                            [&] {
                                              return preview(bytes, *header, options.preview_edge,
                                                             encoders, deadline);
                                            })
                                    .get());
    picture.content_type = "image/jpeg";
    picture.etag += "-" + std::to_string(options.preview_edge);
    if (!picture.name.empty()) picture.name += ".jpg";
  } else if (source.member.empty()) {
    picture.body = std::filesystem::path(source.path);
  } else {
    SIGHTLINE_TRY_DO((*reader)->read_to(record.size, bytes));
    picture.body = std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  return picture;
}

}  // namespace

Result<PointPicture> point_picture(const CollectionStore& store, const PointId& id,
                                   const PointPictureOptions& options, EncoderHost& encoders,
                                   ComputePool& pool, Deadline deadline) {
  try {
    return read_picture(store, id, options, encoders, pool, deadline);
  } catch (const std::exception& e) {
    return internal_error("the picture of point " + id.to_string() + ": " + e.what());
  }
}

}  // namespace sightline::pipeline
