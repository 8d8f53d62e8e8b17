// http/internal/body_budget.h: how many bytes of JSON bodies are held at once.
#pragma once

#include <atomic>
#include <cstdint>

namespace sightline::http::internal {

/// Thread-safety: all methods may be called from any thread.
class BodyBudget {
 public:
  explicit BodyBudget(std::uint64_t max_bytes) : max_bytes_(max_bytes) {}

  /// Whether `bytes` more would fit now. Announced bytes are asked about alone: who announces much
  /// and sends little keeps nobody else from sending.
  bool has_room(std::uint64_t bytes) const {
    return bytes <= max_bytes_ && used() <= max_bytes_ - bytes;
  }
  /// False: they do not fit, and nothing was taken.
  bool take(std::uint64_t bytes) {
    if (used_.fetch_add(bytes, std::memory_order_relaxed) + bytes <= max_bytes_) return true;
    give_back(bytes);
    return false;
  }
  void give_back(std::uint64_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }
  std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }

 private:
  const std::uint64_t max_bytes_;
  std::atomic<std::uint64_t> used_{0};
};

}  // namespace sightline::http::internal
