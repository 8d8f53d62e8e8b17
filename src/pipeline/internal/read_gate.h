// pipeline/internal/read_gate.h: many reads, or one change of what they read from.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <utility>

namespace sightline::pipeline {

/// A shared lock that a thread may take again while it holds it (a visitor that reads); so a change
/// waits for reads, and new reads wait for a change only while it runs.
/// Thread-safety: all methods may be called from any thread.
class ReadGate {
 public:
  /// Held while a read goes on. Movable.
  class Pass {
   public:
    explicit Pass(ReadGate& gate) : gate_(&gate) {}
    Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Pass& operator=(Pass&&) = delete;
    ~Pass() {
      if (gate_ != nullptr) gate_->leave();
    }

   private:
    ReadGate* gate_;
  };

  Pass enter() {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return !changing_; });
    ++num_reads_;
    return Pass(*this);
  }

  /// Runs `change` while no read runs. Must not be called by a thread that holds a Pass.
  template <typename Change>
  auto change(Change&& change) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return !changing_ && num_reads_ == 0; });
      changing_ = true;
    }
    const Opened opened{*this};
    return std::forward<Change>(change)();
  }

 private:
  struct Opened {
    ReadGate& gate;
    ~Opened() {
      {
        const std::lock_guard lock(gate.mutex_);
        gate.changing_ = false;
      }
      gate.wake_.notify_all();
    }
  };

  void leave() {
    {
      const std::lock_guard lock(mutex_);
      if (--num_reads_ != 0) return;
    }
    wake_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::size_t num_reads_ = 0;
  bool changing_ = false;
};

}  // namespace sightline::pipeline
