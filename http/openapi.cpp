#include "http/openapi.h"

#include <algorithm>
#include <string>
#include <utility>

#include "http/api_json.h"
#include "http/internal/openapi_data.h"
#include "http/internal/text.h"

namespace sightline::http {
namespace {

/// Our own text: it parses, or the test that reads it says so.
Json parse_own(std::string_view text) { return Json::parse(text); }

std::string operation_name(const Route& route) {
  return std::string(method_name(route.method)) + " " + route.pattern;
}

/// "#NAME" -> a reference, "binary" and "json" -> strings, else a plain type; a schema stays one.
Json schema_of(const Json& given) {
  if (given.is_object()) return given;
  const auto& word = given.get_ref<const std::string&>();
  if (word.starts_with('#')) return {{"$ref", "#/components/schemas/" + word.substr(1)}};
  if (word == "binary")
    return {{"type", "string"}, {"contentMediaType", "application/octet-stream"}};
  if (word == "json") return {{"type", "string"}, {"contentMediaType", "application/json"}};
  return {{"type", word}};
}

/// {"application/json": "#Search"} -> OpenAPI's content.
Json content_of(const Json& words) {
  Json content = Json::object();
  for (const auto& [type, word] : words.items()) {
    content[type] = {{"schema", schema_of(word)}};
  }
  return content;
}

Json parameters_of(const Route& route, const Json& data) {
  Json parameters = Json::array();
  std::string_view pattern = route.pattern;
  for (auto open = pattern.find('{'); open != pattern.npos; open = pattern.find('{')) {
    const auto close = pattern.find('}', open);
    const std::string name(pattern.substr(open + 1, close - open - 1));
    parameters.push_back(
        {{"name", name}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}}}});
    pattern.remove_prefix(close + 1);
  }
  const Json query = data.value("query", Json::object());
  const Json required = data.value("required", Json::array());
  for (const auto& [name, word] : query.items()) {
    parameters.push_back({{"name", name},
                          {"in", "query"},
                          {"required", std::ranges::find(required, Json(name)) != required.end()},
                          {"schema", schema_of(word)}});
  }
  parameters.push_back({{"$ref", "#/components/parameters/timeout"}});
  return parameters;
}

/// What the gate reads of every request.
Json timeout_parameter() {
  return {{"name", kTimeoutParameter},
          {"in", "query"},
          {"required", false},
          {"description", "Seconds that the answer is waited for."},
          {"schema", {{"type", "integer"}, {"minimum", 1}}}};
}

Json operation_of(const Route& route, const Json& data) {
  Json operation{{"summary", route.summary},
                 {"tags", {data.value("tag", "server")}},
                 {"x-right", right_name(route.right)},
                 {"parameters", parameters_of(route, data)}};
  if (route.right == Right::kNone) operation["security"] = Json::array();
  if (data.contains("body")) {
    operation["requestBody"] = {{"required", route.body.required},
                                {"content", content_of(data["body"])}};
  }
  const Json answer = data.value("answer", Json("object"));
  const Json content =
      answer.is_string() ? content_of({{"application/json", answer}}) : content_of(answer);
  const std::string status = std::to_string(data.value("status", 200));
  operation["responses"] = {{status, {{"description", "The answer."}, {"content", content}}},
                            {"default", {{"$ref", "#/components/responses/Error"}}}};
  return operation;
}

}  // namespace

bool is_described(const Route& route) {
  static constexpr std::string_view kOthers[] = {"/healthz", "/livez",           "/readyz",
                                                 "/metrics", "/metrics-summary", "/openapi.json"};
  return route.pattern.starts_with("/v1/") ||
         std::ranges::find(kOthers, route.pattern) != std::end(kOthers);
}

std::vector<std::string> described_operations() {
  const Json operations = parse_own(kOperations);
  std::vector<std::string> names;
  for (const auto& [name, data] : operations.items()) names.push_back(name);
  return names;
}

Json openapi_document(const RouteTable& table) {
  const Json operations = parse_own(kOperations);
  Json paths = Json::object();
  for (const Route& route : table.routes()) {
    if (!is_described(route)) continue;
    const Json data = operations.value(operation_name(route), Json::object());
    paths[route.pattern][internal::lower(method_name(route.method))] = operation_of(route, data);
  }
  const Json error_content = content_of({{"application/json", "#Error"}});
  return Json{
      {"openapi", "3.1.0"},
      {"info",
       {{"title", "sightline"},
        {"version", SIGHTLINE_VERSION},
        {"description",
         "Search one's pictures. Points, payloads and filters are also reached by Qdrant's "
         "routes."}}},
      {"servers", {{{"url", "."}}}},
      {"security", {Json::object(), {{"api_key", Json::array()}}, {{"bearer", Json::array()}}}},
      {"paths", std::move(paths)},
      {"components",
       {{"schemas", parse_own(kSchemas)},
        {"parameters", {{"timeout", timeout_parameter()}}},
        {"responses",
         {{"Error", {{"description", "What went wrong."}, {"content", error_content}}}}},
        {"securitySchemes",
         {{"api_key", {{"type", "apiKey"}, {"in", "header"}, {"name", "api-key"}}},
          {"bearer", {{"type", "http"}, {"scheme", "bearer"}}}}}}}};
}

void add_openapi_route(RouteTable& table) {
  Route route;
  route.pattern = "/openapi.json";
  route.summary = "This document.";
  route.lane = Lane::kQuery;
  route.handle = [&table](Request&) -> Result<Response> {
    Response response;
    response.body = openapi_document(table).dump(2);
    response.headers.add("Cache-Control", "no-cache");
    return response;
  };
  table.add(std::move(route));
}

}  // namespace sightline::http
