// pipeline/upload.h: pictures that come over the wire into a collection, and back.
//
// An upload is truth: its bytes lie in the collection's uploads folder under their hash, synced
// before its point is written, and go with the last point that names them. Its source is
// "sha256:HEX", or "sha256:HEX#id=ID" if an id was given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/deadline.h"
#include "core/json.h"
#include "core/result.h"
#include "pipeline/collection_store.h"
#include "pipeline/data_folder.h"
#include "pipeline/encoder_host.h"
#include "pipeline/picture.h"

namespace sightline::pipeline {

struct UploadItem {
  Picture picture;  ///< `name`: what the client called the file.
  std::optional<PointId> id;
  std::optional<Json> payload;  ///< An object without reserved keys; absent: says nothing of it.
};

struct UploadResult {
  std::string name;  ///< Of the item, or of the tar's member.
  /// "indexed": a new point, or another picture for its id; "updated": another payload alone;
  /// "unchanged"; "failed"
  std::string status;
  std::optional<PointId> id;  ///< Unless failed.
  std::optional<Status> error;
  std::size_t width = 0, height = 0;  ///< Unless failed.
};
/// {"name", "status", "id", "width", "height", "error"}; what is not there is null.
Json to_json(const UploadResult& result);

struct UploadOptions {
  /// Whose model encodes; absent: the default vector, or the only one that has a model.
  std::optional<std::string> vector_name;
  std::size_t thumbnail_edge = 256;                  ///< pixels; 0: no thumbnails
  std::uint64_t max_bytes = std::uint64_t{1} << 30;  ///< Of one picture file.
};

struct UploadSummary {
  std::uint64_t indexed = 0, updated = 0, unchanged = 0, failed = 0;
};

/// Thread-safety: const methods may run on many threads at once.
class Uploader {
 public:
  /// Opens the collection, or creates it for the host's default model. All outlive the uploader.
  /// errors  those of DataFolder and EncoderHost::find(); kFailedPrecondition: the collection's
  ///         default vector is of no model that can be found.
  static Result<Uploader> open(DataFolder& folder, std::string_view collection,
                               EncoderHost& encoders, ComputePool& pool, UploadOptions options);

  /// One result per item, in order; a broken picture does not fail the others.
  /// errors  the store's own (disk full), kOverloaded, kDeadlineExceeded, kCancelled: what was
  ///         stored until then stays.
  Result<std::vector<UploadResult>> upload(std::vector<UploadItem> items, Deadline deadline) const;

  /// The pictures of a tar: member name -> `_image.name`; KEY.json and KEY.txt beside a picture are
  /// its payload (docs/ingest.md, WebDataset). `each` gets the results as they come.
  /// errors  also kInvalidArgument: not a tar.
  Result<UploadSummary> upload_tar(const std::filesystem::path& tar,
                                   const std::function<void(const UploadResult&)>& each,
                                   Deadline deadline) const;

  const std::shared_ptr<CollectionStore>& store() const { return store_; }

 private:
  Uploader(std::shared_ptr<CollectionStore> store, HostedModel model, codecs::AlphaRule alpha,
           EncoderHost& encoders, ComputePool& pool, UploadOptions options)
      : store_(std::move(store)),
        model_(std::move(model)),
        alpha_(alpha),
        encoders_(&encoders),
        pool_(&pool),
        options_(std::move(options)) {}

  std::shared_ptr<CollectionStore> store_;
  HostedModel model_;
  codecs::AlphaRule alpha_;
  EncoderHost* encoders_;
  ComputePool* pool_;
  UploadOptions options_;
};

/// A point's picture as it may be sent to a browser.
struct PointPicture {
  std::variant<std::filesystem::path, std::string> body;  ///< A file as it is, or bytes.
  std::string content_type;                               ///< "image/jpeg", ...
  std::string etag;                                       ///< Of the content, without quotes.
  std::string name;                                       ///< File name, for Content-Disposition.
};

struct PointPictureOptions {
  /// Formats that browsers do not show (HEIC, TIFF) come as JPEG previews, unless `original`.
  bool original = false;
  std::size_t preview_edge = 2048;  ///< pixels
};

/// The original of the picture that the point's source names: an upload, a file or a member of a
/// tar, if it is still what was indexed (size, and mtime or hash).
/// errors  kNotFound: no such point, no source, or the file is gone or changed.
Result<PointPicture> point_picture(const CollectionStore& store, const PointId& id,
                                   const PointPictureOptions& options, EncoderHost& encoders,
                                   ComputePool& pool, Deadline deadline);

}  // namespace sightline::pipeline
