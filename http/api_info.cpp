#include "http/api_info.h"

#include <algorithm>
#include <utility>

#include "http/api_json.h"
#include "http/api_scope.h"
#include "http/api_search_request.h"
#include "pipeline/encoder_host.h"
#include "pipeline/image_source.h"
#include "settings/library_setup.h"

namespace sightline::http {
namespace {

Json principal_json(const Principal& principal) {
  Json json{{"name", principal.name}, {"right", right_name(principal.right)}};
  json["collections"] = principal.collections ? Json(*principal.collections) : Json();
  return json;
}

Result<Response> get_info(const Services& services, const Request& request) {
  SIGHTLINE_TRY(const auto names, visible_collections(services, request.principal));
  Json models = Json::array();
  for (const pipeline::ModelListing& model : services.encoders.list()) {
    models.push_back(model.name);
  }
  const pipeline::ImageSourceOptions& images = services.images.options();
  return json_response(Json{{"title", "sightline"},
                            {"version", SIGHTLINE_VERSION},
                            {"cpu", settings::cpu_level()},
                            {"threads", services.pool.num_threads()},
                            {"collections", names.size()},
                            {"default_collection", services.settings.collection},
                            {"models", std::move(models)},
                            {"limits",
                             {{"max_limit", kMaxSearchLimit},
                              {"max_offset", kMaxSearchOffset},
                              {"max_operands", kMaxOperands}}},
                            {"features",
                             {{"search", true},
                              {"upload", true},
                              {"jobs", true},
                              {"server_paths", !images.roots.empty()},
                              {"image_urls", images.allow_http},
                              {"rerank", false},
                              {"enrich", false}}},
                            {"you", principal_json(request.principal)}});
}

Result<Response> list_models(const Services& services, const Request& request) {
  const bool may_see_paths = request.principal.may(Right::kAdmin);
  Json list = Json::array();
  for (const pipeline::ModelListing& model : services.encoders.list()) {
    Json entry{{"id", model.name},
               {"object", "model"},
               {"owned_by", "sightline"},
               {"default", model.is_default},
               {"loaded", model.loaded}};
    if (model.loaded) {
      entry.update({{"dim", model.dim},
                    {"checksum", model.checksum},
                    {"architecture", model.architecture},
                    {"precision", model.precision},
                    {"device", model.device},
                    {"image_size", model.image_size},
                    {"max_tokens", model.max_tokens},
                    {"parameters", model.num_parameters}});
    }
    if (may_see_paths) entry["path"] = model.path.string();
    list.push_back(std::move(entry));
  }
  return json_response(Json{{"object", "list"}, {"data", std::move(list)}});
}

}  // namespace

void add_info_routes(RouteTable& table, const Services& services) {
  Route info;
  info.pattern = "/v1/info";
  info.summary = "Version, models, limits and features of this server, and who asks.";
  info.handle = [&services](Request& request) { return get_info(services, request); };
  table.add(std::move(info));

  Route models;
  models.pattern = "/v1/models";
  models.summary = "The models that requests may name.";
  models.handle = [&services](Request& request) { return list_models(services, request); };
  table.add(std::move(models));
}

}  // namespace sightline::http
