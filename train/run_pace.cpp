#include "train/internal/run_pace.h"

#include <algorithm>
#include <utility>

namespace sightline::train {
namespace {

constexpr double kReportSeconds = 5;

double seconds_between(std::chrono::steady_clock::time_point from,
                       std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

TrainProgress PreparePace::at(std::size_t done, std::size_t total) const {
  TrainProgress p;
  p.stage = "prepare";
  p.done = done;
  p.total = total;
  p.share = static_cast<double>(done) / static_cast<double>(std::max<std::size_t>(total, 1));
  const double gone = seconds_between(start_, std::chrono::steady_clock::now());
  p.eta_seconds = done > 0 ? gone * (1 / p.share - 1) : 0;
  return p;
}

RunPace::RunPace(RunLength length, double checkpoint_minutes, double evaluate_minutes,
                 RunState& state)
    : length_(length),
      checkpoint_minutes_(checkpoint_minutes),
      evaluate_minutes_(evaluate_minutes),
      state_(state),
      seconds_before_(state.active_seconds),
      seen_at_report_(state.pictures_seen) {}

double RunPace::share() const {
  return length_.steps > 0 ? static_cast<double>(state_.step) / static_cast<double>(length_.steps)
                           : state_.active_seconds / (length_.minutes * 60);
}

void RunPace::end_step(std::uint64_t num_seen) {
  state_.pictures_seen += num_seen;
  state_.active_seconds = seconds_before_ + seconds_between(start_, Clock::now());
}

bool RunPace::is_report_due() const {
  return is_done() || seconds_between(last_report_, Clock::now()) >= kReportSeconds;
}

TrainProgress RunPace::report(std::string stage) {
  TrainProgress p = progress(std::move(stage));
  p.pictures_per_second = static_cast<double>(state_.pictures_seen - seen_at_report_) /
                          std::max(1e-9, seconds_between(last_report_, Clock::now()));
  p.eta_seconds = length_.steps > 0 ? state_.active_seconds * (1 / std::max(p.share, 1e-9) - 1)
                                    : length_.minutes * 60 - state_.active_seconds;
  restart_report();
  return p;
}

TrainProgress RunPace::evaluated() {
  last_evaluation_ = Clock::now();
  restart_report();
  return progress("evaluate");
}

Status RunPace::stopped() const {
  return {StatusCode::kCancelled, "stopped at step " + std::to_string(state_.step) +
                                      "; the same command goes on from there"};
}

bool RunPace::is_due(Clock::time_point last, double minutes) {
  return minutes > 0 && seconds_between(last, Clock::now()) >= minutes * 60;
}

TrainProgress RunPace::progress(std::string stage) const {
  TrainProgress p;
  p.stage = std::move(stage);
  p.done = state_.step;
  p.total = length_.steps;
  p.share = std::min(1.0, share());
  p.pictures_seen = state_.pictures_seen;
  return p;
}

void RunPace::restart_report() {
  last_report_ = Clock::now();
  seen_at_report_ = state_.pictures_seen;
}

}  // namespace sightline::train
