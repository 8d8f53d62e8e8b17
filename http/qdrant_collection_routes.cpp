#include <algorithm>
#include <utility>

#include "http/errors.h"
#include "http/internal/qdrant_request.h"
#include "http/qdrant_answer.h"
#include "http/qdrant_operations.h"
#include "http/qdrant_routes.h"
#include "http/qdrant_settings.h"
#include "pipeline/data_folder.h"
#include "pipeline/encoder_host.h"

namespace sightline::http {
namespace {

using pipeline::AliasAction;
using pipeline::CollectionConfig;
using pipeline::VectorConfig;

Result<Response> list_collections(const QdrantRequest& request) {
  SIGHTLINE_TRY(const auto names, request.services.folder.list_collections());
  Json collections = Json::array();
  for (const std::string& name : names) {
    if (!request.http.principal.may(Right::kRead, name)) continue;
    collections.push_back({{"name", name}});
  }
  return qdrant_answer({{"collections", std::move(collections)}}, request.started);
}

/// Takes dim and identity from the model that the request names.
Result<void> use_model(pipeline::EncoderHost& encoders, const VectorRequest& request,
                       VectorConfig& vector) {
  auto model = encoders.find(request.model);
  if (!model) {
    return model.error().code == StatusCode::kNotFound ? invalid_argument(model.error().message)
                                                       : model.error();
  }
  const encoders::EncoderInfo& info = (*model)->info();
  if (request.dim && *request.dim != info.dim) {
    return invalid_argument("Wrong input: Vector dimension error: expected dim: " +
                            std::to_string(info.dim) + ", got " + std::to_string(*request.dim) +
                            ": the model " + request.model + " makes no others");
  }
  vector.dim = info.dim;
  vector.model = pipeline::identity_of(info, encoders.options().decode.alpha);
  return {};
}

Result<CollectionConfig> to_config(CollectionRequest request, pipeline::EncoderHost& encoders) {
  CollectionConfig config;
  config.parameters = std::move(request.parameters);
  for (auto& [name, asked] : request.vectors) {
    VectorConfig& vector = config.vectors[name];
    vector.kind = asked.kind;
    vector.dim = asked.dim.value_or(0);
    vector.metric = asked.metric.value_or(pipeline::Metric::kCosine);
    if (!asked.model.empty()) SIGHTLINE_TRY_DO(use_model(encoders, asked, vector));
    vector.parameters = std::move(asked.parameters);
  }
  return config;
}

Result<Response> create_collection(const QdrantRequest& request) {
  const std::string& name = request.collection();
  if (const auto valid = pipeline::validate_collection_name(name); !valid) {
    return Status{
        StatusCode::kValidation,
        "Validation error in path parameters: [collection_name: " + valid.error().message + "]"};
  }
  SIGHTLINE_TRY(const Json body, request.read_body());
  SIGHTLINE_TRY(auto asked, read_create_collection(BodyNode(body)));
  SIGHTLINE_TRY(const auto names, request.services.folder.list_collections());
  const Status exists{StatusCode::kAlreadyExists,
                      "Wrong input: Collection `" + name + "` already exists!"};
  if (std::ranges::binary_search(names, name)) return exists;  // before a model is loaded for it
  SIGHTLINE_TRY(const auto aliases, request.services.folder.list_aliases());
  if (std::ranges::find(aliases, name, &pipeline::CollectionAlias::alias) != aliases.end()) {
    return invalid_argument("Wrong input: Can't create collection with name " + name +
                            ". Alias with the same name already exists");
  }
  SIGHTLINE_TRY(const auto config, to_config(std::move(asked), request.services.encoders));
  const auto made = request.services.folder.create_collection(name, config);
  if (!made) return made.error().code == StatusCode::kAlreadyExists ? exists : made.error();
  return qdrant_answer(true, request.started);
}

Result<Response> get_collection(const QdrantRequest& request) {
  SIGHTLINE_TRY(const auto store, request.open());
  SIGHTLINE_TRY(const auto info, store->info());
  return qdrant_answer(collection_info_json(info), request.started);
}

Result<Response> change_collection(const QdrantRequest& request) {
  SIGHTLINE_TRY(const auto store, request.open());
  SIGHTLINE_TRY(const Json body, request.read_body());
  SIGHTLINE_TRY_DO(store->update_parameters(
      [&body](CollectionConfig& config) { return update_collection(BodyNode(body), config); }));
  return qdrant_answer(true, request.started);
}

Result<Response> delete_collection(const QdrantRequest& request) {
  SIGHTLINE_TRY_DO(request.check_collection_name());
  if (!pipeline::validate_collection_name(request.collection())) {
    return qdrant_answer(false, request.started);  // what can be no name is the name of none
  }
  SIGHTLINE_TRY(const bool deleted,
                request.services.folder.delete_collection(request.collection()));
  return qdrant_answer(deleted, request.started);
}

Result<Response> collection_exists(const QdrantRequest& request) {
  const auto store = request.open();
  if (!store && store.error().code != StatusCode::kNotFound) return store.error();
  return qdrant_answer({{"exists", store.has_value()}}, request.started);
}

Result<std::string> read_text(const BodyNode& node, std::string_view key) {
  SIGHTLINE_TRY(const BodyNode member, node.require(key));
  return member.as_string();
}

Result<AliasAction> read_alias_action(const BodyNode& node) {
  if (const auto action = node.find("create_alias")) {
    SIGHTLINE_TRY(auto collection, read_text(*action, "collection_name"));
    SIGHTLINE_TRY(auto alias, read_text(*action, "alias_name"));
    return AliasAction(pipeline::CreateAlias{std::move(alias), std::move(collection)});
  }
  if (const auto action = node.find("delete_alias")) {
    SIGHTLINE_TRY(auto alias, read_text(*action, "alias_name"));
    return AliasAction(pipeline::DeleteAlias{std::move(alias)});
  }
  if (const auto action = node.find("rename_alias")) {
    SIGHTLINE_TRY(auto from, read_text(*action, "old_alias_name"));
    SIGHTLINE_TRY(auto to, read_text(*action, "new_alias_name"));
    return AliasAction(pipeline::RenameAlias{std::move(from), std::move(to)});
  }
  return node.malformed("expected one of `create_alias`, `delete_alias`, `rename_alias`");
}

/// Names that an action is about: the key has to be for them, and aliases may not hide collections.
Result<void> check_alias_action(const QdrantRequest& request, const AliasAction& action,
                                const std::vector<std::string>& collections) {
  std::vector<std::string> touched, created;
  if (const auto* create = std::get_if<pipeline::CreateAlias>(&action)) {
    touched = {create->alias, create->collection};
    created = {create->alias};
    if (!std::ranges::binary_search(collections, create->collection)) {
      return not_found("Not found: Collection `" + create->collection + "` doesn't exist!");
    }
  } else if (const auto* rename = std::get_if<pipeline::RenameAlias>(&action)) {
    touched = {rename->from, rename->to};
    created = {rename->to};
  } else {
    touched = {std::get<pipeline::DeleteAlias>(action).alias};
  }
  for (const std::string& name : touched) {
    if (request.http.principal.may(Right::kAdmin, name)) continue;
    return Status{StatusCode::kPermissionDenied, "the key is not for `" + name + "`"};
  }
  for (const std::string& name : created) {
    if (!std::ranges::binary_search(collections, name)) continue;
    return Status{StatusCode::kAlreadyExists,
                  "Wrong input: Collection `" + name + "` already exists!"};
  }
  return {};
}

Result<Response> change_aliases(const QdrantRequest& request) {
  SIGHTLINE_TRY(const Json body, request.read_body());
  const BodyNode root(body);
  SIGHTLINE_TRY(const BodyNode list, root.require("actions"));
  SIGHTLINE_TRY(const auto collections, request.services.folder.list_collections());
  std::vector<AliasAction> actions;
  auto read = list.for_each([&](const BodyNode& node, std::size_t) -> Result<void> {
    SIGHTLINE_TRY(AliasAction action, read_alias_action(node));
    SIGHTLINE_TRY_DO(check_alias_action(request, action, collections));
    actions.push_back(std::move(action));
    return {};
  });
  if (!read) return std::move(read).error();
  SIGHTLINE_TRY_DO(request.services.folder.change_aliases(actions));
  return qdrant_answer(true, request.started);
}

/// `of`: the collection whose aliases are listed; empty: all.
Result<Response> list_aliases(const QdrantRequest& request, const std::string& of) {
  SIGHTLINE_TRY(const auto aliases, request.services.folder.list_aliases());
  Json list = Json::array();
  for (const auto& [alias, collection] : aliases) {
    if (!of.empty() && collection != of) continue;
    if (!request.http.principal.may(Right::kRead, collection)) continue;
    list.push_back({{"alias_name", alias}, {"collection_name", collection}});
  }
  return qdrant_answer({{"aliases", std::move(list)}}, request.started);
}

Result<Response> list_collection_aliases(const QdrantRequest& request) {
  SIGHTLINE_TRY_DO(request.open());
  SIGHTLINE_TRY(const auto name, request.services.folder.resolve_collection(request.collection()));
  return list_aliases(request, name);
}

Response update_result(const QdrantRequest& request, const pipeline::CollectionStore& store) {
  const auto info = store.info();
  Json result = {{"status", request.wait ? "completed" : "acknowledged"}};
  if (info) result["operation_id"] = info->commit_number;
  return qdrant_answer(result, request.started);
}

Result<Response> create_index(const QdrantRequest& request) {
  SIGHTLINE_TRY(const auto store, request.open());
  SIGHTLINE_TRY(const Json body, request.read_body());
  const BodyNode root(body);
  SIGHTLINE_TRY(const BodyNode field, root.require("field_name"));
  SIGHTLINE_TRY(const FieldPath path, read_field_path(field));
  const auto schema = root.find("field_schema");
  if (!schema) {
    return invalid_argument(
        "Wrong input: Field type is not specified: `field_schema` is needed, because the values "
        "of a field do not tell how it is asked for");
  }
  SIGHTLINE_TRY(const IndexRequest index, read_field_schema(*schema));
  SIGHTLINE_TRY_DO(store->create_payload_index(path.text(), index.type, index.parameters));
  return update_result(request, *store);
}

Result<Response> delete_index(const QdrantRequest& request) {
  SIGHTLINE_TRY(const auto store, request.open());
  SIGHTLINE_TRY_DO(store->drop_payload_index(request.http.param("field_name")));
  return update_result(request, *store);
}

/// One node that is not part of a cluster.
Result<Response> cluster_status(const QdrantRequest& request) {
  return qdrant_answer({{"status", "disabled"}}, request.started);
}

}  // namespace

void add_qdrant_collection_routes(RouteTable& table, const Services& services) {
  constexpr auto kGet = Method::kGet, kPut = Method::kPut, kPost = Method::kPost;
  const auto add = [&](QdrantRoute route, QdrantHandler handle) {
    add_route(table, services, std::move(route), std::move(handle));
  };
  add({kGet, "/collections", Right::kRead, Lane::kQuery, "Lists the collections."},
      list_collections);
  add({kGet, "/collections/{collection}", Right::kRead, Lane::kQuery,
       "Configuration and counts of a collection."},
      get_collection);
  add({kPut, "/collections/{collection}", Right::kAdmin, Lane::kWrite, "Creates a collection.",
       true},
      create_collection);
  add({Method::kPatch, "/collections/{collection}", Right::kAdmin, Lane::kWrite,
       "Changes settings of a collection.", true},
      change_collection);
  add({Method::kDelete, "/collections/{collection}", Right::kAdmin, Lane::kWrite,
       "Deletes a collection."},
      delete_collection);
  add({kGet, "/collections/{collection}/exists", Right::kRead, Lane::kQuery,
       "Whether there is such a collection."},
      collection_exists);
  add({kPost, "/collections/aliases", Right::kAdmin, Lane::kWrite,
       "Creates, renames and deletes aliases, all or none.", true},
      change_aliases);
  add({kGet, "/aliases", Right::kRead, Lane::kQuery, "Lists all aliases."},
      [](const QdrantRequest& request) { return list_aliases(request, ""); });
  add({kGet, "/collections/{collection}/aliases", Right::kRead, Lane::kQuery,
       "Lists the aliases of a collection."},
      list_collection_aliases);
  add({kPut, "/collections/{collection}/index", Right::kWrite, Lane::kWrite,
       "Indexes a payload field.", true},
      create_index);
  add({Method::kDelete, "/collections/{collection}/index/{field_name}", Right::kWrite, Lane::kWrite,
       "Removes the index of a payload field."},
      delete_index);
  add({kGet, "/cluster", Right::kRead, Lane::kInline, "This is one node."}, cluster_status);
}

}  // namespace sightline::http
