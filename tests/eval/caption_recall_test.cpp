#include "eval/caption_recall.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace sightline::eval {
namespace {

using Rows = std::vector<std::vector<float>>;
using Lists = std::vector<std::vector<std::uint32_t>>;

encoders::EmbeddingBatch batch_of(const Rows& rows) {
  encoders::EmbeddingBatch batch(rows.size(), rows.empty() ? 2 : rows[0].size());
  for (std::size_t i = 0; i < rows.size(); ++i) std::ranges::copy(rows[i], batch.row(i).begin());
  return batch;
}

/// A row at `degrees` on the unit circle: rows score the higher the nearer their angles.
std::vector<float> at(double degrees) {
  const double angle = degrees * 3.14159265358979 / 180;
  return {static_cast<float>(std::cos(angle)), static_cast<float>(std::sin(angle))};
}

struct RecallCase {
  std::string name;
  Rows pictures, captions;
  Lists captions_of;
  RecallAtRanks text_to_image, image_to_text;
};
class CaptionRecallCase : public testing::TestWithParam<RecallCase> {};

void expect_near(const RecallAtRanks& got, const RecallAtRanks& wanted) {
  EXPECT_NEAR(got.at_1, wanted.at_1, 1e-9);
  EXPECT_NEAR(got.at_5, wanted.at_5, 1e-9);
  EXPECT_NEAR(got.at_10, wanted.at_10, 1e-9);
}

TEST_P(CaptionRecallCase, IsAsCountedByHand) {
  const RecallCase& c = GetParam();
  const auto pictures = batch_of(c.pictures), captions = batch_of(c.captions);
  for (const std::size_t threads : {1, 3}) {
    const auto recall =
        caption_recall({pictures, captions, c.captions_of}, threads, {}, Deadline::never());
    ASSERT_TRUE(recall) << recall.error().message;
    EXPECT_EQ(recall->num_pictures, c.pictures.size());
    EXPECT_EQ(recall->num_captions, c.captions.size());
    expect_near(recall->text_to_image, c.text_to_image);
    expect_near(recall->image_to_text, c.image_to_text);
  }
}
const Rows kSix(6, at(0));
INSTANTIATE_TEST_SUITE_P(
    Cases, CaptionRecallCase,
    testing::ValuesIn(std::vector<RecallCase>{
        {"Perfect", {at(0), at(90)}, {at(5), at(80)}, {{0}, {1}}, {1, 1, 1}, {1, 1, 1}},
        {"Exchanged", {at(0), at(90)}, {at(80), at(5)}, {{0}, {1}}, {0, 1, 1}, {0, 1, 1}},
        // Caption 0 is nearest to picture 1; caption 1 to its own. Pictures find theirs.
        {"OneWay", {at(0), at(20)}, {at(12), at(30)}, {{0}, {1}}, {0.5, 1, 1}, {0.5, 1, 1}},
        // One query for the caption that both pictures have, and either picture is right.
        {"EqualCaptions",
         {at(0), at(50), at(90)},
         {at(40), at(90)},
         {{0}, {0}, {1}},
         {1, 1, 1},
         {1, 1, 1}},
        // Any of a picture's captions is right.
        {"SeveralCaptions",
         {at(0), at(60)},
         {at(50), at(1), at(58)},
         {{0, 1}, {2}},
         {2.0 / 3, 1, 1},
         {1, 1, 1}},
        // A model that tells nothing apart finds one in six at once, five in six within five.
        {"AllAlike",
         kSix,
         kSix,
         {{0}, {1}, {2}, {3}, {4}, {5}},
         {1.0 / 6, 5.0 / 6, 1},
         {1.0 / 6, 5.0 / 6, 1}},
        {"OnePair", {at(0)}, {at(180)}, {{0}}, {1, 1, 1}, {1, 1, 1}},
    }),
    [](const auto& info) { return info.param.name; });

struct ChanceCase {
  std::size_t before, beside, right, k;
  double chance;
};
TEST(ChanceWithin, IsTheShareOfTheOrders) {
  for (const ChanceCase& c : std::vector<ChanceCase>{{0, 0, 1, 1, 1.0},
                                                     {1, 0, 1, 1, 0.0},
                                                     {1, 0, 1, 2, 1.0},
                                                     {0, 1, 1, 1, 0.5},
                                                     {0, 3, 1, 1, 0.25},
                                                     {0, 3, 1, 3, 0.75},
                                                     {0, 3, 1, 4, 1.0},
                                                     {2, 2, 2, 3, 0.5},
                                                     {2, 2, 2, 4, 1 - 2.0 / 4 * 1 / 3},
                                                     {9, 5, 1, 10, 1.0 / 6},
                                                     {10, 5, 9, 10, 0.0}}) {
    EXPECT_NEAR(chance_within(c.before, c.beside, c.right, c.k), c.chance, 1e-12)
        << c.before << " " << c.beside << " " << c.right << " " << c.k;
  }
}

TEST(CaptionRecall, AgreesWithSortingEverything) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  constexpr std::size_t kPictures = 90, kCaptions = 70, kDim = 17;
  const auto rows = [&](std::size_t n) {
    Rows out(n, std::vector<float>(kDim));
    for (auto& row : out) std::ranges::generate(row, [&] { return normal(random); });
    return out;
  };
  const Rows pictures = rows(kPictures), captions = rows(kCaptions);
  Lists captions_of;
  for (std::uint32_t i = 0; i < kPictures; ++i) {
    captions_of.push_back({i % static_cast<std::uint32_t>(kCaptions)});
  }
  const auto share = [&](const Rows& queries, const Rows& answers, std::size_t k,
                         const auto& is_right) {
    double found = 0;
    for (std::size_t q = 0; q < queries.size(); ++q) {
      std::vector<std::size_t> order(answers.size());
      std::iota(order.begin(), order.end(), std::size_t{0});
      const auto score = [&](std::size_t i) {
        return std::inner_product(queries[q].begin(), queries[q].end(), answers[i].begin(), 0.0);
      };
      std::ranges::sort(order, std::greater(), score);
      found += std::any_of(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(k),
                           [&](std::size_t i) { return is_right(q, i); })
                   ? 1
                   : 0;
    }
    return found / static_cast<double>(queries.size());
  };
  const auto recall = caption_recall({batch_of(pictures), batch_of(captions), captions_of}, 2, {},
                                     Deadline::never());
  ASSERT_TRUE(recall);
  const auto of_caption = [](std::size_t q, std::size_t i) { return i % kCaptions == q; };
  const auto of_picture = [](std::size_t q, std::size_t i) { return q % kCaptions == i; };
  EXPECT_NEAR(recall->text_to_image.at_1, share(captions, pictures, 1, of_caption), 1e-9);
  EXPECT_NEAR(recall->text_to_image.at_10, share(captions, pictures, 10, of_caption), 1e-9);
  EXPECT_NEAR(recall->image_to_text.at_5, share(pictures, captions, 5, of_picture), 1e-9);
  EXPECT_NEAR(recall->image_to_text.at_10, share(pictures, captions, 10, of_picture), 1e-9);
  EXPECT_NEAR(
      recall->mean(),
      (recall->text_to_image.at_1 + recall->text_to_image.at_5 + recall->text_to_image.at_10 +
       recall->image_to_text.at_1 + recall->image_to_text.at_5 + recall->image_to_text.at_10) /
          6,
      1e-12);
}

TEST(CaptionRecall, NamesWhatDoesNotFit) {
  const auto one = batch_of({at(0)});
  const auto run = [&](const encoders::EmbeddingBatch& pictures, const Lists& lists,
                       const Deadline& deadline = Deadline::never()) {
    return caption_recall({pictures, one, lists}, 1, {}, deadline).error();
  };
  EXPECT_EQ(run(batch_of({}), {}).code, StatusCode::kInvalidArgument);
  EXPECT_THAT(run(one, {{1}}).message, testing::HasSubstr("out of range"));
  EXPECT_THAT(run(one, {{}}).message, testing::HasSubstr("no caption"));
  EXPECT_THAT(run(one, {{0}, {0}}).message, testing::HasSubstr("do not fit"));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(run(one, {{0}}, Deadline::never().with_stop(stop.get_token())).code,
            StatusCode::kCancelled);
}

TEST(CaptionRecall, ReportsProgressThatRises) {
  const Rows many(200, at(0));
  Lists lists;
  for (std::uint32_t i = 0; i < 200; ++i) lists.push_back({i});
  std::vector<double> shares;
  ASSERT_TRUE(caption_recall(
      {batch_of(many), batch_of(many), lists}, 1, [&](double share) { shares.push_back(share); },
      Deadline::never()));
  EXPECT_TRUE(std::ranges::is_sorted(shares));
  EXPECT_GT(shares.size(), 5u);
  EXPECT_EQ(shares.back(), 1.0);
}

}  // namespace
}  // namespace sightline::eval
