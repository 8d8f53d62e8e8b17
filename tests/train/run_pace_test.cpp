#include "train/internal/run_pace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sightline::train {
namespace {

TEST(RunPace, ByStepsGoesOnWhereAnEarlierRunStopped) {
  RunState state;
  state.step = 30;
  state.pictures_seen = 300;
  state.active_seconds = 60;
  RunPace pace({40, 7}, 0, 0, state);
  EXPECT_DOUBLE_EQ(pace.share(), 0.75);
  EXPECT_FALSE(pace.is_report_due());
  for (; state.step < 40;) {
    EXPECT_FALSE(pace.is_done());
    ++state.step;
    pace.end_step(10);
  }
  EXPECT_TRUE(pace.is_done());
  EXPECT_EQ(state.pictures_seen, 400u);
  EXPECT_GE(state.active_seconds, 60);
  EXPECT_LT(state.active_seconds, 120);
  ASSERT_TRUE(pace.is_report_due()) << "the end is always told";
  const TrainProgress last = pace.report("train");
  EXPECT_EQ(last.stage, "train");
  EXPECT_EQ(last.done, 40u);
  EXPECT_EQ(last.total, 40u);
  EXPECT_EQ(last.share, 1);
  EXPECT_EQ(last.eta_seconds, 0);
  EXPECT_EQ(last.pictures_seen, 400u);
  EXPECT_GT(last.pictures_per_second, 0);
  EXPECT_EQ(pace.report("train").pictures_per_second, 0) << "none since the last report";
}

TEST(RunPace, ByMinutesCountsTheTimeOfEarlierRuns) {
  RunState state;
  state.step = 5;
  state.active_seconds = 90;
  RunPace pace({0, 2}, 0, 0, state);
  EXPECT_DOUBLE_EQ(pace.share(), 0.75);
  const TrainProgress p = pace.report("languages");
  EXPECT_EQ(p.total, 0u) << "not known";
  EXPECT_DOUBLE_EQ(p.eta_seconds, 30);
  state.active_seconds = 121;
  EXPECT_TRUE(pace.is_done());
  EXPECT_EQ(pace.evaluated().share, 1);
}

TEST(PreparePace, ExpectsTheRestToGoOnAsBefore) {
  const PreparePace pace;
  EXPECT_EQ(pace.at(0, 10).eta_seconds, 0) << "not known yet";
  const TrainProgress p = pace.at(5, 10);
  EXPECT_EQ(p.stage, "prepare");
  EXPECT_EQ(p.share, 0.5);
  EXPECT_GT(p.eta_seconds, 0);
  EXPECT_EQ(pace.at(10, 10).eta_seconds, 0);
}

TEST(RunPace, WhatIsDueIsDueUntilItIsDone) {
  RunState state;
  RunPace pace({0, 10}, 1e-15, 0, state);
  EXPECT_TRUE(pace.is_checkpoint_due());
  EXPECT_FALSE(pace.is_evaluation_due()) << "0 minutes: never";
  RunPace rare({0, 10}, 100, 100, state);
  EXPECT_FALSE(rare.is_checkpoint_due());
  EXPECT_FALSE(rare.is_evaluation_due());
  rare.saved();
  EXPECT_EQ(rare.evaluated().stage, "evaluate");
}

TEST(RunPace, AStoppedRunSaysHowToGoOn) {
  RunState state;
  state.step = 12;
  const Status status = RunPace({40, 0}, 0, 0, state).stopped();
  EXPECT_EQ(status.code, StatusCode::kCancelled);
  EXPECT_EQ(status.message, "stopped at step 12; the same command goes on from there");
}

}  // namespace
}  // namespace sightline::train
