#include "pipeline/internal/progress_meter.h"

#include <gtest/gtest.h>

namespace sightline::pipeline {
namespace {

using std::chrono::milliseconds;

class Meter : public testing::Test {
 protected:
  /// Lets `seconds` pass at `per_second`, in ticks of 250 ms.
  void run(double seconds, double per_second) {
    for (double t = 0; t < seconds; t += 0.25) {
      now_ += milliseconds(250);
      done_ += per_second * 0.25;
      meter_.update(now_, {static_cast<std::uint64_t>(done_), known_});
    }
  }
  SteadyTime now_{};
  double done_ = 0;
  std::uint64_t known_ = 100'000;
  ProgressMeter meter_{SteadyTime{}};
};

TEST_F(Meter, KnowsNothingAtFirst) {
  run(1, 100);
  EXPECT_LT(meter_.eta().count(), 0);
}

TEST_F(Meter, SteadyRateGivesTheTrueTime) {
  run(20, 100);
  EXPECT_NEAR(meter_.recent_rate(), 100, 1);
  EXPECT_NEAR(meter_.eta().count(), (100'000 - 2000) / 100.0, 10);
}

TEST_F(Meter, FollowsAChangeOfPaceAndShrugsAtAHiccup) {
  run(60, 100);
  run(1, 0);  // a slow commit
  EXPECT_NEAR(meter_.eta().count(), (100'000 - done_) / 100, 100);
  run(60, 50);
  EXPECT_NEAR(meter_.recent_rate(), 50, 1);
  EXPECT_NEAR(meter_.eta().count(), (100'000 - done_) / 50, 60);
}

TEST_F(Meter, IsZeroWhenNothingIsLeft) {
  known_ = 500;
  run(5, 100);
  EXPECT_EQ(meter_.eta().count(), 0);
}

TEST_F(Meter, UnknownWhileNothingIsDone) {
  run(10, 0);
  EXPECT_LT(meter_.eta().count(), 0);
}

}  // namespace
}  // namespace sightline::pipeline
