// codecs/decode_budget.h: bounds the memory of all pictures that are being decoded.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <list>
#include <mutex>
#include <utility>

#include "core/deadline.h"
#include "core/result.h"

namespace sightline::codecs {

/// A semaphore that counts bytes (`image.decode_bytes`). Served in the order of arrival, so that a
/// large picture is not overtaken for ever.
/// Thread-safety: all methods may be called from any thread. Outlives its leases.
class DecodeBudget {
 public:
  /// A share of the budget; given back when it is destroyed.
  class Lease {
   public:
    Lease() = default;
    Lease(Lease&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)), bytes_(other.bytes_) {}
    Lease& operator=(Lease&& other) noexcept {
      if (this != &other) {
        release();
        budget_ = std::exchange(other.budget_, nullptr);
        bytes_ = other.bytes_;
      }
      return *this;
    }
    ~Lease() { release(); }

    /// Gives it back early. Again: nothing.
    void release();
    std::uint64_t bytes() const { return budget_ == nullptr ? 0 : bytes_; }

   private:
    friend class DecodeBudget;
    Lease(DecodeBudget* budget, std::uint64_t bytes) : budget_(budget), bytes_(bytes) {}
    DecodeBudget* budget_ = nullptr;
    std::uint64_t bytes_ = 0;
  };

  explicit DecodeBudget(std::uint64_t bytes) : limit_(bytes) {}
  DecodeBudget(const DecodeBudget&) = delete;
  DecodeBudget& operator=(const DecodeBudget&) = delete;

  /// Waits until `bytes` (decode_cost_bytes()) fit. A cost above the whole budget runs alone.
  /// errors  kDeadlineExceeded, kCancelled, noticed within 20 ms.
  Result<Lease> acquire(std::uint64_t bytes, const Deadline& deadline = Deadline::never());

  std::uint64_t limit() const { return limit_; }
  std::uint64_t in_use() const;

 private:
  void give_back(std::uint64_t bytes);

  const std::uint64_t limit_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t in_use_ = 0;
  std::list<char> waiting_;  // one node per waiter, in order of arrival
};

}  // namespace sightline::codecs
