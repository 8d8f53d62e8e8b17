// pipeline/internal/shard_keeper.h: the thread that seals, merges and compacts in the background.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <thread>

#include "core/deadline.h"
#include "core/mutex.h"
#include "core/result.h"
#include "pipeline/data_folder.h"
#include "pipeline/internal/shard_policy.h"

namespace sightline::pipeline {

/// Decides when a step is looked for; what it does is the store's.
/// Thread-safety: all methods may be called from any thread, start() and stop() by one.
class ShardKeeper {
 public:
  /// One step; false: there was nothing to do.
  using Step = std::function<Result<bool>(Activity activity, const Deadline& deadline)>;

  ShardKeeper(std::string collection, const SealingOptions& options, Step step)
      : collection_(std::move(collection)), options_(options), step_(std::move(step)) {}
  ~ShardKeeper() { stop(); }
  ShardKeeper(const ShardKeeper&) = delete;
  ShardKeeper& operator=(const ShardKeeper&) = delete;

  void start();
  /// Calls off the step that runs, and waits for its end and for that of a Pause.
  void stop();

  /// After each commit. `is_urgent`: a growing shard is full.
  void note_write(std::uint64_t num_rows, bool is_urgent);

  /// While it lives no background step runs, and no other Pause lives.
  class Pause {
   public:
    explicit Pause(ShardKeeper& keeper) : keeper_(&keeper) {}
    Pause(Pause&& other) noexcept : keeper_(std::exchange(other.keeper_, nullptr)) {}
    Pause& operator=(Pause&&) = delete;
    ~Pause() {
      if (keeper_ != nullptr) keeper_->resume();
    }

   private:
    ShardKeeper* keeper_;
  };
  /// Calls off the step that runs. errors  kCancelled, kDeadlineExceeded; kNotFound: stopped.
  Result<Pause> pause(const Deadline& deadline);
  /// Whether stop() was called: work under a Pause should end.
  bool is_stopping() const;

  /// Waits for the end of a step; false if none has ended until `end`.
  bool wait_for_step(SteadyTime end);

 private:
  void run();
  void resume();
  Activity activity(SteadyTime now) const REQUIRES(mutex_);
  void plan_next_look(const Result<bool>& done, Activity activity) REQUIRES(mutex_);

  const std::string collection_;
  const SealingOptions options_;
  const Step step_;
  std::thread thread_;

  mutable Mutex mutex_;
  CondVar changed_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  bool working_ GUARDED_BY(mutex_) = false;
  bool paused_ GUARDED_BY(mutex_) = false;
  int num_pausing_ GUARDED_BY(mutex_) = 0;  // calls of pause() that wait
  std::size_t num_pauses_wanted_ GUARDED_BY(mutex_) = 0;
  std::uint64_t num_steps_ GUARDED_BY(mutex_) = 0;
  std::stop_source stop_ GUARDED_BY(mutex_);
  SteadyTime look_at_ GUARDED_BY(mutex_) = SteadyTime::min();
  SteadyTime not_before_ GUARDED_BY(mutex_) = SteadyTime::min();  // after a failure
  std::chrono::seconds patience_ GUARDED_BY(mutex_){0};
  SteadyTime last_write_ GUARDED_BY(mutex_) = SteadyTime::min();
  SteadyTime last_bulk_ GUARDED_BY(mutex_) = SteadyTime::min();
  SteadyTime window_start_ GUARDED_BY(mutex_) = SteadyTime::min();
  std::uint64_t window_rows_ GUARDED_BY(mutex_) = 0;
};

}  // namespace sightline::pipeline
