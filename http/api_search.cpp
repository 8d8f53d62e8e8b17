#include "http/api_search.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <variant>

#include "http/api_json.h"
#include "http/api_scope.h"
#include "http/api_search_request.h"
#include "http/errors.h"
#include "http/json_reader.h"
#include "pipeline/data_folder.h"
#include "pipeline/encoder_host.h"
#include "pipeline/image_source.h"
#include "pipeline/query.h"

namespace sightline::http {
namespace {

using pipeline::PictureAnswer;
using pipeline::PictureHit;
using pipeline::PictureQuery;
using pipeline::QueryOperand;

pipeline::ImageOperand image_operand(pipeline::Picture picture) {
  pipeline::ImageOperand operand;
  operand.name = std::move(picture.name);
  if (auto* bytes = std::get_if<std::vector<std::byte>>(&picture.data)) {
    operand.bytes = std::move(*bytes);
  } else {
    operand.file = std::get<std::filesystem::path>(std::move(picture.data));
  }
  return operand;
}

Result<QueryOperand> to_operand(const Services& services, const Request& request,
                                SearchOperand& operand) {
  QueryOperand made;
  made.weight = operand.weight;
  if (auto* text = std::get_if<SearchOperand::Text>(&operand.what)) {
    made.what = pipeline::TextOperand{std::move(text->text)};
  } else if (const auto* image = std::get_if<SearchOperand::Image>(&operand.what)) {
    SIGHTLINE_TRY(pipeline::Picture picture,
                  load_image(services, request.principal, image->source, request.deadline));
    made.what = image_operand(std::move(picture));
  } else if (const auto* part = std::get_if<SearchOperand::Part>(&operand.what)) {
    const FormPart& file = request.parts[part->at];
    if (file.size == 0) return invalid_argument("part \"" + file.name + "\" is empty");
    made.what = pipeline::ImageOperand{file.file, {}, file.file_name};
  } else {
    made.what = pipeline::PointOperand{std::get<PointId>(operand.what)};
  }
  return made;
}

bool needs_model(const SearchWish& wish) {
  for (const SearchOperand& operand : wish.query) {
    if (!std::holds_alternative<PointId>(operand.what)) return true;
  }
  return false;
}

Result<PictureQuery> to_query(const Services& services, const Request& request, SearchWish& wish) {
  PictureQuery query;
  for (SearchOperand& operand : wish.query) {
    SIGHTLINE_TRY(query.operands.emplace_back(), to_operand(services, request, operand));
  }
  query.filter = wish.filter;
  query.limit = wish.limit;
  query.offset = wish.start.offset;
  query.from = wish.start.from;
  query.score_threshold = wish.score_threshold;
  query.diversity = wish.diversity;
  query.group_by = wish.group_by;
  query.group_size = wish.group_size;
  query.sort = wish.sort;
  query.with_payload = wish.payload;
  query.with_vector = wish.with_vector;
  query.params.exact = wish.exact;
  query.params.nprobe = wish.nprobe;
  query.params.ef_search = wish.ef_search;
  return query;
}

Json optional_float(const std::optional<float>& value) {
  return value ? Json(shortest(*value)) : Json();
}

Json hit_json(const PictureHit& hit, const std::string& collection, bool with_vector) {
  Json json = picture_json(hit, collection);
  json["rank"] = hit.rank;
  json["score"] = optional_float(hit.score);
  json["cosine"] = optional_float(hit.cosine);
  json["strong"] = hit.strong ? Json(*hit.strong) : Json();
  if (with_vector) {
    Json vector = Json::array();
    for (const float value : hit.vector) vector.push_back(shortest(value));
    json["vector"] = std::move(vector);
  }
  return json;
}

Json hits_json(const std::vector<PictureHit>& hits, const std::string& collection,
               bool with_vector) {
  Json list = Json::array();
  for (const PictureHit& hit : hits) list.push_back(hit_json(hit, collection, with_vector));
  return list;
}

Json background_json(const pipeline::ScoreBackground& background) {
  return Json{{"center", background.center},
              {"spread", background.spread},
              {"strong_from", background.strong_from},
              {"points", background.num_points}};
}

Json answer_json(const PictureAnswer& answer, const std::string& collection, const Json& model,
                 const PictureQuery& query) {
  Json json{{"collection", collection},
            {"model", model},
            {"total", answer.total ? Json(*answer.total) : Json()},
            {"timings_ms", answer.timings_ms},
            {"warnings", answer.warnings}};
  json["background"] = answer.background ? background_json(*answer.background) : Json();
  json["plan"] = answer.plan ? pipeline::to_json(*answer.plan) : Json();
  json["next_cursor"] = nullptr;
  if (answer.next_from) json["next_cursor"] = cursor_text({0, answer.next_from});
  if (answer.next_offset) json["next_cursor"] = cursor_text({*answer.next_offset, {}});
  if (!query.group_by) {
    json["hits"] = hits_json(answer.hits, collection, query.with_vector);
    return json;
  }
  Json groups = Json::array();
  for (const pipeline::PictureGroup& group : answer.groups) {
    groups.push_back(
        {{"key", group.key}, {"hits", hits_json(group.hits, collection, query.with_vector)}});
  }
  json["groups"] = std::move(groups);
  return json;
}

/// Answers /v1/search in all its forms.
class SearchRoutes {
 public:
  explicit SearchRoutes(const Services& services) : services_(services) {}

  Result<Response> post(const Request& request) {
    if (request.content_type == "multipart/form-data") {
      SIGHTLINE_TRY(const Json body, said_of(RequestPlace::kForm, search_from_form(request.parts)));
      return answer(request, body, RequestPlace::kForm);
    }
    SIGHTLINE_TRY(const Json body, read_json(request.body));
    return answer(request, body, RequestPlace::kJsonBody);
  }

  Result<Response> get(const Request& request) {
    constexpr auto kPlace = RequestPlace::kQueryParameters;
    SIGHTLINE_TRY(const Json body, said_of(kPlace, search_from_query(request.query)));
    return answer(request, body, kPlace);
  }

 private:
  Result<Response> answer(const Request& request, const Json& body, RequestPlace place) {
    SIGHTLINE_TRY(SearchWish wish, said_of(place, parse_search(body, request.parts)));
    const bool has_pictures = std::ranges::any_of(wish.query, [](const SearchOperand& operand) {
      return std::holds_alternative<SearchOperand::Image>(operand.what) ||
             std::holds_alternative<SearchOperand::Part>(operand.what);
    });
    auto answered = answer(request, std::move(wish));
    // Of a picture it is the request that is too large, not the disk that is full.
    if (!answered && answered.error().code == StatusCode::kResourceExhausted && has_pictures) {
      return error_response(413, answered.error().message, ErrorStyle::kOpenAi, 0);
    }
    return answered;
  }

  Result<Response> answer(const Request& request, SearchWish wish) {
    const std::string collection = collection_or_default(services_, wish.collection);
    SIGHTLINE_TRY(const auto store,
                  open_for(services_, request.principal, Right::kRead, collection));
    pipeline::HostedModel model;
    auto alpha = pipeline::alpha_of({});
    SIGHTLINE_TRY(const auto config, store->config());
    const auto vector = config->vectors.find("");
    const bool has_model = vector != config->vectors.end() && !vector->second.model.name.empty();
    if (needs_model(wish)) {
      if (vector == config->vectors.end()) {
        return invalid_argument("collection \"" + collection +
                                "\" has no default vector to search by words or pictures");
      }
      SIGHTLINE_TRY(model, services_.encoders.find(vector->second.model));
      alpha = pipeline::alpha_of(vector->second.model);
    } else if (!wish.is_browsing() && vector != config->vectors.end()) {
      // Points are found without it, but what is a strong match is for the model to say.
      if (auto known = services_.encoders.find(vector->second.model)) model = *std::move(known);
    }
    const pipeline::QueryPipeline pipeline(*store, std::move(model), alpha);
    SIGHTLINE_TRY(const PictureQuery query, to_query(services_, request, wish));
    // Samples go by the collection's own name: an alias may move.
    SIGHTLINE_TRY(const std::string own_name, services_.folder.resolve_collection(collection));
    const pipeline::PictureScope scope{own_name, *store, pipeline, &backgrounds_};
    SIGHTLINE_TRY(PictureAnswer found, pipeline::search_pictures(scope, query, request.deadline));
    Response response = json_response(answer_json(
        found, collection, has_model ? Json(vector->second.model.name) : Json(), query));
    response.timings_ms = std::move(found.timings_ms);
    response.timings_ms.erase("total");
    return response;
  }

  const Services& services_;
  pipeline::ScoreBackgrounds backgrounds_;
};

}  // namespace

Json picture_json(const PictureHit& hit, std::string_view collection) {
  Json json{{"id", hit.id.to_json()},  {"path", hit.path},       {"width", hit.width},
            {"height", hit.height},    {"payload", hit.payload}, {"image_url", nullptr},
            {"thumbnail_url", nullptr}};
  if (hit.has_picture) {
    json["image_url"] = image_url(collection, hit.id, hit.version);
    json["thumbnail_url"] = thumbnail_url(collection, hit.id, hit.version);
  }
  return json;
}

void add_search_routes(RouteTable& table, const Services& services) {
  const auto routes = std::make_shared<SearchRoutes>(services);
  Route post;
  post.method = Method::kPost;
  post.pattern = "/v1/search";
  post.body = {.json = true, .form = true, .required = true};
  post.summary = "Finds pictures by words, pictures and points, weighted, filtered, grouped.";
  post.handle = [routes](Request& request) { return routes->post(request); };
  table.add(std::move(post));

  Route get;
  get.method = Method::kGet;
  get.pattern = "/v1/search";
  get.summary = "Finds pictures by words, or browses a collection.";
  get.handle = [routes](Request& request) { return routes->get(request); };
  table.add(std::move(get));
}

}  // namespace sightline::http
