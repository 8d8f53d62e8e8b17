// The main job: index, search, go on, refuse; by the program alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <numeric>
#include <thread>

#include "tests/apps/program.h"

namespace sightline::apps::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using namespace std::chrono_literals;

/// A sandbox whose runs use the tiny model and a data folder of their own.
class IndexAndSearch : public ::testing::Test {
 protected:
  std::vector<std::string> with_data(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--data", box_.path("data")});
    return arguments;
  }
  Finished index(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "index");
    arguments.insert(arguments.end(), {"--model", tiny_model()});
    return box_.run(with_data(arguments));
  }
  Finished search(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "search");
    return box_.run(with_data(arguments));
  }
  Json index_json(std::vector<std::string> arguments) {
    arguments.push_back("--json");
    const Finished run = index(arguments);
    EXPECT_EQ(run.code, 0) << run.err;
    const Json report = run.json();
    std::uint64_t skipped = 0;
    for (const auto& [reason, count] : report["skipped"].items()) {
      skipped += count.get<std::uint64_t>();
    }
    EXPECT_EQ(report["seen"].get<std::uint64_t>(), report["indexed"].get<std::uint64_t>() +
                                                       report["unchanged"].get<std::uint64_t>() +
                                                       skipped);
    return report;
  }
  std::string write_pictures(std::size_t count, const std::string& folder = "pictures") {
    for (std::size_t i = 0; i < count; ++i) {
      box_.write_picture(std::filesystem::path(folder) / (std::to_string(i) + ".bmp"),
                         static_cast<unsigned>(i));
    }
    return box_.path(folder);
  }
  std::uint64_t num_points() {
    const Finished run = box_.run(with_data({"collection", "info", "--json"}));
    return run.code == 0 ? run.json()["num_points"].get<std::uint64_t>() : 0;
  }

  Sandbox box_;
};

TEST_F(IndexAndSearch, FindsThePictureItIsShown) {
  const std::string folder = write_pictures(12);
  const Json report = index_json({folder});
  EXPECT_EQ(report["indexed"], 12);
  EXPECT_EQ(report["unchanged"], 0);
  EXPECT_EQ(report["pruned"], 0);
  EXPECT_GT(report["images_per_second"].get<double>(), 0);
  EXPECT_TRUE(report["stages"].is_object());

  const Finished run = search({"--image", folder + "/7.bmp", "--json", "--top-k", "3"});
  ASSERT_EQ(run.code, 0) << run.err;
  const Json answer = run.json();
  ASSERT_EQ(answer["hits"].size(), 3U);
  EXPECT_TRUE(answer["timings_ms"].is_object());
  const Json& first = answer["hits"][0];
  EXPECT_EQ(first["rank"], 1);
  EXPECT_EQ(first["path"], folder + "/7.bmp");
  EXPECT_NEAR(first["score"].get<double>(), 1.0, 1e-4);
  EXPECT_EQ(first["width"], 32);
  EXPECT_EQ(first["height"], 32);
  EXPECT_EQ(first["payload"]["_image"]["format"], "bmp");
  EXPECT_GE(first["score"], answer["hits"][1]["score"]);
  EXPECT_GE(answer["hits"][1]["score"], answer["hits"][2]["score"]);

  const Json like =
      search({"--like", first["id"].get<std::string>(), "--json", "--top-k", "12"}).json();
  EXPECT_EQ(like["hits"].size(), 11U) << "the point itself is left out";
}

TEST_F(IndexAndSearch, WhatIsRefusedLeavesNothingBehind) {
  const std::string folder = write_pictures(1);
  box_.dir().write("set.tgz", "x");
  box_.dir().write("empty.csv", "");
  box_.dir().write("no_image.csv", "file,n\na.bmp,1\n");
  box_.dir().write("twice.csv", "image,n,n\na.bmp,1,2\n");
  box_.dir().write("reserved.csv", "image,_image\na.bmp,1\n");
  box_.dir().write("reserved.jsonl", "{\"image\": \"a.bmp\", \"_image\": {}}\n");
  for (const char* name : {"set.tgz", "empty.csv", "no_image.csv", "twice.csv", "reserved.csv",
                           "reserved.jsonl", "none.bmp"}) {
    SCOPED_TRACE(name);
    for (const auto& paths :
         std::vector<std::vector<std::string>>{{box_.path(name)}, {folder, box_.path(name)}}) {
      const Finished run = index(paths);
      EXPECT_EQ(run.code, 1);
      EXPECT_THAT(run.last_error_line(), HasSubstr(name));
      EXPECT_FALSE(std::filesystem::exists(box_.path("data")));
    }
  }
  EXPECT_EQ(box_.run(with_data({"index", folder, "--model", "nomodel"})).code, 1);
  EXPECT_FALSE(std::filesystem::exists(box_.path("data")));
  // Nor is a collection of another model there when the next one comes.
  EXPECT_EQ(index({box_.path("twice.csv")}).code, 1);
  EXPECT_EQ(box_.run(with_data({"index", folder, "--model", test_data("clip-vit-tiny-gelu")})).code,
            0);
}

TEST_F(IndexAndSearch, ANewCollectionIntoWhichNothingCameIsTakenAway) {
  const std::string folder = write_pictures(2);
  const auto collections = [&] {
    return box_.run(with_data({"collection", "list", "--json"})).json()["collections"].size();
  };
  box_.environment["SIGHTLINE_INGEST_BATCH_SIZE"] = "4000";  // more than the model takes
  const Finished run = index({folder});
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.last_error_line(), HasSubstr("batch_size is 4000"));
  EXPECT_EQ(collections(), 0U);
  EXPECT_TRUE(std::filesystem::is_empty(box_.path("data/collections")));

  box_.environment.erase("SIGHTLINE_INGEST_BATCH_SIZE");
  std::filesystem::create_directories(box_.path("nothing"));
  index_json({box_.path("nothing")});
  box_.environment["SIGHTLINE_INGEST_BATCH_SIZE"] = "4000";
  EXPECT_EQ(index({folder}).code, 1);
  EXPECT_EQ(collections(), 1U) << "it was there before";
}

TEST_F(IndexAndSearch, TooManyPixelsAreNamedAlikeEverywhere) {
  const std::string folder = write_pictures(1);
  index_json({folder});
  std::string png = testing_support::read_file(test_data("preprocess/images/tiny_5x7.png"));
  for (const std::size_t at : {16U, 20U}) png.replace(at, 4, std::string("\0\0\x4E\x20", 4));
  const std::string file = box_.dir().write("pictures/claims.png", png);
  const std::string message =
      "claims.png: png of 20000 x 20000 = 400000000 pixels; the limit image.max_pixels is "
      "100000000";
  EXPECT_EQ(index_json({folder})["skipped"], (Json{{"too_large", 1}}));
  EXPECT_THAT(testing_support::read_file(box_.path("data/collections/default/skipped.jsonl")),
              HasSubstr(message));
  for (const auto& arguments :
       {with_data({"search", "--image", file}),
        std::vector<std::string>{"preprocess", file, "--out", "o.npy", "--model", tiny_model()},
        std::vector<std::string>{"embed", "--image", file, "--model", tiny_model()}}) {
    const Finished run = box_.run(arguments);
    EXPECT_EQ(run.code, 1);
    EXPECT_THAT(run.last_error_line(), HasSubstr(message));
  }
}

TEST_F(IndexAndSearch, RunningAgainHandlesNewAndChangedFilesOnly) {
  const std::string folder = write_pictures(5);
  box_.dir().write("pictures/broken.jpg", "not a picture");
  const Json first = index_json({folder});
  EXPECT_EQ(first["indexed"], 5);
  EXPECT_EQ(first["seen"], 6);
  const Json again = index_json({folder});
  EXPECT_EQ(again["indexed"], 0);
  EXPECT_EQ(again["unchanged"], 5);
  EXPECT_EQ(again["skipped"], first["skipped"]) << "skipped before, skipped again";
  box_.write_picture("pictures/5.bmp", 5);
  box_.write_picture("pictures/0.bmp", 100, 40, 40);
  const Json third = index_json({folder});
  EXPECT_EQ(third["indexed"], 2);
  EXPECT_EQ(third["unchanged"], 4);
  std::filesystem::remove(folder + "/1.bmp");
  EXPECT_EQ(index_json({folder})["pruned"], 0);
  EXPECT_EQ(index_json({folder, "--prune"})["pruned"], 1);
  EXPECT_EQ(num_points(), 5U);
}

TEST_F(IndexAndSearch, ListsWhatItSkipped) {
  const std::string folder = write_pictures(2);
  box_.dir().write("pictures/broken.jpg", "not a picture");
  box_.dir().write("pictures/empty.png", "");
  box_.dir().write("pictures/notes.txt", "not seen at all");
  const Finished run = index({folder});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("2 pictures indexed"));
  EXPECT_THAT(run.out, HasSubstr("2 skipped"));
  const auto list = box_.path("data/collections/default/skipped.jsonl");
  EXPECT_THAT(run.out, HasSubstr(list.string()));
  std::istringstream lines(testing_support::read_file(list));
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    EXPECT_TRUE(parse_json(line, "skipped.jsonl")) << line;
  }
  EXPECT_EQ(count, 2U);
}

TEST_F(IndexAndSearch, TakesNamesWithSpacesUtf8AndNewlines) {
  const std::vector<std::string> names = {"a b.bmp", "Gr\u00fc\u00dfe \u732b.bmp",
                                          "line\nbreak.bmp", "[1,2].bmp", "quote\"'.bmp"};
  std::filesystem::create_directories(box_.path("odd [names]"));
  for (std::size_t i = 0; i < names.size(); ++i) {
    box_.write_picture(std::filesystem::path("odd [names]") / names[i], static_cast<unsigned>(i));
  }
  const std::string folder = box_.path("odd [names]");
  EXPECT_EQ(index_json({folder})["indexed"], names.size());
  const Finished run = search({"anything", "-0", "--top-k", "100"});
  ASSERT_EQ(run.code, 0) << run.err;
  std::vector<std::string> found;
  std::istringstream paths(run.out);
  for (std::string path; std::getline(paths, path, '\0');) found.push_back(path);
  EXPECT_TRUE(run.out.ends_with('\0'));
  std::vector<std::string> wanted;
  for (const std::string& name : names) wanted.push_back(folder + "/" + name);
  EXPECT_THAT(found, ::testing::UnorderedElementsAreArray(wanted));

  const Finished table = search({"anything"});
  EXPECT_THAT(table.out, HasSubstr("line\\nbreak.bmp"));
  const Finished lines = search({"anything", "--format", "paths", "--top-k", "1"});
  EXPECT_THAT(lines.out, StartsWith(folder + "/"));
  const Finished one = search({"--image", folder + "/line\nbreak.bmp", "--json"});
  EXPECT_EQ(one.json()["hits"][0]["path"], folder + "/line\nbreak.bmp");
}

TEST_F(IndexAndSearch, ABracketedFolderIsNoList) {
  box_.write_picture("work/[2020,2021]/a.bmp", 1);
  EXPECT_EQ(index_json({"[2020,2021]"})["indexed"], 1);
}

TEST_F(IndexAndSearch, MixesOperandsByWeight) {
  const std::string folder = write_pictures(10);
  index_json({folder});
  const auto first = [&](std::vector<std::string> arguments) {
    arguments.push_back("--json");
    const Finished run = search(arguments);
    EXPECT_EQ(run.code, 0) << run.err;
    return run.json()["hits"][0]["path"].get<std::string>();
  };
  const std::string a = folder + "/2.bmp", b = folder + "/3.bmp";
  EXPECT_EQ(first({"--image", a, "--weight", "50", "--image", b}), a);
  EXPECT_EQ(first({"--image", a, "--image", b, "--weight", "50"}), b);
  EXPECT_EQ(first({"--image", a, "--weight", "50", "--text", "snow", "--not", "summer"}), a);

  const Json plus = search({"--image", a, "--json"}).json();
  const Json minus = search({"--minus-image", a, "--json", "--top-k", "10"}).json();
  EXPECT_EQ(minus["hits"][9]["path"], plus["hits"][0]["path"]) << "what is subtracted comes last";
  const Finished nothing = search({"--image", a, "--minus-image", a});
  EXPECT_EQ(nothing.code, 1) << "a sum of length 0 points nowhere";
}

TEST_F(IndexAndSearch, LeavesOutHitsBelowTheMinimumScore) {
  const std::string folder = write_pictures(6);
  index_json({folder});
  const Json answer =
      search({"--image", folder + "/1.bmp", "--min-score", "0.9999", "--json"}).json();
  ASSERT_GE(answer["hits"].size(), 1U);
  for (const Json& hit : answer["hits"]) EXPECT_GE(hit["score"].get<double>(), 0.9999);
  EXPECT_THAT(search({"--image", folder + "/1.bmp", "--min-score", "1.5", "--json"}).json()["hits"],
              IsEmpty());
}

TEST_F(IndexAndSearch, WritesAPageThatNeedsNothingElse) {
  const std::string folder = write_pictures(8);
  index_json({folder});
  const auto file = box_.path("page.html");
  const Finished run = search({"a <b>dog</b>", "--html", file, "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.json()["hits"].size(), 8U);
  const std::string page = testing_support::read_file(file);
  std::size_t count = 0;
  for (std::size_t at = page.find("<img"); at != page.npos; at = page.find("<img", at + 1)) ++count;
  EXPECT_EQ(count, 8U);
  EXPECT_THAT(page, HasSubstr("a &lt;b&gt;dog&lt;/b&gt;"));
  EXPECT_THAT(page, HasSubstr("data:image/jpeg;base64,/9j/"));
  EXPECT_THAT(page, Not(HasSubstr("src=\"http")));
}

TEST_F(IndexAndSearch, AnswersManyQueriesAtOnce) {
  const std::string folder = write_pictures(4);
  index_json({folder});
  const auto file = box_.dir().write(
      "queries.jsonl", "a dog\n" + dump_json(Json{{"image", folder + "/2.bmp"}}) + "\n");
  const Finished run =
      search({"--queries", file, "--json", "--top-k", "2", "--html", box_.path("page.html")});
  ASSERT_EQ(run.code, 0) << run.err;
  const Json queries = run.json()["queries"];
  ASSERT_EQ(queries.size(), 2U);
  EXPECT_EQ(queries[0]["query"], "\"a dog\"");
  EXPECT_EQ(queries[1]["hits"][0]["path"], folder + "/2.bmp");
  const Finished table = search({"--queries", file});
  EXPECT_THAT(table.out, HasSubstr("\"a dog\"\nrank"));
  EXPECT_EQ(search({"--queries", box_.dir().write("none.jsonl", "\n")}).code, 1);
  EXPECT_EQ(search({"--queries", file, "more"}).code, 2);
}

TEST_F(IndexAndSearch, RefusesAnotherModelAndNamesBoth) {
  const std::string folder = write_pictures(3);
  index_json({folder});
  const std::string other = test_data("clip-vit-tiny-gelu");
  for (const auto& arguments : {with_data({"search", "x", "--model", other, "--json"}),
                                with_data({"index", folder, "--model", other, "--json"})}) {
    const Finished run = box_.run(arguments);
    EXPECT_EQ(run.code, 1);
    EXPECT_THAT(run.out, IsEmpty());
    EXPECT_THAT(run.last_error_line(), HasSubstr("clip-vit-tiny-gelu"));
    EXPECT_THAT(run.last_error_line(), ::testing::ContainsRegex("clip-vit-tiny([^-]|$)"));
  }
  const Finished alpha = search({"x", "--alpha", "drop"});
  EXPECT_EQ(alpha.code, 1);
  EXPECT_THAT(alpha.last_error_line(), HasSubstr("drop"));
  EXPECT_THAT(alpha.last_error_line(), HasSubstr("white"));
  EXPECT_EQ(search({"x"}).code, 0) << "without --model it is the one that was recorded";
  EXPECT_EQ(box_.run(with_data({"index", folder, "--json"})).json()["unchanged"], 3);
}

TEST_F(IndexAndSearch, TheModelIsItsContentNotItsPlace) {
  const std::string folder = write_pictures(3);
  std::filesystem::copy(tiny_model(), box_.path("model"));
  ASSERT_EQ(box_.run(with_data({"index", folder, "--model", box_.path("model")})).code, 0);
  std::filesystem::rename(box_.path("model"), box_.path("moved"));
  const Finished lost = search({"x"});
  EXPECT_EQ(lost.code, 1);
  EXPECT_THAT(lost.last_error_line(), HasSubstr("--model"));
  EXPECT_EQ(search({"x", "--model", box_.path("moved")}).code, 0);
}

TEST_F(IndexAndSearch, ListsDescribesAndDeletesCollections) {
  const std::string folder = write_pictures(3);
  index_json({folder});
  index_json({folder, "--collection", "two words"});
  const Json list = box_.run(with_data({"collection", "list", "--json"})).json()["collections"];
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0]["name"], "default");
  EXPECT_EQ(list[1]["name"], "two words");
  EXPECT_EQ(list[1]["num_points"], 3);
  EXPECT_EQ(list[1]["vectors"][""]["dim"], 32);
  EXPECT_EQ(list[1]["vectors"][""]["model"]["name"], "clip-vit-tiny");
  EXPECT_THAT(box_.run(with_data({"collection", "list"})).out, HasSubstr("two words"));
  EXPECT_THAT(box_.run(with_data({"collection", "info", "two words"})).out, HasSubstr("32 floats"));

  const Finished missing = search({"x", "--collection", "three"});
  EXPECT_EQ(missing.code, 1);
  EXPECT_THAT(missing.last_error_line(), HasSubstr("three"));
  EXPECT_THAT(missing.last_error_line(), HasSubstr("two words"));
  EXPECT_EQ(box_.run(with_data({"collection", "delete", "three", "--yes"})).code, 1);
  const Finished gone =
      box_.run(with_data({"collection", "delete", "two words", "--yes", "--json"}));
  ASSERT_EQ(gone.code, 0) << gone.err;
  EXPECT_EQ(gone.json()["deleted"], true);
  EXPECT_EQ(box_.run(with_data({"collection", "list", "--json"})).json()["collections"].size(), 1U);
}

TEST_F(IndexAndSearch, TheStructureOfShardsIsChosenAtTheStart) {
  const std::string folder = write_pictures(30);
  const Finished bad = index({folder, "--index", "LSH8"});
  EXPECT_EQ(bad.code, 1);
  EXPECT_THAT(bad.last_error_line(), HasSubstr("LSH8"));
  EXPECT_FALSE(std::filesystem::exists(box_.path("data")));
  const Json report = index_json({folder, "--index", "IVF2,Flat", "--target-recall", "0.9"});
  EXPECT_TRUE(report["stages"].contains("optimize_s"));
  const Json info = box_.run(with_data({"collection", "info", "--json"})).json();
  EXPECT_EQ(info["vectors"][""]["index"], "IVF2,Flat");
  EXPECT_EQ(info["vectors"][""]["target_recall"], 0.9);
  EXPECT_EQ(info["shards"][0]["type"], "IVF2,Flat");
  EXPECT_EQ(index_json({folder, "--index", "IVF2,Flat"})["unchanged"], 30);
  const Finished other = index({folder, "--index", "Flat"});
  EXPECT_EQ(other.code, 1);
  EXPECT_THAT(other.last_error_line(), HasSubstr("collection optimize default --index"));
}

TEST_F(IndexAndSearch, AFilterNarrowsTheHits) {
  const std::string folder = write_pictures(4);
  box_.write_picture("pictures/wide.bmp", 9, 60, 20);
  index_json({folder});
  const std::string wide = R"({"must": [{"key": "_image.width", "range": {"gt": 50}}]})";
  const Finished run = search({"anything", "--filter", wide, "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  const Json answer = run.json();
  ASSERT_EQ(answer["hits"].size(), 1U);
  EXPECT_EQ(answer["hits"][0]["path"], folder + "/wide.bmp");
  EXPECT_EQ(answer["plan"]["num_points"], 5);
  EXPECT_EQ(answer["plan"]["num_allowed"], 1);
  EXPECT_THAT(run.err, HasSubstr("_image.width"));
  ASSERT_EQ(
      box_.run(with_data({"collection", "index", "default", "_image.width", "--type", "integer"}))
          .code,
      0);
  const Finished indexed = search({"anything", "--filter", wide, "--json"});
  EXPECT_EQ(indexed.json()["hits"], answer["hits"]);
  EXPECT_THAT(indexed.err, IsEmpty());
  EXPECT_EQ(search({"anything", "--filter", "[]"}).code, 1);
}

TEST_F(IndexAndSearch, AnEmptyCollectionAnswersWithNothing) {
  std::filesystem::create_directories(box_.path("nothing"));
  EXPECT_EQ(index_json({box_.path("nothing")})["seen"], 0);
  const Finished run = search({"x", "--json"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.json()["hits"], IsEmpty());
  EXPECT_THAT(run.err, HasSubstr("is empty"));
}

TEST_F(IndexAndSearch, SearchesAReadOnlyFolder) {
  const std::string folder = write_pictures(3);
  index_json({folder});
  const auto chmod_all = [&](mode_t mode) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(box_.path("data"))) {
      ::chmod(entry.path().c_str(), entry.is_directory() ? (mode | 0111) : mode);
    }
    ::chmod(box_.path("data").c_str(), mode | 0111);
  };
  // Root writes into read-only folders too, so it becomes somebody else.
  const std::string prefix =
      ::geteuid() == 0 ? "setpriv --reuid=65534 --regid=65534 --clear-groups " : "";
  ::chmod(box_.dir().path().c_str(), 0755);
  if (box_.shell(prefix + "\"$SIGHTLINE\" --version && test -r " + tiny_model()).code != 0) {
    GTEST_SKIP() << "nobody else may run the program where it lies";
  }
  const std::string data = " --data " + box_.path("data").string();
  chmod_all(0444);
  const Finished run = box_.shell(prefix + "\"$SIGHTLINE\" search x --json" + data);
  const Finished write = box_.shell(prefix + "\"$SIGHTLINE\" index " + folder + data);
  chmod_all(0644);
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.json()["hits"].size(), 3U);
  EXPECT_EQ(write.code, 1);
  EXPECT_THAT(write.last_error_line(), StartsWith("sightline: error: "));
}

/// Starts an index run of many pictures and halts it once some of them are stored.
class HalfWay : public IndexAndSearch {
 protected:
  static constexpr std::size_t kNumPictures = 5000;

  void SetUp() override {
    folder_ = write_pictures(kNumPictures);
    running_ = box_.start(with_data({"index", folder_, "--json", "--model", tiny_model()}));
    const auto patience = std::chrono::steady_clock::now() + 120s;
    // It is looked at only while it is halted. Once there is a collection it stores thousands a
    // second.
    bool has_collection = false;
    do {
      ASSERT_TRUE(running_->is_running()) << "it was done before it could be halted";
      ASSERT_LT(std::chrono::steady_clock::now(), patience);
      running_->send(SIGCONT);
      std::this_thread::sleep_for(has_collection ? 5ms : 50ms);
      running_->send(SIGSTOP);
      has_collection = std::filesystem::exists(box_.path("data/collections/default"));
    } while (!has_collection || num_points() == 0);
    stored_ = num_points();
    ASSERT_LT(stored_, kNumPictures) << "more pictures are needed to catch it half-way";
  }

  std::string folder_;
  std::unique_ptr<Running> running_;
  std::uint64_t stored_ = 0;
};

TEST_F(HalfWay, OthersSearchMeanwhileButDoNotWrite) {
  const Finished found = search({"x", "--json", "--top-k", "5"});
  EXPECT_EQ(found.code, 0) << found.err;
  EXPECT_EQ(found.json()["hits"].size(), 5U);
  const Finished second = index({folder_});
  EXPECT_EQ(second.code, 1);
  EXPECT_THAT(second.out, IsEmpty());
  EXPECT_THAT(second.last_error_line(), HasSubstr("sightline index"));
  running_->send(SIGCONT);
  const Finished done = running_->wait();
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.json()["indexed"], kNumPictures);
  EXPECT_EQ(num_points(), kNumPictures);
}

TEST_F(HalfWay, GoesOnAfterKillMinusNine) {
  running_->send(SIGKILL);
  EXPECT_EQ(running_->wait().signal, SIGKILL);
  EXPECT_GE(num_points(), stored_) << "what was acknowledged is there";
  const Json report = index_json({folder_});
  EXPECT_EQ(report["seen"], kNumPictures);
  EXPECT_GE(report["unchanged"].get<std::uint64_t>(), stored_);
  EXPECT_EQ(num_points(), kNumPictures);
}

TEST_F(HalfWay, CtrlCEndsItInGoodOrder) {
  running_->send(SIGCONT);  // a halted process takes signals on another path of the kernel
  running_->send(SIGINT);
  const Finished stopped = running_->wait();
  EXPECT_EQ(stopped.signal, 0);
  EXPECT_EQ(stopped.code, 130) << stopped.err;
  const Json report = stopped.json();
  EXPECT_GE(report["indexed"].get<std::uint64_t>(), stored_);
  EXPECT_LT(report["indexed"], kNumPictures);
  EXPECT_THAT(stopped.last_error_line(), HasSubstr("run the same command"));
  EXPECT_EQ(num_points(), report["indexed"]);
  EXPECT_EQ(index_json({folder_})["unchanged"], report["indexed"]);
}

}  // namespace
}  // namespace sightline::apps::testing
