// apps/interrupt.h: Ctrl-C for jobs that want to end in good order.
#pragma once

#include <atomic>
#include <stop_token>
#include <string>
#include <thread>

namespace sightline::apps {

/// While it lives, the first SIGINT or SIGTERM prints `notice` on stderr and requests a stop; the
/// second ends the process at once with code 130 (what was acknowledged is on disk).
/// Create it before other threads start: they inherit its signal mask.
class InterruptWatch {
 public:
  explicit InterruptWatch(std::string notice);
  ~InterruptWatch();
  InterruptWatch(const InterruptWatch&) = delete;
  InterruptWatch& operator=(const InterruptWatch&) = delete;

  std::stop_token token() const { return stop_.get_token(); }
  bool interrupted() const { return stop_.stop_requested(); }

 private:
  void watch();

  std::string notice_;
  std::stop_source stop_;
  std::atomic<bool> done_{false};
  std::thread thread_;
};

}  // namespace sightline::apps
