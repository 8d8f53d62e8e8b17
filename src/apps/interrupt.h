// apps/interrupt.h: Ctrl-C for jobs that want to end in good order.
#pragma once

#include <signal.h>

#include <array>
#include <stop_token>
#include <string>
#include <thread>

namespace sightline::apps {

/// While it lives, the first SIGINT or SIGTERM prints `notice` on stderr and requests a stop; the
/// second ends the process at once with code 130 (what was acknowledged is on disk). Holds for
/// signals that were ignored before, too: shells start background jobs that way.
/// Thread-safety: one watch at a time; token() and interrupted() from any thread.
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
  std::array<struct sigaction, 2> before_{};
  std::thread thread_;
};

}  // namespace sightline::apps
