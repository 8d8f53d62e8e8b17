#include "train/train_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace sightline::train {
namespace {

using testing::HasSubstr;

TEST(TrainConfig, TheShippedRecipeLoads) {
  const auto config = load_train_config(SIGHTLINE_SOURCE_DIR "/config/train-embedded.toml");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->output_folder.lexically_normal(),
            std::filesystem::path(SIGHTLINE_SOURCE_DIR) / "encoders" / "embedded");
  EXPECT_EQ(config->phases.back().image_size,
            static_cast<std::size_t>(config->model.vision.image_size));
  EXPECT_GT(config->source_weights.at("stamps"), 1.0);
}

struct BadConfig {
  std::string name, text, complaint;
};
class TrainConfigErrors : public testing::TestWithParam<BadConfig> {};

TEST_P(TrainConfigErrors, NameTheKeyAndTheRule) {
  const testing_support::TempDir folder;
  const auto path = folder.write("recipe.toml", GetParam().text + "\n[output]\nfolder = \"out\"\n");
  const auto config = load_train_config(path);
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, StatusCode::kInvalidArgument);
  EXPECT_THAT(config.error().message, HasSubstr(GetParam().complaint));
  EXPECT_THAT(config.error().message, HasSubstr("recipe.toml"));
}
INSTANTIATE_TEST_SUITE_P(
    Cases, TrainConfigErrors,
    testing::Values(
        BadConfig{"UnknownKey", "[run]\nminute = 3", "unknown key run.minute"},
        BadConfig{"UnknownPhaseKey", "[[phase]]\nuntil = 1.0\nsize = 3", "phase.size"},
        BadConfig{"WrongType", "[run]\nsteps = \"many\"", "run.steps"},
        BadConfig{"Negative", "[run]\nsteps = -1", "run.steps"},
        BadConfig{"VocabularyTooSmall", "[tokenizer]\nvocab_size = 100", "514..65536"},
        BadConfig{"NoEnd", "[[phase]]\nuntil = 0.5", "until = 1.0"},
        BadConfig{"NotAscending", "[[phase]]\nuntil = 1.0\n[[phase]]\nuntil = 1.0", "ascending"},
        BadConfig{"NotWholePatches", "[[phase]]\nuntil = 1.0\nimage_size = 30",
                  "a multiple of model.patch_size"},
        BadConfig{"PicturePhases", "[[pictures.phase]]\nuntil = 0.5", "pictures.phase"},
        BadConfig{"PictureRate", "[pictures]\nlearning_rate = 2.0", "pictures.learning_rate"},
        BadConfig{"Device", "[run]\ndevice = \"tpu\"", "auto, cpu or cuda"}),
    [](const auto& info) { return info.param.name; });

TEST(TrainConfig, AMissingFileIsNotFound) {
  EXPECT_EQ(load_train_config("/nonexistent/recipe.toml").error().code, StatusCode::kNotFound);
}

TEST(LearningRate, WarmsUpThenFollowsTheCosine) {
  TrainConfig config;
  config.learning_rate = 1e-3;
  config.final_learning_rate = 1e-5;
  config.warmup_steps = 100;
  EXPECT_DOUBLE_EQ(learning_rate_at(config, 50, 0.0), 0.5e-3);
  EXPECT_DOUBLE_EQ(learning_rate_at(config, 100, 0.0), 1e-3);
  EXPECT_DOUBLE_EQ(learning_rate_at(config, 5000, 0.5), (1e-3 + 1e-5) / 2);
  EXPECT_DOUBLE_EQ(learning_rate_at(config, 9000, 1.0), 1e-5);
  EXPECT_DOUBLE_EQ(learning_rate_at(config, 9000, 1.5), 1e-5);
}

TEST(Phases, EachLastsUntilItsShare) {
  TrainConfig config;
  config.phases = {{0.25, 32, 512, 1.0}, {1.0, 64, 256, 0.5}};
  EXPECT_EQ(phase_at(config, 0.0).image_size, 32u);
  EXPECT_EQ(phase_at(config, 0.2499).image_size, 32u);
  EXPECT_EQ(phase_at(config, 0.25).image_size, 64u);
  EXPECT_EQ(phase_at(config, 1.0).image_size, 64u);
}

}  // namespace
}  // namespace sightline::train
