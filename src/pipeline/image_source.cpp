#include "pipeline/image_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>

#include "codecs/decode.h"
#include "pipeline/file_uri.h"
#include "pipeline/internal/base64.h"
#include "pipeline/internal/http_fetch.h"

namespace sightline::pipeline {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kShownChars = 80;

/// Short enough for a message, and valid text.
std::string shown(std::string_view text) {
  return text.size() <= kShownChars ? to_valid_utf8(text)
                                    : to_valid_utf8(text.substr(0, kShownChars)) + "...";
}

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() &&
         std::ranges::equal(text.substr(0, prefix.size()), prefix, [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
         });
}

Status too_large(std::uint64_t limit) {
  return {StatusCode::kResourceExhausted,
          "larger than " + std::to_string(limit) + " bytes, the limit of one picture"};
}

Status is_empty() { return invalid_argument("is empty"); }

bool starts_like_a_picture(std::span<const std::byte> bytes) {
  const auto header = codecs::parse_header(bytes);
  return header || header.error().code != StatusCode::kInvalidArgument;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) return invalid_argument("\"%\" without two hex digits");
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

/// RFC 2397; `text` without "data:".
Result<std::vector<std::byte>> load_data(std::string_view text, std::uint64_t max_bytes) {
  const auto comma = text.find(',');
  if (comma == text.npos) return invalid_argument("it has no comma before its bytes");
  const std::string_view kind = text.substr(0, comma);
  std::string_view body = text.substr(comma + 1);
  const bool is_base64 =
      kind.size() >= 7 && starts_with_ignoring_case(kind.substr(kind.size() - 7), ";base64");
  if (body.size() / (is_base64 ? 4 : 3) > max_bytes / (is_base64 ? 3 : 1) + 1)
    return too_large(max_bytes);
  std::string unescaped;
  if (!is_base64 || body.find('%') != body.npos) {
    SIGHTLINE_TRY(unescaped, percent_decode(body));
    body = unescaped;
  }
  if (!is_base64) {
    const auto* bytes = reinterpret_cast<const std::byte*>(body.data());
    return std::vector<std::byte>(bytes, bytes + body.size());
  }
  return decode_base64(body);
}

struct CloseFile {
  int file;
  ~CloseFile() { ::close(file); }
};

bool lies_in(const fs::path& path, const fs::path& root) {
  const auto [end, ignored] = std::mismatch(root.begin(), root.end(), path.begin(), path.end());
  // "/photos/" has an empty last part.
  return end == root.end() || (end->empty() && std::next(end) == root.end());
}

std::vector<fs::path> resolved(std::span<const fs::path> roots) {
  std::vector<fs::path> result;
  for (const fs::path& root : roots) {
    std::error_code error;
    fs::path real = fs::canonical(root, error);
    if (!error) result.push_back(std::move(real));
  }
  return result;
}

bool lies_in_any(const fs::path& path, std::span<const fs::path> roots) {
  return std::ranges::any_of(roots, [&](const fs::path& root) { return lies_in(path, root); });
}

Status outside() {
  return {StatusCode::kPermissionDenied, "is not in a folder that requests may name"};
}

/// Reads what `path` is when it is opened; had it become a link since it was resolved, the file
/// opened is checked, not the name.
Result<std::vector<std::byte>> read_under(const fs::path& path, std::span<const fs::path> roots,
                                          std::uint64_t max_bytes) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (file < 0) {
    const int reason = errno;
    return Status{reason == ENOENT                      ? StatusCode::kNotFound
                  : reason == EACCES || reason == ELOOP ? StatusCode::kPermissionDenied
                                                        : StatusCode::kIoError,
                  std::system_category().message(reason)};
  }
  const CloseFile close_file{file};
  std::error_code error;
  const fs::path opened = fs::read_symlink("/proc/self/fd/" + std::to_string(file), error);
  if (error || !lies_in_any(opened, resolved(roots))) return outside();
  struct stat facts {};
  if (::fstat(file, &facts) != 0) return io_error(std::system_category().message(errno));
  if (!S_ISREG(facts.st_mode)) return invalid_argument("is not a regular file");
  if (static_cast<std::uint64_t>(facts.st_size) > max_bytes) return too_large(max_bytes);
  std::vector<std::byte> bytes(static_cast<std::size_t>(facts.st_size));
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t n = ::read(file, bytes.data() + filled, bytes.size() - filled);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io_error(std::system_category().message(errno));
    if (n == 0) break;  // cut meanwhile
    filled += static_cast<std::size_t>(n);
  }
  bytes.resize(filled);
  return bytes;
}

}  // namespace

Result<fs::path> resolve_under(const fs::path& path, std::span<const fs::path> roots) {
  if (path.native().find('\0') != fs::path::string_type::npos) return outside();
  const std::vector<fs::path> real_roots = resolved(roots);
  std::error_code error;
  const fs::path real = fs::canonical(path, error);
  if (!error) {
    if (lies_in_any(real, real_roots)) return real;
    return outside();
  }
  // Of what lies elsewhere not even this is said: whether it exists.
  const bool is_missing = error == std::errc::no_such_file_or_directory;
  const fs::path nearest = fs::weakly_canonical(path, error);
  if (!is_missing || error || !lies_in_any(nearest, real_roots)) return outside();
  return not_found("there is no such file");
}

Result<fs::path> ImageSource::resolve_path(const fs::path& path) const {
  if (path.is_absolute()) return resolve_under(path, options_.roots);
  std::optional<Status> failure;
  for (const fs::path& root : options_.roots) {
    auto resolved = resolve_under(root / path, options_.roots);
    if (resolved) return resolved;
    if (!failure || resolved.error().code == StatusCode::kNotFound)
      failure = std::move(resolved).error();
  }
  return failure.value_or(outside());
}

Result<Picture> ImageSource::load(std::string_view text, const Deadline& deadline) const {
  if (text.empty()) return invalid_argument("image is empty");
  if (starts_with_ignoring_case(text, "data:")) {
    auto bytes = load_data(text.substr(5), options_.max_bytes);
    if (bytes && bytes->size() > options_.max_bytes) bytes = too_large(options_.max_bytes);
    if (bytes && bytes->empty()) bytes = is_empty();
    if (!bytes) return bytes.error().with_context("image given as \"data:\" URL");
    return Picture{"data: URL", *std::move(bytes)};
  }
  if (starts_with_ignoring_case(text, "http://") || starts_with_ignoring_case(text, "https://")) {
    const std::string context = "image " + shown(text);
    if (!options_.allow_http) {
      return Status{StatusCode::kPermissionDenied,
                    context + ": pictures from other servers are not allowed here"};
    }
    auto bytes = fetch_http(std::string(text), options_, deadline);
    if (bytes && bytes->empty()) bytes = is_empty();
    if (!bytes) return bytes.error().with_context(context);
    return Picture{shown(text), *std::move(bytes)};
  }
  fs::path path(text);
  const bool is_file_url = starts_with_ignoring_case(text, "file://");
  if (is_file_url) {
    const auto name = parse_source_uri("file://" + std::string(text.substr(7)));
    if (!name) return name.error().with_context("image given as \"file:\" URL");
    if (!name->member.empty() || name->id)
      return invalid_argument("image " + shown(text) + ": a file's URL must not have a fragment");
    path = name->path;
  } else if (const auto scheme = text.find("://");
             scheme != text.npos && scheme < 16 && text.find('/') == scheme + 1) {
    return invalid_argument("image " + shown(text) +
                            ": the scheme must be data:, http://, https:// or file://");
  }
  std::optional<Status> why_not_base64;
  if (!is_file_url) {
    if (text.size() / 4 > options_.max_bytes / 3 + 1)
      return too_large(options_.max_bytes).with_context("image given as a text");
    auto bytes = decode_base64(text);
    if (bytes && starts_like_a_picture(*bytes)) return Picture{"base64", *std::move(bytes)};
    if (bytes) bytes = invalid_argument("base64, but not of a picture");
    why_not_base64 = std::move(bytes).error();
  }
  auto real = resolve_path(path);
  auto bytes = real ? read_under(*real, options_.roots, options_.max_bytes)
                    : Result<std::vector<std::byte>>(real.error());
  if (bytes && bytes->empty()) return is_empty().with_context("image " + shown(text));
  if (!bytes) {
    Status status = bytes.error().with_context("image " + shown(text) +
                                               (is_file_url ? "" : ": taken for a path"));
    if (why_not_base64) status.message += " (" + why_not_base64->message + ")";
    return status;
  }
  return Picture{real->string(), *std::move(bytes)};
}

}  // namespace sightline::pipeline
