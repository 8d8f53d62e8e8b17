#include "eval/match_threshold.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace sightline::eval {
namespace {

/// `num_captions` captions over 200 pictures each; every caption's own picture scores `spreads`
/// spreads above the others, whose scores are spread evenly around 0.2.
struct Captioned {
  explicit Captioned(std::size_t num_captions, double spreads)
      : pictures(num_captions + 200, num_captions + 1), captions(num_captions, num_captions + 1) {
    std::mt19937 random(5);
    std::normal_distribution<float> chance(0.2F, 0.02F);
    captions_of.resize(pictures.size());
    for (std::uint32_t c = 0; c < num_captions; ++c) {
      captions.row(c)[c] = 1;  // a picture's value c is its score for caption c
      for (std::size_t p = 0; p < pictures.size(); ++p) pictures.row(p)[c] = chance(random);
      pictures.row(c)[c] = static_cast<float>(0.2 + 0.02 * spreads);
      captions_of[c].push_back(c);
    }
  }
  CaptionedEmbeddings view() const { return {pictures, captions, captions_of}; }

  encoders::EmbeddingBatch pictures, captions;
  std::vector<std::vector<std::uint32_t>> captions_of;
};

TEST(MatchThreshold, LiesBetweenTheBackgroundAndTheRightPictures) {
  const Captioned far(30, 8);
  const auto threshold = fit_match_threshold(far.view(), 3, Deadline::never());
  ASSERT_TRUE(threshold) << threshold.error().message;
  EXPECT_GT(threshold->best.spreads, 3);
  EXPECT_LT(threshold->best.spreads, 8);
  EXPECT_DOUBLE_EQ(threshold->best.f1, 1);
  EXPECT_DOUBLE_EQ(threshold->best.pictures_per_query, 1);
  EXPECT_EQ(threshold->best.queries_without, 0);
  // Three spreads are reached by 0.13 % of normal scores: of 229, 0.3 beside the right one.
  EXPECT_EQ(threshold->used.spreads, 3);
  EXPECT_EQ(threshold->used.recall, 1);
  EXPECT_LT(threshold->used.precision, 1);
  EXPECT_NEAR(threshold->used.pictures_per_query, 1.3, 0.3);
}

TEST(MatchThreshold, AboveEverythingNothingIsStrong) {
  const Captioned near(30, 4);
  const auto threshold = fit_match_threshold(near.view(), 7, Deadline::never());
  ASSERT_TRUE(threshold) << threshold.error().message;
  EXPECT_EQ(threshold->used.recall, 0);
  EXPECT_EQ(threshold->used.f1, 0);
  EXPECT_EQ(threshold->used.queries_without, 1);
  EXPECT_GT(threshold->best.f1, 0.8);
  EXPECT_LT(threshold->best.spreads, 4.5);
}

TEST(MatchThreshold, IsCountedByHand) {
  // 19 pictures at 0.1, 19 at 0.3, one right one at 0.5 and a wrong one at 0.6: the median is 0.3,
  // the spread of the lower half sqrt(19 * 0.04 / 20).
  encoders::EmbeddingBatch pictures(40, 1), captions(1, 1);
  captions.row(0)[0] = 1;
  for (std::size_t i = 0; i < 40; ++i) pictures.row(i)[0] = i < 19 ? 0.1F : 0.3F;
  pictures.row(38)[0] = 0.5F;
  pictures.row(39)[0] = 0.6F;
  std::vector<std::vector<std::uint32_t>> captions_of(40);
  captions_of[38] = {0};
  const double spread = std::sqrt(19 * 0.04 / 20);
  const auto threshold =
      fit_match_threshold({pictures, captions, captions_of}, 0.15 / spread, Deadline::never());
  ASSERT_TRUE(threshold) << threshold.error().message;
  EXPECT_DOUBLE_EQ(threshold->used.precision, 0.5);
  EXPECT_DOUBLE_EQ(threshold->used.recall, 1);
  EXPECT_DOUBLE_EQ(threshold->used.f1, 2.0 / 3);
  EXPECT_DOUBLE_EQ(threshold->used.pictures_per_query, 2);
  EXPECT_DOUBLE_EQ(threshold->best.f1, 2.0 / 3);
}

TEST(MatchThreshold, NeedsABackground) {
  const encoders::EmbeddingBatch pictures(19, 1), captions(1, 1);
  std::vector<std::vector<std::uint32_t>> captions_of(19);
  captions_of[0] = {0};
  const auto threshold =
      fit_match_threshold({pictures, captions, captions_of}, 3, Deadline::never());
  ASSERT_FALSE(threshold);
  EXPECT_EQ(threshold.error().code, StatusCode::kFailedPrecondition);
  EXPECT_THAT(threshold.error().message, testing::HasSubstr("at least 20 pictures"));
}

}  // namespace
}  // namespace sightline::eval
