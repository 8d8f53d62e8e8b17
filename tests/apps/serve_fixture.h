// tests/apps/serve_fixture.h: a running `sightline serve` on a port and a data folder of its own.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/apps/program.h"
#include "tests/support/http_client.h"

namespace sightline::apps::testing {

class ServeTest : public ::testing::Test {
 protected:
  /// Starts it and waits until it is ready.
  void start(std::vector<std::string> more = {}) {
    using namespace std::chrono_literals;
    std::vector<std::string> arguments = {"serve", "--data", data(), "--listen", "127.0.0.1:0"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto begin = std::chrono::steady_clock::now();
    program_ = sandbox_.start(arguments);
    const std::string mark = "listening url=http://127.0.0.1:";
    for (;;) {
      const std::string said = program_->err_so_far();
      const std::size_t at = said.find(mark);
      if (at != std::string::npos && said.find(' ', at + mark.size()) != std::string::npos) {
        port_ = std::stoi(said.substr(at + mark.size()));
        break;
      }
      ASSERT_TRUE(program_->is_running()) << said;
      ASSERT_LT(std::chrono::steady_clock::now() - begin, 60s) << said;
      std::this_thread::sleep_for(5ms);
    }
    while (get("/readyz").status != 200) {
      ASSERT_LT(std::chrono::steady_clock::now() - begin, 30s);
      std::this_thread::sleep_for(5ms);
    }
  }
  std::string data() const { return sandbox_.path("data").string(); }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  testing_support::HttpClient connect() const { return testing_support::HttpClient(port_); }
  testing_support::HttpAnswer get(const std::string& target,
                                  const std::string& headers = "") const {
    return connect().request("GET", target, headers);
  }
  Finished end(int signal = SIGTERM) {
    program_->send(signal);
    return program_->wait();
  }

  Sandbox sandbox_;
  std::unique_ptr<Running> program_;
  int port_ = 0;
};

}  // namespace sightline::apps::testing
