// pipeline/internal/sources.h: what a run of ingest is about to look at.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/json.h"
#include "core/point_id.h"
#include "core/result.h"

namespace sightline::pipeline {

/// Why a source was skipped: short, stable words (docs/ingest.md explains each).
namespace skip {
inline constexpr std::string_view kBadRow = "bad_row";
inline constexpr std::string_view kCorrupt = "corrupt";
inline constexpr std::string_view kDuplicate = "duplicate";
inline constexpr std::string_view kEmpty = "empty";
inline constexpr std::string_view kFailed = "failed";
inline constexpr std::string_view kMissing = "missing";
inline constexpr std::string_view kNotAPicture = "not_a_picture";
inline constexpr std::string_view kTooLarge = "too_large";
inline constexpr std::string_view kUnreadable = "unreadable";
inline constexpr std::string_view kUnsupported = "unsupported";
}  // namespace skip

/// The reason for which a picture that failed with `code` is skipped.
std::string_view skip_reason(StatusCode code);

/// Larger files are skipped as too_large.
inline constexpr std::uint64_t kMaxFileBytes = std::uint64_t{1} << 30;

/// One file, tar member or manifest row.
struct Source {
  std::string uri;               ///< file_uri.h
  std::string path;              ///< Absolute and resolved: of the file or the tar.
  std::string member;            ///< Of a tar; empty for a file.
  std::uint64_t tar_offset = 0;  ///< Where the member's header begins in the tar.
  std::uint64_t size = 0;        ///< bytes
  std::int64_t mtime_ns = 0;     ///< Of the file or the tar.
  PointId id;                    ///< Given, or made from the URI.
  bool id_given = false;
  /// The user's columns; absent if the source says nothing of a payload (a file in a folder).
  std::optional<Json> payload;
  std::string payload_hash;     ///< payload_checksum(*payload); empty without.
  std::string problem;          ///< A skip reason, if it is known already that it is unusable.
  std::string problem_message;  ///< One sentence.
};

/// 32 hex digits; empty for an empty object.
std::string payload_checksum(const Json& payload);
/// Sets `id` from `uri`.
void derive_id(Source& source);
/// A source that cannot be used.
Source bad_source(std::string uri, std::string path, std::string_view reason, std::string message);

/// Takes what the readers of folders, manifests and tars find.
class SourceSink {
 public:
  virtual ~SourceSink() = default;
  /// Whether to go on; long stretches without sources ask now and then.
  virtual bool wants_more() const = 0;
  /// False: stop looking.
  virtual bool add(Source source) = 0;
  /// A folder that cannot be listed; the walk goes on beside it.
  virtual void unreadable_folder(const std::string& path, const std::string& message) = 0;
  /// A picture that is there, whether or not it is wanted: called for members of tars.
  virtual void present(const std::string& uri) = 0;
};

}  // namespace sightline::pipeline
