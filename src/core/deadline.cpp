#include "core/deadline.h"

#include <string>

namespace sightline {
namespace {

class SystemClock final : public Clock {
 public:
  SteadyTime now() const override { return std::chrono::steady_clock::now(); }
};

}  // namespace

const Clock& Clock::system() {
  static const SystemClock clock;
  return clock;
}

Deadline Deadline::after(std::chrono::milliseconds time, const Clock& clock) {
  Deadline deadline;
  deadline.clock_ = &clock;
  const SteadyTime now = clock.now();
  // A time so long that the sum would wrap means the end of the clock's range.
  const auto room = std::chrono::duration_cast<std::chrono::milliseconds>(SteadyTime::max() - now);
  deadline.at_ = time >= room ? SteadyTime::max() : now + time;
  return deadline;
}

Deadline Deadline::with_stop(std::stop_token stop) const {
  Deadline copy = *this;
  copy.stop_ = std::move(stop);
  return copy;
}

bool Deadline::passed() const { return clock_ != nullptr && clock_->now() >= at_; }

Result<void> Deadline::check(std::string_view what) const {
  if (stop_requested()) return Status{StatusCode::kCancelled, std::string(what) + " was cancelled"};
  if (passed()) {
    return Status{StatusCode::kDeadlineExceeded,
                  "the deadline passed before " + std::string(what) + " was done"};
  }
  return {};
}

}  // namespace sightline
