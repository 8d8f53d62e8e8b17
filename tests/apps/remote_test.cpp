// `sightline index` and `sightline search` with --server: their work is done by a running server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include "tests/apps/serve_fixture.h"

namespace sightline::apps::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Remote : public ServeTest {
 protected:
  /// Pictures 0.bmp, 1.bmp, ... in a folder that the server may read.
  std::string write_pictures(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      sandbox_.write_picture("pictures/" + std::to_string(i) + ".bmp", static_cast<unsigned>(i));
    }
    return sandbox_.path("pictures").string();
  }
  void serve(std::vector<std::string> more = {}) {
    more.insert(more.end(),
                {"--model", tiny_model(), "--roots", sandbox_.path("pictures").string()});
    start(more);
  }
  Finished there(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--server", url()});
    return sandbox_.run(arguments);
  }
  Finished here(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--data", data()});
    return sandbox_.run(arguments);
  }
  std::string last_line(std::vector<std::string> arguments, int code = 1) {
    const Finished run = there(std::move(arguments));
    EXPECT_EQ(run.code, code) << run.err;
    EXPECT_EQ(run.out, "");
    return run.last_error_line();
  }
};

TEST_F(Remote, IndexesAsAJobOfTheServer) {
  const std::string folder = write_pictures(7);
  sandbox_.dir().write("pictures/broken.bmp", "no picture");
  serve();
  const Finished first = there({"index", folder});
  ASSERT_EQ(first.code, 0) << first.err;
  EXPECT_THAT(first.out, StartsWith("7 pictures indexed, 0 unchanged, 1 skipped"));
  EXPECT_THAT(first.out, HasSubstr("--server " + url())) << "how to ask it";

  const Json again = there({"index", folder, "--json"}).json();
  EXPECT_EQ(again["indexed"], 0);
  EXPECT_EQ(again["unchanged"], 7);
  EXPECT_EQ(again["skipped"]["not_a_picture"], 1);
  EXPECT_EQ(again["interrupted"], false);

  std::filesystem::remove(folder + "/3.bmp");
  const Json less = there({"index", folder, "--exclude", "0.*", "--prune", "--json"}).json();
  EXPECT_EQ(less["unchanged"], 5);
  EXPECT_EQ(less["pruned"], 1);

  // A path is that of the folder one is in.
  const Finished relative = sandbox_.shell("cd " + folder + " && $SIGHTLINE index . --collection " +
                                           "other --json --server " + url());
  EXPECT_EQ(relative.json()["indexed"], 6) << relative.err;
  const Json collections = parse_json(get("/v1/collections").body, "collections").value();
  ASSERT_EQ(collections["collections"].size(), 2U);
  EXPECT_EQ(collections["collections"][1]["name"], "other");
  EXPECT_EQ(end().code, 0);
}

TEST_F(Remote, SearchTellsOfAModelForPhotographs) {
  write_pictures(2);
  for (const char* name : {"x", "y", "z"}) {
    std::filesystem::copy(test_data("images/facts.jpg"),
                          sandbox_.path("pictures") / (std::string(name) + ".jpg"));
  }
  start({"--roots", sandbox_.path("pictures").string()});
  const std::string folder = sandbox_.path("pictures").string();
  ASSERT_EQ(there({"index", folder, "-q"}).code, 0);
  const std::vector<std::string> drawings = {
      "search", "a dog", "--filter",
      R"({"must": [{"key": "_image.name", "match": {"any": ["0.bmp", "1.bmp"]}}]})"};
  const std::vector<std::pair<std::vector<std::string>, bool>> cases = {
      {{"search", "a dog"}, true},
      {{"search", "--image", folder + "/0.bmp", "--json"}, true},
      {{"search", "a dog", "--quiet"}, false},
      {drawings, false},
  };
  for (const auto& [arguments, told] : cases) {
    SCOPED_TRACE(::testing::PrintToString(arguments));
    const Finished found = there(arguments);
    ASSERT_EQ(found.code, 0) << found.err;
    EXPECT_THAT(found.err, told
                               ? HasSubstr("bring-your-own-model.md")
                               : ::testing::Matcher<std::string>(Not(HasSubstr("bring-your-own"))));
  }
}

TEST_F(Remote, SearchSaysWhatSearchHereSays) {
  const std::string folder = write_pictures(30);
  serve();
  ASSERT_EQ(there({"index", folder, "-q"}).code, 0);
  const std::string id = there({"search", "--image", folder + "/9.bmp", "-k", "1", "--json"})
                             .json()["hits"][0]["id"]
                             .get<std::string>();
  sandbox_.dir().write("queries.jsonl", "a red square\n{\"operands\": [{\"image\": \"" + folder +
                                            "/3.bmp\"}, {\"text\": \"snow\", \"weight\": 0.5}]}\n");
  const std::string filter =
      R"({"must": [{"key": "_image.name", "match": {"any": ["1.bmp", "2.bmp", "3.bmp"]}}]})";
  const std::vector<std::vector<std::string>> cases = {
      {"a", "red", "square"},
      {"--text", "red", "--weight", "2", "--not", "blue", "-k", "4"},
      {"--image", folder + "/5.bmp", "--minus-image", folder + "/6.bmp"},
      {"--like", id, "-k", "3"},
      {"red", "--offset", "25"},
      {"red", "--offset", "40"},
      {"--image", folder + "/5.bmp", "--min-score", "0.999", "--exact"},
      {"red", "--filter", filter},
      {"red", "--format", "paths"},
      {"red", "-0", "-k", "2"},
      {"--queries", sandbox_.path("queries.jsonl").string(), "-k", "2"},
  };
  for (std::vector<std::string> arguments : cases) {
    arguments.insert(arguments.begin(), "search");
    SCOPED_TRACE(::testing::PrintToString(arguments));
    const Finished local = here(arguments), remote = there(arguments);
    EXPECT_EQ(local.code, 0) << local.err;
    EXPECT_EQ(remote.code, 0) << remote.err;
    EXPECT_EQ(remote.out, local.out);
    EXPECT_EQ(remote.err, local.err);
  }
  // Times differ, and scores by what rounding makes of another batch; ids and payloads do not.
  const std::vector<std::string> asked = {"search", "red", "-k", "30", "--json"};
  Json local = here(asked).json(), remote = there(asked).json();
  ASSERT_EQ(remote["hits"].size(), local["hits"].size());
  for (std::size_t i = 0; i < local["hits"].size(); ++i) {
    Json &hit = remote["hits"][i], &same = local["hits"][i];
    EXPECT_NEAR(hit["score"].get<double>(), same["score"].get<double>(), 1e-6);
    hit.erase("score");
    same.erase("score");
    EXPECT_EQ(hit, same);
  }
  EXPECT_EQ(remote["plan"], local["plan"]);
  EXPECT_TRUE(remote["timings_ms"].contains("search"));

  ASSERT_EQ(there({"search", "red", "--html", sandbox_.path("page.html").string()}).code, 0);
  EXPECT_THAT(testing_support::read_file(sandbox_.path("page.html")),
              HasSubstr("data:image/jpeg;base64,"));
}

TEST_F(Remote, MistakesNameTheServer) {
  const std::string folder = write_pictures(1);
  serve();
  ASSERT_EQ(there({"index", folder, "-q"}).code, 0);
  EXPECT_EQ(last_line({"search", "x", "--collection", "none"}),
            "sightline: error: " + url() + ": there is no collection \"none\"");
  EXPECT_THAT(last_line({"index", "/etc"}), AllOf(HasSubstr(url()), HasSubstr("/etc")));
  EXPECT_THAT(last_line({"index", folder + "/none"}), HasSubstr("none"));
  EXPECT_THAT(last_line({"index", folder, "--model", "none"}),
              AllOf(HasSubstr(url()), HasSubstr("there is no model \"none\"")));
  EXPECT_THAT(last_line({"search", "--image", folder + "/none.bmp"}), HasSubstr("no such file"));
  EXPECT_THAT(last_line({"search", "--like", "4711"}), HasSubstr("there is no point 4711"));
  EXPECT_THAT(last_line({"search", "--image", sandbox_.dir().write("not.jpg", "none").string()}),
              AllOf(HasSubstr(url()), HasSubstr("not a picture"), Not(HasSubstr("spool"))));

  EXPECT_THAT(last_line({"index", folder, "--index", "Flat"}, 2), HasSubstr("--server"));
  EXPECT_THAT(last_line({"search", "x", "--model", "embedded"}, 2), HasSubstr("--server"));
  EXPECT_THAT(last_line({"search", "x", "--data", data()}, 2), HasSubstr("--server"));
  const std::string gone = url();
  ASSERT_EQ(end().code, 0);
  for (const std::string command : {"search", "index"}) {
    const Finished run = sandbox_.run({command, "x", "--server", gone});
    EXPECT_EQ(run.code, 1);
    EXPECT_THAT(run.last_error_line(), AllOf(HasSubstr(gone), HasSubstr("connect")));
    EXPECT_EQ(sandbox_.run({command, "x", "--server", "127.0.0.1:6333"}).code, 2);
    EXPECT_EQ(sandbox_.run({command, "x", "--key", "some-key"}).code, 2) << "a key, but no server";
  }
}

TEST_F(Remote, KeysComeFromFlagsAndTheEnvironment) {
  const std::string folder = write_pictures(2);
  sandbox_.dir().write("keys.toml",
                       "[[key]]\nkey = \"admin-key\"\nright = \"admin\"\n"
                       "[[key]]\nname = \"guest\"\nkey = \"guest-key\"\nright = \"read\"\n");
  serve({"--keys", sandbox_.path("keys.toml").string()});
  EXPECT_THAT(last_line({"index", folder}), AllOf(HasSubstr(url()), HasSubstr("API key")));
  EXPECT_THAT(last_line({"index", folder, "--key", "wrong-key"}), HasSubstr("Invalid API key"));
  EXPECT_THAT(last_line({"index", folder, "--key", "guest-key"}),
              HasSubstr("key \"guest\" does not allow this"));
  EXPECT_EQ(there({"index", folder, "--key", "admin-key"}).code, 0);
  sandbox_.environment = {{"SIGHTLINE_SERVER", url()}, {"SIGHTLINE_KEY", "guest-key"}};
  const Finished search = sandbox_.run({"search", "red", "--format", "paths"});
  EXPECT_EQ(search.code, 0) << search.err;
  EXPECT_THAT(search.out, HasSubstr(folder + "/1.bmp\n"));
  EXPECT_THAT(program_->err_so_far(), AllOf(HasSubstr("key=guest"), Not(HasSubstr("guest-key"))));
}

TEST_F(Remote, CtrlCStopsTheJob) {
  const std::string folder = write_pictures(3000);
  serve();
  const auto index = sandbox_.start({"index", folder, "--json", "--server", url()});
  const auto jobs = [this] { return parse_json(get("/v1/jobs").body, "jobs").value()["jobs"]; };
  for (int i = 0; i < 6000; ++i) {
    const Json list = jobs();
    if (!list.empty() && list[0]["progress"]["indexed"].get<int>() > 0) break;
    std::this_thread::sleep_for(5ms);
  }
  index->send(SIGINT);
  const Finished stopped = index->wait();
  EXPECT_EQ(stopped.code, 130) << stopped.err;
  const Json report = stopped.json();
  EXPECT_EQ(report["interrupted"], true);
  EXPECT_GT(report["indexed"], 0);
  EXPECT_LT(report["indexed"], 3000);
  EXPECT_EQ(jobs()[0]["state"], "stopped");
  EXPECT_EQ(end().code, 0);
}

}  // namespace
}  // namespace sightline::apps::testing
