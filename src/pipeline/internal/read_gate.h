// pipeline/internal/read_gate.h: many reads, or one change of what they read from.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

#include "core/mutex.h"

namespace sightline::pipeline {

/// A shared lock that a thread may take again while it holds it (a visitor that reads). A change
/// waits for reads; new reads wait for a running change, and step aside for a waiting one for a
/// moment only, since they may be part of the read it waits for. Thread-safety: all methods may be
/// called from any thread.
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
    const MutexLock lock(mutex_);
    const auto end = std::chrono::steady_clock::now() + kCourtesy;
    while (changing_ || (num_waiting_ > 0 && std::chrono::steady_clock::now() < end)) {
      if (changing_) {
        wake_.wait(mutex_);
      } else {
        wake_.wait_until(mutex_, end);
      }
    }
    ++num_reads_;
    return Pass(*this);
  }

  /// Runs `change` while no read runs. Must not be called by a thread that holds a Pass.
  template <typename Change>
  auto change(Change&& change) {
    {
      const MutexLock lock(mutex_);
      ++num_waiting_;
      while (changing_ || num_reads_ > 0) wake_.wait(mutex_);
      --num_waiting_;
      changing_ = true;
    }
    const Opened opened{*this};
    return std::forward<Change>(change)();
  }

  /// As change(), but gives up with nullopt when reads have not ended within `time`: for threads
  /// that may hold a Pass.
  template <typename Change>
  auto change_within(std::chrono::milliseconds time, Change&& change)
      -> std::optional<std::invoke_result_t<Change>> {
    {
      const MutexLock lock(mutex_);
      const auto end = std::chrono::steady_clock::now() + time;
      ++num_waiting_;
      bool in_time = true;
      while (in_time && (changing_ || num_reads_ > 0)) in_time = wake_.wait_until(mutex_, end);
      --num_waiting_;
      if (changing_ || num_reads_ > 0) return std::nullopt;
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
        const MutexLock lock(gate.mutex_);
        gate.changing_ = false;
      }
      gate.wake_.notify_all();
    }
  };

  void leave() {
    {
      const MutexLock lock(mutex_);
      if (--num_reads_ != 0) return;
    }
    wake_.notify_all();
  }

  static constexpr std::chrono::milliseconds kCourtesy{100};

  Mutex mutex_;
  CondVar wake_;
  std::size_t num_waiting_ GUARDED_BY(mutex_) = 0;  // changes
  std::size_t num_reads_ GUARDED_BY(mutex_) = 0;
  bool changing_ GUARDED_BY(mutex_) = false;
};

}  // namespace sightline::pipeline
