#include "http/route.h"

#include <algorithm>

#include "http/percent.h"

namespace sightline::http {
namespace {

std::vector<std::string_view> split_path(std::string_view path) {
  std::vector<std::string_view> segments;
  if (path.starts_with('/')) path.remove_prefix(1);
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    segments.push_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return segments;
}

bool is_variable(std::string_view segment) {
  return segment.starts_with('{') && segment.ends_with('}');
}

/// Per segment 'l' for a literal that fits or 'v' for a variable; empty: another shape.
std::string fit(std::string_view pattern, const std::vector<std::string>& path) {
  std::string kinds = "^";  // so that the root's is not empty
  pattern.remove_prefix(pattern.starts_with('/') ? 1 : 0);
  for (const std::string& segment : path) {
    if (pattern.empty()) return "";
    const std::size_t slash = std::min(pattern.find('/'), pattern.size());
    const std::string_view wanted = pattern.substr(0, slash);
    pattern.remove_prefix(std::min(slash + 1, pattern.size()));
    if (is_variable(wanted)) {
      kinds += 'v';
    } else if (wanted == segment) {
      kinds += 'l';
    } else {
      return "";
    }
  }
  return pattern.empty() ? kinds : "";
}

bool same_shape(std::string_view a, std::string_view b) {
  const auto left = split_path(a), right = split_path(b);
  return std::ranges::equal(left, right, [](std::string_view x, std::string_view y) {
    return x == y || (is_variable(x) && is_variable(y));
  });
}

}  // namespace

void RouteTable::add(Route route) {
  for (const Route& other : routes_) {
    SIGHTLINE_CHECK(other.method != route.method || !same_shape(other.pattern, route.pattern));
  }
  routes_.push_back(std::move(route));
}

Result<RouteTable::Match> RouteTable::match(Method method, std::string_view path) const {
  std::vector<std::string> segments;
  for (const std::string_view segment : split_path(path)) {
    SIGHTLINE_TRY(segments.emplace_back(), percent_decode(segment));
  }
  const Method wanted = method == Method::kHead ? Method::kGet : method;

  // Literal segments win from the left: 'l' sorts before 'v'.
  Match match;
  std::string best;
  for (const Route& route : routes_) {
    const std::string kinds = fit(route.pattern, segments);
    if (kinds.empty()) continue;
    if (std::ranges::find(match.allowed, route.method) == match.allowed.end()) {
      match.allowed.push_back(route.method);
    }
    if (route.method != wanted || (match.route != nullptr && kinds >= best)) continue;
    match.route = &route;
    best = kinds;
  }
  if (match.allowed.empty()) return not_found("no such route: " + std::string(path));
  if (match.route == nullptr) return match;
  const auto pattern = split_path(match.route->pattern);
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (is_variable(pattern[i])) {
      match.params.emplace(pattern[i].substr(1, pattern[i].size() - 2), std::move(segments[i]));
    }
  }
  return match;
}

}  // namespace sightline::http
