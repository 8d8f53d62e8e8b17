#include "apps/interrupt.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>

#include "apps/command.h"

namespace sightline::apps {
namespace {

constexpr std::array<int, 2> kSignals = {SIGINT, SIGTERM};
constexpr char kStop = 's', kDone = 'd';

// A handler, because blocking a signal in our own threads is not enough: OpenBLAS starts threads
// before main() which would be given it. The handler tells the watch through a pipe.
std::array<int, 2> pipe_ends = {-1, -1};
std::atomic<int> num_signals{0};

void tell(char what) {
  const int error = errno;
  [[maybe_unused]] const auto written = ::write(pipe_ends[1], &what, 1);
  errno = error;
}

void on_signal(int) {
  if (num_signals.fetch_add(1) > 0) ::_exit(kExitInterrupted);
  tell(kStop);
}

}  // namespace

InterruptWatch::InterruptWatch(std::string notice) : notice_(std::move(notice)) {
  num_signals.store(0);
  SIGHTLINE_CHECK(pipe_ends[0] < 0 && ::pipe2(pipe_ends.data(), O_CLOEXEC) == 0);
  thread_ = std::thread([this] { watch(); });
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    ::sigaction(kSignals[i], &action, &before_[i]);
  }
}

InterruptWatch::~InterruptWatch() {
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    ::sigaction(kSignals[i], &before_[i], nullptr);
  }
  tell(kDone);
  thread_.join();
  for (int& end : pipe_ends) {
    ::close(end);
    end = -1;
  }
}

void InterruptWatch::watch() {
  char what = 0;
  for (;;) {
    const ssize_t got = ::read(pipe_ends[0], &what, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got != 1 || what == kDone) return;
    const std::string line = "\r\x1b[Ksightline: " + notice_ + "\n";
    const bool terminal = ::isatty(STDERR_FILENO) != 0;
    const std::string_view text = terminal ? line : std::string_view(line).substr(4);
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
    stop_.request_stop();
  }
}

}  // namespace sightline::apps
