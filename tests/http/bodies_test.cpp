// Bodies in both directions: forms and files that come, files and streams that go.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "http/routes.h"
#include "tests/http/server_fixture.h"

namespace sightline::http {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::HttpAnswer;
using testing_support::HttpClient;
using testing_support::read_file;

namespace fs = std::filesystem;

class Bodies : public ServerTest {
 protected:
  void SetUp() override {
    route({.method = Method::kPost,
           .pattern = "/form",
           .body = {.json = true, .form = true},
           .lane = Lane::kLong,
           .handle = [this](Request& request) { return take_form(request); }});
    route({.method = Method::kPut,
           .pattern = "/file",
           .body = {.file = true, .required = true},
           .lane = Lane::kLong,
           .handle = [this](Request& request) -> Result<Response> {
             num_spooled_ = count_spooled();
             return text(request.content_type + " " + read_file(request.body_file));
           }});
    route({.pattern = "/download",
           .lane = Lane::kInline,
           .handle = [this](Request&) -> Result<Response> {
             Response response = text("");
             response.body = FileBody{folder_ / "download.bin"};
             return response;
           }});
    route({.pattern = "/tagged", .handle = [](Request&) -> Result<Response> {
             Response response = text("tagged");
             response.etag = "\"v1\"";
             return response;
           }});
    route({.pattern = "/stream/{pieces}", .lane = Lane::kLong, .handle = [this](Request& request) {
             return stream(request);
           }});
  }

  Result<Response> take_form(Request& request) {
    num_spooled_ = count_spooled();
    std::string all;
    for (const FormPart& part : request.parts) {
      all += part.name + "=" + (part.file.empty() ? part.value : read_file(part.file)) + "(" +
             part.file_name + "," + part.content_type + "," + std::to_string(part.size) + ") ";
    }
    return text(all);
  }

  Result<Response> stream(Request& request) {
    const int pieces = std::stoi(request.param("pieces"));
    Response response = text("");
    response.body = StreamBody([this, pieces](BodySink& sink) -> Result<void> {
      for (int i = 0; i < pieces; ++i) {
        if (auto written = sink.write(std::string(100'000, static_cast<char>('a' + i % 26)));
            !written) {
          has_failed_.store(true);
          return written;
        }
        num_written_.store(i + 1);
      }
      if (pieces == 3) return internal_error("it breaks off");
      return {};
    });
    return response;
  }

  int count_spooled() const {
    int count = 0;
    for (const auto& entry : fs::directory_iterator(folder_ / "spool"))
      count += entry.is_regular_file();
    return count;
  }
  bool spool_empties() const {
    for (int i = 0; i < 1000 && count_spooled() > 0; ++i) std::this_thread::sleep_for(2ms);
    return count_spooled() == 0;
  }

  std::atomic<int> num_spooled_{0}, num_written_{0};
  std::atomic<bool> has_failed_{false};
};

const std::string kFormHead = "Content-Type: multipart/form-data; boundary=XX\r\n";

TEST_F(Bodies, FormsAreSpooledAndCleanedUp) {
  start();
  const std::string data(3'000'000, 'x');
  HttpClient client = connect();
  const HttpAnswer answer =
      client.request("POST", "/form", kFormHead,
                     "--XX\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nsea\r\n--XX\r\n"
                     "Content-Disposition: form-data; name=\"image\"; filename=\"../a.png\"\r\n"
                     "Content-Type: image/png\r\n\r\n" +
                         data + "\r\n--XX--\r\n");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "title=sea(,,3) image=" + data + "(../a.png,image/png,3000000) ");
  EXPECT_EQ(num_spooled_.load(), 1);
  EXPECT_TRUE(spool_empties());
  EXPECT_EQ(client.request("POST", "/form", kFormHead, "--XX--").body, "");
  EXPECT_EQ(client
                .request("POST", "/form", kFormHead,
                         "--XX\r\nContent-Disposition: form-data; name=\"image\"; filename=\"\"\r\n"
                         "Content-Type: application/octet-stream\r\n\r\n\r\n--XX--\r\n")
                .body,
            "")
      << "a browser's file field that nothing was chosen for";
  EXPECT_EQ(client.post_json("/form", "{}").status, 200);
  const HttpAnswer cut = client.request("POST", "/form", kFormHead, "--XX\r\nContent-Dis");
  EXPECT_EQ(cut.status, 400);
  EXPECT_THAT(cut.body, HasSubstr("ends before its last boundary"));
  EXPECT_EQ(connect().request("POST", "/form", "Content-Type: multipart/form-data\r\n", "x").status,
            400);
  const HttpAnswer field = connect().request(
      "POST", "/form", kFormHead,
      "--XX\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\n" + data + "\r\n--XX--");
  EXPECT_EQ(field.status, 413);
}

TEST_F(Bodies, FilesAreSpooledAndRemovedWhenTheClientGoes) {
  options_.max_upload_bytes = 1'000'000;
  start();
  const HttpAnswer answer =
      connect().request("PUT", "/file", "Content-Type: application/x-tar\r\n", "tar bytes");
  EXPECT_EQ(answer.body, "application/x-tar tar bytes");
  EXPECT_EQ(num_spooled_.load(), 1);
  EXPECT_TRUE(spool_empties());
  EXPECT_EQ(connect().request("PUT", "/file", "", std::string(1'000'001, 'x')).status, 413);
  {
    HttpClient client = connect();
    client.send("PUT /file HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500000\r\n\r\nabc");
    for (int i = 0; i < 1000 && count_spooled() == 0; ++i) std::this_thread::sleep_for(2ms);
    EXPECT_EQ(count_spooled(), 1);
  }
  EXPECT_TRUE(spool_empties());
  EXPECT_EQ(connect().request("PUT", "/file").status, 400) << "the body is missing";
}

TEST_F(Bodies, WhatAServerBeforeHasLeftIsRemoved) {
  folder_.write("spool/body-1-2", "left");
  start();
  EXPECT_EQ(count_spooled(), 0);
}

TEST_F(Bodies, FilesGoInRanges) {
  std::string data;
  for (int i = 0; i < 100'000; ++i) data += std::to_string(i);
  folder_.write("download.bin", data);
  start();
  HttpClient client = connect();
  const HttpAnswer whole = client.request("GET", "/download");
  EXPECT_EQ(whole.status, 200);
  EXPECT_EQ(whole.body, data);
  EXPECT_EQ(whole.header("accept-ranges"), "bytes");
  const std::string etag = whole.header("etag"), modified = whole.header("last-modified");
  const std::string size = std::to_string(data.size());
  struct Case {
    std::string headers;
    int status;
    std::string range, body;
  };
  for (const Case& c : std::vector<Case>{
           {"Range: bytes=2-5\r\n", 206, "bytes 2-5/" + size, data.substr(2, 4)},
           {"Range: bytes=400000-\r\n", 206,
            "bytes 400000-" + std::to_string(data.size() - 1) + "/" + size, data.substr(400'000)},
           {"Range: bytes=-3\r\n", 206,
            "bytes " + std::to_string(data.size() - 3) + "-" + std::to_string(data.size() - 1) +
                "/" + size,
            data.substr(data.size() - 3)},
           {"Range: bytes=99999999-\r\n", 416, "bytes */" + size, ""},
           // Longer numbers than 64 bits hold.
           {"Range: bytes=0-99999999999999999999\r\n", 206,
            "bytes 0-" + std::to_string(data.size() - 1) + "/" + size, data},
           {"Range: bytes=-99999999999999999999\r\n", 206,
            "bytes 0-" + std::to_string(data.size() - 1) + "/" + size, data},
           {"Range: bytes=99999999999999999999-\r\n", 416, "bytes */" + size, ""},
           {"Range: bytes=0-9x\r\n", 200, "", data},
           {"Range: bytes=5-2\r\n", 200, "", data},
           {"Range: bytes=1-2,4-5\r\n", 200, "", data},
           {"Range: bytes=2-5\r\nIf-Range: " + etag + "\r\n", 206, "bytes 2-5/" + size,
            data.substr(2, 4)},
           {"Range: bytes=2-5\r\nIf-Range: \"old\"\r\n", 200, "", data},
           {"If-None-Match: \"x\", " + etag + "\r\n", 304, "", ""},
           {"If-None-Match: \"x\"\r\n", 200, "", data},
           {"If-Modified-Since: " + modified + "\r\n", 304, "", ""},
           {"If-Modified-Since: Sun, 01 Jan 2090 00:00:00 GMT\r\n", 304, "", ""},
           {"If-Modified-Since: Thu, 01 Jan 1970 00:00:01 GMT\r\n", 200, "", data},
           {"If-Modified-Since: yesterday\r\n", 200, "", data},
           {"Range: Bytes=2-5\r\n", 206, "bytes 2-5/" + size, data.substr(2, 4)},
       }) {
    const HttpAnswer answer = client.request("GET", "/download", c.headers);
    EXPECT_EQ(answer.status, c.status) << c.headers;
    EXPECT_EQ(answer.header("content-range"), c.range) << c.headers;
    EXPECT_TRUE(answer.body == c.body) << c.headers;
  }
  const HttpAnswer head = client.request("HEAD", "/download");
  EXPECT_EQ(head.header("content-length"), size);
  EXPECT_EQ(client.request("HEAD", "/download", "If-None-Match: " + etag + "\r\n").status, 304);
  fs::remove(folder_ / "download.bin");
  EXPECT_EQ(client.request("GET", "/download").status, 404);
}

TEST_F(Bodies, TextsHaveTagsToo) {
  start();
  HttpClient client = connect();
  EXPECT_EQ(client.request("GET", "/tagged").header("etag"), "\"v1\"");
  EXPECT_EQ(client.request("GET", "/tagged", "If-None-Match: W/\"v1\"\r\n").status, 304);
  EXPECT_EQ(client.request("GET", "/tagged", "If-None-Match: \"v2\"\r\n").body, "tagged");
}

TEST_F(Bodies, StreamsWaitForSlowClientsAndEndWithThem) {
  start();
  HttpClient client = connect();
  const HttpAnswer answer = client.request("GET", "/stream/30");
  EXPECT_EQ(answer.header("transfer-encoding"), "chunked");
  EXPECT_EQ(answer.body.size(), 3'000'000U);
  EXPECT_EQ(answer.body.back(), 'd');
  EXPECT_EQ(client.request("GET", "/stream/0").body, "") << "the connection goes on";
  EXPECT_EQ(client.request("HEAD", "/stream/30").status, 200);
  EXPECT_EQ(connect().request("GET /stream/2 HTTP/1.0\r\n\r\n").body.size(), 200'000U);
  EXPECT_THROW(connect().request("GET", "/stream/3"), std::runtime_error) << "it broke off";

  num_written_.store(0);
  has_failed_.store(false);
  HttpClient slow = connect();
  slow.send("GET /stream/10000 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  std::this_thread::sleep_for(500ms);
  EXPECT_LT(num_written_.load(), 1000) << "nobody reads";
  slow.close();
  for (int i = 0; i < 2500 && !has_failed_.load(); ++i) std::this_thread::sleep_for(2ms);
  EXPECT_TRUE(has_failed_.load()) << "the stream was told";
}

TEST_F(Bodies, ThePageGoesToBrowsersAndTheVersionToPrograms) {
  folder_.write("page/index.html", "<!doctype html>");
  folder_.write("page/assets/app.js", "let a;");
  folder_.write("page/assets/js/part.js", "let b;");
  folder_.write("page/assets/.hidden", "no");
  folder_.write("secret.txt", "no");
  add_page_routes(routes_, folder_ / "page");
  start();
  HttpClient client = connect();
  const HttpAnswer page =
      client.request("GET", "/", "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\n");
  EXPECT_EQ(page.body, "<!doctype html>");
  EXPECT_EQ(page.header("content-type"), "text/html; charset=utf-8");
  EXPECT_EQ(page.header("vary"), "Accept");
  EXPECT_EQ(client
                .request("GET", "/",
                         "Accept: text/html\r\nIf-None-Match: " + page.header("etag") + "\r\n")
                .status,
            304);
  for (const std::string accept :
       {"text/html;q=0.001", "application/json;q=0.9, Text/HTML ; charset=utf-8; Q=0.1"}) {
    EXPECT_EQ(client.request("GET", "/", "Accept: " + accept + "\r\n").body, page.body) << accept;
  }
  for (const std::string accept : {"text/html;q=0", "text/html; q=0.000, */*", "text/html-x"}) {
    EXPECT_THAT(client.request("GET", "/", "Accept: " + accept + "\r\n").body,
                HasSubstr("qdrant - vector"))
        << accept;
  }
  const HttpAnswer version = client.request("GET", "/", "Accept: */*\r\n");
  EXPECT_EQ(version.header("content-type"), "application/json");
  EXPECT_EQ(version.header("vary"), "Accept");
  const auto json = parse_json(version.body, "version");
  ASSERT_TRUE(json);
  EXPECT_EQ((*json)["title"], "qdrant - vector search engine");
  EXPECT_EQ((*json)["version"], "1.19.0");
  EXPECT_EQ((*json)["commit"].get<std::string>().size(), 40U);
  EXPECT_EQ(client.request("GET", "/dashboard").header("location"), "./");
  EXPECT_EQ(client.request("GET", "/assets/app.js").body, "let a;");
  EXPECT_EQ(client.request("GET", "/assets/app.js").header("content-type"),
            "text/javascript; charset=utf-8");
  EXPECT_EQ(client.request("GET", "/assets/js/part.js").body, "let b;");
  for (const std::string target :
       {"/assets/nothing.js", "/assets/.hidden", "/assets/../../secret.txt",
        "/assets/..%2f..%2fsecret.txt", "/assets/%2e%2e/index.html", "/assets/js", "/secret.txt"}) {
    EXPECT_EQ(client.request("GET", target).status, 404) << target;
  }
}

}  // namespace
}  // namespace sightline::http
