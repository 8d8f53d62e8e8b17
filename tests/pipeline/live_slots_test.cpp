#include "pipeline/internal/live_slots.h"

#include <gmock/gmock.h>

#include <random>
#include <set>
#include <vector>

namespace sightline::pipeline {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(LiveSlots, AViewStaysAsItWas) {
  LiveSlots slots;
  EXPECT_THAT(slots.view().slots().to_vector(), IsEmpty());
  EXPECT_TRUE(slots.add(7));
  EXPECT_FALSE(slots.add(7));
  EXPECT_TRUE(slots.add(3));
  const LiveSlots::View before = slots.view();
  EXPECT_TRUE(slots.remove(7));
  EXPECT_FALSE(slots.remove(7));
  EXPECT_TRUE(slots.add(9));
  EXPECT_THAT(before.slots().to_vector(), ElementsAre(3, 7));
  EXPECT_EQ(before.count(), 2U);
  EXPECT_THAT(slots.view().slots().to_vector(), ElementsAre(3, 9));
  EXPECT_THAT(LiveSlots::View().slots().to_vector(), IsEmpty());
}

TEST(LiveSlots, ManyChangesAgreeWithASet) {
  std::mt19937 random(1);
  LiveSlots slots;
  std::set<std::uint32_t> model;
  std::vector<std::pair<LiveSlots::View, std::set<std::uint32_t>>> moments;
  for (int i = 0; i < 30'000; ++i) {  // The log is full several times.
    const std::uint32_t slot = random() % 1000;
    if (random() % 2 == 0) {
      EXPECT_EQ(slots.add(slot), model.insert(slot).second);
    } else {
      EXPECT_EQ(slots.remove(slot), model.erase(slot) == 1);
    }
    if (i % 1777 == 0) moments.emplace_back(slots.view(), model);
  }
  for (const auto& [view, then] : moments) {
    EXPECT_EQ(view.slots().to_vector(), std::vector<std::uint32_t>(then.begin(), then.end()));
    EXPECT_EQ(view.count(), then.size());
  }
}

TEST(LiveSlots, AreAssignedWhole) {
  LiveSlots slots;
  slots.add(1);
  Bitmap fresh;
  fresh.add_range(10, 20);
  slots.assign(fresh);
  slots.remove(12);
  EXPECT_EQ(slots.view().count(), 9U);
  EXPECT_FALSE(slots.contains(1));
  EXPECT_TRUE(slots.contains(19));
}

}  // namespace
}  // namespace sightline::pipeline
