// tests/support/fake_clock.h: a clock that stands still until a test moves it.
#pragma once

#include <atomic>
#include <chrono>

#include "core/deadline.h"

namespace sightline::testing_support {

/// Thread-safety: any thread may read and advance.
class FakeClock final : public Clock {
 public:
  SteadyTime now() const override { return SteadyTime(SteadyTime::duration(ticks_.load())); }
  void advance(std::chrono::nanoseconds time) {
    ticks_ += std::chrono::duration_cast<SteadyTime::duration>(time).count();
  }

 private:
  std::atomic<SteadyTime::duration::rep> ticks_{0};
};

}  // namespace sightline::testing_support
