#include "train/internal/training_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "core/json.h"
#include "tests/support/temp_dir.h"

namespace sightline::train {
namespace {

using testing::ElementsAre;
using testing_support::TempDir;

TrainProgress at_step(std::uint64_t step, const char* stage = "train") {
  TrainProgress p;
  p.stage = stage;
  p.done = step;
  p.pictures_seen = step * 64;
  p.loss = 4.0 / static_cast<double>(step + 1);
  if (p.stage == "evaluate") p.recall = {{"stamps", 100, 0.1, 0.3, 0.5}};
  return p;
}

std::vector<std::uint64_t> steps_of(const TempDir& folder) {
  std::istringstream in(testing_support::read_file(folder / "log.jsonl"));
  std::vector<std::uint64_t> steps;
  for (std::string line; std::getline(in, line);) steps.push_back(Json::parse(line)["done"]);
  return steps;
}

TEST(TrainingLog, ARunThatGoesOnAppendsBehindItsCheckpoint) {
  const TempDir folder;
  {
    auto log = TrainingLog::open(folder.path(), 0);
    ASSERT_TRUE(log) << log.error().message;
    for (const std::uint64_t step : {1, 2, 3, 4}) log->add(at_step(step));
  }
  // Killed while it wrote a line, after step 2 had been saved.
  folder.write("log.jsonl",
               testing_support::read_file(folder / "log.jsonl") + "{\"done\": 1, \"st");
  {
    auto log = TrainingLog::open(folder.path(), 2);
    ASSERT_TRUE(log);
    log->add(at_step(3));
  }
  EXPECT_THAT(steps_of(folder), ElementsAre(1, 2, 3));
  ASSERT_TRUE(TrainingLog::open(folder.path(), 0)) << "begins anew";
  EXPECT_THAT(steps_of(folder), ElementsAre());
}

TEST(TrainingLog, DrawsItsCurves) {
  const TempDir folder;
  auto log = TrainingLog::open(folder.path(), 0);
  ASSERT_TRUE(log);
  for (std::uint64_t step = 1; step <= 20; ++step) {
    log->add(at_step(step));
    if (step % 5 == 0) log->add(at_step(step, "evaluate"));
  }
  log->draw();
  const std::string png = testing_support::read_file(folder / "curves.png");
  EXPECT_TRUE(png.starts_with("\x89PNG"));
  const auto missing = draw_training_curves(folder / "none.jsonl", folder / "x.png");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, StatusCode::kNotFound);
  folder.write("empty.jsonl", "");
  EXPECT_TRUE(draw_training_curves(folder / "empty.jsonl", folder / "x.png"));
}

}  // namespace
}  // namespace sightline::train
