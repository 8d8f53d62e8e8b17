// pipeline/internal/stage_times.h: where the time of a job goes.
#pragma once

#include <time.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace sightline::pipeline {

/// CPU seconds summed over threads; kStore, kPrune and on a GPU kEncode: wall seconds.
enum class Stage { kScan, kRead, kHash, kDecode, kFacts, kPreprocess, kEncode, kStore, kPrune };
inline constexpr std::array<const char*, 9> kStageNames{"scan_s",   "read_s",  "hash_s",
                                                        "decode_s", "facts_s", "preprocess_s",
                                                        "encode_s", "store_s", "prune_s"};

/// Thread-safety: add() may be called from any thread.
class StageTimes {
 public:
  void add(Stage stage, std::chrono::nanoseconds time) {
    ns_[static_cast<std::size_t>(stage)] += time.count();
  }
  std::map<std::string, double> seconds() const {
    std::map<std::string, double> result;
    for (std::size_t i = 0; i < ns_.size(); ++i) {
      result[kStageNames[i]] = static_cast<double>(ns_[i].load()) * 1e-9;
    }
    return result;
  }

 private:
  std::array<std::atomic<std::int64_t>, kStageNames.size()> ns_{};
};

/// CPU time of the calling thread.
inline std::chrono::nanoseconds thread_cpu_time() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}
inline std::chrono::nanoseconds wall_time() {
  return std::chrono::steady_clock::now().time_since_epoch();
}

/// Adds the time between its birth and its death to a stage.
template <std::chrono::nanoseconds (*kNow)()>
class StageTimer {
 public:
  StageTimer(StageTimes& times, Stage stage) : times_(times), stage_(stage) {}
  ~StageTimer() { times_.add(stage_, kNow() - start_); }
  StageTimer(const StageTimer&) = delete;
  StageTimer& operator=(const StageTimer&) = delete;

 private:
  StageTimes& times_;
  const Stage stage_;
  const std::chrono::nanoseconds start_ = kNow();
};
using CpuTimer = StageTimer<thread_cpu_time>;
using WallTimer = StageTimer<wall_time>;

}  // namespace sightline::pipeline
