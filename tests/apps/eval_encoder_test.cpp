// eval encoder: recall of the model that ships on drawings it knows, and what is said of bad lists.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "tests/apps/drawings.h"

namespace sightline::apps::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::vector<std::string> command(const std::filesystem::path& list) {
  return {"eval", "encoder", "--data", list.string()};
}

TEST(EvalEncoder, FindsDrawingsByTheirCaptions) {
  Sandbox box;
  const auto list = draw_catalogue(box, "list.jsonl", 2);
  auto arguments = command(list);
  arguments.push_back("--json");
  const Finished finished = box.run(arguments);
  ASSERT_EQ(finished.code, 0) << finished.err;
  const Json report = finished.json();
  EXPECT_EQ(report["model"], "embedded");
  EXPECT_EQ(report["data"], list.string());
  EXPECT_EQ(report["pictures"], 24);
  EXPECT_EQ(report["captions"], 12);
  EXPECT_EQ(report["skipped"], Json::array());
  EXPECT_EQ(report["checksum"].get<std::string>().size(), 32u);
  // Guessing finds 1 in 12 at once; emoji sets have most of these.
  for (const char* way : {"text_to_image", "image_to_text"}) {
    EXPECT_GT(report[way]["recall_at_1"].get<double>(), 0.4) << report.dump();
    EXPECT_GE(report[way]["recall_at_10"].get<double>(), 0.9) << report.dump();
    EXPECT_LE(report[way]["recall_at_1"], report[way]["recall_at_5"]);
  }
  auto drawing = command(list);
  drawing.insert(drawing.end(), {"--examples", box.path("examples.png").string()});
  const Finished text = box.run(drawing);
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_GT(std::filesystem::file_size(box.path("examples.png")), 2000u);
  EXPECT_THAT(text.out, HasSubstr("strong matches"));
  EXPECT_THAT(text.out, HasSubstr("model embedded over 24 pictures with 12 captions"));
  EXPECT_THAT(text.out, HasSubstr("text to image"));
}

TEST(EvalEncoder, AnotherModelAndEqualPicturesThatShareTheirPlace) {
  Sandbox box;
  // Equal pictures with unlike captions: each query finds its own half of the time.
  box.write_picture("a.bmp", 1);
  box.write_picture("b.bmp", 1);
  const auto list = box.dir().write("l.csv", "image,caption\na.bmp,a cat\nb.bmp,a dog\n");
  auto arguments = command(list);
  arguments.insert(arguments.end(), {"--model", tiny_model(), "--json"});
  const Json report = box.run(arguments).json();
  EXPECT_EQ(report["model"], "clip-vit-tiny");
  EXPECT_EQ(report["text_to_image"]["recall_at_1"], 0.5);
  EXPECT_EQ(report["image_to_text"]["recall_at_1"], 0.5);
  EXPECT_EQ(report["text_to_image"]["recall_at_5"], 1.0);
}

TEST(EvalEncoder, KeepsTheThresholdOfStrongMatchesInTheModelsFolder) {
  Sandbox box;
  const auto list = draw_catalogue(box, "list.jsonl", 2);
  const auto model = box.path("model");
  std::filesystem::copy(tiny_model(), model);
  auto arguments = command(list);
  arguments.insert(arguments.end(), {"--model", model.string(), "--json"});
  const Json before = box.run(arguments).json();
  EXPECT_EQ(before["threshold"]["used"]["strong_spreads"], 3.0);
  EXPECT_FALSE(std::filesystem::exists(model / "sightline.json")) << "only measured";

  arguments.push_back("--save-threshold");
  const Finished saved = box.run(arguments);
  ASSERT_EQ(saved.code, 0) << saved.err;
  EXPECT_THAT(saved.err, HasSubstr("are strong from"));
  const double best = saved.json()["threshold"]["best"]["strong_spreads"];
  EXPECT_EQ(read_json_file(model / "sightline.json").value()["strong_spreads"], best);

  arguments.pop_back();
  const Json after = box.run(arguments).json();
  EXPECT_EQ(after["threshold"]["used"], after["threshold"]["best"]);
  EXPECT_EQ(after["checksum"], before["checksum"]) << "it changes no embedding";

  box.dir().write("model/sightline.json", "{\"strong_spreads\": -1}");
  const Finished broken = box.run(arguments);
  EXPECT_EQ(broken.code, 1);
  EXPECT_THAT(broken.last_error_line(), HasSubstr("strong_spreads is -1"));
}

TEST(EvalEncoder, FitsNoThresholdOnAHandfulOfPictures) {
  Sandbox box;
  const auto list = draw_catalogue(box, "list.jsonl", 1);
  auto arguments = command(list);
  arguments.insert(arguments.end(), {"--json"});
  EXPECT_TRUE(box.run(arguments).json()["threshold"].is_null());
  arguments.back() = "--save-threshold";
  const Finished finished = box.run(arguments);
  EXPECT_EQ(finished.code, 1);
  EXPECT_THAT(finished.last_error_line(), HasSubstr("no threshold can be fitted on 12 pictures"));
}

TEST(EvalEncoder, BrokenPicturesAreSkippedAndListed) {
  Sandbox box;
  draw_catalogue(box, "unused.jsonl", 1);
  box.dir().write("broken.png", "no picture");
  const auto list = box.dir().write("l.csv",
                                    "image,caption\nshapes/00-0.bmp,red circle\n"
                                    "broken.png,something\ngone.png,red circle\n");
  auto arguments = command(list);
  const Finished text = box.run(arguments);
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.err, HasSubstr("2 pictures could not be read"));
  arguments.push_back("--json");
  const Json report = box.run(arguments).json();
  EXPECT_EQ(report["pictures"], 1);
  EXPECT_EQ(report["captions"], 1) << "a caption of broken pictures alone does not ask";
  ASSERT_EQ(report["skipped"].size(), 2u);
  EXPECT_THAT(report["skipped"][0]["image"].get<std::string>(), HasSubstr("broken.png"));
  EXPECT_THAT(report["skipped"][1]["reason"].get<std::string>(), HasSubstr("gone.png"));
}

struct BadCase {
  std::string name;
  std::vector<std::string> arguments;
  int code;
  std::string message;
};
class EvalEncoderErrors : public ::testing::TestWithParam<BadCase> {};

TEST_P(EvalEncoderErrors, EndWithTheirCode) {
  Sandbox box;
  box.dir().write("bad.csv", "image,caption\na.png,\n");
  box.dir().write("gone.csv", "image,caption\na.png,x\n");
  std::vector<std::string> arguments{"eval", "encoder"};
  for (const std::string& argument : GetParam().arguments) {
    arguments.push_back(argument.ends_with(".csv") ? box.path(argument).string() : argument);
  }
  const Finished finished = box.run(arguments);
  EXPECT_EQ(finished.code, GetParam().code) << finished.err;
  EXPECT_THAT(finished.out, IsEmpty());
  EXPECT_THAT(finished.last_error_line(), StartsWith("sightline: error: "));
  EXPECT_THAT(finished.last_error_line(), HasSubstr(GetParam().message));
}
INSTANTIATE_TEST_SUITE_P(
    Cases, EvalEncoderErrors,
    ::testing::ValuesIn(std::vector<BadCase>{
        {"NoList", {}, 2, "--data"},
        {"MissingList", {"--data", "none.csv"}, 1, "none.csv"},
        {"BadRow", {"--data", "bad.csv"}, 1, "bad.csv:2: has no \"caption\""},
        {"NothingReadable", {"--data", "gone.csv"}, 1, "none of the 1 pictures can be read"},
        {"NoModel", {"--data", "gone.csv", "--model", "/nowhere"}, 1, "/nowhere"},
        {"BadExamples", {"--data", "gone.csv", "--examples", "e.gif"}, 2, "e.gif"},
        {"UnknownFlag", {"--data", "gone.csv", "--wat"}, 2, "--wat"},
    }),
    [](const auto& info) { return info.param.name; });

TEST(EvalEncoder, CtrlCEndsItInGoodOrder) {
  Sandbox box;
  const auto picture = box.write_picture("p.bmp", 1);
  std::string rows = "image,caption\n";
  for (int i = 0; i < 5000; ++i) {
    const std::string name = "p" + std::to_string(i) + ".bmp";
    std::filesystem::create_hard_link(picture, box.path(name));
    rows += name + ",picture " + std::to_string(i) + "\n";
  }
  const auto running = box.start(command(box.dir().write("list.csv", rows)));
  ASSERT_TRUE(running->handles_interrupts());
  running->send(SIGINT);
  const Finished finished = running->wait();
  EXPECT_EQ(finished.code, 130) << finished.err;
  EXPECT_THAT(finished.out, IsEmpty());
  EXPECT_THAT(finished.err, HasSubstr("interrupted"));
}

}  // namespace
}  // namespace sightline::apps::testing
