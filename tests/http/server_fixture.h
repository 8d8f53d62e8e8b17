// tests/http/server_fixture.h: a real server on a port of its own, with routes of a test.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "http/keys.h"
#include "http/metrics.h"
#include "http/route.h"
#include "http/server.h"
#include "tests/support/http_client.h"
#include "tests/support/temp_dir.h"

namespace sightline::http {

class ServerTest : public testing::Test {
 protected:
  void start() {
    options_.listen = "127.0.0.1:0";
    options_.spool_folder = folder_ / "spool";
    options_.access_log = false;
    options_.io_threads = 2;
    auto keys = KeyRing::load(key_options_);
    ASSERT_TRUE(keys) << keys.error().message;
    keys_ = *std::move(keys);
    auto server = Server::start(options_, routes_, *keys_, metrics_);
    ASSERT_TRUE(server) << server.error().message;
    server_ = *std::move(server);
  }
  int port() const {
    const std::string address = server_->address();
    return std::stoi(address.substr(address.rfind(':') + 1));
  }
  testing_support::HttpClient connect() const { return testing_support::HttpClient(port()); }

  void route(Route given) { routes_.add(std::move(given)); }

  static Response text(std::string body) {
    Response response;
    response.content_type = "text/plain";
    response.body = std::move(body);
    return response;
  }

  testing_support::TempDir folder_;
  ServerOptions options_;
  KeyOptions key_options_;
  RouteTable routes_;
  Metrics metrics_;
  std::unique_ptr<KeyRing> keys_;
  std::unique_ptr<Server> server_;  // ends first
};

}  // namespace sightline::http
