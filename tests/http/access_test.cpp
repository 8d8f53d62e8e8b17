// Who may do what: keys, sessions, hosts and origins.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "http/internal/gate.h"
#include "http/keys.h"
#include "http/routes.h"
#include "pipeline/data_folder.h"
#include "tests/http/server_fixture.h"

namespace sightline::http {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing_support::HttpAnswer;
using testing_support::HttpClient;

constexpr const char* kAdminKey = "admin-key-1";
constexpr const char* kReadKey = "read-key-1";
constexpr const char* kPhotosKey = "photos-key-1";

class Access : public ServerTest {
 protected:
  void SetUp() override {
    const auto add = [this](Method method, const std::string& pattern, Right right) {
      route({.method = method,
             .pattern = pattern,
             .right = right,
             .body = {.json = method == Method::kPost},
             .handle = [](Request& request) -> Result<Response> {
               return text(request.principal.name);
             }});
    };
    add(Method::kGet, "/free", Right::kNone);
    add(Method::kGet, "/read", Right::kRead);
    add(Method::kPost, "/write", Right::kWrite);
    add(Method::kPost, "/admin", Right::kAdmin);
    add(Method::kGet, "/collections/{collection}", Right::kRead);
    add(Method::kPost, "/collections/{collection}/points", Right::kWrite);
  }

  void use_keys() {
    key_options_.api_key = kAdminKey;
    key_options_.read_only_api_key = kReadKey;
    key_options_.file = folder_.write("keys.toml", std::string("[[key]]\nname = \"gallery\"\n") +
                                                       "key = \"" + kPhotosKey +
                                                       "\"\nright = \"write\"\n"
                                                       "collections = [\"photos\"]\n");
  }
  int status(const std::string& method, const std::string& target, const std::string& headers) {
    return connect().request(method, target, headers).status;
  }
};

std::string bearer(const std::string& key) { return "Authorization: Bearer " + key + "\r\n"; }

TEST_F(Access, WithoutKeysThisMachineMayDoAll) {
  start();
  EXPECT_EQ(connect().request("POST", "/admin").body, "loopback");
  for (const std::string host : {"localhost", "localhost:6333", "127.0.0.1:1", "[::1]:6333",
                                 "pictures.localhost", "10.1.2.3"}) {
    EXPECT_EQ(connect().request("GET /read HTTP/1.1\r\nHost: " + host + "\r\n\r\n").status, 200)
        << host;
  }
  // By another name, a page of another site may have sent it (DNS rebinding).
  const HttpAnswer other = connect().request("GET /read HTTP/1.1\r\nHost: evil.example\r\n\r\n");
  EXPECT_EQ(other.status, 403);
  EXPECT_THAT(other.body, HasSubstr("server.allowed_hosts"));
  EXPECT_EQ(connect().request("GET /free HTTP/1.1\r\nHost: evil.example\r\n\r\n").status, 200);
  EXPECT_EQ(
      connect().request("GET http://evil.example/read HTTP/1.1\r\nHost: localhost\r\n\r\n").status,
      403);
  // What a proxy passes on did not begin here.
  EXPECT_EQ(status("GET", "/read", "X-Forwarded-For: 1.2.3.4\r\n"), 403);
  EXPECT_EQ(status("GET", "/read", "api-key: whatever\r\n"), 200) << "there is nothing to compare";
}

TEST_F(Access, NamesCanBeAllowed) {
  options_.allowed_hosts = {"photos.home"};
  start();
  EXPECT_EQ(connect().request("GET /read HTTP/1.1\r\nHost: Photos.Home:80\r\n\r\n").status, 200);
  EXPECT_EQ(connect().request("GET /read HTTP/1.1\r\nHost: photos.home.evil\r\n\r\n").status, 403);
}

TEST_F(Access, KeysHaveRightsAndCollections) {
  use_keys();
  start();
  struct Case {
    std::string method, target, headers;
    int status;
  };
  const std::string json = "Content-Type: application/json\r\n";
  for (const Case& c : std::vector<Case>{
           {"GET", "/free", "", 200},
           {"GET", "/read", "", 401},
           {"GET", "/read", "api-key: read-key-2\r\n", 401},
           {"GET", "/read", bearer("read-key-2"), 401},
           {"GET", "/free", bearer("read-key-2"), 200},
           {"GET", "/read", bearer(kReadKey), 200},
           {"GET", "/read", std::string("API-KEY: ") + kReadKey + "\r\n", 200},
           {"GET", "/read", std::string("authorization: bearer ") + kReadKey + "\r\n", 200},
           {"GET", "/read", std::string("Authorization: Basic ") + kReadKey + "\r\n", 401},
           {"POST", "/write", bearer(kReadKey), 403},
           {"POST", "/write", bearer(kPhotosKey), 200},
           {"POST", "/admin", bearer(kPhotosKey), 403},
           {"POST", "/admin", bearer(kAdminKey), 200},
           {"GET", "/collections/photos", bearer(kPhotosKey), 200},
           {"GET", "/collections/pho%74os", bearer(kPhotosKey), 200},
           {"GET", "/collections/other", bearer(kPhotosKey), 403},
           {"POST", "/collections/other/points", bearer(kPhotosKey), 403},
           {"POST", "/collections/photos/points", bearer(kPhotosKey), 200},
           {"POST", "/collections/other/points", bearer(kAdminKey), 200},
           {"GET", "/nothing", "", 404},
       }) {
    EXPECT_EQ(status(c.method, c.target, c.headers), c.status) << c.target << " " << c.headers;
  }
  EXPECT_EQ(connect().request("GET", "/read", bearer(kPhotosKey)).body, "gallery");
}

TEST_F(Access, A401HasTheShapeOfItsRoute) {
  use_keys();
  for (const auto& [pattern, style] :
       {std::pair("/ours", ErrorStyle::kOpenAi), std::pair("/theirs", ErrorStyle::kQdrant)}) {
    route({.pattern = pattern, .errors = style, .handle = [](Request&) -> Result<Response> {
             return text("");
           }});
  }
  start();
  for (const std::string& headers : {std::string(), bearer("read-key-2")}) {
    const HttpAnswer ours = connect().request("GET", "/ours", headers);
    EXPECT_EQ(ours.status, 401);
    EXPECT_THAT(ours.body, HasSubstr(R"({"error":{"code":"invalid_api_key")"));
    EXPECT_EQ(ours.header("www-authenticate"), "Bearer");
    const HttpAnswer theirs = connect().request("GET", "/theirs", headers);
    EXPECT_EQ(theirs.status, 401);
    EXPECT_THAT(theirs.body, HasSubstr(R"({"status":{"error":)"));
    EXPECT_EQ(theirs.header("www-authenticate"), "Bearer");
  }
  EXPECT_THAT(connect().request("GET", "/v1/nothing", bearer("read-key-2")).body,
              HasSubstr(R"({"error":{)"));
}

TEST_F(Access, KeysAreCheckedBeforeTheBodyIsRead) {
  use_keys();
  start();
  HttpClient client = connect();
  EXPECT_EQ(client
                .request("POST /write HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                         "application/json\r\nContent-Length: 10000000\r\n\r\n")
                .status,
            401);
}

TEST_F(Access, AnonymousReadIsAnOption) {
  use_keys();
  key_options_.anonymous_read = true;
  start();
  EXPECT_EQ(connect().request("GET", "/read").body, "anonymous");
  EXPECT_EQ(status("POST", "/write", ""), 403);
  EXPECT_EQ(status("POST", "/write", bearer(kAdminKey)), 200);
}

TEST_F(Access, PagesOfOtherSitesAreRefused) {
  start();
  const HttpAnswer foreign =
      connect().request("POST", "/write", "Origin: https://evil.example\r\n");
  EXPECT_EQ(foreign.status, 403);
  EXPECT_EQ(foreign.header("access-control-allow-origin"), "");
  EXPECT_EQ(status("GET", "/read", "Origin: null\r\n"), 403);
  EXPECT_EQ(status("GET", "/read", "Origin: http://localhost\r\n"), 200) << "its own page";
  EXPECT_EQ(status("GET", "/read", "Origin: http://localhost:99\r\n"), 403);
  EXPECT_EQ(status("GET", "/read", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n"),
            403)
      << "a picture in another site's page";
  EXPECT_EQ(status("GET", "/read", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n"),
            200)
      << "a link";
  EXPECT_EQ(status("GET", "/read", "Sec-Fetch-Site: same-origin\r\n"), 200);
  EXPECT_EQ(status("OPTIONS", "/write",
                   "Origin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n"),
            403);
}

TEST_F(Access, OriginsCanBeAllowed) {
  use_keys();
  options_.cors_origins = {"https://gallery.example"};
  start();
  const std::string origin = "Origin: https://gallery.example\r\n";
  const HttpAnswer preflight =
      connect().request("OPTIONS", "/write",
                        origin +
                            "Access-Control-Request-Method: POST\r\n"
                            "Access-Control-Request-Headers: api-key, content-type\r\n");
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.header("access-control-allow-origin"), "https://gallery.example");
  EXPECT_EQ(preflight.header("access-control-allow-headers"), "api-key, content-type");
  EXPECT_THAT(preflight.header("access-control-allow-methods"), HasSubstr("POST"));
  const HttpAnswer answer = connect().request("POST", "/write", origin + bearer(kAdminKey));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("access-control-allow-origin"), "https://gallery.example");
  EXPECT_EQ(connect().request("POST", "/write", origin).header("access-control-allow-origin"),
            "https://gallery.example")
      << "the page may read that it lacks a key";
  EXPECT_EQ(status("GET", "/read", "Origin: https://other.example\r\n" + bearer(kAdminKey)), 403);
}

class Sessions : public Access {
 protected:
  void SetUp() override {
    Access::SetUp();
    pool_ = std::make_unique<ComputePool>(ComputePoolOptions{.num_threads = 1});
    auto opened =
        pipeline::DataFolder::open(folder_ / "data", pipeline::Access::kWrite, {}, *pool_);
    ASSERT_TRUE(opened) << opened.error().message;
    data_ = *std::move(opened);
    use_keys();
    auto keys = KeyRing::load(key_options_);
    ASSERT_TRUE(keys);
    keys_ = *std::move(keys);
    add_core_routes(routes_, *data_, metrics_, *keys_);
    options_.listen = "127.0.0.1:0";
    options_.spool_folder = folder_ / "spool";
    options_.access_log = false;
    auto server = Server::start(options_, routes_, *keys_, metrics_);
    ASSERT_TRUE(server);
    server_ = *std::move(server);
  }
  void TearDown() override { server_.reset(); }

  std::string log_in(const std::string& key) {
    const HttpAnswer answer = connect().post_json("/v1/session", "{\"key\": \"" + key + "\"}");
    const std::string cookie = answer.header("set-cookie");
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_THAT(cookie, HasSubstr("; HttpOnly; SameSite=Strict"));
    return "Cookie: other=1; " + cookie.substr(0, cookie.find(';')) + "\r\n";
  }

  std::unique_ptr<ComputePool> pool_;
  std::unique_ptr<pipeline::DataFolder> data_;
};

TEST_F(Sessions, AKeyIsTradedForACookie) {
  const HttpAnswer wrong = connect().post_json("/v1/session", "{\"key\": \"wrong-key\"}");
  EXPECT_EQ(wrong.status, 401);
  EXPECT_EQ(wrong.header("www-authenticate"), "Bearer");
  EXPECT_EQ(connect().post_json("/v1/session", "{\"key\": 1}").status, 422);
  EXPECT_EQ(connect().post_json("/v1/session", "[]").status, 422);
  const std::string cookie = log_in(kPhotosKey);
  EXPECT_EQ(status("GET", "/read", cookie), 200);
  EXPECT_EQ(status("GET", "/collections/other", cookie), 403);
  EXPECT_EQ(status("POST", "/write", cookie + "Origin: https://evil.example\r\n"), 403);
  EXPECT_EQ(connect().request("GET", "/v1/session", cookie).body,
            R"({"collections":["photos"],"keys":true,"name":"gallery","right":"write"})");
  EXPECT_EQ(connect().request("DELETE", "/v1/session", cookie).status, 204);
  EXPECT_EQ(status("GET", "/read", cookie), 401);
  EXPECT_EQ(status("GET", "/read", "Cookie: sightline_session=00\r\n"), 401);
}

TEST_F(Sessions, EndWithTheirKey) {
  const std::string gallery = log_in(kPhotosKey), admin = log_in(kAdminKey);
  folder_.write("keys.toml", "[[key]]\nkey = \"a-new-key\"\nright = \"rea\"\n");
  const auto failed = keys_->reload();
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("key 1: right is \"rea\""));
  EXPECT_EQ(status("GET", "/read", gallery), 200) << "all stays as it was";
  folder_.write("keys.toml", "[[key]]\nkey = \"a-new-key\"\nright = \"read\"\n");
  ASSERT_TRUE(keys_->reload());
  EXPECT_EQ(status("GET", "/read", gallery), 401);
  EXPECT_EQ(status("GET", "/read", admin), 200);
  EXPECT_EQ(status("GET", "/read", bearer("a-new-key")), 200);
}

TEST_F(Sessions, HealthNeedsNoKeyAndMetricsDo) {
  for (const std::string target : {"/healthz", "/livez", "/readyz"}) {
    EXPECT_EQ(status("GET", target, ""), 200) << target;
  }
  EXPECT_EQ(status("GET", "/metrics", ""), 401);
  const HttpAnswer metrics = connect().request("GET", "/metrics", bearer(kReadKey));
  EXPECT_EQ(metrics.status, 200);
  EXPECT_THAT(metrics.body, HasSubstr("sightline_http_requests_total{"));
  EXPECT_THAT(metrics.body, HasSubstr("process_resident_memory_bytes"));
  EXPECT_EQ(status("GET", "/metrics-summary", bearer(kReadKey)), 200);
}

struct KeysFileCase {
  std::string name, text, message;
};
class BadKeysFiles : public testing::TestWithParam<KeysFileCase> {};

TEST_P(BadKeysFiles, AreNamed) {
  testing_support::TempDir folder;
  const auto keys = read_keys_file(folder.write("keys.toml", GetParam().text));
  ASSERT_FALSE(keys);
  EXPECT_THAT(keys.error().message, HasSubstr("keys.toml"));
  EXPECT_THAT(keys.error().message, HasSubstr(GetParam().message));
  EXPECT_THAT(keys.error().message, Not(HasSubstr("secret")));
}

INSTANTIATE_TEST_SUITE_P(
    Cases, BadKeysFiles,
    testing::ValuesIn(std::vector<KeysFileCase>{
        {"NotToml", "[[key]", "keys.toml"},
        {"OtherEntry", "keys = 1", "unknown entry \"keys\""},
        {"NoKey", "[[key]]\nright = \"read\"", "neither key nor sha256"},
        {"NoRight", "[[key]]\nkey = \"secret-1\"", "no right"},
        {"Short", "[[key]]\nkey = \"secret\"\nright = \"read\"", "6 characters"},
        {"BadDigest", "[[key]]\nsha256 = \"12\"\nright = \"read\"", "64 hex digits"},
        {"BadCollections", "[[key]]\nkey = \"secret-1\"\nright = \"read\"\ncollections = \"a\"",
         "list of names"},
        {"Unknown", "[[key]]\nkey = \"secret-1\"\nrights = \"read\"", "unknown entry \"rights\""},
    }),
    [](const auto& info) { return info.param.name; });

TEST(KeysFile, TakesDigests) {
  testing_support::TempDir folder;
  KeyOptions options;
  options.file = folder.write(
      "keys.toml",
      "[[key]]\nright = \"read\"\n"
      "sha256 = \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"\n");
  const auto keys = KeyRing::load(options);
  ASSERT_TRUE(keys) << keys.error().message;
  ASSERT_TRUE((*keys)->find("test"));
  EXPECT_EQ((*keys)->find("test")->name, "key 1");
  EXPECT_FALSE((*keys)->find("Test"));
}

}  // namespace
}  // namespace sightline::http
