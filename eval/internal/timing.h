// eval/internal/timing.h: latencies as reports give them.
#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

namespace sightline::eval {

/// Seconds since it was made.
class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }
  double milliseconds() const { return 1000 * seconds(); }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

/// The value at `share` of the way through (nearest rank). At least one value.
double percentile(std::vector<double> values, double share);

}  // namespace sightline::eval
