#include "http/api_collections.h"

#include <algorithm>
#include <utility>

#include "http/api_json.h"
#include "http/api_scope.h"
#include "http/api_search.h"
#include "http/api_search_request.h"
#include "http/errors.h"
#include "pipeline/data_folder.h"
#include "pipeline/field_survey.h"
#include "pipeline/point_scan.h"
#include "pipeline/vector_import.h"

namespace sightline::http {
namespace {

using pipeline::CollectionInfo;

constexpr std::size_t kSampledPoints = 500;
constexpr std::uint64_t kMaxFacetValues = 1000;
constexpr std::size_t kMaxFacetFields = 32;
constexpr std::uint64_t kMaxDuplicateGroups = 1000;
constexpr std::uint64_t kMaxDuplicateBits = 11;

Json model_json(const pipeline::ModelIdentity& model) {
  if (model.checksum.empty()) return nullptr;
  return Json{{"name", model.name},
              {"checksum", model.checksum},
              {"alpha", model.alpha},
              {"precision", model.precision}};
}

/// The name of the default vector's model.
Json model_name(const CollectionInfo& info) {
  const auto found = info.config.vectors.find("");
  if (found == info.config.vectors.end() || found->second.model.checksum.empty()) return nullptr;
  return found->second.model.name;
}

Json vectors_json(const CollectionInfo& info) {
  Json list = Json::array();
  for (const auto& [name, config] : info.config.vectors) {
    list.push_back({{"name", name},
                    {"kind", pipeline::vector_kind_name(config.kind)},
                    {"dim", config.dim},
                    {"metric", pipeline::metric_name(config.metric)},
                    {"index", config.index},
                    {"target_recall", config.target_recall},
                    {"model", model_json(config.model)}});
  }
  return list;
}

Json shards_json(const CollectionInfo& info) {
  Json list = Json::array();
  for (const pipeline::ShardInfo& shard : info.shards) {
    list.push_back({{"vector", shard.vector_name},
                    {"type", shard.type},
                    {"rows", shard.num_rows},
                    {"live", shard.num_live},
                    {"memory_bytes", shard.memory_bytes},
                    {"mapped_bytes", shard.mapped_bytes},
                    {"bytes_per_row", pipeline::bytes_per_row(shard)}});
  }
  return list;
}

Json fields_json(const pipeline::FieldSurvey& survey) {
  Json list = Json::array();
  for (const pipeline::FieldGuess& guess : survey.fields) {
    Json field{{"field", guess.field},
               {"type", field_type_name(guess.type)},
               {"index", guess.index ? Json(field_type_name(*guess.index)) : Json()},
               {"share", static_cast<double>(guess.num_points) /
                             static_cast<double>(std::max<std::size_t>(survey.num_sampled, 1))},
               {"num_values", guess.num_values},
               {"facet", guess.is_facet}};
    if (!guess.min.is_null()) {
      field["min"] = guess.min;
      field["max"] = guess.max;
    }
    list.push_back(std::move(field));
  }
  return list;
}

Result<Response> list_collections(const Services& services, const Request& request) {
  SIGHTLINE_TRY(const auto names, visible_collections(services, request.principal));
  Json list = Json::array();
  for (const std::string& name : names) {
    const auto store = services.folder.open_collection(name);
    const auto info = store ? (*store)->info() : Result<CollectionInfo>(store.error());
    if (!info && info.error().code == StatusCode::kNotFound) continue;  // deleted meanwhile
    Json entry{{"name", name}};
    if (info) {
      entry.update({{"points", info->num_points},
                    {"disk_bytes", info->disk_bytes},
                    {"memory_bytes", info->memory_bytes},
                    {"model", model_name(*info)}});
    } else {
      entry["error"] = info.error().message;  // one damaged collection hides no others
    }
    list.push_back(std::move(entry));
  }
  return json_response(Json{{"collections", std::move(list)}});
}

Result<Response> get_collection(const Services& services, const Request& request) {
  const std::string& name = request.param("collection");
  SIGHTLINE_TRY(const auto store, open_for(services, request.principal, Right::kRead, name));
  SIGHTLINE_TRY(const CollectionInfo info, store->info());
  SIGHTLINE_TRY(const auto survey,
                pipeline::survey_fields(*store, kSampledPoints, request.deadline));
  Json indexes = Json::object();
  for (const auto& [field, index] : info.payload_indexes) {
    indexes[field] = field_type_name(index.type);
  }
  return json_response(Json{{"name", info.name},
                            {"points", info.num_points},
                            {"sources", info.num_sources},
                            {"commit_number", info.commit_number},
                            {"disk_bytes", info.disk_bytes},
                            {"memory_bytes", info.memory_bytes},
                            {"mapped_bytes", info.mapped_bytes},
                            {"vectors", vectors_json(info)},
                            {"shards", shards_json(info)},
                            {"payload_indexes", std::move(indexes)},
                            {"fields", fields_json(survey)},
                            {"sampled_points", survey.num_sampled}});
}

Result<std::shared_ptr<const Filter>> filter_of(Fields& fields) {
  const Json* json = fields.find("filter");
  if (json == nullptr) return std::shared_ptr<const Filter>();
  auto filter = parse_filter(*json);
  if (!filter && filter.error().code != StatusCode::kUnimplemented) {
    return validation_error("filter", *json, filter.error().message);
  }
  if (!filter) return filter.error();
  return std::make_shared<const Filter>(*std::move(filter));
}

Result<Response> get_facets(const Services& services, const Request& request) {
  const std::string& name = request.param("collection");
  SIGHTLINE_TRY(const auto store, open_for(services, request.principal, Right::kRead, name));
  std::vector<FieldPath> wanted;
  std::vector<QueryString::Pair> others;
  for (const auto& [key, value] : request.query.all()) {
    if (key != "field") {
      others.emplace_back(key, value);
      continue;
    }
    SIGHTLINE_TRY(wanted.emplace_back(), parse_field(value, "field"));
  }
  if (wanted.empty() || wanted.size() > kMaxFacetFields) {
    return validation_error("field", wanted.size(), "must be given, 1 to 32 times");
  }
  SIGHTLINE_TRY(
      const Json object,
      object_from_query(
          QueryString(std::move(others)),
          {.texts = {}, .counts = {"limit"}, .numbers = {}, .flags = {}, .jsons = {"filter"}}));
  SIGHTLINE_TRY(Fields fields, Fields::of(object));
  SIGHTLINE_TRY(const auto limit, fields.count("limit", 1, kMaxFacetValues));
  SIGHTLINE_TRY(const auto filter, filter_of(fields));
  Json facets = Json::array();
  for (const FieldPath& field : wanted) {
    SIGHTLINE_TRY(
        const auto counted,
        pipeline::count_values(*store, field, filter, static_cast<std::size_t>(limit.value_or(20)),
                               request.deadline));
    Json values = Json::array();
    for (const pipeline::FacetHit& hit : counted.values) {
      const Json value = std::visit([](const auto& held) { return Json(held); }, hit.value);
      values.push_back({{"value", value}, {"count", hit.count}});
    }
    facets.push_back(
        {{"field", field.text()}, {"values", std::move(values)}, {"indexed", counted.used_index}});
  }
  return json_response(Json{{"facets", std::move(facets)}});
}

/// The groups with what a grid needs of their pictures.
Result<Json> groups_json(const pipeline::CollectionStore& store, std::string_view collection,
                         const pipeline::Duplicates& duplicates) {
  const pipeline::PayloadSelector all{pipeline::PayloadSelector::Kind::kAll, {}};
  Json groups = Json::array();
  for (const pipeline::DuplicateGroup& group : duplicates.groups) {
    std::vector<PointId> ids;
    for (const auto& member : group.members) ids.push_back(member.id);
    SIGHTLINE_TRY(auto points, store.get(ids, {true, false}));
    Json hits = Json::array();
    for (std::size_t i = 0; i < points.size(); ++i) {
      if (!points[i]) continue;  // deleted meanwhile
      Json hit = picture_json(pipeline::to_picture_hit(*std::move(points[i]), all), collection);
      hit["distance"] = group.members[i].distance;
      hits.push_back(std::move(hit));
    }
    groups.push_back({{"hits", std::move(hits)}});
  }
  return groups;
}

Result<Response> get_duplicates(const Services& services, const Request& request) {
  const std::string& name = request.param("collection");
  SIGHTLINE_TRY(const auto store, open_for(services, request.principal, Right::kRead, name));
  SIGHTLINE_TRY(const Json object,
                object_from_query(request.query, {.texts = {},
                                                  .counts = {"max_distance", "limit", "offset"},
                                                  .numbers = {},
                                                  .flags = {},
                                                  .jsons = {"filter"}}));
  SIGHTLINE_TRY(Fields fields, Fields::of(object));
  pipeline::DuplicateOptions options;
  SIGHTLINE_TRY(const auto bits, fields.count("max_distance", 0, kMaxDuplicateBits));
  SIGHTLINE_TRY(const auto limit, fields.count("limit", 1, kMaxDuplicateGroups));
  SIGHTLINE_TRY(const auto offset, fields.count("offset", 0, UINT32_MAX));
  SIGHTLINE_TRY(options.filter, filter_of(fields));
  options.max_distance = static_cast<std::size_t>(bits.value_or(options.max_distance));
  options.limit = static_cast<std::size_t>(limit.value_or(options.limit));
  options.offset = static_cast<std::size_t>(offset.value_or(0));
  SIGHTLINE_TRY(const auto duplicates,
                pipeline::find_duplicates(*store, options, request.deadline));
  SIGHTLINE_TRY(Json groups, groups_json(*store, name, duplicates));
  return json_response(Json{{"groups", std::move(groups)},
                            {"total", duplicates.num_groups},
                            {"points", duplicates.num_points}});
}

}  // namespace

void add_collection_info_routes(RouteTable& table, const Services& services) {
  using Answer = Result<Response> (*)(const Services&, const Request&);
  const auto add = [&](std::string pattern, std::string summary, Answer answer) {
    Route route;
    route.pattern = std::move(pattern);
    route.summary = std::move(summary);
    route.handle = [&services, answer](Request& request) {
      return said_of(RequestPlace::kQueryParameters, answer(services, request));
    };
    table.add(std::move(route));
  };
  add("/v1/collections", "Lists the collections with counts and sizes.", list_collections);
  add("/v1/collections/{collection}", "What a collection holds: counts, fields, shards.",
      get_collection);
  add("/v1/collections/{collection}/facets", "How many points have each value of fields.",
      get_facets);
  add("/v1/collections/{collection}/duplicates", "Groups of pictures that look alike.",
      get_duplicates);
}

}  // namespace sightline::http
