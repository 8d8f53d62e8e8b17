// tests/http/qdrant_fixture.h: Qdrant's routes over a real data folder and a real small model,
// called without a socket.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "core/compute_pool.h"
#include "core/json.h"
#include "http/errors.h"
#include "http/metrics.h"
#include "http/percent.h"
#include "http/qdrant_routes.h"
#include "http/route.h"
#include "http/services.h"
#include "pipeline/data_folder.h"
#include "pipeline/encoder_host.h"
#include "pipeline/image_source.h"
#include "pipeline/job_board.h"
#include "settings/settings.h"
#include "tests/support/temp_dir.h"

namespace sightline::http {

struct QdrantReply {
  int status = 0;
  Json body;
  Headers headers;

  const Json& result() const { return body.at("result"); }
  std::string error() const {
    return status < 400 ? "no error: " + body.dump() : body["status"]["error"].get<std::string>();
  }
};

class QdrantRoutesTest : public testing::Test {
 protected:
  QdrantRoutesTest() {
    auto folder = pipeline::DataFolder::open(data_.path(), pipeline::Access::kWrite, {}, pool_);
    EXPECT_TRUE(folder) << folder.error().message;
    folder_ = *std::move(folder);
    pipeline::EncoderHostOptions encoders;
    encoders.default_model = SIGHTLINE_TEST_DATA "/clip-vit-tiny";
    encoders_ = std::make_unique<pipeline::EncoderHost>(std::move(encoders), pool_);
    pipeline::ImageSourceOptions images;
    images.roots = {allowed_.path()};
    images_ = std::make_unique<pipeline::ImageSource>(std::move(images));
    jobs_ = std::make_unique<pipeline::JobBoard>(*folder_, *encoders_, pool_,
                                                 pipeline::JobBoardOptions{});
    services_ = std::make_unique<Services>(
        Services{*folder_, *encoders_, *images_, *jobs_, pool_, settings_, metrics_});
    add_qdrant_routes(table_, *services_);
  }

  QdrantReply call(Method method, const std::string& target, std::string body = "") {
    Request request;
    request.method = method;
    request.target = target;
    const std::size_t question = std::min(target.find('?'), target.size());
    request.path = target.substr(0, question);
    if (question < target.size()) {
      request.query = parse_query(std::string_view(target).substr(question + 1)).value();
    }
    request.body = std::move(body);
    auto match = table_.match(method, request.path);
    EXPECT_TRUE(match && match->route != nullptr) << target;
    request.params = std::move(match->params);
    request.principal = principal_;
    auto response = match->route->handle(request);
    const Response answer =
        response ? *std::move(response) : error_response(response.error(), ErrorStyle::kQdrant, 0);
    return {answer.status, Json::parse(std::get<std::string>(answer.body)), answer.headers};
  }
  QdrantReply get(const std::string& target) { return call(Method::kGet, target); }
  QdrantReply put(const std::string& target, std::string body) {
    return call(Method::kPut, target, std::move(body));
  }
  QdrantReply post(const std::string& target, std::string body) {
    return call(Method::kPost, target, std::move(body));
  }

  /// Who asks; a test may lower it.
  Principal principal_{"loopback", Right::kAdmin, {}};
  testing_support::TempDir data_, allowed_;
  settings::Settings settings_;
  ComputePool pool_{ComputePoolOptions{}};
  std::unique_ptr<pipeline::DataFolder> folder_;
  std::unique_ptr<pipeline::EncoderHost> encoders_;
  std::unique_ptr<pipeline::ImageSource> images_;
  std::unique_ptr<pipeline::JobBoard> jobs_;
  Metrics metrics_;
  std::unique_ptr<Services> services_;
  RouteTable table_;
};

}  // namespace sightline::http
