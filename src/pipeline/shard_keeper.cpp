#include "pipeline/internal/shard_keeper.h"

#include <algorithm>
#include <exception>

#include "core/log.h"

namespace sightline::pipeline {
namespace {

constexpr std::chrono::seconds kFirstPatience{5};
constexpr std::chrono::seconds kMostPatience{600};
constexpr std::chrono::seconds kUrgentPatience{1};  // full shards take memory
constexpr std::chrono::milliseconds kDeadlineLook{20};

SteadyTime now() { return std::chrono::steady_clock::now(); }

}  // namespace

void ShardKeeper::start() {
  if (options_.in_background) thread_ = std::thread([this] { run(); });
}

void ShardKeeper::stop() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    stop_.request_stop();
    while (paused_) changed_.wait(mutex_);
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool ShardKeeper::is_stopping() const {
  const MutexLock lock(mutex_);
  return stopping_;
}

Activity ShardKeeper::activity(SteadyTime time) const {
  // SteadyTime::min() cannot be subtracted from.
  const auto is_recent = [&](SteadyTime past) { return past > time - options_.idle; };
  if (is_recent(last_bulk_)) return Activity::kLoading;
  return is_recent(last_write_) ? Activity::kWriting : Activity::kIdle;
}

void ShardKeeper::note_write(std::uint64_t num_rows, bool is_urgent) {
  {
    const MutexLock lock(mutex_);
    const SteadyTime time = now();
    last_write_ = time;
    if (window_start_ < time - options_.idle) {
      window_start_ = time;
      window_rows_ = 0;
    }
    window_rows_ += num_rows;
    if (window_rows_ >= options_.bulk_rows) last_bulk_ = time;
    const SteadyTime due = std::max(look_at_, not_before_);
    if (is_urgent) not_before_ = std::min(not_before_, time + kUrgentPatience);
    look_at_ = std::min(look_at_, is_urgent ? time : time + options_.idle);
    if (std::max(look_at_, not_before_) >= due) return;
  }
  changed_.notify_all();
}

Result<ShardKeeper::Pause> ShardKeeper::pause(const Deadline& deadline) {
  const MutexLock lock(mutex_);
  // Announced: otherwise the next step could begin before this wakes, again and again.
  struct Waiting {
    int& count;
    explicit Waiting(int& c) : count(c) { ++count; }
    ~Waiting() { --count; }
  } const waiting{num_pausing_};
  while (true) {
    if (stopping_) return not_found("collection \"" + collection_ + "\" is being closed");
    if (!working_ && !paused_) break;
    SIGHTLINE_TRY_DO(deadline.check("waiting for a build of collection \"" + collection_ + "\""));
    if (working_) stop_.request_stop();
    changed_.wait_until(mutex_, now() + kDeadlineLook);
  }
  paused_ = true;
  return Pause(*this);
}

void ShardKeeper::resume() {
  {
    const MutexLock lock(mutex_);
    paused_ = false;
    look_at_ = std::min(look_at_, now());
    ++num_steps_;
  }
  changed_.notify_all();
}

bool ShardKeeper::wait_for_step(SteadyTime end) {
  const MutexLock lock(mutex_);
  const std::uint64_t before = num_steps_;
  while (num_steps_ == before && !stopping_) {
    if (!changed_.wait_until(mutex_, end)) return num_steps_ != before;
  }
  return num_steps_ != before;
}

void ShardKeeper::plan_next_look(const Result<bool>& done, Activity activity_then) {
  const SteadyTime time = now();
  if (!done) {
    if (done.error().code == StatusCode::kCancelled) {
      look_at_ = time;
      return;
    }
    patience_ = std::clamp(2 * patience_, kFirstPatience, kMostPatience);
    not_before_ = time + patience_;
    look_at_ = not_before_;
    return;
  }
  patience_ = {};
  if (*done) {
    look_at_ = time;
  } else if (activity_then != Activity::kIdle) {
    look_at_ = std::min(look_at_, time + options_.idle);
  }
}

void ShardKeeper::run() {
  const MutexLock lock(mutex_);
  while (true) {
    while (!stopping_) {
      const SteadyTime due = std::max(look_at_, not_before_);
      const bool held = paused_ || num_pausing_ > 0;
      if (!held && due <= now()) break;
      if (paused_ || due == SteadyTime::max()) {
        changed_.wait(mutex_);
      } else {
        changed_.wait_until(mutex_, held ? now() + kDeadlineLook : due);
      }
    }
    if (stopping_) return;
    working_ = true;
    stop_ = std::stop_source();
    look_at_ = SteadyTime::max();  // A write during the step brings it forward.
    const Activity activity_now = activity(now());
    const Deadline deadline = Deadline::never().with_stop(stop_.get_token());

    mutex_.unlock();
    Result<bool> done = false;
    try {
      done = step_(activity_now, deadline);
    } catch (const std::exception& e) {
      done = internal_error(std::string("building a shard: ") + e.what());
    }
    if (!done && done.error().code != StatusCode::kCancelled) {
      log_warning("index", "collection \"" + collection_ +
                               "\": background building failed: " + done.error().message);
    }
    mutex_.lock();

    working_ = false;
    ++num_steps_;
    plan_next_look(done, activity_now);
    changed_.notify_all();
  }
}

}  // namespace sightline::pipeline
