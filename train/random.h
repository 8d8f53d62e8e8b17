// train/random.h: the trainer's random numbers: small, fast, and saved with a checkpoint.
#pragma once

#include <array>
#include <cstdint>

namespace sightline::train {

/// SplitMix64: the state is one number, so a run that is resumed draws what it would have drawn.
/// Thread-safety: one thread.
class Random {
 public:
  explicit Random(std::uint64_t seed = 0) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  /// Uniform in [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// Uniform in 0..n-1; n > 0.
  std::uint64_t below(std::uint64_t n) { return next() % n; }
  bool chance(double probability) { return uniform() < probability; }

  std::uint64_t state() const { return state_; }
  void set_state(std::uint64_t state) { state_ = state; }

 private:
  std::uint64_t state_;
};

}  // namespace sightline::train
