#include "http/openapi.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/http/api_fixture.h"
#include "tests/pipeline/pictures.h"

namespace sightline::http {
namespace {

/// Every {"$ref": ...} below `json`.
void collect_references(const Json& json, std::set<std::string>& found) {
  if (json.is_object() && json.contains("$ref")) found.insert(json["$ref"].get<std::string>());
  if (!json.is_structured()) return;
  for (const Json& child : json) collect_references(child, found);
}

class OpenApi : public ApiTest {};

TEST_F(OpenApi, DescribesEveryRouteAndNoOther) {
  std::set<std::string> routes;
  for (const Route& route : table_.routes()) {
    if (!is_described(route)) continue;
    routes.insert(std::string(method_name(route.method)) + " " + route.pattern);
    EXPECT_FALSE(route.summary.empty()) << route.pattern;
  }
  std::set<std::string> described;
  for (const std::string& name : described_operations()) described.insert(name);
  EXPECT_EQ(routes, described);
}

TEST_F(OpenApi, ReferencesLeadSomewhereAndAllSchemasAreUsed) {
  const Json document = openapi_document(table_);
  EXPECT_EQ(document["openapi"], "3.1.0");
  std::set<std::string> references;
  collect_references(document, references);
  for (const std::string& reference : references) {
    EXPECT_TRUE(document.contains(Json::json_pointer(reference.substr(1)))) << reference;
  }
  for (const auto& [name, schema] : document["components"]["schemas"].items()) {
    EXPECT_TRUE(references.contains("#/components/schemas/" + name)) << name;
  }
}

TEST_F(OpenApi, NamesThePathParameters) {
  const Json document = openapi_document(table_);
  const Json& operation = document["paths"]["/v1/images/{collection}/{id}/thumbnail"]["get"];
  std::vector<std::string> names;
  for (const Json& parameter : operation["parameters"]) {
    if (parameter.value("in", "") == "path") names.push_back(parameter["name"].get<std::string>());
  }
  EXPECT_THAT(names, testing::ElementsAre("collection", "id"));
}

/// A request of the query parameter `name` alone, besides those that an operation needs.
std::string target_with(const std::string& pattern, const std::string& name,
                        const std::string& value) {
  std::string target = pattern;
  if (const auto at = target.find("{collection}"); at != target.npos) {
    target.replace(at, 12, "default");
  }
  target += "?" + name + "=" + value;
  if (target.starts_with("/v1/search")) target += "&q=dog";
  if (target.find("/facets") != target.npos) target += "&field=number";
  return target;
}

TEST_F(OpenApi, RangesOfParametersAreThoseThatAreEnforced) {
  fill(2);
  const Json document = openapi_document(table_);
  std::size_t num_ranges = 0;
  for (const auto& [pattern, methods] : document["paths"].items()) {
    if (!methods.contains("get")) continue;
    for (const Json& parameter : methods["get"]["parameters"]) {
      if (!parameter.contains("schema") || !parameter["schema"].contains("maximum")) continue;
      ++num_ranges;
      const std::string name = parameter["name"];
      const auto min = parameter["schema"]["minimum"].get<std::int64_t>();
      const auto max = parameter["schema"]["maximum"].get<std::int64_t>();
      for (const auto& [value, status] :
           {std::pair(min - 1, 422), {min, 200}, {max, 200}, {max + 1, 422}}) {
        const std::string target = target_with(pattern, name, std::to_string(value));
        EXPECT_EQ(get(target).status, status) << target;
      }
    }
  }
  EXPECT_EQ(num_ranges, 10U);
}

TEST_F(OpenApi, RequiredParametersAreThoseThatAreMissed) {
  fill(1);
  std::vector<std::string> required;
  const Json document = openapi_document(table_);
  for (const Json& parameter :
       document["paths"]["/v1/collections/{collection}/facets"]["get"]["parameters"]) {
    if (parameter.contains("in") && parameter["in"] == "query" && parameter["required"] == true) {
      required.push_back(parameter["name"]);
    }
  }
  EXPECT_THAT(required, testing::ElementsAre("field"));
  EXPECT_EQ(get("/v1/collections/default/facets").error("param"), "field");
  EXPECT_EQ(get("/v1/collections/default/facets?field=number").status, 200);
}

TEST_F(OpenApi, EveryOperationTakesATimeout) {
  const Json document = openapi_document(table_);
  for (const auto& [pattern, methods] : document["paths"].items()) {
    for (const auto& [method, operation] : methods.items()) {
      EXPECT_THAT(operation["parameters"],
                  testing::Contains(Json{{"$ref", "#/components/parameters/timeout"}}))
          << method << pattern;
    }
  }
}

TEST_F(OpenApi, UploadsComeAndAreAnsweredAsDescribed) {
  const std::string pattern = "/v1/collections/{collection}/images";
  const Json upload = openapi_document(table_)["paths"][pattern]["post"];
  const auto png = testing_support::make_png(1);
  std::set<std::string> types;
  for (const auto& [type, content] : upload["requestBody"]["content"].items()) types.insert(type);
  EXPECT_TRUE(types.erase("multipart/form-data"));
  for (std::string type : types) {
    const bool is_tar = type.ends_with("tar");
    if (type == "image/*") type = "image/png";
    if (type == "*/*") type = "application/octet-stream";
    const Reply reply = post_body("/v1/collections/default/images", type,
                                  is_tar ? testing_support::make_tar({{"a.png", png}}) : png);
    EXPECT_EQ(reply.status, 200) << type << reply.body;
    EXPECT_TRUE(upload["responses"]["200"]["content"].contains(reply.content_type));
  }
  const Reply lines =
      post_form("/v1/collections/default/images", {{"f", png, "a.png"}}, "application/x-ndjson");
  EXPECT_TRUE(upload["responses"]["200"]["content"].contains(lines.content_type));
}

TEST_F(OpenApi, IsServed) {
  const Reply reply = get("/openapi.json");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.json(), openapi_document(table_));
}

}  // namespace
}  // namespace sightline::http
