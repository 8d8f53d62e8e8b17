#include "benchmarks/http/load_cases.h"

#include <openssl/evp.h>

#include <array>
#include <charconv>
#include <memory>
#include <span>
#include <utility>

#include "benchmarks/pipeline/random_picture.h"
#include "pipeline/picture_search.h"
#include "pipeline/point_query.h"
#include "pipeline/query_encoder.h"
#include "pipeline/score_background.h"

namespace sightline::benchmarks {
namespace {

constexpr std::size_t kNumVectors = 256;  // different ones are asked for, in turn
constexpr std::size_t kNumTexts = 32;     // of the cached ones
constexpr std::size_t kNumPictures = 16;
constexpr std::size_t kLimit = 10;
/// So that a round never fills a shard: building one is not what is measured.
constexpr std::size_t kMaxRoundUpserts = 128;

std::string request_text(const std::string& method, const std::string& target,
                         const std::string& content_type, const std::string& body) {
  return method + " " + target + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + content_type +
         "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string post_json(const std::string& target, const std::string& body) {
  return request_text("POST", target, "application/json", body);
}

std::string numbers(std::span<const float> values) {
  std::string text = "[";
  std::array<char, 32> digits;
  for (const float value : values) {
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    text.append(text.size() > 1 ? "," : "").append(digits.data(), end);
  }
  return text + "]";
}

std::string encode_base64(const std::string& bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');  // and what OpenSSL ends it with
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),         // NOLINT
                                   reinterpret_cast<const unsigned char*>(bytes.data()),  // NOLINT
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

std::string ids_in(const Json& hits) {
  std::string ids;
  for (const Json& hit : hits) ids += hit.at("id").dump() + " ";
  return ids;
}

template <typename Hits>
std::string ids_of_hits(const Hits& hits) {
  std::string ids;
  for (const auto& hit : hits) ids += hit.id.to_string() + " ";
  return ids;
}

// ---- vectors

LoadCase vector_case(LoadService& service, bool with_payload) {
  const auto vectors = std::make_shared<std::vector<std::vector<float>>>();
  const auto requests = std::make_shared<std::vector<std::string>>();
  for (std::size_t i = 0; i < kNumVectors; ++i) {
    vectors->push_back(service.rows().row(service.num_points() + 1 + i));
    requests->push_back(post_json("/collections/" + std::string(kVectors) + "/points/query",
                                  "{\"query\":" + numbers(vectors->back()) +
                                      ",\"limit\":" + std::to_string(kLimit) +
                                      (with_payload ? ",\"with_payload\":true}" : "}")));
  }
  LoadCase made;
  made.name = with_payload ? "vector query, ten hits with payload" : "vector query, ten hits";
  made.request = [requests](std::size_t call) { return (*requests)[call % kNumVectors]; };
  made.direct = [&service, vectors, with_payload](std::size_t call) {
    const auto store = service.services().folder.open_collection(kVectors).value();
    pipeline::PointQuery query;
    query.query = pipeline::NearestQuery{pipeline::DenseInput((*vectors)[call % kNumVectors]), {}};
    query.limit = kLimit;
    if (with_payload) query.with_payload = {pipeline::PayloadSelector::Kind::kAll, {}};
    const pipeline::QueryScope scope{kVectors, *store, {}};
    const auto answers = pipeline::run_point_queries(scope, {&query, 1}, Deadline::never()).value();
    return ids_of_hits(answers.front().hits);
  };
  made.ids_of = [](const Json& answer) { return ids_in(answer.at("result").at("points")); };
  made.max_added_ms = 0.3;
  return made;
}

// ---- words and pictures

/// What /v1/search does with one operand.
class PictureAsker {
 public:
  explicit PictureAsker(LoadService& service) : service_(service) {}

  std::string ask(pipeline::QueryOperand operand) {
    const http::Services& services = service_.services();
    const auto store = services.folder.open_collection(kPictures).value();
    const auto config = store->config().value();
    const pipeline::ModelIdentity& made_by = config->vectors.at("").model;
    const pipeline::QueryPipeline pipeline(*store, services.encoders.find(made_by).value(),
                                           pipeline::alpha_of(made_by));
    pipeline::PictureQuery query;
    query.operands.push_back(std::move(operand));
    query.limit = kLimit;
    const pipeline::PictureScope scope{kPictures, *store, pipeline, &backgrounds_};
    return ids_of_hits(pipeline::search_pictures(scope, query, Deadline::never()).value().hits);
  }

 private:
  LoadService& service_;
  pipeline::ScoreBackgrounds backgrounds_;
};

LoadCase search_case(LoadService& service, std::string name,
                     std::function<pipeline::QueryOperand(std::size_t)> operand) {
  LoadCase made;
  made.name = std::move(name);
  made.direct = [asker = std::make_shared<PictureAsker>(service), operand = std::move(operand)](
                    std::size_t call) { return asker->ask(operand(call)); };
  made.ids_of = [](const Json& answer) { return ids_in(answer.at("hits")); };
  return made;
}

LoadCase text_case(LoadService& service, bool is_cached) {
  const auto text = [is_cached](std::size_t call) {
    return is_cached ? "a red boat at pier " + std::to_string(call % kNumTexts)
                     : "a dog runs along beach " + std::to_string(call);
  };
  LoadCase made = search_case(service, is_cached ? "text query, cached" : "text query, not cached",
                              [text](std::size_t call) {
                                return pipeline::QueryOperand{pipeline::TextOperand{text(call)}};
                              });
  made.request = [text](std::size_t call) {
    return post_json("/v1/search", Json{{"collection", kPictures},
                                        {"query", Json::array({{{"text", text(call)}}})},
                                        {"limit", kLimit}}
                                       .dump());
  };
  return made;
}

LoadCase image_case(LoadService& service, bool as_form) {
  const auto pictures = std::make_shared<std::vector<std::string>>();
  const auto requests = std::make_shared<std::vector<std::string>>();
  for (std::size_t i = 0; i < kNumPictures; ++i) {
    const std::string& picture = pictures->emplace_back(random_picture(i));
    if (as_form) {
      const std::string field = "--limit\r\nContent-Disposition: form-data; name=";
      requests->push_back(
          request_text("POST", "/v1/search", "multipart/form-data; boundary=limit",
                       field + "\"collection\"\r\n\r\n" + kPictures + "\r\n" + field +
                           "\"limit\"\r\n\r\n" + std::to_string(kLimit) + "\r\n" + field +
                           "\"image\"; filename=\"a.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n" +
                           picture + "\r\n--limit--\r\n"));
    } else {
      const std::string base64 = encode_base64(picture);
      requests->push_back(
          post_json("/v1/search", Json{{"collection", kPictures},
                                       {"query", Json::array({{{"image", base64}}})},
                                       {"limit", kLimit}}
                                      .dump()));
    }
  }
  LoadCase made = search_case(service, as_form ? "image query, multipart" : "image query, base64",
                              [pictures](std::size_t call) {
                                const auto bytes =
                                    std::as_bytes(std::span((*pictures)[call % kNumPictures]));
                                pipeline::ImageOperand image;
                                image.bytes.assign(bytes.begin(), bytes.end());
                                image.name = "a.jpg";
                                return pipeline::QueryOperand{std::move(image)};
                              });
  made.request = [requests](std::size_t call) { return (*requests)[call % kNumPictures]; };
  return made;
}

// ---- writes

LoadCase upsert_case(LoadService& service) {
  const auto rows = std::make_shared<std::vector<std::vector<float>>>();
  for (std::size_t i = 0; i < kMaxRoundUpserts * kBatchPoints; ++i) {
    rows->push_back(service.rows().row(i));
  }
  LoadCase made;
  made.name = "upsert of 100 points";
  made.before_round = [&service] { service.empty_writes(); };
  made.max_round_calls = kMaxRoundUpserts;
  made.request = [rows](std::size_t call) {
    std::string body = "{\"points\":[";
    for (std::size_t i = call * kBatchPoints; i < (call + 1) * kBatchPoints; ++i) {
      const std::string id = std::to_string(i);
      body += (i > call * kBatchPoints ? ",{\"id\":" : "{\"id\":") + id +
              ",\"vector\":" + numbers((*rows)[i % rows->size()]) +
              ",\"payload\":{\"number\":" + id + "}}";
    }
    return request_text("PUT", "/collections/" + std::string(kWrites) + "/points?wait=true",
                        "application/json", body + "]}");
  };
  made.direct = [&service, rows](std::size_t call) {
    std::vector<pipeline::WriteOp> ops;
    ops.reserve(kBatchPoints);
    for (std::size_t i = call * kBatchPoints; i < (call + 1) * kBatchPoints; ++i) {
      pipeline::UpsertPoint point;
      point.id = PointId(i);
      point.vectors.push_back({"", (*rows)[i % rows->size()]});
      point.payload["number"] = i;
      ops.emplace_back(std::move(point));
    }
    service.services().folder.open_collection(kWrites).value()->write(std::move(ops)).value();
    return std::string();
  };
  made.ids_of = [](const Json&) { return std::string(); };
  return made;
}

}  // namespace

std::vector<LoadCase> load_cases(LoadService& service) {
  return {vector_case(service, false), vector_case(service, true), text_case(service, true),
          text_case(service, false),   image_case(service, false), image_case(service, true),
          upsert_case(service)};
}

std::string get_request(const std::string& target) {
  return "GET " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
}

}  // namespace sightline::benchmarks
