#include "pipeline/internal/mmr.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "tests/support/fake_clock.h"

namespace sightline::pipeline {
namespace {

/// Places on a line; alike as they are near.
struct MmrCase {
  std::string name;
  std::vector<float> places, relevance;
  float diversity;
  std::size_t limit;
  std::vector<std::size_t> picked;
};
class Mmr : public testing::TestWithParam<MmrCase> {};

TEST_P(Mmr, PicksOneByOne) {
  const MmrCase& c = GetParam();
  const auto alike = [&c](std::size_t a, std::size_t b) {
    return 1 - std::abs(c.places[a] - c.places[b]);
  };
  const auto picked = pick_diverse(c.relevance, alike, c.diversity, c.limit, Deadline::never());
  ASSERT_TRUE(picked) << picked.error().message;
  EXPECT_EQ(*picked, c.picked);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, Mmr,
    testing::ValuesIn(std::vector<MmrCase>{
        {"NoCandidates", {}, {}, 0.5f, 3, {}},
        {"NothingWanted", {0}, {1}, 0.5f, 0, {}},
        {"FewerThanWanted", {0, 1}, {0.5f, 1}, 0.5f, 9, {1, 0}},
        {"RelevanceAlone", {0, 0, 1}, {0.9f, 0.8f, 0.1f}, 0, 3, {0, 1, 2}},
        {"TheFirstIsTheMostRelevant", {0, 0, 1}, {0.1f, 0.9f, 0.2f}, 1, 2, {1, 2}},
        // after 0: 0.5 * 0.8 - 0.5 * 1 = -0.1 and 0.5 * 0.1 - 0.5 * 0 = 0.05
        {"ALessRelevantOneIsElsewhere", {0, 0, 1}, {0.9f, 0.8f, 0.1f}, 0.5f, 2, {0, 2}},
        {"TiesGoToTheEarlier", {0, 0.5f, 0.5f}, {1, 0.3f, 0.3f}, 0.5f, 3, {0, 1, 2}},
    }),
    [](const auto& info) { return info.param.name; });

TEST(MmrRandom, IsTheGreedyChoice) {
  std::mt19937 random(7);
  std::uniform_real_distribution<float> any(-1, 1);
  for (int round = 0; round < 50; ++round) {
    const std::size_t n = 1 + random() % 40;
    std::vector<float> relevance(n), alike(n * n);
    for (float& value : relevance) value = any(random);
    for (std::size_t a = 0; a < n; ++a)
      for (std::size_t b = 0; b <= a; ++b) alike[a * n + b] = alike[b * n + a] = any(random);
    const float diversity = (any(random) + 1) / 2;
    const auto picked = pick_diverse(
        relevance, [&](std::size_t a, std::size_t b) { return alike[a * n + b]; }, diversity, n,
        Deadline::never());
    ASSERT_TRUE(picked);
    ASSERT_EQ(picked->size(), n);
    const auto value = [&](std::size_t candidate, std::size_t num_before) {
      float closest = -2;
      for (std::size_t i = 0; i < num_before; ++i)
        closest = std::max(closest, alike[candidate * n + (*picked)[i]]);
      return num_before == 0 ? relevance[candidate]
                             : (1 - diversity) * relevance[candidate] - diversity * closest;
    };
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t later = i; later < n; ++later)
        EXPECT_LE(value((*picked)[later], i), value((*picked)[i], i)) << "round " << round;
    }
  }
}

TEST(MmrDeadline, EndsIt) {
  testing_support::FakeClock clock;
  const Deadline deadline = Deadline::after(std::chrono::milliseconds(1), clock);
  clock.advance(std::chrono::milliseconds(2));
  const std::vector<float> relevance{1, 2};
  const auto picked = pick_diverse(
      relevance, [](auto, auto) { return 0.f; }, 0.5f, 2, deadline);
  ASSERT_FALSE(picked);
  EXPECT_EQ(picked.error().code, StatusCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace sightline::pipeline
