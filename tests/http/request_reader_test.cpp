#include "http/internal/request_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sightline::http::internal {
namespace {

using State = RequestReader::State;

/// Reads `bytes` in pieces of `step`; returns the body, and what was not taken in `rest`.
std::string read_all(RequestReader& reader, std::string bytes, std::size_t step,
                     std::string* rest = nullptr) {
  std::string body, pending;
  bool is_accepted = false;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    pending += bytes.substr(at, step);
    for (;;) {
      if (reader.state() == State::kBody && !is_accepted) {
        is_accepted = true;
        reader.accept_body([&](std::string_view piece) -> Result<void> {
          body += piece;
          return {};
        });
      }
      const std::size_t taken = reader.read(pending);
      pending.erase(0, taken);
      if (taken == 0 || pending.empty()) break;
    }
  }
  if (rest != nullptr) *rest = pending;
  return body;
}

TEST(RequestReader, ReadsPipelinedRequestsInPiecesOfAnySize) {
  const std::string first =
      "POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nX-Y:  z \r\n\r\nhello";
  const std::string second = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  for (const std::size_t step : {1UL, 2UL, 3UL, 5UL, 1000UL}) {
    RequestReader reader;
    std::string rest;
    EXPECT_EQ(read_all(reader, first + second, step, &rest), "hello") << step;
    EXPECT_EQ(reader.state(), State::kDone);
    EXPECT_EQ(reader.head().target, "/a?b=c");
    EXPECT_EQ(reader.head().method, Method::kPost);
    EXPECT_EQ(reader.head().headers.find("x-y"), "z");
    EXPECT_EQ(rest, second);
  }
}

TEST(RequestReader, PassesOverEmptyLinesBeforeARequest) {
  for (const std::size_t step : {1UL, 2UL, 3UL, 100UL}) {
    RequestReader reader;
    read_all(reader, "\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n", step);
    EXPECT_EQ(reader.state(), State::kDone) << step;
    EXPECT_EQ(reader.head().target, "/a");
  }
}

TEST(RequestReader, ReadsChunks) {
  for (const std::size_t step : {1UL, 4UL, 1000UL}) {
    RequestReader reader;
    EXPECT_EQ(read_all(reader,
                       "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nHost: evil\r\n\r\n",
                       step),
              "abcdefg");
    EXPECT_EQ(reader.state(), State::kDone);
    EXPECT_EQ(reader.head().headers.find("host"), "x");
    EXPECT_EQ(reader.head().headers.all().size(), 2U) << "trailers are no headers";
  }
}

struct FailCase {
  std::string name, bytes;
  int status;
};
class FailingRequests : public testing::TestWithParam<FailCase> {};

TEST_P(FailingRequests, SayWhichStatusTheyGet) {
  for (const std::size_t step : {1UL, 1'000'000UL}) {
    RequestReader reader;
    read_all(reader, GetParam().bytes, step);
    ASSERT_EQ(reader.state(), State::kFailed) << step;
    EXPECT_EQ(reader.failure().http_status, GetParam().status);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Cases, FailingRequests,
    testing::ValuesIn(std::vector<FailCase>{
        {"NotHttp", "\x16\x03\x01 hello\r\n\r\n", 400},
        {"NoVersion", "GET /\r\n\r\n", 400},
        {"OtherVersion", "GET / HTTP/9.9x\r\n\r\n", 400},
        {"SpaceBeforeColon", "GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400},
        {"NegativeLength", "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400},
        {"TwoLengths",
         "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
        {"LengthAndChunks",
         "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
         400},
        {"TwoHosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400},
        {"OtherCoding", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
        {"CodingBelowChunks",
         "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
        {"BadChunk", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
         400},
        {"LongLine", "GET /" + std::string(70'000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n", 431},
        {"ManyHeaders",
         [] {
           std::string text = "GET / HTTP/1.1\r\nHost: x\r\n";
           for (int i = 0; i < 10'000; ++i) text += "X: yyyyyyyyyy\r\n";
           return text + "\r\n";
         }(),
         431},
    }),
    [](const auto& info) { return info.param.name; });

TEST(RequestReader, ABodyThatIsRefusedEndsTheRequest) {
  RequestReader reader;
  const std::string bytes = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
  const std::size_t head = reader.read(bytes);
  ASSERT_EQ(reader.state(), State::kBody);
  reader.accept_body([](std::string_view) -> Result<void> { return invalid_argument("no"); });
  reader.read(std::string_view(bytes).substr(head));
  EXPECT_EQ(reader.state(), State::kFailed);
  ASSERT_TRUE(reader.body_error());
  EXPECT_EQ(reader.body_error()->message, "no");
}

}  // namespace
}  // namespace sightline::http::internal
