#include "core/result.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace sightline {
namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return invalid_argument("value is " + std::to_string(value) + "; want even");
  return value / 2;
}

Result<int> quarter(int value) {
  SIGHTLINE_TRY(const int once, half(value));
  SIGHTLINE_TRY(const int twice, half(once));
  return twice;
}

Result<void> both_even(int a, int b) {
  SIGHTLINE_TRY_DO(half(a));
  SIGHTLINE_TRY_DO(half(b));
  return {};
}

TEST(Result, HoldsAValueOrAStatus) {
  const Result<int> good = half(8);
  ASSERT_TRUE(good);
  EXPECT_EQ(*good, 4);
  const Result<int> bad = half(7);
  ASSERT_FALSE(bad.has_value());
  EXPECT_EQ(bad.error().code, StatusCode::kInvalidArgument);
  EXPECT_EQ(bad.error().message, "value is 7; want even");
}

TEST(Result, TryPassesTheFirstFailureOn) {
  EXPECT_EQ(*quarter(12), 3);
  EXPECT_EQ(quarter(6).error().message, "value is 3; want even");
  EXPECT_TRUE(both_even(2, 4));
  EXPECT_EQ(both_even(2, 5).error().message, "value is 5; want even");
}

TEST(Result, CarriesTypesThatOnlyMove) {
  Result<std::unique_ptr<int>> made = std::make_unique<int>(5);
  ASSERT_TRUE(made);
  const std::unique_ptr<int> taken = *std::move(made);
  EXPECT_EQ(*taken, 5);
}

TEST(Result, ConvertsFromWhatTheValueIsMadeOf) {
  const Result<std::string> text = "abc";
  EXPECT_EQ(*text, "abc");
  const Result<std::shared_ptr<const int>> shared = std::make_shared<int>(3);
  EXPECT_EQ(**shared, 3);
}

TEST(Result, ContextComesFirstInTheMessage) {
  const Status status = not_found("no such file").with_context("/a/b.json");
  EXPECT_EQ(status.code, StatusCode::kNotFound);
  EXPECT_EQ(status.message, "/a/b.json: no such file");
}

TEST(ResultDeath, ValueOfAFailureEndsTheProcessWithTheMessage) {
  EXPECT_DEATH((void)*half(3), "InvalidArgument: value is 3; want even");
  EXPECT_DEATH(SIGHTLINE_CHECK(1 + 1 == 3), "result_test.cpp:[0-9]+: check failed: 1 \\+ 1 == 3");
}

TEST(StatusCodeName, IsDifferentForEveryCode) {
  std::vector<std::string> names;
  for (int code = 0; code <= static_cast<int>(StatusCode::kInternal); ++code) {
    const std::string name(status_code_name(static_cast<StatusCode>(code)));
    EXPECT_THAT(names, testing::Not(testing::Contains(name)));
    EXPECT_NE(name, "Unknown");
    names.push_back(name);
  }
}

}  // namespace
}  // namespace sightline
