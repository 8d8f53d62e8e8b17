#include "http/openapi.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/http/api_fixture.h"

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
    if (parameter["in"] == "path") names.push_back(parameter["name"].get<std::string>());
  }
  EXPECT_THAT(names, testing::ElementsAre("collection", "id"));
}

TEST_F(OpenApi, IsServed) {
  const Reply reply = get("/openapi.json");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.json(), openapi_document(table_));
}

}  // namespace
}  // namespace sightline::http
