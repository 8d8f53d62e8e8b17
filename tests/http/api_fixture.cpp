#include "tests/http/api_fixture.h"

#include <fstream>
#include <sstream>
#include <utility>

#include "http/api_routes.h"
#include "http/errors.h"
#include "http/openapi.h"
#include "http/percent.h"
#include "http/routes.h"
#include "tests/pipeline/pictures.h"

namespace sightline::http {
namespace {

class StringSink final : public BodySink {
 public:
  Result<void> write(std::string_view bytes) override {
    text += bytes;
    return {};
  }
  std::string text;
};

std::string read_whole(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

Request request_of(Method method, const std::string& target) {
  Request request;
  request.method = method;
  request.target = target;
  const std::size_t question = std::min(target.find('?'), target.size());
  request.path = target.substr(0, question);
  if (question < target.size()) {
    request.query = parse_query(std::string_view(target).substr(question + 1)).value();
  }
  return request;
}

}  // namespace

Json Reply::json() const {
  auto parsed = parse_json(body, "reply");
  EXPECT_TRUE(parsed) << body;
  return parsed ? *parsed : Json();
}

std::string Reply::error(const std::string& key) const {
  const Json parsed = json();
  if (!parsed.contains("error")) return "no error: " + body;
  const Json value = parsed["error"].value(key, Json());
  return value.is_string() ? value.get<std::string>() : value.dump();
}

ApiTest::ApiTest(const std::filesystem::path& model) {
  pool_ = std::make_unique<ComputePool>(ComputePoolOptions{});
  auto folder = pipeline::DataFolder::open(data_.path(), pipeline::Access::kWrite, {}, *pool_);
  EXPECT_TRUE(folder) << folder.error().message;
  folder_ = *std::move(folder);
  pipeline::EncoderHostOptions encoders;
  encoders.default_model = model.string();
  encoders.roots = {allowed_.path()};
  encoders_ = std::make_unique<pipeline::EncoderHost>(std::move(encoders), *pool_);
  pipeline::ImageSourceOptions images;
  images.roots = {allowed_.path()};
  images_ = std::make_unique<pipeline::ImageSource>(std::move(images));
  pipeline::JobBoardOptions jobs;
  jobs.roots = {allowed_.path()};
  jobs_ = std::make_unique<pipeline::JobBoard>(*folder_, *encoders_, *pool_, std::move(jobs));
  services_ = std::make_unique<Services>(
      Services{*folder_, *encoders_, *images_, *jobs_, *pool_, settings_, metrics_});
  auto keys = KeyRing::load({});
  EXPECT_TRUE(keys) << keys.error().message;
  keys_ = *std::move(keys);
  add_core_routes(table_, *folder_, metrics_, *keys_);
  add_own_routes(table_, *services_);
  add_openapi_route(table_);
}

ApiTest::~ApiTest() = default;

Reply ApiTest::call(Request request) {
  auto match = table_.match(request.method, request.path);
  Reply reply;
  if (!match || match->route == nullptr) {
    reply.status = match ? 405 : http_status(match.error().code);
    return reply;
  }
  request.params = std::move(match->params);
  request.principal = principal_;
  auto response = match->route->handle(request);
  Response answer =
      response ? *std::move(response) : error_response(response.error(), match->route->errors, 0);
  reply.status = answer.status;
  reply.content_type = std::move(answer.content_type);
  reply.etag = std::move(answer.etag);
  reply.headers = std::move(answer.headers);
  if (const auto* text = std::get_if<std::string>(&answer.body)) {
    reply.body = *text;
  } else if (const auto* file = std::get_if<FileBody>(&answer.body)) {
    reply.body = read_whole(file->path);
  } else {
    StringSink sink;
    EXPECT_TRUE(std::get<StreamBody>(answer.body)(sink));
    reply.body = std::move(sink.text);
  }
  return reply;
}

Reply ApiTest::get(const std::string& target) { return call(request_of(Method::kGet, target)); }

Reply ApiTest::remove(const std::string& target) {
  return call(request_of(Method::kDelete, target));
}

Reply ApiTest::post(const std::string& target, const Json& body) {
  Request request = request_of(Method::kPost, target);
  request.content_type = "application/json";
  request.body = body.dump();
  return call(std::move(request));
}

Reply ApiTest::post_form(const std::string& target, const std::vector<Part>& parts,
                         const std::string& accept) {
  Request request = request_of(Method::kPost, target);
  request.content_type = "multipart/form-data";
  if (!accept.empty()) request.headers.add("Accept", accept);
  for (const Part& part : parts) {
    FormPart made;
    made.name = part.name;
    if (part.file_name.empty()) {
      made.value = part.value;
    } else {
      made.file_name = part.file_name;
      made.file = spool(part.value);
      made.size = part.value.size();
    }
    request.parts.push_back(std::move(made));
  }
  return call(std::move(request));
}

Reply ApiTest::post_body(const std::string& target, const std::string& content_type,
                         const std::string& bytes) {
  Request request = request_of(Method::kPost, target);
  request.content_type = content_type;
  request.body_file = spool(bytes);
  return call(std::move(request));
}

std::filesystem::path ApiTest::spool(const std::string& bytes) {
  const auto file = spool_ / ("part" + std::to_string(num_spooled_++));
  std::ofstream(file, std::ios::binary) << bytes;
  return file;
}

void ApiTest::fill(std::size_t count, const std::string& collection) {
  std::vector<Part> parts;
  Json payloads = Json::array();
  for (std::size_t i = 1; i <= count; ++i) {
    parts.push_back({"file", testing_support::make_png(static_cast<std::uint32_t>(i)),
                     "p" + std::to_string(i) + ".png"});
    parts.push_back({"id", std::to_string(i)});
    payloads.push_back({{"number", i},
                        {"parity", i % 2 == 0 ? "even" : "odd"},
                        {"half", static_cast<double>(i) / 2}});
  }
  parts.push_back({"payload", payloads.dump()});
  const Reply reply = post_form("/v1/collections/" + collection + "/images", parts);
  ASSERT_EQ(reply.status, 200) << reply.body;
  ASSERT_EQ(reply.json()["indexed"], count) << reply.body;
}

std::vector<std::uint64_t> ApiTest::ids(const Json& hits) const {
  std::vector<std::uint64_t> found;
  for (const Json& hit : hits) found.push_back(hit["id"].get<std::uint64_t>());
  return found;
}

}  // namespace sightline::http
