#include "apps/interrupt.h"

#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "apps/command.h"

namespace sightline::apps {
namespace {

sigset_t watched_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

InterruptWatch::InterruptWatch(std::string notice) : notice_(std::move(notice)) {
  const sigset_t set = watched_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  thread_ = std::thread([this] { watch(); });
}

InterruptWatch::~InterruptWatch() {
  done_.store(true);
  pthread_kill(thread_.native_handle(), SIGTERM);
  thread_.join();
  // The mask stays: other threads, which inherited it, may live longer than the job.
}

void InterruptWatch::watch() {
  const sigset_t set = watched_signals();
  int signal = 0;
  while (sigwait(&set, &signal) == 0 && !done_.load()) {
    if (stop_.stop_requested()) std::_Exit(kExitInterrupted);
    const std::string line = "\r\x1b[Ksightline: " + notice_ + "\n";
    const bool terminal = ::isatty(STDERR_FILENO) != 0;
    const std::string_view text = terminal ? line : std::string_view(line).substr(4);
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
    stop_.request_stop();
  }
}

}  // namespace sightline::apps
