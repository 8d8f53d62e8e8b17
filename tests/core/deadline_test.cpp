#include "core/deadline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_clock.h"

namespace sightline {
namespace {

using std::chrono::milliseconds;
using testing_support::FakeClock;

TEST(Deadline, NeverNeitherPassesNorStops) {
  EXPECT_FALSE(Deadline::never().passed());
  EXPECT_FALSE(Deadline::never().stop_requested());
  EXPECT_TRUE(Deadline::never().check("encoding"));
}

TEST(Deadline, PassesAtItsMoment) {
  FakeClock clock;
  const Deadline deadline = Deadline::after(milliseconds(100), clock);
  clock.advance(milliseconds(99));
  EXPECT_TRUE(deadline.check("encoding"));
  clock.advance(milliseconds(1));
  EXPECT_TRUE(deadline.passed());
  const auto checked = deadline.check("encoding");
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, StatusCode::kDeadlineExceeded);
  EXPECT_THAT(checked.error().message, testing::HasSubstr("encoding"));
}

TEST(Deadline, ZeroAndNegativeTimesHavePassed) {
  FakeClock clock;
  EXPECT_TRUE(Deadline::after(milliseconds(0), clock).passed());
  EXPECT_TRUE(Deadline::after(milliseconds(-5), clock).passed());
}

TEST(Deadline, TheLongestTimeDoesNotWrap) {
  FakeClock clock;
  clock.advance(std::chrono::hours(1));
  EXPECT_FALSE(Deadline::after(milliseconds::max(), clock).passed());
  EXPECT_FALSE(Deadline::after(milliseconds::max()).passed());
}

TEST(Deadline, StopCallsOffEarlierAndIsNamedFirst) {
  FakeClock clock;
  std::stop_source stop;
  const Deadline deadline = Deadline::after(milliseconds(10), clock).with_stop(stop.get_token());
  EXPECT_TRUE(deadline.check("search"));
  stop.request_stop();
  EXPECT_TRUE(deadline.stop_requested());
  EXPECT_FALSE(deadline.passed());
  EXPECT_EQ(deadline.check("search").error().code, StatusCode::kCancelled);
  clock.advance(milliseconds(10));
  EXPECT_EQ(deadline.check("search").error().code, StatusCode::kCancelled);
}

TEST(Clock, SystemMovesForward) {
  const SteadyTime before = Clock::system().now();
  EXPECT_GE(Clock::system().now(), before);
}

}  // namespace
}  // namespace sightline
