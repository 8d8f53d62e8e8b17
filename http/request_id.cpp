#include "http/internal/request_id.h"

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <random>

namespace sightline::http::internal {
namespace {

constexpr std::size_t kMaxRequestId = 128;

}  // namespace

std::string new_request_id() {
  static const std::uint64_t seed = std::random_device{}() | std::uint64_t{1} << 40;
  static std::atomic<std::uint64_t> counter{0};
  char text[40];
  std::snprintf(text, sizeof text, "%08llx-%llx",
                static_cast<unsigned long long>(seed & 0xffffffff),
                static_cast<unsigned long long>(counter.fetch_add(1) + 1));
  return text;
}

std::string request_id(const Headers& headers) {
  const auto given = headers.find("x-request-id");
  if (!given || given->empty() || given->size() > kMaxRequestId) return new_request_id();
  for (const char c : *given) {
    const bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                          (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '.' || c == ':';
    if (!is_plain) return new_request_id();
  }
  return std::string(*given);
}

}  // namespace sightline::http::internal
