// pipeline/image_source.h: what an `image` given as a string stands for.
//
// By prefix: "data:" (RFC 2397, base64 or percent-encoded), "http://" and "https://" (off unless
// allowed), "file://" (under an allowed root). Else strict base64 of something that starts like a
// picture; else a path under an allowed root. Base64 comes before paths: that of every JPEG begins
// with "/9j/".
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/deadline.h"
#include "core/result.h"
#include "pipeline/picture.h"

namespace sightline::pipeline {

/// Whether a numeric address ("192.0.2.1", "2001:db8::1") is one of the public internet: not
/// private, loopback, link-local, multicast, reserved or an IPv4 address of that kind wrapped in an
/// IPv6 one. Anything else than an address is not.
bool is_public_address(std::string_view address);

struct ImageSourceOptions {
  /// Folders whose files may be named; symlinks are resolved on both sides. Empty: no paths.
  std::vector<std::filesystem::path> roots;
  bool allow_http = false;
  std::uint64_t max_bytes = std::uint64_t{64} << 20;  ///< Of one picture file.
  std::chrono::milliseconds http_timeout{10'000};     ///< Redirects included.
  std::size_t max_redirects = 5;
  /// Whether an address may be connected to; asked for every connection, with the address itself.
  std::function<bool(std::string_view address)> may_connect = is_public_address;
};

/// Thread-safety: const methods may run on many threads at once.
class ImageSource {
 public:
  explicit ImageSource(ImageSourceOptions options) : options_(std::move(options)) {}

  /// The bytes that `text` stands for, one at least; they are not decoded.
  /// errors  name the rule that took `text` and why it failed. kInvalidArgument: bad base64 or
  ///         URL, an empty picture; kPermissionDenied: http off, an address that is not public, a
  ///         path outside of the roots; kNotFound: no such file; kResourceExhausted: over
  ///         max_bytes; kIoError: the other server failed; kDeadlineExceeded, kCancelled.
  Result<Picture> load(std::string_view text, const Deadline& deadline) const;

  /// The resolved form of a path of the server that a request names, if it lies under a root.
  /// errors  kPermissionDenied, kNotFound.
  Result<std::filesystem::path> resolve_path(const std::filesystem::path& path) const;

  const ImageSourceOptions& options() const { return options_; }

 private:
  const ImageSourceOptions options_;
};

/// `path` with symlinks resolved, if that lies in or under one of `roots`.
/// errors  kPermissionDenied: outside (also of what does not exist); kNotFound: below a root, but
///         there is no such file.
Result<std::filesystem::path> resolve_under(const std::filesystem::path& path,
                                            std::span<const std::filesystem::path> roots);

}  // namespace sightline::pipeline
