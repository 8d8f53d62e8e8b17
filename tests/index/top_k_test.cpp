#include "index/top_k.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <random>

namespace sightline::index {
namespace {

using testing::ElementsAre;

class HigherSlotFirst final : public SlotOrder {
 public:
  bool before(Slot a, Slot b) const override { return a > b; }
};

TEST(TopK, KeepsTheBestInOrder) {
  TopK best(2, nullptr);
  EXPECT_EQ(best.worst_distance(), std::numeric_limits<float>::infinity());
  best.offer({3, 1});
  best.offer({1, 2});
  EXPECT_EQ(best.worst_distance(), 3);
  best.offer({2, 3});
  best.offer({5, 4});
  EXPECT_EQ(best.worst_distance(), 2);
  EXPECT_THAT(best.take_sorted(), ElementsAre(Candidate{1, 2}, Candidate{2, 3}));
  EXPECT_THAT(best.take_sorted(), ElementsAre());
}

TEST(TopK, TiesGoByOrder) {
  const HigherSlotFirst order;
  TopK low(2, nullptr), high(2, &order);
  for (const Slot slot : {5U, 9U, 1U, 7U}) {
    low.offer({1, slot});
    high.offer({1, slot});
  }
  EXPECT_THAT(low.take_sorted(), ElementsAre(Candidate{1, 1}, Candidate{1, 5}));
  EXPECT_THAT(high.take_sorted(), ElementsAre(Candidate{1, 9}, Candidate{1, 7}));
}

TEST(TopK, InfinitelyFarIsStillFound) {
  TopK best(3, nullptr);
  best.offer({std::numeric_limits<float>::infinity(), 2});
  best.offer({std::numeric_limits<float>::infinity(), 1});
  EXPECT_EQ(best.take_sorted().size(), 2U);
}

TEST(TopK, EqualsASortWhateverTheOrderOfArrival) {
  std::mt19937 random(11);
  for (int round = 0; round < 200; ++round) {
    std::vector<Candidate> all(random() % 60);
    for (Slot slot = 0; slot < all.size(); ++slot)
      all[slot] = {static_cast<float>(random() % 10), slot};
    auto sorted = all;
    std::sort(sorted.begin(), sorted.end(), [](const Candidate& a, const Candidate& b) {
      return a.distance != b.distance ? a.distance < b.distance : a.slot < b.slot;
    });
    const std::size_t k = 1 + random() % 20;
    sorted.resize(std::min(k, sorted.size()));
    std::shuffle(all.begin(), all.end(), random);
    TopK first(k, nullptr), second(k, nullptr);
    for (const Candidate& candidate : all) (random() % 2 == 0 ? first : second).offer(candidate);
    first.merge(second);
    ASSERT_EQ(first.take_sorted(), sorted) << "round " << round;
  }
}

}  // namespace
}  // namespace sightline::index
