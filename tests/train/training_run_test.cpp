#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>

#include "core/json.h"
#include "encoders/encoder.h"
#include "encoders/safetensors.h"
#include "tests/support/temp_dir.h"
#include "train/picture_store.h"
#include "train/trainer.h"

namespace sightline::train {
namespace {

namespace fs = std::filesystem;
using testing_support::TempDir;

constexpr std::array<std::array<const char*, 2>, 6> kColours{{{"red", "#e02020"},
                                                              {"green", "#20a030"},
                                                              {"blue", "#2040e0"},
                                                              {"yellow", "#f0d020"},
                                                              {"black", "#101010"},
                                                              {"pink", "#f080b0"}}};
constexpr std::array<std::array<const char*, 2>, 3> kShapes{
    {{"circle", "<circle cx='32' cy='32' r='26' fill='COLOUR'/>"},
     {"square", "<rect x='8' y='8' width='48' height='48' fill='COLOUR'/>"},
     {"cross", "<path d='M26 4h12v22h22v12H38v22H26V38H4V26h22z' fill='COLOUR'/>"}}};

/// "red circle" and so on: drawn twice to train on, once to measure.
std::vector<SourcePicture> shapes() {
  std::vector<SourcePicture> pictures;
  for (const auto& [colour, code] : kColours) {
    for (const auto& [shape, body] : kShapes) {
      for (int copy = 0; copy < 3; ++copy) {
        SourcePicture picture{.source = copy == 2 ? "measured" : "shapes"};
        picture.words.title = std::string(colour) + " " + shape;
        picture.name = picture.words.title + std::to_string(copy);
        picture.words.words = {colour, shape};
        picture.held_out = copy == 2;
        std::string drawing = body;
        drawing.replace(drawing.find("COLOUR"), 6, code);
        picture.svg = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='" +
                      std::to_string(-4 * copy) + " 0 " + std::to_string(64 + 4 * copy) + " 64'>" +
                      drawing + "</svg>";
        pictures.push_back(std::move(picture));
      }
    }
  }
  return pictures;
}

TrainOptions small_run(const TempDir& folder, std::uint64_t steps) {
  TrainOptions options;
  options.sources = shapes();
  TrainConfig& c = options.config;
  c.prepared_folder = folder / "pictures";
  c.work_folder = folder / "work";
  c.output_folder = folder / "model";
  c.vocab_size = 600;
  c.max_tokens = 16;
  for (encoders::ClipTowerConfig* tower :
       {static_cast<encoders::ClipTowerConfig*>(&c.model.vision),
        static_cast<encoders::ClipTowerConfig*>(&c.model.text)}) {
    tower->hidden_size = 64;
    tower->intermediate_size = 128;
    tower->num_layers = 2;
    tower->num_heads = 2;
  }
  c.model.vision.image_size = 32;
  c.model.vision.patch_size = 8;
  c.model.projection_dim = 32;
  c.phases = {{0.5, 16, 48, 1.0}, {1.0, 32, 48, 0.75}};
  c.learning_rate = 3e-3;
  c.warmup_steps = 10;
  c.ema_decay = 0.9;
  c.final_strength = 0.2;
  c.augment.colour = c.augment.gray = 0;  // colours are words here
  c.steps = steps;
  c.checkpoint_minutes = c.evaluate_minutes = 0;
  c.device = "cpu";
  return options;
}

TEST(TrainingRun, LearnsShapesAndWritesAFolderThatEncodersLoad) {
  const TempDir folder;
  const auto options = small_run(folder, 150);
  std::vector<TrainProgress> seen;
  const auto report = train(
      options, [&](const TrainProgress& p) { seen.push_back(p); }, std::stop_token());
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->steps, 150u);
  EXPECT_EQ(report->pictures_seen, 150u * 48u);
  // 18 pictures: guessing finds 1 in 18.
  ASSERT_EQ(report->recall.size(), 1u);
  EXPECT_EQ(report->recall[0].source, "measured");
  EXPECT_EQ(report->recall[0].num_pictures, 18u);
  EXPECT_GT(report->recall[0].at_1, 0.5);
  EXPECT_EQ(seen.back().stage, "train");
  EXPECT_EQ(seen.back().done, 150u);
  // log(48) = 3.87 is what a model that tells nothing apart has.
  EXPECT_LT(seen.back().loss, 3.3);
  const auto encoder = encoders::load_encoder({.model = report->folder.string()});
  ASSERT_TRUE(encoder) << encoder.error().message;
  EXPECT_EQ((*encoder)->info().image_size, 32u);
  EXPECT_EQ((*encoder)->info().max_tokens, 16u);
  for (const char* file : {"config.json", "preprocessor_config.json", "model.safetensors",
                           "tokenizer.json", "vocab.json", "merges.txt"}) {
    EXPECT_TRUE(fs::exists(report->folder / file)) << file;
  }
}

TEST(TrainingRun, GoesOnAfterAKillToTheSameWeights) {
  const TempDir folder;
  auto options = small_run(folder, 12);
  options.config.checkpoint_minutes = options.config.evaluate_minutes = 1e-9;  // at every step
  const fs::path checkpoint = options.config.work_folder / "checkpoint.safetensors";
  const fs::path as_killed = folder / "as_killed.safetensors";
  // What a run that dies after its seventh step would leave behind.
  const auto unbroken = train(
      options,
      [&](const TrainProgress& p) {
        if (p.stage == "evaluate" && p.done == 7) fs::copy_file(checkpoint, as_killed);
      },
      std::stop_token());
  ASSERT_TRUE(unbroken) << unbroken.error().message;
  const std::string wanted = testing_support::read_file(unbroken->folder / "model.safetensors");

  fs::rename(as_killed, checkpoint);
  options.config.output_folder = folder / "resumed";
  std::uint64_t first_step = 0;
  const auto resumed = train(
      options,
      [&](const TrainProgress& p) {
        if (p.stage == "evaluate" && first_step == 0) first_step = p.done;
      },
      std::stop_token());
  ASSERT_TRUE(resumed) << resumed.error().message;
  EXPECT_EQ(first_step, 8u);
  EXPECT_TRUE(testing_support::read_file(resumed->folder / "model.safetensors") == wanted);
}

TEST(TrainingRun, StopsInGoodOrderAndRefusesAnotherModelsCheckpoint) {
  const TempDir folder;
  auto options = small_run(folder, 1000);
  options.config.evaluate_minutes = 1e-9;
  std::stop_source stop;
  const auto stopped = train(
      options,
      [&](const TrainProgress& p) {
        if (p.done == 3) stop.request_stop();
      },
      stop.get_token());
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, StatusCode::kCancelled);
  EXPECT_THAT(stopped.error().message, testing::HasSubstr("step 3"));

  options.config.model.projection_dim = 48;
  const auto refused = train(options, {}, std::stop_token());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, StatusCode::kFailedPrecondition);
  EXPECT_THAT(refused.error().message, testing::HasSubstr("--restart"));
}

TEST(PictureStore, GoesOnAfterAStopAndKeepsWhatANewListStillNames) {
  const TempDir folder;
  auto sources = shapes();
  sources[5].svg = "<svg";
  std::stop_source stopped;
  stopped.request_stop();
  const auto none = prepare_pictures(sources, folder / "p", 1, {}, stopped.get_token());
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, StatusCode::kCancelled);
  EXPECT_EQ(PictureStore::open(folder / "p").error().code, StatusCode::kFailedPrecondition);
  ASSERT_TRUE(prepare_pictures(sources, folder / "p", 2, {}, {}));
  auto store = PictureStore::open(folder / "p");
  ASSERT_TRUE(store);
  EXPECT_EQ(store->pictures().size(), 53u);
  EXPECT_EQ(store->num_unusable(), 1u);
  EXPECT_EQ(store->pictures()[0].words.title, "red circle");
  const auto middle = store->pictures()[0].rgba.subspan((40 * kSide + 40) * 4, 4);
  EXPECT_THAT(std::vector<int>(middle.begin(), middle.end()),
              testing::ElementsAre(0xe0, 0x20, 0x20, 0xff));

  // The first picture is kept as it is: its drawing, which is broken now, is not looked at.
  sources[0].svg = "broken";
  sources.erase(sources.begin() + 1);
  ASSERT_TRUE(prepare_pictures(sources, folder / "p", 2, {}, {}));
  store = PictureStore::open(folder / "p");
  ASSERT_TRUE(store);
  EXPECT_EQ(store->pictures().size(), 52u);
  EXPECT_EQ(store->pictures()[0].rgba[(40 * kSide + 40) * 4], 0xe0);
}

TEST(PictureStore, NamesWhatIsMissing) {
  const TempDir folder;
  EXPECT_EQ(PictureStore::open(folder / "p").error().code, StatusCode::kNotFound);
  const auto sources = list_sources(folder.path());
  ASSERT_FALSE(sources);
  EXPECT_THAT(sources.error().message, testing::HasSubstr("scripts/training-data"));
}

/// German names of the shapes, as scripts/training-data lays them out.
void write_german(const fs::path& data) {
  const std::array<std::array<const char*, 2>, 9> kWords{{{"red", "rot"},
                                                          {"green", "gr\xc3\xbcn"},
                                                          {"blue", "blau"},
                                                          {"yellow", "gelb"},
                                                          {"black", "schwarz"},
                                                          {"pink", "rosa"},
                                                          {"circle", "kreis"},
                                                          {"square", "quadrat"},
                                                          {"cross", "kreuz"}}};
  for (const std::size_t language : {0, 1}) {
    Json emoji = Json::array();
    for (std::size_t colour = 0; colour < 6; ++colour) {
      for (std::size_t shape = 6; shape < 9; ++shape) {
        emoji.push_back(
            {{"hexcode", std::to_string(colour * 10 + shape)},
             {"label", std::string(kWords[colour][language]) + ' ' + kWords[shape][language]}});
      }
    }
    const fs::path folder = data / "npm/emojibase-data" / (language == 0 ? "en" : "de");
    fs::create_directories(folder);
    std::ofstream(folder / "data.json") << emoji.dump();
    std::ofstream(folder / "messages.json") << R"({"groups": [], "subgroups": []})";
  }
  fs::create_directories(data / "debian/tuxpaint-stamps-default/usr/share/tuxpaint/stamps");
  const fs::path words = data / "debian/wordnet-base/usr/share/wordnet";
  fs::create_directories(words);
  std::ofstream(words / "index.noun") << "circle n 1 1 @ 1 1 00000010  \n";
  std::ofstream(words / "data.noun") << "00000010 05 n 01 circle 0 001 @ 00000020 n 0000 | a\n"
                                        "00000020 05 n 01 ellipse 0 000 | a\n";
}

double cosine(const encoders::EmbeddingBatch& a, const encoders::EmbeddingBatch& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.dim(); ++i) sum += double{a.row(0)[i]} * b.row(0)[i];
  return sum;
}

TEST(LanguageStage, TeachesTheTextTowerAloneAndGoesOnAfterAKill) {
  const TempDir folder;
  auto options = small_run(folder, 60);
  options.config.data_folder = folder / "data";
  write_german(options.config.data_folder);
  ASSERT_TRUE(train(options, {}, std::stop_token()));
  const std::string english = testing_support::read_file(folder / "model" / "model.safetensors");

  options.stage = TrainStage::kLanguages;
  options.config.languages.steps = 120;
  options.config.languages.batch = 32;
  options.config.languages.vocab_size = 640;
  options.config.languages.learning_rate = 3e-3;
  options.config.checkpoint_minutes = options.config.evaluate_minutes = 1e-9;
  const fs::path checkpoint = options.config.work_folder / "languages.safetensors";
  const fs::path as_killed = folder / "as_killed.safetensors";
  const auto report = train(
      options,
      [&](const TrainProgress& p) {
        if (p.stage == "evaluate" && p.done == 70) fs::copy_file(checkpoint, as_killed);
      },
      std::stop_token());
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->steps, 120u);
  EXPECT_EQ(testing_support::read_file(options.config.work_folder / "english/model.safetensors"),
            english);

  const auto before = encoders::Checkpoint::open(options.config.work_folder / "english");
  const auto after = encoders::Checkpoint::open(report->folder);
  ASSERT_TRUE(before && after);
  for (const auto& [name, tensor] : before->tensors()) {
    const auto* now = after->find(name);
    ASSERT_NE(now, nullptr) << name;
    const bool is_image = name.starts_with("vision_") || name.starts_with("visual_");
    if (is_image) {
      EXPECT_TRUE(std::ranges::equal(tensor.bytes, now->bytes)) << name;
    }
  }

  const auto teacher =
      encoders::load_encoder({.model = (options.config.work_folder / "english").string()});
  const auto student = encoders::load_encoder({.model = report->folder.string()});
  ASSERT_TRUE(teacher && student);
  const auto embed = [](const auto& encoder, const std::string& text) {
    return *(*encoder)->encode_texts({&text, 1}, Deadline::never());
  };
  for (const auto& [in_english, in_german] : std::vector<std::pair<std::string, std::string>>{
           {"red circle", "rot kreis"}, {"green cross", "gr\xc3\xbcn kreuz"}}) {
    const auto wanted = embed(teacher, in_english);
    EXPECT_GT(cosine(wanted, embed(student, in_german)), 0.9) << in_german;
    EXPECT_GT(cosine(wanted, embed(student, in_english)), 0.9) << in_english;
    EXPECT_LT(cosine(wanted, embed(teacher, in_german)), 0.9) << in_german;
  }

  const std::string wanted = testing_support::read_file(report->folder / "model.safetensors");
  fs::rename(as_killed, checkpoint);
  ASSERT_TRUE(train(options, {}, std::stop_token()));
  EXPECT_TRUE(testing_support::read_file(report->folder / "model.safetensors") == wanted);
}

TEST(LanguageStage, GoesOnWithAModelThatKnowsItsLanguages) {
  const TempDir folder;
  auto options = small_run(folder, 60);
  options.config.data_folder = folder / "data";
  write_german(options.config.data_folder);
  ASSERT_TRUE(train(options, {}, std::stop_token()));
  options.stage = TrainStage::kLanguages;
  LanguageStage& stage = options.config.languages;
  stage.steps = 2;
  stage.batch = 32;
  stage.vocab_size = 640;
  stage.learning_rate = 3e-3;
  ASSERT_TRUE(train(options, {}, std::stop_token()));
  const fs::path first = folder / "first";
  fs::rename(folder / "model", first);

  stage.init = first;
  stage.steps = 100;
  fs::remove(options.config.work_folder / "languages.safetensors");
  options.config.checkpoint_minutes = options.config.evaluate_minutes = 1e-9;
  const fs::path checkpoint = options.config.work_folder / "languages.safetensors";
  const fs::path as_killed = folder / "as_killed.safetensors";
  const auto report = train(
      options,
      [&](const TrainProgress& p) {
        if (p.stage == "evaluate" && p.done == 60) fs::copy_file(checkpoint, as_killed);
      },
      std::stop_token());
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(testing_support::read_file(first / "tokenizer.json"),
            testing_support::read_file(report->folder / "tokenizer.json"));

  const auto teacher =
      encoders::load_encoder({.model = (options.config.work_folder / "english").string()});
  const auto start = encoders::load_encoder({.model = first.string()});
  const auto student = encoders::load_encoder({.model = report->folder.string()});
  ASSERT_TRUE(teacher && start && student);
  const auto embed = [](const auto& encoder, const std::string& text) {
    return *(*encoder)->encode_texts({&text, 1}, Deadline::never());
  };
  const auto wanted = embed(teacher, "green cross");
  const std::string german = "gr\xc3\xbcn kreuz";
  EXPECT_GT(cosine(wanted, embed(student, german)), cosine(wanted, embed(start, german)));
  EXPECT_GT(cosine(wanted, embed(student, german)), 0.9);

  const std::string bytes = testing_support::read_file(report->folder / "model.safetensors");
  fs::rename(as_killed, checkpoint);
  ASSERT_TRUE(train(options, {}, std::stop_token()));
  EXPECT_TRUE(testing_support::read_file(report->folder / "model.safetensors") == bytes);

  // Another start is another run.
  fs::remove_all(options.config.work_folder / "before-languages");
  fs::copy(options.config.work_folder / "english", options.config.work_folder / "before-languages");
  const auto refused = train(options, {}, std::stop_token());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, StatusCode::kFailedPrecondition);
}

TEST(LanguageStage, NeedsTextsInOtherLanguages) {
  const TempDir folder;
  auto options = small_run(folder, 4);
  options.config.data_folder = folder / "data";
  write_german(options.config.data_folder);
  ASSERT_TRUE(train(options, {}, std::stop_token()));
  options.stage = TrainStage::kLanguages;
  options.config.languages.steps = 2;
  options.config.languages.weights = {{"de", 0.0}};
  const auto report = train(options, {}, std::stop_token());
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, StatusCode::kInvalidArgument);
  EXPECT_NE(report.error().message.find("languages.weights"), std::string::npos);
}

TEST(LanguageStage, NeedsAnEnglishModel) {
  const TempDir folder;
  auto options = small_run(folder, 4);
  options.stage = TrainStage::kLanguages;
  const auto nothing_yet = train(options, {}, std::stop_token());
  ASSERT_FALSE(nothing_yet);
  EXPECT_EQ(nothing_yet.error().code, StatusCode::kNotFound);

  options.stage = TrainStage::kBoth;
  ASSERT_TRUE(train(options, {}, std::stop_token()));
  options.stage = TrainStage::kLanguages;
  options.config.vocab_size = 514;  // fewer than the model has: it was extended by somebody else
  const auto has_languages = train(options, {}, std::stop_token());
  ASSERT_FALSE(has_languages);
  EXPECT_EQ(has_languages.error().code, StatusCode::kFailedPrecondition);
}

TEST(PictureStage, TeachesTheImageTowerAloneAndGoesOnAfterAKill) {
  const TempDir folder;
  auto options = small_run(folder, 30);
  ASSERT_TRUE(train(options, {}, std::stop_token()));
  const auto first = testing_support::read_file(folder / "model" / "model.safetensors");

  options.stage = TrainStage::kPictures;
  options.config.pictures.steps = 60;
  options.config.pictures.learning_rate = 2e-3;
  options.config.checkpoint_minutes = options.config.evaluate_minutes = 1e-9;
  const fs::path checkpoint = options.config.work_folder / "pictures.safetensors";
  const fs::path as_killed = folder / "as_killed.safetensors";
  std::vector<std::size_t> sizes;
  const auto report = train(
      options,
      [&](const TrainProgress& p) {
        if (p.stage == "evaluate" && p.done == 25) fs::copy_file(checkpoint, as_killed);
        if (p.stage == "train") sizes.push_back(p.image_size);
      },
      std::stop_token());
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->steps, 60u);
  EXPECT_THAT(sizes, testing::Each(32u));  // as the last [[phase]]
  const fs::path start = options.config.work_folder / "before-pictures";
  EXPECT_TRUE(testing_support::read_file(start / "model.safetensors") == first);

  const auto before = encoders::Checkpoint::open(start);
  const auto after = encoders::Checkpoint::open(report->folder);
  ASSERT_TRUE(before && after);
  std::size_t num_changed = 0;
  for (const auto& [name, tensor] : before->tensors()) {
    const auto* now = after->find(name);
    ASSERT_NE(now, nullptr) << name;
    const bool is_equal = std::ranges::equal(tensor.bytes, now->bytes);
    if (name.starts_with("text_")) {
      EXPECT_TRUE(is_equal) << name;
    }
    if (name.starts_with("vision_") && !is_equal) ++num_changed;
  }
  EXPECT_GT(num_changed, 20u);

  const auto wanted = testing_support::read_file(report->folder / "model.safetensors");
  fs::rename(as_killed, checkpoint);
  ASSERT_TRUE(train(options, {}, std::stop_token()));
  EXPECT_TRUE(testing_support::read_file(report->folder / "model.safetensors") == wanted);
}

TEST(PictureStage, BeginsAnewWithTheModelThatIsThere) {
  const TempDir folder;
  auto options = small_run(folder, 4);
  options.stage = TrainStage::kPictures;
  options.config.pictures.steps = 3;
  const auto nothing_yet = train(options, {}, std::stop_token());
  ASSERT_FALSE(nothing_yet);
  EXPECT_EQ(nothing_yet.error().code, StatusCode::kNotFound);

  options.stage = TrainStage::kBoth;
  ASSERT_TRUE(train(options, {}, std::stop_token()));
  options.stage = TrainStage::kPictures;
  ASSERT_TRUE(train(options, {}, std::stop_token()));
  const auto once = testing_support::read_file(folder / "model" / "model.safetensors");
  ASSERT_TRUE(train(options, {}, std::stop_token()));  // done already
  EXPECT_TRUE(testing_support::read_file(folder / "model" / "model.safetensors") == once);
  options.restart = true;
  ASSERT_TRUE(train(options, {}, std::stop_token()));
  EXPECT_TRUE(testing_support::read_file(options.config.work_folder /
                                         "before-pictures/model.safetensors") == once);
  EXPECT_FALSE(testing_support::read_file(folder / "model" / "model.safetensors") == once);
}

}  // namespace
}  // namespace sightline::train
