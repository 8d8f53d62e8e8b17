#include "pipeline/internal/progress_meter.h"

#include <cmath>

namespace sightline::pipeline {
namespace {

constexpr std::chrono::duration<double> kWindow{5};
constexpr std::chrono::duration<double> kSmoothing{15};
constexpr std::chrono::duration<double> kFirstEstimate{2};

}  // namespace

void ProgressMeter::update(SteadyTime now, WorkDone work) {
  const Sample& last = samples_.back();
  const std::chrono::duration<double> step = now - last.time;
  if (step.count() <= 0) return;
  // Done and seconds fade alike, so their quotient is unbiased from the first sample on.
  const double keep = std::exp(-step / kSmoothing);
  smooth_done_ = smooth_done_ * keep + static_cast<double>(work.done - last.work.done);
  smooth_seconds_ = smooth_seconds_ * keep + step.count();
  samples_.push_back({now, work});
  while (samples_.size() > 2 && now - samples_[1].time >= kWindow) samples_.pop_front();
}

double ProgressMeter::recent_rate() const {
  const Sample &first = samples_.front(), &last = samples_.back();
  const std::chrono::duration<double> time = last.time - first.time;
  if (time.count() <= 0) return 0;
  return static_cast<double>(last.work.done - first.work.done) / time.count();
}

std::chrono::duration<double> ProgressMeter::eta() const {
  const Sample& last = samples_.back();
  const std::uint64_t left = last.work.known - last.work.done;
  if (left == 0 && last.work.known > 0) return std::chrono::duration<double>(0);
  if (last.time - start_ < kFirstEstimate || smooth_done_ <= 0) {
    return std::chrono::duration<double>(-1);
  }
  return std::chrono::duration<double>(static_cast<double>(left) * smooth_seconds_ / smooth_done_);
}

}  // namespace sightline::pipeline
