// train/internal/run_pace.h: where a run stands, how far that is, and when it reports, saves and
// measures.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "core/result.h"
#include "train/trainer.h"

namespace sightline::train {

struct RunState {
  std::uint64_t step = 0, pictures_seen = 0;
  double active_seconds = 0;
  std::uint64_t random = 0;  ///< Random::state()
  std::string identity;      ///< Of model and tokenizer: a checkpoint of another is refused.
};

struct RunLength {
  std::uint64_t steps = 0;
  double minutes = 0;  ///< Of active time; ignored if steps > 0.
};

/// Of the stage "prepare", which begins where this is made.
class PreparePace {
 public:
  TrainProgress at(std::size_t done, std::size_t total) const;

 private:
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Begins counting where it is made. Thread-safety: one thread.
class RunPace {
 public:
  /// checkpoint_minutes, evaluate_minutes  of wall time between two; 0: never due.
  RunPace(RunLength length, double checkpoint_minutes, double evaluate_minutes, RunState& state);

  /// Of the run, from 0; 1 and more: done.
  double share() const;
  bool is_done() const { return share() >= 1; }

  /// After each step; the caller counts `state.step`.
  void end_step(std::uint64_t num_seen);

  /// Every few seconds, and at the end.
  bool is_report_due() const;
  /// Fills what is known here; the time and the pictures until the next report count from now.
  TrainProgress report(std::string stage);

  bool is_checkpoint_due() const { return is_due(last_checkpoint_, checkpoint_minutes_); }
  void saved() { last_checkpoint_ = Clock::now(); }

  bool is_evaluation_due() const { return is_due(last_evaluation_, evaluate_minutes_); }
  /// A report of the stage "evaluate". The time that measuring took counts for no speed.
  TrainProgress evaluated();

  /// What a run says that was asked to stop.
  Status stopped() const;

 private:
  using Clock = std::chrono::steady_clock;

  static bool is_due(Clock::time_point last, double minutes);
  TrainProgress progress(std::string stage) const;
  void restart_report();

  const RunLength length_;
  const double checkpoint_minutes_, evaluate_minutes_;
  RunState& state_;
  const double seconds_before_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point last_report_ = start_, last_checkpoint_ = start_, last_evaluation_ = start_;
  std::uint64_t seen_at_report_;
};

}  // namespace sightline::train
