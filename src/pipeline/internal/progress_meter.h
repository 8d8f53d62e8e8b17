// pipeline/internal/progress_meter.h: how fast a job goes, and how long it still takes.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>

#include "core/deadline.h"

namespace sightline::pipeline {

/// What the meter is told. Work is what costs time: sources that must be read. Those that a look
/// into `sources` settles (unchanged, skipped before) take microseconds and say nothing about the
/// rest, so they stay out of every rate.
struct WorkDone {
  std::uint64_t done = 0;   ///< Work finished.
  std::uint64_t known = 0;  ///< Work found so far; what is left is known - done.
};

/// Thread-safety: one thread.
class ProgressMeter {
 public:
  explicit ProgressMeter(SteadyTime start) : start_(start) { samples_.push_back({start, {}}); }

  void update(SteadyTime now, WorkDone work);

  /// Work per second over the last five seconds.
  double recent_rate() const;
  /// From the rate smoothed over about 15 s; negative until two seconds and some work have passed.
  std::chrono::duration<double> eta() const;

 private:
  struct Sample {
    SteadyTime time;
    WorkDone work;
  };
  SteadyTime start_;
  std::deque<Sample> samples_;                   // the last five seconds and the one before them
  double smooth_done_ = 0, smooth_seconds_ = 0;  // both fade with the same half-life
};

}  // namespace sightline::pipeline
