// pipeline/file_uri.h: the names that sources go by.
//
//   file:///photos/a%20b.jpg            a file
//   file:///sets/x.tar#train/0001.jpg   a member of a tar
//   file:///photos/a.jpg#id=42          a manifest row that gives an id (also after a member)
//
// RFC 3986: every byte but letters, digits, "-._~" and "/" is percent-encoded (as Python's
// Path.as_uri() does), so any file name round-trips, whatever its bytes, and "#id=" is
// unmistakable.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/point_id.h"
#include "core/result.h"

namespace sightline::pipeline {

/// `path` is absolute; the caller resolves it.
std::string to_file_uri(std::string_view path);
std::string to_member_uri(std::string_view tar_path, std::string_view member);
/// `uri` with "#id=ID".
std::string with_id(std::string uri, const PointId& id);

struct SourceName {
  std::string path;           ///< Absolute path of the file or the tar; any bytes.
  std::string member;         ///< Of a tar; empty for a file.
  std::optional<PointId> id;  ///< Given by a manifest row.
};
/// The inverse of the above. Also takes "file://localhost/...".
/// errors  kInvalidArgument: another scheme or host, a broken escape, an impossible id; names the
///         text.
Result<SourceName> parse_source_uri(std::string_view uri);

/// What people read: "/photos/a b.jpg" or "/sets/x.tar#train/0001.jpg"; `uri` itself if it is not a
/// file's.
std::string display_path(std::string_view uri);

/// `text` with every byte that is not UTF-8 replaced by U+FFFD: fit for a payload.
std::string to_valid_utf8(std::string_view text);

}  // namespace sightline::pipeline
