// Connections: what is kept alive, cut, answered and waited for.
#include "http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "http/errors.h"
#include "http/json_reader.h"
#include "tests/http/server_fixture.h"

namespace sightline::http {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using testing_support::HttpAnswer;
using testing_support::HttpClient;

class Connections : public ServerTest {
 protected:
  void SetUp() override {
    route({.pattern = "/inline", .lane = Lane::kInline, .handle = [](Request&) -> Result<Response> {
             return text("inline");
           }});
    route({.pattern = "/echo/{name}", .handle = [](Request& request) -> Result<Response> {
             return text(request.param("name") + std::string(request.query.find("q").value_or("")));
           }});
    route({.method = Method::kPost,
           .pattern = "/json",
           .body = {.json = true, .required = true},
           .lane = Lane::kWrite,
           .errors = ErrorStyle::kQdrant,
           .handle = [](Request& request) -> Result<Response> {
             SIGHTLINE_TRY(const Json body, read_json(request.body));
             Response response;
             response.body = dump_json(body);
             return response;
           }});
    route({.method = Method::kPost,
           .pattern = "/small",
           .body = {.json = true, .max_bytes = 100},
           .handle = [](Request&) -> Result<Response> { return text("taken"); }});
    route({.pattern = "/large/{letter}", .handle = [](Request& request) -> Result<Response> {
             return text(std::string(kLarge, request.param("letter").front()));
           }});
    route({.pattern = "/wait", .handle = [this](Request& request) { return wait(request); }});
    route({.pattern = "/throw",
           .errors = ErrorStyle::kQdrant,
           .handle = [](Request&) -> Result<Response> { throw std::runtime_error("oops"); }});
  }

  static constexpr std::size_t kLarge = std::size_t{12} << 20;  ///< More than a socket takes.

  /// Until it is called off, or the test lets it go.
  Result<Response> wait(Request& request) {
    num_waiting_.fetch_add(1);
    while (!lets_go_.load()) {
      if (auto checked = request.deadline.check("waiting"); !checked) {
        num_called_off_.fetch_add(1);
        return std::move(checked).error();
      }
      std::this_thread::sleep_for(1ms);
    }
    return text("waited");
  }
  bool reaches(const std::atomic<int>& count, int wanted) const {
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (count.load() < wanted && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(1ms);
    }
    return count.load() >= wanted;
  }

  std::atomic<int> num_waiting_{0}, num_called_off_{0};
  std::atomic<bool> lets_go_{false};
};

TEST_F(Connections, AreKeptAliveAcrossRequests) {
  start();
  HttpClient client = connect();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(client.request("GET", "/inline").body, "inline");
    EXPECT_EQ(client.request("GET", "/echo/a%2Fb?q=c").body, "a/bc");
    EXPECT_EQ(client.post_json("/json", "[1]").body, "[1]");
    EXPECT_EQ(client.request("GET", "/nothing").status, 404);
    EXPECT_EQ(client.post_json("/inline", "{}").status, 405) << "its body is read and forgotten";
  }
}

TEST_F(Connections, AnswerPipelinedRequestsInOrder) {
  start();
  HttpClient client = connect();
  std::string all;
  for (int i = 0; i < 50; ++i) {
    all += "GET /echo/" + std::to_string(i) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  }
  client.send(all);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(client.read_answer().body, std::to_string(i));
}

TEST_F(Connections, AnswersThatASocketDoesNotTakeAtOnceArriveWhole) {
  start();
  HttpClient client = connect();
  client.send(
      "GET /large/a HTTP/1.1\r\nHost: localhost\r\n\r\n"
      "GET /large/b HTTP/1.1\r\nHost: localhost\r\n\r\n"
      "GET /echo/c HTTP/1.1\r\nHost: localhost\r\n\r\n");
  std::this_thread::sleep_for(200ms);
  EXPECT_TRUE(client.read_answer().body == std::string(kLarge, 'a'));
  EXPECT_TRUE(client.read_answer().body == std::string(kLarge, 'b'));
  EXPECT_EQ(client.read_answer().body, "c");
}

TEST_F(Connections, EndWhenAsked) {
  start();
  HttpClient client = connect();
  const HttpAnswer answer = client.request("GET", "/inline", "Connection: close\r\n");
  EXPECT_EQ(answer.header("connection"), "close");
  EXPECT_TRUE(client.closes_within(1s));
  HttpClient old = connect();
  EXPECT_EQ(old.request("GET /inline HTTP/1.0\r\n\r\n").body, "inline");
  EXPECT_TRUE(old.closes_within(1s));
}

TEST_F(Connections, HeadHasLengthButNoBody) {
  start();
  HttpClient client = connect();
  const HttpAnswer head = client.request("HEAD", "/inline");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.header("content-length"), "6");
  EXPECT_EQ(client.request("GET", "/inline").body, "inline") << "nothing was left over";
}

TEST_F(Connections, UnparseableRequestsGetAnErrorBody) {
  start();
  for (const std::string bytes : {"GET / HTTP/1.1 nonsense\r\n\r\n", "\x16\x03\x01\r\n\r\n",
                                  "GET /inline HTTP/1.1\r\n\r\n"}) {
    HttpClient client = connect();
    const HttpAnswer answer = client.request(bytes);
    EXPECT_EQ(answer.status, 400) << bytes;
    EXPECT_THAT(answer.body, HasSubstr("\"error\""));
  }
  EXPECT_THAT(connect().request("POST /v1/x HTTP/1.1\r\nContent-Length: x\r\n\r\n").body,
              HasSubstr("\"code\":\"invalid_request\""))
      << "in the style of its routes";
  HttpClient client = connect();
  EXPECT_EQ(client.request("GET", "/inline", "X: " + std::string(70'000, 'x') + "\r\n").status,
            431);
  EXPECT_TRUE(client.closes_within(5s));
}

TEST_F(Connections, WrongRequestsAreToldWhatIsWrong) {
  start();
  HttpClient client = connect();
  const HttpAnswer wrong_method = client.request("DELETE", "/inline");
  EXPECT_EQ(wrong_method.status, 405);
  EXPECT_EQ(wrong_method.header("allow"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(client.request("OPTIONS", "/json").header("allow"), "POST, OPTIONS");
  EXPECT_EQ(client.request("BREW", "/inline").status, 501);
  EXPECT_EQ(client.request("GET", "/%zz").status, 400);
  EXPECT_EQ(client.request("GET", "/echo/a?q=%").status, 400);
  const HttpAnswer broken = client.post_json("/json", "{\"a\": ");
  EXPECT_EQ(broken.status, 400);
  EXPECT_THAT(broken.body, HasSubstr("{\"error\":\"Format error in JSON body: "));
  EXPECT_EQ(client.request("POST", "/json", "Content-Type: text/plain\r\n", "[]").status, 415);
  EXPECT_EQ(client.request("POST", "/json", "", "[]").status, 415);
  EXPECT_EQ(client.request("POST", "/json").status, 400) << "the body is missing";
  EXPECT_EQ(client.post_json("/small", std::string(101, ' ')).status, 413);
  const HttpAnswer failed = client.request("GET", "/throw");
  EXPECT_EQ(failed.status, 500);
  EXPECT_THAT(failed.body, HasSubstr("oops"));
}

TEST_F(Connections, LargeBodiesAreRefusedBeforeTheyAreRead) {
  options_.max_json_bytes = 1 << 20;
  start();
  HttpClient client = connect();
  const HttpAnswer announced = client.request(
      "POST /json HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Content-Length: 1000000000\r\n\r\n[");
  EXPECT_EQ(announced.status, 413);
  HttpClient chunks = connect();
  chunks.send(
      "POST /json HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Transfer-Encoding: chunked\r\n\r\n");
  const std::string piece = "10000\r\n" + std::string(65536, ' ') + "\r\n";
  for (int i = 0; i < 40 && chunks.send(piece); ++i) {
  }
  EXPECT_EQ(chunks.read_answer().status, 413);
}

TEST_F(Connections, JsonBodiesTogetherHaveALimit) {
  options_.max_json_bytes = 1'000'000;
  options_.max_json_in_flight_bytes = 1'500'000;
  route({.method = Method::kPost,
         .pattern = "/hold",
         .body = {.json = true},
         .handle = [this](Request& request) { return wait(request); }});
  start();
  const auto head = [](const std::string& path, std::size_t length) {
    return "POST " + path +
           " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
           "Content-Length: " +
           std::to_string(length) + "\r\n\r\n";
  };
  const std::string body = "[" + std::string(899'998, ' ') + "]";
  HttpClient held = connect();
  held.send(head("/hold", body.size()) + body);
  ASSERT_TRUE(reaches(num_waiting_, 1));
  // What is announced and would not fit is not read.
  HttpClient announced = connect();
  const HttpAnswer refused = announced.request(head("/json", body.size()));
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.header("retry-after"), "1");
  EXPECT_THAT(refused.body, HasSubstr("too many large bodies"));
  // What comes without a length is counted as it comes.
  HttpClient chunks = connect();
  chunks.send(
      "POST /json HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Transfer-Encoding: chunked\r\n\r\n");
  const std::string piece = "10000\r\n" + std::string(65536, ' ') + "\r\n";
  for (int i = 0; i < 12 && chunks.send(piece); ++i) {
  }
  EXPECT_EQ(chunks.read_answer().status, 429);
  HttpClient small = connect();
  EXPECT_EQ(small.post_json("/json", "[1]").body, "[1]") << "small ones go on";
  {
    // Announced but not sent: nobody has to wait for it.
    HttpClient idle = connect();
    idle.send(head("/json", 500'000) + "[");
    EXPECT_EQ(small.post_json("/json", "[" + std::string(400'000, ' ') + "2]").body, "[2]");
  }
  lets_go_.store(true);
  EXPECT_EQ(held.read_answer().body, "waited");
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(held.post_json("/json", body).body, "[]") << "all was given back";
  }
  EXPECT_THAT(metrics_.prometheus_text(), HasSubstr("sightline_http_json_bytes_in_flight "));
}

TEST_F(Connections, ALargestBodyFitsAlways) {
  options_.max_json_bytes = 100'000;
  options_.max_json_in_flight_bytes = 1024;
  start();
  HttpClient client = connect();
  EXPECT_EQ(client.post_json("/json", "[" + std::string(90'000, ' ') + "]").body, "[]");
}

TEST_F(Connections, ExpectContinueIsAnswered) {
  start();
  HttpClient client = connect();
  const std::string head =
      "POST /json HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n";
  EXPECT_EQ(client.request(head).status, 100);
  EXPECT_EQ(client.request("[7]").body, "[7]");
  client.send(head + "[8]");
  HttpAnswer answer = client.read_answer();
  if (answer.status == 100) answer = client.read_answer();
  EXPECT_EQ(answer.body, "[8]") << "who sends the body at once needs no 100";
  const HttpAnswer refused = client.request(
      "POST /small HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Expect: 100-continue\r\nContent-Length: 300\r\n\r\n");
  EXPECT_EQ(refused.status, 413) << "instead of 100";
}

TEST_F(Connections, IdleOnesAreClosedAndDoNoHarm) {
  options_.keep_alive = 1500ms;
  start();
  std::vector<HttpClient> idle;
  for (int i = 0; i < 400; ++i) idle.push_back(connect());
  HttpClient client = connect();
  EXPECT_EQ(client.request("GET", "/inline").body, "inline");
  for (HttpClient& one : idle) EXPECT_TRUE(one.closes_within(10s));
}

TEST_F(Connections, TooManyAreTurnedAway) {
  options_.max_connections = 3;
  start();
  std::vector<HttpClient> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(connect());
    EXPECT_EQ(clients.back().request("GET", "/inline").body, "inline");
  }
  EXPECT_TRUE(connect().closes_within(5s));
  EXPECT_EQ(clients.front().request("GET", "/inline").body, "inline");
}

TEST_F(Connections, SlowHeadersAndBodiesAreGivenUp) {
  options_.header_timeout = 300ms;
  options_.body_grace = 300ms;
  options_.min_body_bytes_per_s = 1000;
  start();
  HttpClient head = connect();
  head.send("GET /inline HTTP/1.1\r\nHost: lo");
  EXPECT_EQ(head.read_answer().status, 408);
  EXPECT_TRUE(head.closes_within(5s));
  HttpClient body = connect();
  body.send(
      "POST /json HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Content-Length: 100000\r\n\r\n[");
  EXPECT_EQ(body.read_answer().status, 408);
  // One that keeps the rate is waited for, however long it takes.
  HttpClient steady = connect();
  steady.send(
      "POST /json HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Content-Length: 3002\r\n\r\n[");
  for (int i = 0; i < 15; ++i) {
    steady.send(std::string(200, ' '));
    std::this_thread::sleep_for(100ms);
  }
  EXPECT_EQ(steady.request("]").body, "[]");
}

TEST_F(Connections, RequestsEndWhenTheClientGoesOrTheTimeIsOver) {
  start();
  {
    HttpClient client = connect();
    client.send("GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n");
    ASSERT_TRUE(reaches(num_waiting_, 1));
  }
  EXPECT_TRUE(reaches(num_called_off_, 1)) << "the client is gone";
  HttpClient client = connect();
  EXPECT_EQ(client.request("GET", "/wait?timeout=1").status, 408);
  EXPECT_EQ(client.request("GET", "/wait?timeout=0").status, 422);
  EXPECT_EQ(client.request("GET", "/wait?timeout=soon").status, 400);
}

TEST_F(Connections, WhoHasClosedItsSendingHalfGetsItsAnswers) {
  start();
  HttpClient client = connect();
  client.send(
      "GET /echo/a HTTP/1.1\r\nHost: localhost\r\n\r\n"
      "GET /echo/b HTTP/1.1\r\nHost: localhost\r\n\r\nGET /ec");
  client.end_writing();
  EXPECT_EQ(client.read_answer().body, "a");
  EXPECT_EQ(client.read_answer().body, "b");
  EXPECT_TRUE(client.closes_within(5s)) << "half a request more is none";
  HttpClient slow = connect();
  slow.send("GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n");
  slow.end_writing();
  EXPECT_TRUE(reaches(num_called_off_, 1)) << "for a moment only: it may be gone";
}

TEST_F(Connections, AFullQueueIsAnswered429) {
  options_.query_threads = 1;
  options_.queue_size = 2;
  start();
  std::vector<HttpClient> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(connect());
    clients.back().send("GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n");
    ASSERT_TRUE(reaches(num_waiting_, 1));
    // On a busy machine the next could come before it.
    const std::string queued = "sightline_lane_waiting{lane=\"query\"} " + std::to_string(i);
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (metrics_.prometheus_text().find(queued) == std::string::npos) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << queued;
      std::this_thread::sleep_for(1ms);
    }
  }
  const auto are_queued = [this] {
    return metrics_.prometheus_text().find("lane_waiting{lane=\"query\"} 2\n") != std::string::npos;
  };
  for (int i = 0; i < 5000 && !are_queued(); ++i) std::this_thread::sleep_for(1ms);
  ASSERT_TRUE(are_queued());
  HttpAnswer refused;
  HttpClient client = connect();
  for (int i = 0; i < 1000 && refused.status != 429; ++i) {
    HttpClient another = connect();
    another.send("GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const auto read = another.read_some(20ms);
    if (read && !read->empty()) refused.status = std::stoi(read->substr(9, 3));
    if (read && refused.status == 429) {
      EXPECT_THAT(*read, HasSubstr("Retry-After: 1\r\n"));
    }
  }
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(client.request("GET", "/inline").body, "inline") << "other work goes on";
  lets_go_.store(true);
  for (HttpClient& one : clients) EXPECT_EQ(one.read_answer().body, "waited");
}

TEST_F(Connections, StopFinishesWhatRuns) {
  start();
  HttpClient idle = connect();
  EXPECT_EQ(idle.request("GET", "/inline").body, "inline");
  HttpClient client = connect();
  client.send("GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ASSERT_TRUE(reaches(num_waiting_, 1));
  const int at = port();
  auto stopped = std::async(std::launch::async, [this] { server_->stop(); });
  EXPECT_TRUE(idle.closes_within(5s));
  EXPECT_THROW(HttpClient{at}, std::runtime_error) << "no new connections";
  EXPECT_EQ(stopped.wait_for(100ms), std::future_status::timeout);
  lets_go_.store(true);
  const HttpAnswer answer = client.read_answer();
  EXPECT_EQ(answer.body, "waited");
  EXPECT_EQ(answer.header("connection"), "close");
  client.close();
  EXPECT_EQ(stopped.wait_for(5s), std::future_status::ready);
}

TEST_F(Connections, StopCallsOffWhatDoesNotFinish) {
  options_.shutdown_grace = 200ms;
  start();
  HttpClient client = connect();
  client.send("GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n");
  ASSERT_TRUE(reaches(num_waiting_, 1));
  server_->stop();
  EXPECT_EQ(num_called_off_.load(), 1);
  EXPECT_EQ(client.read_answer().status, 503);
}

TEST_F(Connections, RequestsHaveIds) {
  start();
  HttpClient client = connect();
  const std::string first = client.request("GET", "/inline").header("x-request-id");
  EXPECT_FALSE(first.empty());
  EXPECT_NE(client.request("GET", "/inline").header("x-request-id"), first);
  EXPECT_EQ(client.request("GET", "/inline", "X-Request-Id: my-1.2\r\n").header("x-request-id"),
            "my-1.2");
  EXPECT_NE(client.request("GET", "/inline", "X-Request-Id: <b>\r\n").header("x-request-id"),
            "<b>");
}

TEST_F(Connections, ManyClientsLoseNothing) {
  start();
  std::atomic<int> num_right{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 16; ++t) {
    threads.emplace_back([&, t] {
      HttpClient client = connect();
      for (int i = 0; i < 200; ++i) {
        const std::string body = "[" + std::to_string(t * 1000 + i) + "]";
        if (client.post_json("/json", body).body == body) num_right.fetch_add(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(num_right.load(), 16 * 200);
  // A client may have its answer, and be gone, before the server has counted it.
  const auto shows = [&](const std::string& line) {
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (metrics_.prometheus_text().find(line) == std::string::npos) {
      if (std::chrono::steady_clock::now() > patience) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
  };
  EXPECT_TRUE(
      shows(R"(sightline_http_requests_total{method="POST",route="/json",status="200"} 3200)"));
  EXPECT_TRUE(shows("\nsightline_http_connections 0\n"));
  EXPECT_TRUE(shows("\nsightline_http_requests_in_work 0\n")) << metrics_.prometheus_text();
}

TEST_F(Connections, AClientThatLeavesWithItsAnswerIsCountedOnce) {
  start();
  for (int i = 0; i < 300; ++i) {
    HttpClient client = connect();
    EXPECT_EQ(client.post_json("/json", "[1]").body, "[1]");
  }
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  const std::string none = "\nsightline_http_requests_in_work 0\n";
  while (metrics_.prometheus_text().find("\nsightline_http_connections 0\n") == std::string::npos &&
         std::chrono::steady_clock::now() < patience) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_THAT(metrics_.prometheus_text(), HasSubstr(none));
}

TEST(Listening, AddressesAreCheckedAndPublicOnesNeedKeys) {
  testing_support::TempDir folder;
  RouteTable routes;
  Metrics metrics;
  const auto keys = KeyRing::load({});
  ServerOptions options;
  options.spool_folder = folder / "spool";
  const auto message = [&](const std::string& listen) {
    options.listen = listen;
    const auto server = Server::start(options, routes, **keys, metrics);
    return server ? "" : server.error().message;
  };
  EXPECT_THAT(message("127.0.0.1"), HasSubstr("there is no port"));
  EXPECT_THAT(message("127.0.0.1:99999"), HasSubstr("0..65535"));
  EXPECT_THAT(message("example.org:1"), HasSubstr("not an IP address"));
  EXPECT_THAT(message("0.0.0.0:0"), HasSubstr("can be reached by others"));
  EXPECT_EQ(message("localhost:0"), "");
  options.allow_public = true;
  options.listen = "127.0.0.1:0";
  const auto server = Server::start(options, routes, **keys, metrics);
  ASSERT_TRUE(server);
  EXPECT_THAT(message((*server)->address()), HasSubstr("in use"));
}

TEST(Listening, TheAddressIsKnownBeforeTheServerStarts) {
  const testing_support::TempDir folder;
  const auto keys = KeyRing::load({});
  RouteTable routes;
  Metrics metrics;
  ServerOptions options;
  options.listen = "127.0.0.1:0";
  options.spool_folder = folder / "spool";
  auto listener = Listener::open(options, **keys);
  ASSERT_TRUE(listener) << listener.error().message;
  const std::string url = listener->url();
  EXPECT_THAT(url, testing::Not(testing::EndsWith(":0")));
  HttpClient early(std::stoi(url.substr(url.rfind(':') + 1)));
  early.send("GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const auto server = Server::start(options, *std::move(listener), routes, **keys, metrics);
  ASSERT_TRUE(server) << server.error().message;
  EXPECT_EQ((*server)->url(), url);
  EXPECT_EQ(early.read_answer().status, 404) << "who came early was kept waiting";
}

}  // namespace
}  // namespace sightline::http
