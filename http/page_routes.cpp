#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "http/errors.h"
#include "http/internal/text.h"
#include "http/qdrant_version.h"
#include "http/routes.h"

namespace sightline::http {
namespace {

namespace fs = std::filesystem;

std::string_view content_type_of(std::string_view extension) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 14> kTypes = {{
      {".html", "text/html; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".mjs", "text/javascript; charset=utf-8"},
      {".json", "application/json"},
      {".webmanifest", "application/manifest+json"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".jpg", "image/jpeg"},
      {".webp", "image/webp"},
      {".ico", "image/x-icon"},
      {".woff2", "font/woff2"},
      {".txt", "text/plain; charset=utf-8"},
      {".map", "application/json"},
  }};
  const auto found =
      std::ranges::find(kTypes, extension, [](const auto& pair) { return pair.first; });
  return found == kTypes.end() ? "application/octet-stream" : found->second;
}

constexpr std::string_view kContentPolicy =
    "default-src 'self'; img-src 'self' data: blob:; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'";

/// The browser asks whether a file has changed each time, and gets 304.
Response page_file(const fs::path& path) {
  Response response;
  response.content_type = content_type_of(path.extension().string());
  response.headers.add("Cache-Control", "no-cache");
  response.headers.set("Content-Security-Policy", std::string(kContentPolicy));
  response.headers.add("Referrer-Policy", "no-referrer");
  response.body = FileBody{path};
  return response;
}

bool is_plain_name(std::string_view name) {
  return !name.empty() && !name.starts_with('.') && std::ranges::all_of(name, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.';
  });
}

/// "text/html; q=0.9", but not with a weight of 0, which refuses the type (RFC 9110, 12.4.2).
bool takes_html(std::string_view range) {
  const std::size_t end = std::min(range.find(';'), range.size());
  if (internal::lower(internal::trim(range.substr(0, end))) != "text/html") return false;
  range.remove_prefix(end);
  while (!range.empty()) {
    range.remove_prefix(1);
    const std::string parameter = internal::lower(internal::trim(range.substr(0, range.find(';'))));
    if (parameter.starts_with("q=")) return parameter.find_first_not_of("0.", 2) != parameter.npos;
    range.remove_prefix(std::min(range.find(';'), range.size()));
  }
  return true;
}

/// A browser's Accept names text/html; programs send "*/*" or nothing.
bool wants_page(const Request& request) {
  std::string_view accept = request.headers.find("accept").value_or("");
  while (!accept.empty()) {
    const std::size_t end = std::min(accept.find(','), accept.size());
    if (takes_html(accept.substr(0, end))) return true;
    accept.remove_prefix(std::min(end + 1, accept.size()));
  }
  return false;
}

void add(RouteTable& table, std::string pattern, std::string summary, Handler handle) {
  Route route;
  route.method = Method::kGet;
  route.pattern = std::move(pattern);
  route.right = Right::kNone;
  route.lane = Lane::kInline;
  route.errors = ErrorStyle::kQdrant;
  route.summary = std::move(summary);
  route.handle = std::move(handle);
  table.add(std::move(route));
}

}  // namespace

fs::path page_folder() {
  if (const char* named = std::getenv("SIGHTLINE_PAGE_DIR"); named != nullptr && *named != '\0') {
    return named;
  }
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  if (!program.empty()) {
    const fs::path beside = program.parent_path().parent_path() / "share/sightline/page";
    if (fs::exists(beside / "index.html", ignored)) return beside;
  }
  return SIGHTLINE_PAGE_SOURCE_DIR;
}

void add_page_routes(RouteTable& table, const fs::path& folder) {
  add(table, "/", "The page to browsers, the version to programs.",
      [index = folder / "index.html"](Request& request) -> Result<Response> {
        Response response = wants_page(request) ? page_file(index) : qdrant_version();
        response.headers.add("Vary", "Accept");
        return response;
      });
  add(table, "/dashboard", "Leads to the page.", [](Request& request) -> Result<Response> {
    Response response;
    response.status = 307;
    // Relative, so that it holds below a proxy's prefix.
    response.headers.add("Location", request.path.ends_with('/') ? "../" : "./");
    response.content_type = "text/plain; charset=utf-8";
    response.body = std::string("The page is at /\n");
    return response;
  });
  const auto asset = [folder](std::string_view below, std::string_view name) -> Result<Response> {
    if (!is_plain_name(name) || (!below.empty() && !is_plain_name(below))) {
      return not_found("there is no such file");
    }
    return page_file(folder / "assets" / below / name);
  };
  add(table, "/assets/{file}", "A file of the page.",
      [asset](Request& request) { return asset("", request.param("file")); });
  add(table, "/assets/{folder}/{file}", "A file of the page.",
      [asset](Request& request) { return asset(request.param("folder"), request.param("file")); });
  add(table, "/favicon.ico", "The page's icon.",
      [asset](Request&) { return asset("", "icon.svg"); });
}

}  // namespace sightline::http
