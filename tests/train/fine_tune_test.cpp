// Going on with a model on captioned pictures: what is written, what is refused, what resumes.
#include "train/fine_tune.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <set>

#include "encoders/encoder.h"
#include "encoders/safetensors.h"
#include "tests/support/temp_dir.h"
#include "train/average.h"

namespace sightline::train {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing_support::TempDir;

const std::string kTiny = SIGHTLINE_SOURCE_DIR "/tests/data/clip-vit-tiny";

/// 24 pictures of one colour each, two of each of twelve captions; the last cannot be read.
Catalogue colours() {
  Catalogue catalogue;
  for (std::uint32_t i = 0; i < 12; ++i)
    catalogue.captions.push_back("colour " + std::to_string(i));
  for (std::uint32_t i = 0; i < 25; ++i) {
    catalogue.names.push_back("picture " + std::to_string(i));
    catalogue.captions_of.push_back({i % 12});
  }
  catalogue.load = [](std::size_t i) -> Result<image::Image> {
    if (i == 24) return corruption("picture 24: damaged");
    image::Image picture{40, 36, std::vector<std::uint8_t>(40 * 36 * 3)};
    for (std::size_t k = 0; k < picture.rgb.size(); ++k) {
      picture.rgb[k] = static_cast<std::uint8_t>((i % 12) * 20 * (k % 3 + 1) + i);
    }
    return picture;
  };
  return catalogue;
}

FineTuneOptions small_run(const TempDir& folder) {
  FineTuneOptions options;
  options.model = kTiny;
  options.output_folder = folder / "out";
  options.work_folder = folder / "work";
  options.learning_rate = 1e-3;
  options.epochs = 4;
  options.batch = 6;
  options.held_out = 0.3;
  options.device = "cpu";
  options.num_measurements = 4;
  options.threads = 1;  // tests share their cores
  return options;
}

/// Says 0.1, 0.2, ... or, falling, the reverse.
MeasureFn scores(double first, double step, int* calls = nullptr) {
  auto next = std::make_shared<double>(first);
  return [=](const encoders::EmbeddingBatch& pictures, const encoders::EmbeddingBatch& captions,
             const std::vector<std::vector<std::uint32_t>>& captions_of)
             -> Result<std::vector<HeldOutRecall>> {
    EXPECT_EQ(pictures.size(), captions_of.size());
    EXPECT_GT(captions.size(), 0u);
    if (calls != nullptr) ++*calls;
    const double value = *next;
    *next += step;
    return std::vector{HeldOutRecall{"text to image", pictures.size(), value, value, value}};
  };
}

std::string weights_of(const fs::path& folder) {
  return testing_support::read_file(folder / "model.safetensors");
}

TEST(HeldOutPictures, EqualCaptionsStayTogether) {
  const Catalogue catalogue = colours();
  const auto held_out = held_out_pictures(catalogue, 0.4);
  ASSERT_EQ(held_out.size(), 25u);
  std::set<bool> kinds(held_out.begin(), held_out.end());
  EXPECT_EQ(kinds.size(), 2u);
  for (std::size_t i = 12; i < 25; ++i) EXPECT_EQ(held_out[i], held_out[i % 12]) << i;
  EXPECT_THAT(held_out_pictures(catalogue, 0), testing::Each(false));

  Catalogue joined = colours();
  for (auto& own : joined.captions_of) own.push_back((own[0] + 1) % 12);
  const auto all = held_out_pictures(joined, 0.4);
  EXPECT_THAT(all, testing::Each(all[0])) << "every picture shares a caption with the next";
}

TEST(FineTune, WritesAFolderLikeTheOneItBeganWith) {
  const TempDir folder;
  int calls = 0;
  const auto report =
      fine_tune(small_run(folder), colours(), scores(0.1, 0.1, &calls), {}, std::stop_token());
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(calls, 5) << "the start, and four times on the way";
  EXPECT_EQ(report->best_step, report->steps);
  ASSERT_EQ(report->skipped.size(), 1u);
  EXPECT_EQ(report->skipped[0].first, "picture 24");
  EXPECT_EQ(report->num_trained + report->num_held_out, 24u);
  const auto before = encoders::load_encoder({.model = kTiny});
  const auto after = encoders::load_encoder({.model = report->folder.string()});
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_NE((*after)->info().checksum, (*before)->info().checksum);
  EXPECT_EQ((*after)->info().preprocess.to_json(), (*before)->info().preprocess.to_json());
  for (const char* file : {"log.jsonl", "curves.png", "checkpoint.safetensors"}) {
    EXPECT_TRUE(fs::exists(folder / "work" / file)) << file;
  }
}

TEST(FineTune, KeepsTheBestAndWritesNothingWithoutAGain) {
  const TempDir folder;
  auto options = small_run(folder);
  auto best_first = scores(0.5, -0.1);
  const auto none = fine_tune(options, colours(), best_first, {}, std::stop_token());
  ASSERT_TRUE(none) << none.error().message;
  EXPECT_EQ(none->best_step, 0u);
  EXPECT_FALSE(fs::exists(folder / "out"));
}

TEST(FineTune, AFrozenTowerStaysAsItIs) {
  for (const Freeze freeze : {Freeze::kText, Freeze::kImage}) {
    const TempDir folder;
    auto options = small_run(folder);
    options.freeze = freeze;
    options.held_out = 0;
    const auto report = fine_tune(options, colours(), scores(0, 0), {}, std::stop_token());
    ASSERT_TRUE(report) << report.error().message;
    const auto old = encoders::Checkpoint::open(kTiny),
               now = encoders::Checkpoint::open(report->folder);
    ASSERT_TRUE(old && now);
    std::size_t changed = 0;
    for (const auto& [name, view] : now->tensors()) {
      const auto* was = old->find(name);
      ASSERT_NE(was, nullptr) << name;
      const bool is_same = std::ranges::equal(view.bytes, was->bytes);
      const bool is_frozen =
          freeze == Freeze::kText ? name.starts_with("text_") : name.starts_with("vis");
      EXPECT_TRUE(is_same || !is_frozen) << name;
      changed += is_same ? 0 : 1;
    }
    EXPECT_GT(changed, 5u);
  }
}

TEST(FineTune, GoesOnAfterAStopToTheSameWeights) {
  // The loops of train/kernels repeat to the bit; for shapes that they do not take (the tiny
  // model's) LibTorch computes, and its results are not known to repeat.
  const TempDir whole, broken;
  auto options = small_run(whole);
  options.model = "embedded";
  const auto unbroken = fine_tune(options, colours(), scores(0.1, 0.1), {}, std::stop_token());
  ASSERT_TRUE(unbroken) << unbroken.error().message;

  std::stop_source stop;
  int calls = 0;
  const auto rising = scores(0.1, 0.1);
  const MeasureFn stopping = [&](const auto& pictures, const auto& captions, const auto& lists) {
    if (++calls == 3) stop.request_stop();
    return rising(pictures, captions, lists);
  };
  options.output_folder = broken / "out";
  options.work_folder = broken / "work";
  const auto stopped = fine_tune(options, colours(), stopping, {}, stop.get_token());
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, StatusCode::kCancelled);
  EXPECT_FALSE(fs::exists(options.output_folder));
  const auto resumed = fine_tune(options, colours(), rising, {}, std::stop_token());
  ASSERT_TRUE(resumed) << resumed.error().message;
  EXPECT_EQ(resumed->steps, unbroken->steps);
  EXPECT_TRUE(weights_of(resumed->folder) == weights_of(unbroken->folder));
  // Once more, with nothing left to do: what this run wrote may be written again.
  const auto again = fine_tune(options, colours(), rising, {}, std::stop_token());
  ASSERT_TRUE(again) << again.error().message;

  auto other = options;
  other.learning_rate = 2e-3;
  const auto refused = fine_tune(other, colours(), rising, {}, std::stop_token());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, StatusCode::kFailedPrecondition);
}

TEST(FineTune, OverwritesNothing) {
  const TempDir folder;
  fs::copy(kTiny, folder / "base", fs::copy_options::recursive);
  fs::create_directory_symlink(folder / "base", folder / "link");
  fs::create_directories(folder / "full");
  folder.write("full/notes.txt", "mine");
  const std::string before = weights_of(folder / "base");
  for (const char* out : {"base", "link", "full", "base/../link", "full/notes.txt"}) {
    auto options = small_run(folder);
    options.model = (folder / "base").string();
    options.output_folder = folder / out;
    const auto refused = fine_tune(options, colours(), scores(0, 1), {}, std::stop_token());
    ASSERT_FALSE(refused) << out;
    EXPECT_EQ(refused.error().code, StatusCode::kFailedPrecondition) << out;
  }
  EXPECT_TRUE(weights_of(folder / "base") == before);
  EXPECT_EQ(testing_support::read_file(folder / "full/notes.txt"), "mine");
}

TEST(FineTune, NamesWhatIsWrong) {
  const TempDir folder;
  auto options = small_run(folder);
  options.batch = 1;
  EXPECT_THAT(fine_tune(options, colours(), scores(0, 1), {}, {}).error().message,
              HasSubstr("batch is 1"));
  options = small_run(folder);
  options.held_out = 1e-9;
  EXPECT_THAT(fine_tune(options, colours(), scores(0, 1), {}, {}).error().message,
              HasSubstr("held out"));
  EXPECT_THAT(parse_freeze("both").error().message, HasSubstr("none, text or image"));
}

TEST(AverageModels, IsTheMeanAndRefusesUnlikeModels) {
  const TempDir folder;
  auto options = small_run(folder);
  options.held_out = 0;
  const auto trained = fine_tune(options, colours(), scores(0, 0), {}, std::stop_token());
  ASSERT_TRUE(trained) << trained.error().message;
  const fs::path mean = folder / "mean";
  const auto made = average_models({kTiny, trained->folder.string()}, mean);
  ASSERT_TRUE(made) << made.error().message;
  const auto a = encoders::Checkpoint::open(kTiny), b = encoders::Checkpoint::open(trained->folder),
             c = encoders::Checkpoint::open(mean);
  ASSERT_TRUE(a && b && c);
  const auto value = [](const encoders::Checkpoint& model, const char* name, std::size_t i) {
    float v;
    std::memcpy(&v, model.find(name)->bytes.data() + i * 4, 4);
    return v;
  };
  ASSERT_EQ(a->find("visual_projection.weight")->dtype, encoders::DType::kF32);
  bool differs = false;
  for (std::size_t i = 0; i < 50; ++i) {
    const float one = value(*a, "visual_projection.weight", i);
    const float two = value(*b, "visual_projection.weight", i);
    differs = differs || one != two;
    EXPECT_NEAR(value(*c, "visual_projection.weight", i), (one + two) / 2, 1e-7);
  }
  EXPECT_TRUE(differs);
  EXPECT_TRUE(encoders::load_encoder({.model = mean.string()}));

  EXPECT_EQ(average_models({kTiny, kTiny}, mean).error().code, StatusCode::kFailedPrecondition)
      << "it is there already";
  EXPECT_THAT(average_models({kTiny}, folder / "x").error().message, HasSubstr("two at least"));
  const auto unlike = average_models({kTiny, "embedded"}, folder / "x");
  ASSERT_FALSE(unlike);
  EXPECT_THAT(unlike.error().message, HasSubstr("differ in config.json at /"));
  EXPECT_FALSE(fs::exists(folder / "x"));
}

}  // namespace
}  // namespace sightline::train
