// apps/signal_wait.h: signals for a command that runs until it is told to end.
#pragma once

#include <signal.h>

#include <vector>

namespace sightline::apps {

/// While it lives, the signals given are not deadly but wait to be fetched.
/// Thread-safety: one at a time, one thread.
class SignalWait {
 public:
  explicit SignalWait(std::vector<int> signals);
  ~SignalWait();
  SignalWait(const SignalWait&) = delete;
  SignalWait& operator=(const SignalWait&) = delete;

  /// The next signal.
  int wait();
  /// From here on SIGINT and SIGTERM end the process at once, with code 130.
  void end_at_next();

 private:
  std::vector<int> signals_;
  std::vector<struct sigaction> before_;
};

}  // namespace sightline::apps
