#include "pipeline/image_source.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <thread>

#include "pipeline/internal/base64.h"
#include "tests/pipeline/pictures.h"
#include "tests/support/temp_dir.h"

namespace sightline::pipeline {
namespace {

using testing::HasSubstr;

std::string text_of(const Picture& picture) {
  const auto& bytes = std::get<std::vector<std::byte>>(picture.data);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string base64(std::string_view text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 3) {
    unsigned bits = 0;
    for (std::size_t k = 0; k < 3; ++k)
      bits = bits << 8 | (i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k)
      out += k <= text.size() - i || k < 2 ? kDigits[bits >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

// --- base64 --------------------------------------------------------------------------------------

TEST(Base64, IsStrict) {
  EXPECT_EQ(decode_base64("").value().size(), 0u);
  EXPECT_EQ(decode_base64("TWFu").value().size(), 3u);
  EXPECT_EQ(decode_base64("TWE=").value().size(), 2u);
  EXPECT_EQ(decode_base64("TQ==").value().size(), 1u);
  for (const char* bad : {"TQ", "TQ=", "TR==", "TWF=", "T===", "====", "TW=u", "TW u", "TWF\n",
                          "TW-_", "TWFuTQ==TWFu"})
    EXPECT_FALSE(decode_base64(bad)) << bad;
}

// --- addresses -----------------------------------------------------------------------------------

TEST(PublicAddress, NothingOfOurOwnNetwork) {
  for (const char* address : {"93.184.216.34", "1.1.1.1", "172.15.255.255", "172.32.0.1",
                              "100.63.0.1", "100.128.0.1", "2606:4700:4700::1111", "2a00:1450::1",
                              "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::1"})
    EXPECT_TRUE(is_public_address(address)) << address;
  for (const char* address : {"127.0.0.1",
                              "127.255.255.255",
                              "0.0.0.0",
                              "0.1.2.3",
                              "10.0.0.1",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.168.1.1",
                              "169.254.169.254",
                              "100.64.0.1",
                              "100.127.255.255",
                              "192.0.0.8",
                              "192.0.2.1",
                              "198.18.0.1",
                              "198.19.255.255",
                              "198.51.100.7",
                              "203.0.113.9",
                              "192.88.99.1",
                              "224.0.0.1",
                              "239.255.255.255",
                              "240.0.0.1",
                              "255.255.255.255",
                              "::",
                              "::1",
                              "::ffff:127.0.0.1",
                              "::ffff:10.0.0.1",
                              "::ffff:a9fe:a9fe",
                              "::127.0.0.1",
                              "fe80::1",
                              "fec0::1",
                              "fc00::1",
                              "fd12:3456::1",
                              "ff02::1",
                              "2001:db8::1",
                              "2001::1",
                              "2001:10::1",
                              "3fff::1",
                              "64:ff9b::7f00:1",
                              "64:ff9b:1::1",
                              "2002:7f00:1::1",
                              "2002:c0a8:101::1",
                              "100::1",
                              "4000::1",
                              "fe80::1%eth0",
                              "localhost",
                              "",
                              "2130706433",
                              "0x7f.1",
                              "127.1"})
    EXPECT_FALSE(is_public_address(address)) << address;
  EXPECT_FALSE(is_public_address(std::string_view("1.1.1.1\0.evil", 13)));
}

// --- rules ---------------------------------------------------------------------------------------

class ImageSourceTest : public testing::Test {
 protected:
  ImageSourceTest() {
    root_.write("a b.jpg", jpeg_);
    root_.write("in/b.png", "png bytes");
    root_.write("empty.png", "");
    outside_.write("secret.png", "secret");
    std::filesystem::create_symlink(outside_ / "secret.png", root_ / "link.png");
    std::filesystem::create_symlink(root_ / "in", root_ / "folder");
    options_.roots = {root_.path()};
    options_.max_bytes = 100'000;
  }
  Result<Picture> load(std::string_view text) const {
    return ImageSource(options_).load(text, Deadline::never());
  }
  std::string at(const char* name) const { return (root_ / name).string(); }

  const std::string jpeg_ = testing_support::make_jpeg(1);
  const std::string png_ = testing_support::make_png(1);
  testing_support::TempDir root_, outside_;
  ImageSourceOptions options_;
};

TEST_F(ImageSourceTest, TakesEachFormByItsPrefix) {
  ASSERT_TRUE(base64(jpeg_).starts_with("/9j/"));
  const std::map<std::string, std::string> cases = {
      {"data:image/jpeg;base64," + base64(jpeg_), jpeg_},
      {"DATA:;BASE64," + base64(png_), png_},
      {"data:image/gif,GIF89a%01%00", std::string("GIF89a\1\0", 8)},
      {"data:image/jpeg;base64,/9j%2F", "\xFF\xD8\xFF"},
      {base64(jpeg_), jpeg_},
      {base64(png_), png_},
      {"file://" + root_.path().string() + "/a%20b.jpg", jpeg_},
      {"FILE://localhost" + root_.path().string() + "/a%20b.jpg", jpeg_},
      {at("a b.jpg"), jpeg_},
      {"a b.jpg", jpeg_},
      {"folder/b.png", "png bytes"},
      {at("in/../folder/b.png"), "png bytes"},
  };
  for (const auto& [text, bytes] : cases) {
    const auto picture = load(text);
    ASSERT_TRUE(picture) << text.substr(0, 100) << ": " << picture.error().message;
    EXPECT_EQ(text_of(*picture), bytes) << text.substr(0, 100);
  }
}

TEST_F(ImageSourceTest, RefusesByTheRule) {
  struct Case {
    std::string text;
    StatusCode code;
    std::string message;
  };
  const std::string outside = (outside_ / "secret.png").string();
  const std::vector<Case> cases = {
      {"", StatusCode::kInvalidArgument, "empty"},
      {"data:image/png;base64", StatusCode::kInvalidArgument, "comma"},
      {"data:image/png;base64,AAA", StatusCode::kInvalidArgument, "multiple of 4"},
      {"data:image/png;base64,AA A", StatusCode::kInvalidArgument, "character 3"},
      {"data:,%zz", StatusCode::kInvalidArgument, "hex"},
      {"data:,", StatusCode::kInvalidArgument, "URL: is empty"},
      {"data:;base64,", StatusCode::kInvalidArgument, "URL: is empty"},
      {"file://" + at("empty.png"), StatusCode::kInvalidArgument, "empty.png: is empty"},
      {at("empty.png"), StatusCode::kInvalidArgument, "empty.png: is empty"},
      {"data:;base64," + std::string(140'000, 'A'), StatusCode::kResourceExhausted, "100000 bytes"},
      {std::string(400'000, 'A'), StatusCode::kResourceExhausted, "100000 bytes"},
      {"http://example.com/a.jpg", StatusCode::kPermissionDenied, "not allowed"},
      {"HTTPS://example.com/a.jpg", StatusCode::kPermissionDenied, "not allowed"},
      {"ftp://example.com/a.jpg", StatusCode::kInvalidArgument, "scheme"},
      {"gopher://127.0.0.1/", StatusCode::kInvalidArgument, "scheme"},
      {"file://host/a.jpg", StatusCode::kInvalidArgument, "file"},
      {"file://" + outside, StatusCode::kPermissionDenied, "folder that requests may name"},
      {"file://" + at("a.tar") + "#x.jpg", StatusCode::kInvalidArgument, "fragment"},
      {outside, StatusCode::kPermissionDenied, "folder that requests may name"},
      {outside + ".not-there", StatusCode::kPermissionDenied, "folder that requests may name"},
      {"link.png", StatusCode::kPermissionDenied, "folder that requests may name"},
      {at("link.png"), StatusCode::kPermissionDenied, "folder that requests may name"},
      {"../../../../../../../../etc/passwd", StatusCode::kPermissionDenied, "taken for a path"},
      {at("in/../../../etc/passwd"), StatusCode::kPermissionDenied, "taken for a path"},
      {root_.path().string() + "x/a.jpg", StatusCode::kPermissionDenied, "taken for a path"},
      {"/proc/self/environ", StatusCode::kPermissionDenied, "taken for a path"},
      {"none.png", StatusCode::kNotFound, "no such file"},
      {at("in"), StatusCode::kInvalidArgument, "regular file"},
      {std::string("a b.jpg\0.png", 12), StatusCode::kPermissionDenied, "taken for a path"},
      {base64("only some words"), StatusCode::kNotFound, "not of a picture"},
      {base64(jpeg_) + "\n", StatusCode::kPermissionDenied, "multiple of 4"},
  };
  for (const Case& c : cases) {
    const auto picture = load(c.text);
    ASSERT_FALSE(picture) << c.text.substr(0, 100);
    EXPECT_EQ(picture.error().code, c.code) << c.text.substr(0, 100) << picture.error().message;
    EXPECT_THAT(picture.error().message, HasSubstr(c.message)) << c.text.substr(0, 100);
    EXPECT_LT(picture.error().message.size(), 500u);
  }
}

TEST_F(ImageSourceTest, WithoutRootsThereAreNoPaths) {
  options_.roots.clear();
  EXPECT_EQ(load(at("a b.jpg")).error().code, StatusCode::kPermissionDenied);
  EXPECT_EQ(load("a b.jpg").error().code, StatusCode::kPermissionDenied);
  EXPECT_TRUE(load(base64(jpeg_)));
}

TEST_F(ImageSourceTest, LargeFilesAreRefused) {
  root_.write("large.jpg", std::string(100'001, 'x'));
  EXPECT_EQ(load("large.jpg").error().code, StatusCode::kResourceExhausted);
}

// --- http ----------------------------------------------------------------------------------------

/// Answers each path with a fixed text, on a port of the loopback interface.
class TinyServer {
 public:
  using Answers = std::map<std::string, std::string>;
  explicit TinyServer(Answers answers) : answers_(std::move(answers)) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        listen(listener_, 16) != 0 ||
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
      throw std::runtime_error("cannot listen");
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~TinyServer() {
    stopping_ = true;
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  std::string url(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  int port() const { return port_; }

 private:
  void serve() {
    while (!stopping_) {
      const int client = accept(listener_, nullptr, nullptr);
      if (client < 0) return;
      std::string request;
      char buffer[4096];
      while (request.find("\r\n\r\n") == request.npos) {
        const ssize_t n = read(client, buffer, sizeof(buffer));
        if (n <= 0) break;
        request.append(buffer, static_cast<std::size_t>(n));
      }
      const auto begin = request.find(' ') + 1;
      const auto found = answers_.find(request.substr(begin, request.find(' ', begin) - begin));
      if (found != answers_.end() && found->second.empty()) {  // says nothing for a while
        while (!stopping_ && recv(client, buffer, 1, MSG_DONTWAIT) != 0)
          std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
      const std::string answer = found == answers_.end()
                                     ? "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n"
                                       "Connection: close\r\n\r\n"
                                     : found->second;
      std::size_t sent = 0;
      while (sent < answer.size()) {
        const ssize_t n = send(client, answer.data() + sent, answer.size() - sent, MSG_NOSIGNAL);
        if (n <= 0) break;
        sent += static_cast<std::size_t>(n);
      }
      close(client);
    }
  }

  std::map<std::string, std::string> answers_;
  int listener_ = -1, port_ = 0;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

std::string ok(const std::string& body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\nConnection: close\r\n\r\n" + body;
}
std::string redirect(const std::string& to) {
  return "HTTP/1.1 302 Found\r\nLocation: " + to +
         "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
}

class HttpImageTest : public ImageSourceTest {
 protected:
  HttpImageTest() {
    options_.allow_http = true;
    options_.may_connect = [this](std::string_view address) {
      asked_.emplace_back(address);
      return address == "127.0.0.1" || is_public_address(address);
    };
  }
  std::vector<std::string> asked_;
};

TEST_F(HttpImageTest, FetchesAndFollowsRedirects) {
  const TinyServer server({{"/a.jpg", ok(jpeg_)},
                           {"/moved", redirect("/a.jpg")},
                           {"/endless", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + jpeg_}});
  for (const char* path : {"/a.jpg", "/moved", "/endless"}) {
    const auto picture = load(server.url(path));
    ASSERT_TRUE(picture) << picture.error().message;
    EXPECT_EQ(text_of(*picture), jpeg_);
  }
  EXPECT_THAT(asked_, testing::Each("127.0.0.1"));
}

TEST_F(HttpImageTest, ConnectsToPublicAddressesAlone) {
  const TinyServer server(TinyServer::Answers{{"/a.jpg", ok(jpeg_)}});
  options_.may_connect = is_public_address;
  const std::string port = std::to_string(server.port());
  for (const std::string host : {"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]",
                                 "2130706433", "0x7f000001", "127.1", "0.0.0.0", "10.0.0.1"}) {
    const auto picture = load("http://" + host + ":" + port + "/a.jpg");
    ASSERT_FALSE(picture) << host;
    EXPECT_EQ(picture.error().code, StatusCode::kPermissionDenied)
        << host << ": " << picture.error().message;
  }
}

TEST_F(HttpImageTest, RedirectsAreHeldToTheSameRules) {
  const TinyServer server({{"/private", redirect("http://10.1.2.3/a.jpg")},
                           {"/metadata", redirect("http://169.254.169.254/latest/")},
                           {"/six", redirect("http://[::1]:80/")},
                           {"/file", redirect("file:///etc/passwd")},
                           {"/gopher", redirect("gopher://127.0.0.1/x")},
                           {"/loop", redirect("/loop")}});
  for (const char* path : {"/private", "/metadata", "/six", "/file", "/gopher"}) {
    const auto picture = load(server.url(path));
    ASSERT_FALSE(picture) << path;
    EXPECT_EQ(picture.error().code, StatusCode::kPermissionDenied)
        << path << ": " << picture.error().message;
  }
  EXPECT_EQ(load(server.url("/loop")).error().code, StatusCode::kIoError);
}

TEST_F(HttpImageTest, LimitsSizeAndTime) {
  const TinyServer server(
      {{"/large", ok(std::string(100'001, 'x'))},
       {"/endless", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + std::string(300'000, 'x')},
       {"/silent", ""}});
  EXPECT_EQ(load(server.url("/large")).error().code, StatusCode::kResourceExhausted);
  EXPECT_EQ(load(server.url("/endless")).error().code, StatusCode::kResourceExhausted);
  EXPECT_EQ(load(server.url("/none")).error().code, StatusCode::kIoError);
  options_.http_timeout = std::chrono::milliseconds(200);
  EXPECT_EQ(load(server.url("/silent")).error().code, StatusCode::kDeadlineExceeded);
}

TEST_F(HttpImageTest, StopsWhenNobodyWaits) {
  const TinyServer server(TinyServer::Answers{{"/silent", ""}});
  std::stop_source stop;
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    stop.request_stop();
  });
  const auto picture = ImageSource(options_).load(server.url("/silent"),
                                                  Deadline::never().with_stop(stop.get_token()));
  later.join();
  ASSERT_FALSE(picture);
  EXPECT_EQ(picture.error().code, StatusCode::kCancelled);
}

TEST_F(HttpImageTest, AProxyOfTheEnvironmentIsNotUsed) {
  const TinyServer server({{"http://10.1.2.3/a.jpg", ok(jpeg_)}, {"/a.jpg", ok(jpeg_)}});
  setenv("http_proxy", server.url("").c_str(), 1);
  const auto picture = load("http://10.1.2.3/a.jpg");
  unsetenv("http_proxy");
  ASSERT_FALSE(picture);
  EXPECT_EQ(picture.error().code, StatusCode::kPermissionDenied);
}

}  // namespace
}  // namespace sightline::pipeline
