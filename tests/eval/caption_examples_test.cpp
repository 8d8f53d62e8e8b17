#include "eval/caption_examples.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <opencv2/imgcodecs.hpp>

#include "tests/support/temp_dir.h"

namespace sightline::eval {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;

/// Picture i stands at i degrees; caption i belongs to it and asks at `asks[i]` degrees.
struct Circle {
  explicit Circle(const std::vector<double>& asks)
      : pictures(asks.size(), 2), captions(asks.size(), 2) {
    for (std::size_t i = 0; i < asks.size(); ++i) {
      set(pictures.row(i), static_cast<double>(i));
      set(captions.row(i), asks[i]);
      captions_of.push_back({static_cast<std::uint32_t>(i)});
    }
  }
  static void set(std::span<float> row, double degrees) {
    row[0] = static_cast<float>(std::cos(degrees * 3.14159265 / 180));
    row[1] = static_cast<float>(std::sin(degrees * 3.14159265 / 180));
  }
  CaptionedEmbeddings view() const { return {pictures, captions, captions_of}; }

  encoders::EmbeddingBatch pictures, captions;
  std::vector<std::vector<std::uint32_t>> captions_of;
};

TEST(CaptionExamples, AreHitsAndWhatIsFarFromBeingOne) {
  std::vector<double> asks;
  for (int i = 0; i < 30; ++i) asks.push_back(i);
  asks[3] = 6.2;   // picture 6 is nearest, 3 is seventh
  asks[20] = 2.1;  // picture 2 is nearest, 20 is twenty-first
  const Circle circle(asks);
  const auto examples = choose_caption_examples(circle.view(), 100, Deadline::never());
  ASSERT_TRUE(examples) << examples.error().message;
  EXPECT_EQ(examples->hits.size(), 28u);
  for (const CaptionExample& hit : examples->hits) {
    EXPECT_EQ(hit.found, hit.caption);
    EXPECT_EQ(hit.wanted, hit.caption);
    EXPECT_EQ(hit.rank, 1u);
  }
  EXPECT_THAT(
      examples->misses,
      ElementsAre(AllOf(Field(&CaptionExample::caption, 20u), Field(&CaptionExample::found, 2u),
                        Field(&CaptionExample::wanted, 20u), Field(&CaptionExample::rank, 21u))));
}

TEST(CaptionExamples, AreTakenEvenlyFromAll) {
  std::vector<double> asks;
  for (int i = 0; i < 30; ++i) asks.push_back(i);
  const Circle circle(asks);
  const auto examples = choose_caption_examples(circle.view(), 3, Deadline::never());
  ASSERT_TRUE(examples) << examples.error().message;
  EXPECT_THAT(examples->hits,
              ElementsAre(Field(&CaptionExample::caption, 5u), Field(&CaptionExample::caption, 15u),
                          Field(&CaptionExample::caption, 25u)));
  EXPECT_THAT(examples->misses, IsEmpty());
}

image::Image plain(std::size_t width, std::size_t height, std::uint8_t value) {
  return {width, height, std::vector<std::uint8_t>(width * height * 3, value)};
}

TEST(CaptionExamples, AreDrawnToASheet) {
  const testing_support::TempDir folder;
  const std::vector<ExamplePicture> hits{{"a dark picture", plain(40, 20, 10), plain(40, 20, 10)}};
  const std::vector<ExamplePicture> misses{
      {"a rather long caption that needs more than two lines", plain(5, 300, 90), plain(9, 9, 20)},
      {"f\xc3\xbcr alle", plain(2000, 1, 90), plain(1, 1, 20)}};
  const auto file = folder / "sheet.png";
  const auto drawn = draw_caption_examples(hits, misses, file);
  ASSERT_TRUE(drawn) << drawn.error().message;
  const cv::Mat sheet = cv::imread(file.string());
  ASSERT_FALSE(sheet.empty());
  EXPECT_GT(sheet.cols, 5 * 96);
  int num_dark = 0;
  for (int y = 0; y < sheet.rows; ++y) {
    for (int x = 0; x < sheet.cols; ++x) {
      num_dark += sheet.at<cv::Vec3b>(y, x) == cv::Vec3b(10, 10, 10) ? 1 : 0;
    }
  }
  EXPECT_EQ(num_dark, 96 * 48) << "as large as fits, in its shape";

  const auto gif = draw_caption_examples(hits, misses, folder / "sheet.gif");
  ASSERT_FALSE(gif);
  EXPECT_EQ(gif.error().code, StatusCode::kInvalidArgument);
  EXPECT_EQ(draw_caption_examples(hits, misses, folder / "no/sheet.png").error().code,
            StatusCode::kIoError);
}

}  // namespace
}  // namespace sightline::eval
