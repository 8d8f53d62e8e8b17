#include "apps/signal_wait.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <utility>

#include "apps/command.h"

namespace sightline::apps {
namespace {

// As in interrupt.cpp: a handler and a pipe, because threads that libraries started before main()
// would be given signals that ours block.
std::array<int, 2> pipe_ends = {-1, -1};
std::atomic<bool> ends_at_next{false};

void on_signal(int signal) {
  if (ends_at_next.load() && signal != SIGHUP) ::_exit(kExitInterrupted);
  const int error = errno;
  const auto number = static_cast<unsigned char>(signal);
  [[maybe_unused]] const auto written = ::write(pipe_ends[1], &number, 1);
  errno = error;
}

}  // namespace

SignalWait::SignalWait(std::vector<int> signals) : signals_(std::move(signals)) {
  SIGHTLINE_CHECK(pipe_ends[0] < 0 && ::pipe2(pipe_ends.data(), O_CLOEXEC) == 0);
  ends_at_next.store(false);
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (const int signal : signals_) ::sigaction(signal, &action, &before_.emplace_back());
}

SignalWait::~SignalWait() {
  for (std::size_t i = 0; i < signals_.size(); ++i) {
    ::sigaction(signals_[i], &before_[i], nullptr);
  }
  for (int& end : pipe_ends) ::close(std::exchange(end, -1));
}

int SignalWait::wait() {
  unsigned char number = 0;
  for (;;) {
    const ssize_t got = ::read(pipe_ends[0], &number, 1);
    if (got == 1) return number;
    if (got < 0 && errno == EINTR) continue;
    return SIGTERM;
  }
}

void SignalWait::end_at_next() { ends_at_next.store(true); }

}  // namespace sightline::apps
