// `sightline serve` as a process: starting, signals, the folder's lock.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "tests/apps/serve_fixture.h"

namespace sightline::apps::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;
using testing_support::HttpClient;

using Serve = ServeTest;

TEST_F(Serve, TakesAnEmptyFolderAndEndsInGoodOrder) {
  start();
  EXPECT_THAT(get("/").body, HasSubstr("\"1.19.0\""));
  EXPECT_THAT(get("/", "Accept: text/html\r\n").body, HasSubstr("<html"));
  HttpClient idle(port_);
  const auto begin = std::chrono::steady_clock::now();
  const Finished finished = end();
  EXPECT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(finished.out, "");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 30s);
  EXPECT_THAT(finished.err, HasSubstr("GET path=/readyz status=200"));
  start();
  EXPECT_EQ(end(SIGINT).code, 0) << "again, and by the other signal";
}

TEST_F(Serve, WhoWantsToWriteIsToldTheAddress) {
  start();
  sandbox_.write_picture("pictures/a.bmp", 1);
  const Finished index = sandbox_.run(
      {"index", sandbox_.path("pictures").string(), "--data", data(), "--model", tiny_model()});
  EXPECT_EQ(index.code, 1);
  EXPECT_THAT(index.last_error_line(), HasSubstr("use --server " + url() + ")"));
  const Finished second = sandbox_.run({"serve", "--data", data(), "--listen", "127.0.0.1:0"});
  EXPECT_EQ(second.code, 1);
  EXPECT_THAT(second.last_error_line(), HasSubstr("use --server " + url() + ")"))
      << "to whom it is said does not matter";
  const Finished search = sandbox_.run({"collection", "list", "--data", data()});
  EXPECT_EQ(search.code, 0) << "readers are welcome: " << search.err;
}

TEST_F(Serve, ReadsItsKeysAgain) {
  const auto write_key = [this](const std::string& key) {
    sandbox_.dir().write("keys.toml", "[[key]]\nkey = \"" + key + "\"\nright = \"admin\"\n");
  };
  write_key("first-key");
  start({"--keys", sandbox_.path("keys.toml").string()});
  EXPECT_EQ(get("/metrics").status, 401);
  EXPECT_EQ(get("/metrics", "api-key: first-key\r\n").status, 200);
  const auto reload = [this](const std::string& said) {
    program_->send(SIGHUP);
    for (int i = 0; i < 2000 && program_->err_so_far().find(said) == std::string::npos; ++i) {
      std::this_thread::sleep_for(5ms);
    }
    EXPECT_THAT(program_->err_so_far(), HasSubstr(said));
  };
  sandbox_.dir().write("keys.toml", "[[key]]\n");
  reload("keys stay as they were");
  EXPECT_EQ(get("/metrics", "api-key: first-key\r\n").status, 200);
  write_key("second-key");
  reload("keys were read again");
  EXPECT_EQ(get("/metrics", "api-key: first-key\r\n").status, 401);
  EXPECT_EQ(get("/metrics", "api-key: second-key\r\n").status, 200);
  const Finished finished = end();
  EXPECT_EQ(finished.code, 0);
  EXPECT_THAT(finished.err, Not(HasSubstr("second-key")));
}

TEST_F(Serve, MistakesAreNamedBeforeItListens) {
  const auto message = [this](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"serve", "--data", data()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Finished finished = sandbox_.run(arguments);
    EXPECT_NE(finished.code, 0);
    return finished.last_error_line();
  };
  EXPECT_THAT(message({"--listen", "0.0.0.0:0"}), HasSubstr("--allow-public"));
  EXPECT_FALSE(std::filesystem::exists(data())) << "nothing is made for it";
  EXPECT_THAT(message({"--listen", "nowhere"}), HasSubstr("there is no port"));
  EXPECT_THAT(message({"--keys", "/nonexistent.toml"}), HasSubstr("/nonexistent.toml"));
}

}  // namespace
}  // namespace sightline::apps::testing
