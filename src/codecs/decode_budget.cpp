#include "codecs/decode_budget.h"

#include <chrono>

namespace sightline::codecs {
namespace {

// A Deadline may follow any clock, so waiting is cut into short pieces.
constexpr std::chrono::milliseconds kPoll{20};

}  // namespace

void DecodeBudget::Lease::release() {
  if (DecodeBudget* budget = std::exchange(budget_, nullptr)) budget->give_back(bytes_);
}

Result<DecodeBudget::Lease> DecodeBudget::acquire(std::uint64_t bytes, const Deadline& deadline) {
  std::unique_lock lock(mutex_);
  const auto place = waiting_.insert(waiting_.end(), char{});
  const auto may_go = [&] {
    const bool fits = in_use_ == 0 || (bytes <= limit_ && in_use_ <= limit_ - bytes);
    return fits && place == waiting_.begin();
  };
  while (!may_go()) {
    if (auto wanted = deadline.check("waiting for memory to decode a picture"); !wanted) {
      waiting_.erase(place);
      changed_.notify_all();
      return std::move(wanted).error();
    }
    changed_.wait_for(lock, kPoll);
  }
  waiting_.erase(place);
  in_use_ += bytes;
  changed_.notify_all();  // the next in line may fit as well
  return Lease(this, bytes);
}

std::uint64_t DecodeBudget::in_use() const {
  const std::lock_guard lock(mutex_);
  return in_use_;
}

void DecodeBudget::give_back(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  in_use_ -= bytes;
  changed_.notify_all();
}

}  // namespace sightline::codecs
