// core/deadline.h: until when, and whether still, somebody wants an answer.
#pragma once

#include <chrono>
#include <stop_token>

#include "core/result.h"

namespace sightline {

using SteadyTime = std::chrono::steady_clock::time_point;

/// Source of time; tests pass a FakeClock (tests/support/fake_clock.h).
/// Thread-safety: now() may run on many threads at once.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual SteadyTime now() const = 0;
  static const Clock& system();
};

/// A moment after which an answer is useless, and a token by which it can be called off earlier.
/// Travels as an argument from the route to the inner loop. Thread-safety: a value.
class Deadline {
 public:
  /// Never passes and is never called off.
  static Deadline never() { return Deadline(); }
  static Deadline after(std::chrono::milliseconds time, const Clock& clock = Clock::system());
  /// The same moment, called off too when `stop` is requested.
  Deadline with_stop(std::stop_token stop) const;

  bool passed() const;  ///< The moment is over.
  bool stop_requested() const { return stop_.stop_requested(); }
  /// errors  kDeadlineExceeded, kCancelled; the message names `what` was being done.
  Result<void> check(std::string_view what) const;

 private:
  const Clock* clock_ = nullptr;  // null: never
  SteadyTime at_{};
  std::stop_token stop_;
};

}  // namespace sightline
