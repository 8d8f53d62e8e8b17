// How the program is called, what it prints where, and how it ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "tests/apps/program.h"

namespace sightline::apps::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

/// An error as the contract has it: code, empty stdout, message on the last line.
void expect_error(const Finished& run, int code, const std::string& part) {
  EXPECT_EQ(run.signal, 0);
  EXPECT_EQ(run.code, code) << run.err;
  EXPECT_THAT(run.out, IsEmpty());
  EXPECT_THAT(run.last_error_line(), StartsWith("sightline: error: "));
  EXPECT_THAT(run.last_error_line(), HasSubstr(part));
  EXPECT_TRUE(run.err.ends_with('\n'));
}

TEST(CommandLine, SaysItsVersion) {
  Sandbox box;
  const Finished run = box.run({"--version"});
  EXPECT_EQ(run.code, 0);
  EXPECT_THAT(run.out, StartsWith("sightline "));
  EXPECT_THAT(run.err, IsEmpty());
  for (const auto& arguments :
       std::vector<std::vector<std::string>>{{"--version", "--json"}, {"--json", "--version"}}) {
    const Finished json = box.run(arguments);
    EXPECT_EQ(json.code, 0) << json.err;
    EXPECT_EQ("sightline " + json.json().at("version").get<std::string>() + "\n", run.out);
  }
}

TEST(CommandLine, HelpsWithEveryCommand) {
  Sandbox box;
  const Finished all = box.run({"--help"});
  EXPECT_EQ(all.code, 0);
  EXPECT_THAT(all.err, IsEmpty());
  for (const char* command : {"index", "search", "import", "collection", "config", "doctor",
                              "model", "tokenize", "preprocess", "embed", "similarity"}) {
    EXPECT_THAT(all.out, HasSubstr(command));
    const Finished help = box.run({command, "--help"});
    EXPECT_EQ(help.code, 0) << command;
    EXPECT_THAT(help.out, HasSubstr(std::string("Examples:\n  ")));
    EXPECT_THAT(help.out, HasSubstr(std::string("  sightline ") + command));
  }
  EXPECT_EQ(box.run({"help", "search"}).out, box.run({"search", "--help"}).out);
  EXPECT_THAT(box.run({"help", "collection", "info"}).out, HasSubstr("Examples:"));
}

struct UsageCase {
  std::string name;
  std::vector<std::string> arguments;
  std::string message;
};
class Usage : public ::testing::TestWithParam<UsageCase> {};
TEST_P(Usage, WrongUseEndsWithTwo) {
  Sandbox box;
  expect_error(box.run(GetParam().arguments), 2, GetParam().message);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, Usage,
    ::testing::ValuesIn(std::vector<UsageCase>{
        {"NoCommand", {}, "a command is missing: one of index, search"},
        {"UnknownCommand", {"serach", "x"}, "there is no command \"serach\""},
        {"UnknownBelow", {"collection", "lsit"}, "\"lsit\"; it must be one of list, info"},
        {"UnknownFlag", {"search", "x", "--frobnicate"}, "--frobnicate"},
        {"UnknownFlagAlone", {"--bogus"}, "--bogus is not known here"},
        {"UnknownFlagOfAGroup", {"collection", "--bogus"}, "--bogus is not known here"},
        {"HelpForNothing", {"help", "nope"}, "there is no command \"nope\""},
        {"HelpForNothingBelow", {"help", "collection", "nope"}, "\"nope\"; it must be one of list"},
        {"HelpForTooMuch", {"help", "index", "extra"}, "leave out \"extra\""},
        {"NoPath", {"index"}, "PATH"},
        {"NothingToSearch", {"search"}, "nothing to search for"},
        {"TopKOfZero", {"search", "x", "--top-k", "0"}, "--top-k"},
        {"TopKNoNumber",
         {"search", "x", "--top-k", "many"},
         "--top-k: \"many\" is not a whole number in 1..10000"},
        {"MinScoreNan",
         {"search", "x", "--min-score", "nan"},
         "--min-score: \"nan\" is not a finite number"},
        {"MinScoreInfinite",
         {"search", "x", "--min-score", "-inf"},
         "--min-score: \"-inf\" is not a finite number"},
        {"MinScoreNoNumber",
         {"search", "x", "--min-score", "0.5x"},
         "--min-score: \"0.5x\" is not a finite number"},
        {"MaxLengthBroken",
         {"tokenize", "x", "--max-length", "77.5"},
         "--max-length: \"77.5\" is not a whole number in 2..100000"},
        {"ThreadsBroken",
         {"doctor", "--threads", "1.5"},
         "--threads: \"1.5\" is not a whole number in 0..1024"},
        {"TargetRecallNan",
         {"index", ".", "--target-recall", "nan"},
         "--target-recall: \"nan\" is not a number in 0.5..1.0"},
        {"UnknownFormat", {"search", "x", "--format", "xml"}, "--format"},
        {"JsonAndNull", {"search", "x", "--json", "-0"}, "--json and -0 exclude"},
        {"JsonAndPaths",
         {"search", "x", "--json", "--format", "paths"},
         "--json and --format exclude"},
        {"UnknownAlpha", {"index", ".", "--alpha", "pink"}, "pink"},
        {"UnknownPrecision", {"embed", "--text", "a", "--precision", "fp7"}, "fp7"},
        {"NoTexts", {"tokenize"}, "TEXT"},
        {"NothingToEmbed", {"embed"}, "--text"},
        {"NoOutFile", {"preprocess", "a.png"}, "--out"},
        {"DeleteUnasked", {"collection", "delete", "x"}, "--yes"},
        {"WeightNoNumber",
         {"search", "x", "--weight", "heavy"},
         "--weight: \"heavy\" is not a finite number other than 0"},
        {"WeightNan",
         {"search", "x", "--weight", "nan"},
         "--weight: \"nan\" is not a finite number other than 0"},
        {"WeightInfinite",
         {"search", "x", "--weight", "inf"},
         "--weight: \"inf\" is not a finite number other than 0"},
        {"WeightZero",
         {"search", "x", "--weight", "0"},
         "--weight: \"0\" is not a finite number other than 0"},
        {"WeightOfNothing",
         {"search", "--weight", "2", "x"},
         "--weight 2 has no operand before it"},
        {"TwoWeights",
         {"search", "x", "--weight", "2", "--weight", "3"},
         "--weight 2 and --weight 3 are for the same operand"},
        {"QueriesAndWords", {"search", "x", "--queries", "f"}, "leave out \"x\""},
        {"ValueMissing", {"search", "--image"}, "--image"},
        {"WithJsonToo", {"search", "--json"}, "nothing to search for"},
    }),
    [](const auto& test) { return test.param.name; });

class BadInput : public ::testing::TestWithParam<UsageCase> {};
TEST_P(BadInput, EndsWithOne) {
  Sandbox box;
  box.dir().write("work/text.jpg", "this is text\n");
  box.dir().write("work/list.json", "{\"a\": 1}");
  expect_error(box.run(GetParam().arguments), 1, GetParam().message);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, BadInput,
    ::testing::ValuesIn(std::vector<UsageCase>{
        {"NoSuchPath", {"index", "nowhere"}, "nowhere"},
        {"EmptyPath", {"index", ""}, "PATH \"\" is empty"},
        {"EmptyPathOfAServer",
         {"index", "", "--server", "http://127.0.0.1:9"},
         "PATH \"\" is empty"},
        {"DataIsAFile", {"search", "x", "--data", "text.jpg"}, "text.jpg is a file"},
        {"DataIsAFileToIndex",
         {"index", ".", "--data", "text.jpg", "--model", tiny_model()},
         "text.jpg is a file"},
        {"NoDataFolder", {"search", "x", "--data", "none"}, "no data folder"},
        {"NoDataFolderJson", {"search", "x", "--data", "none", "--json"}, "no data folder"},
        {"NoDataFolderList", {"collection", "list", "--data", "none"}, "none"},
        {"NoDataFolderInfo", {"collection", "info", "--data", "none"}, "none"},
        {"NoModelFolder", {"embed", "--text", "a", "--model", "nomodel"}, "nomodel"},
        {"ModelCheck", {"model", "check", "nomodel", "--json"}, "nomodel"},
        {"NoPicture",
         {"preprocess", "no.png", "--out", "o.npy", "--model", tiny_model()},
         "no.png"},
        {"TextNamedJpg",
         {"preprocess", "text.jpg", "--out", "o.npy", "--model", tiny_model()},
         "text.jpg"},
        {"OutFolderMissing",
         {"preprocess", test_data("preprocess/images/tiny_5x7.png").string(), "--out", "no/o.npy",
          "--model", tiny_model()},
         "no/o.npy"},
        {"NoList", {"tokenize", "--model", tiny_model(), "--input", "list.json"}, "list.json"},
        {"NoConfigFile", {"config", "show", "--config", "none.toml"}, "none.toml"},
        {"CollectionName", {"index", ".", "--collection", "a/b"}, "a/b"},
    }),
    [](const auto& test) { return test.param.name; });

TEST(CommandLine, ANewlineInANameDoesNotBreakTheLastLine) {
  Sandbox box;
  expect_error(box.run({"index", "no\nsuch\x1b[31m\npath"}), 1,
               "no\\nsuch\\x1b[31m\\npath: no such file");
}

TEST(CommandLine, TextsToTokenizeMayComeFromStdin) {
  Sandbox box;
  const Finished piped = box.shell(
      "echo '[\"a cat\", \"two\"]' | \"$SIGHTLINE\" tokenize --input - "
      "--json --model " +
      tiny_model());
  ASSERT_EQ(piped.code, 0) << piped.err;
  const Finished given = box.run({"tokenize", "a cat", "two", "--json", "--model", tiny_model()});
  EXPECT_EQ(piped.out, given.out);
  expect_error(box.shell("echo 1 | \"$SIGHTLINE\" tokenize --input - --model " + tiny_model()), 1,
               "stdin: must hold a JSON list of strings");
}

TEST(CommandLine, FlagsMayComeBeforeOrAfterTheCommand) {
  Sandbox box;
  for (const auto& arguments :
       std::vector<std::vector<std::string>>{{"--json", "--threads", "1", "config", "show"},
                                             {"config", "--json", "show", "--threads", "1"},
                                             {"config", "show", "--threads=1", "--json"}}) {
    const Finished run = box.run(arguments);
    ASSERT_EQ(run.code, 0) << run.err;
    const Json threads = run.json()["settings"]["threads"];
    EXPECT_EQ(threads["value"], 1);
    EXPECT_EQ(threads["source"], "flag --threads");
  }
}

TEST(CommandLine, SettingsSayWhereTheyComeFrom) {
  Sandbox box;
  box.environment["SIGHTLINE_IMAGE_ALPHA"] = "drop";
  box.environment["XDG_DATA_HOME"] = box.path("share");
  const auto file = box.dir().write("my.toml", "threads = 1\n[image]\nalpha = \"white\"\n");
  const Finished run = box.run({"config", "show", "--json", "--config", file});
  ASSERT_EQ(run.code, 0) << run.err;
  const Json settings = run.json()["settings"];
  EXPECT_EQ(settings["image.alpha"]["value"], "drop");
  EXPECT_EQ(settings["image.alpha"]["source"], "environment SIGHTLINE_IMAGE_ALPHA");
  EXPECT_EQ(settings["threads"]["value"], 1);
  EXPECT_EQ(settings["data_dir"]["value"], box.path("share/sightline").string());
  const Finished text = box.run({"config", "show"});
  EXPECT_THAT(text.out, HasSubstr("data_dir = "));
}

TEST(CommandLine, TheDoctorReportsWithoutAModel) {
  Sandbox box;
  const Finished run = box.run({"doctor", "--json", "--model", tiny_model()});
  ASSERT_EQ(run.code, 0) << run.err;
  const Json report = run.json();
  EXPECT_EQ(report["model"]["dim"], 32);
  EXPECT_GE(report["cpu"]["cores"].get<int>(), 1);
  EXPECT_FALSE(report["libraries"].empty());
  EXPECT_EQ(report["data"]["exists"], false);

  const Finished broken = box.run({"doctor", "--json", "--model", "nomodel"});
  ASSERT_EQ(broken.code, 0) << broken.err;
  EXPECT_THAT(broken.json()["problems"].dump(), HasSubstr("nomodel"));
  EXPECT_FALSE(std::filesystem::exists(box.path("home/.local/share/sightline")))
      << "looking creates nothing";
}

TEST(CommandLine, AClosedOrFullStdoutIsNoCrash) {
  Sandbox box;
  const Finished closed = box.shell("\"$SIGHTLINE\" config show >&-");
  EXPECT_EQ(closed.signal, 0);
  EXPECT_EQ(closed.code, 0) << "as if it went to /dev/null";
  const Finished full = box.shell("\"$SIGHTLINE\" config show >/dev/full");
  EXPECT_EQ(full.code, 1);
  EXPECT_THAT(full.last_error_line(), HasSubstr("stdout"));
  const Finished pipe = box.shell(
      "{ \"$SIGHTLINE\" --help; echo $? >code; } | true; sleep 1; "
      "{ sleep 1; \"$SIGHTLINE\" --help; echo $? >code; } | true; cat code");
  EXPECT_EQ(pipe.out, "1\n") << "the reader was gone before";
  EXPECT_THAT(pipe.err, Not(HasSubstr("error")));
}

TEST(CommandLine, OddTextsArriveAsTheyAre) {
  Sandbox box;
  for (const std::string& text :
       {std::string("[a,b]"), std::string("{}"), std::string("%%"), std::string("++"),
        std::string("--x"), std::string("-1"), std::string(""), std::string("search")}) {
    const std::vector<std::string> common = {"--json", "--model", tiny_model()};
    std::vector<std::string> odd = {"tokenize", "--", text};
    odd.insert(odd.begin() + 1, common.begin(), common.end());
    const Finished run = box.run(odd);
    ASSERT_EQ(run.code, 0) << text << run.err;
    const auto file = box.dir().write("texts.json", dump_json(Json::array({text})));
    const Finished wanted =
        box.run({"tokenize", "--json", "--model", tiny_model(), "--input", file});
    EXPECT_EQ(run.out, wanted.out) << text;
  }
  // An empty value behind "=" is a value, not a hole for the next argument.
  const Finished empty = box.run({"embed", "--text=", "--json", "--model", tiny_model()});
  ASSERT_EQ(empty.code, 0) << empty.err;
  EXPECT_EQ(empty.json()["embeddings"][0]["text"], "");
}

}  // namespace
}  // namespace sightline::apps::testing
