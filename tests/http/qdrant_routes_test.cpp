// What the official client does not reach (tests/node/qdrant_client_test.mjs does the rest).
#include <filesystem>

#include "tests/http/qdrant_fixture.h"

namespace sightline::http {
namespace {

using testing::HasSubstr;

constexpr const char* kTwoFloats = R"({"vectors": {"size": 2, "distance": "Dot"}})";

TEST_F(QdrantRoutesTest, AKeySeesItsCollectionsAlone) {
  ASSERT_EQ(put("/collections/mine", kTwoFloats).status, 200);
  ASSERT_EQ(put("/collections/theirs", kTwoFloats).status, 200);
  for (const char* alias : {"mine", "theirs"}) {
    const std::string create = std::string(R"({"actions": [{"create_alias": {"alias_name": "of-)") +
                               alias + R"(", "collection_name": ")" + alias + R"("}}]})";
    ASSERT_EQ(post("/collections/aliases", create).status, 200);
  }
  ASSERT_EQ(
      put("/collections/theirs/points", R"({"points": [{"id": 1, "vector": [1, 0]}]})").status,
      200);
  principal_ = {"narrow", Right::kAdmin, std::vector<std::string>{"mine"}};
  EXPECT_EQ(get("/collections").result(), Json({{"collections", {{{"name", "mine"}}}}}));
  EXPECT_EQ(get("/aliases").result()["aliases"].size(), 1u);
  EXPECT_EQ(get("/collections/theirs").status, 403);
  // Neither does it look things up in others, nor name them.
  EXPECT_EQ(post("/collections/mine/points/query",
                 R"({"query": 1, "lookup_from": {"collection": "theirs"}})")
                .status,
            403);
  EXPECT_EQ(post("/collections/mine/points/query/groups",
                 R"({"query": [1, 0], "group_by": "a", "with_lookup": "theirs"})")
                .status,
            403);
  EXPECT_EQ(post("/collections/aliases",
                 R"({"actions": [{"create_alias": {"alias_name": "x",
                     "collection_name": "theirs"}}]})")
                .status,
            403);
  EXPECT_EQ(post("/collections/aliases",
                 R"({"actions": [{"delete_alias": {"alias_name": "of-theirs"}}]})")
                .status,
            403);
}

TEST_F(QdrantRoutesTest, RightsFollowTheKindOfRoute) {
  for (const Route& route : table_.routes()) {
    const bool about_points = route.pattern.find("/points") != std::string::npos;
    const bool deep = std::ranges::count(route.pattern, '/') > 2;
    if (route.method == Method::kGet) {
      EXPECT_EQ(route.right, Right::kRead) << route.pattern;
    }
    if (route.method == Method::kPut && deep) {
      EXPECT_EQ(route.right, Right::kWrite) << route.pattern;
    }
    if (route.pattern == "/collections/{collection}" && route.method != Method::kGet) {
      EXPECT_EQ(route.right, Right::kAdmin);
    }
    if (about_points && route.pattern.ends_with("/query")) {
      EXPECT_EQ(route.right, Right::kRead);
    }
  }
}

struct ParameterCase {
  const char* query;
  int status;
  const char* error = "";  // how it begins
};

TEST_F(QdrantRoutesTest, QueryParametersAreChecked) {
  ASSERT_EQ(put("/collections/c", kTwoFloats).status, 200);
  for (const ParameterCase& c : std::vector<ParameterCase>{
           {"wait=true&ordering=weak&timeout=5", 200},
           {"ordering=medium&consistency=quorum", 200},
           {"consistency=3", 200},
           {"consistency=0", 422,
            "Validation error in query parameters: [consistency: value 0 invalid, "},
           {"consistency=most", 400},
           {"timeout=0", 422},
           {"timeout=-1", 400},
           {"timeout=1.5", 400},
           {"wait=1", 400, "Deserialize error in query parameters: wait: \"1\", expected"},
           {"ordering=Weak", 400, "Deserialize error in query parameters: ordering: \"Weak\""},
       }) {
    const auto reply = post("/collections/c/points/scroll?" + std::string(c.query), "{}");
    EXPECT_EQ(reply.status, c.status) << c.query;
    if (*c.error != '\0') {
      EXPECT_THAT(reply.error(), testing::StartsWith(c.error));
    }
  }
}

TEST_F(QdrantRoutesTest, FactsOfPicturesAreNotWritten) {
  ASSERT_EQ(put("/collections/c", kTwoFloats).status, 200);
  for (const auto& [target, body] : std::vector<std::pair<std::string, std::string>>{
           {"", R"({"points": [{"id": 1, "vector": [1, 0], "payload": {"_image": {}}}]})"},
           {"/payload", R"({"points": [1], "payload": {"_image": {}}})"},
           {"/payload", R"({"points": [1], "payload": {}, "key": "_image.width"})"},
           {"/payload", R"({"points": [1], "payload": {}, "key": "\"_image\""})"},
       }) {
    const QdrantReply reply = put("/collections/c/points" + target, body);
    EXPECT_EQ(reply.status, 422) << body;
    EXPECT_THAT(reply.error(), HasSubstr("Validation error in JSON body: ["));
  }
}

TEST_F(QdrantRoutesTest, PointsAreAnsweredOnceWithVectorsThatThereAre) {
  ASSERT_EQ(put("/collections/c", kTwoFloats).status, 200);
  ASSERT_EQ(put("/collections/c/points", R"({"points": [{"id": 1, "vector": [1, 0]},
                                                        {"id": 2, "vector": [0, 1]}]})")
                .status,
            200);
  EXPECT_EQ(post("/collections/c/points", R"({"ids": [2, 1, 7, 2, 1]})").result(),
            Json::parse(R"([{"id": 2, "payload": {}}, {"id": 1, "payload": {}}])"));
  for (const auto& [route, body] : std::vector<std::pair<std::string, std::string>>{
           {"", R"({"ids": [1], "with_vector": ["", "other"]})"},
           {"/scroll", R"({"with_vectors": ["other"]})"},
           {"/query", R"({"query": [1, 0], "with_vector": ["other"]})"},
           {"/query/groups", R"({"query": [1, 0], "group_by": "a", "with_vector": ["other"]})"},
       }) {
    const QdrantReply reply = post("/collections/c/points" + route, body);
    EXPECT_EQ(reply.status, 400) << route;
    EXPECT_EQ(reply.error(), "Wrong input: Not existing vector name error: other");
  }
}

TEST_F(QdrantRoutesTest, AFilterBesidePointsIsReadAndPassedOver) {
  ASSERT_EQ(put("/collections/c", R"({"vectors": {"a": {"size": 1, "distance": "Dot"}}})").status,
            200);
  ASSERT_EQ(put("/collections/c/points", R"({"points": [{"id": 1, "vector": {"a": [1]}},
                                                        {"id": 2, "vector": {"a": [1]}}]})")
                .status,
            200);
  struct Case {
    Method method;
    std::string route, members;
    bool is_read;  // else the selector is a union, of which the form with points is taken
  };
  for (const Case& c : std::vector<Case>{
           {Method::kPost, "/payload", R"("payload": {"b": 1}, )", true},
           {Method::kPut, "/payload", R"("payload": {"b": 1}, )", true},
           {Method::kPost, "/payload/delete", R"("keys": ["x"], )", true},
           {Method::kPost, "/vectors/delete", R"("vector": ["a"], )", true},
           {Method::kPost, "/payload/clear", "", false},
           {Method::kPost, "/delete", "", false},
       }) {
    const std::string route = "/collections/c/points" + c.route;
    const std::string points = "{" + c.members + R"("points": [1], "filter": )";
    const QdrantReply bad = call(c.method, route, points + R"({"must": 1}})");
    EXPECT_EQ(bad.status, c.is_read ? 400 : 200) << c.route;
    if (c.is_read) {
      EXPECT_THAT(bad.error(), testing::StartsWith("Format error in JSON body: filter"));
      EXPECT_EQ(call(c.method, route, points + R"({"must": {"has_id": [2]}}})").status, 200);
      EXPECT_EQ(call(c.method, route, points + R"({"must": {"slice": {}}}})").status, 200);
    }
    if (c.method == Method::kPut) {
      EXPECT_EQ(get("/collections/c/points/1").result()["payload"], Json({{"b", 1}}));
      EXPECT_EQ(get("/collections/c/points/2").result()["payload"], Json::object());
    }
  }
}

TEST_F(QdrantRoutesTest, VectorsMayBeCalledVectors) {
  ASSERT_EQ(put("/collections/c", R"({"vectors": {"a": {"size": 2, "distance": "Dot"},
                                                  "b": {"size": 1, "distance": "Dot"}}})")
                .status,
            200);
  ASSERT_EQ(
      put("/collections/c/points", R"({"points": [{"id": 1, "vectors": {"a": [1, 0], "b": [1]}}]})")
          .status,
      200);
  ASSERT_EQ(
      put("/collections/c/points/vectors", R"({"points": [{"id": 1, "vectors": {"a": [2, 3]}}]})")
          .status,
      200);
  ASSERT_EQ(
      post("/collections/c/points/vectors/delete", R"({"points": [1], "vectors": ["b"]})").status,
      200);
  EXPECT_EQ(get("/collections/c/points/1").result()["vector"], Json::parse(R"({"a": [2.0, 3.0]})"));
}

TEST_F(QdrantRoutesTest, NamesThatNoCollectionCanHave) {
  for (const std::string name : {"", "%09", "%0A", "a%0Db", "a%2Fb", "%7F"}) {
    for (const std::string route : {"/exists", "", "/points/1"}) {
      if (name.empty() && route.empty()) continue;  // the list of all
      const QdrantReply reply = get("/collections/" + name + route);
      EXPECT_EQ(reply.status, 422) << name << route;
      EXPECT_THAT(reply.error(),
                  HasSubstr("Validation error in path parameters: [collection_name"));
    }
  }
  EXPECT_EQ(get("/collections/a%3Fb/exists").result(), Json::parse(R"({"exists": false})"));
}

TEST_F(QdrantRoutesTest, ABatchAsksItsFiltersWhenTheirTurnComes) {
  ASSERT_EQ(put("/collections/c", kTwoFloats).status, 200);
  const QdrantReply reply = post("/collections/c/points/batch?wait=true", R"({"operations": [
      {"upsert": {"points": [{"id": 1, "vector": [1, 0], "payload": {"a": 1}},
                             {"id": 2, "vector": [0, 1], "payload": {"a": 2}}]}},
      {"set_payload": {"payload": {"b": 1}, "filter": {"must": {"key": "a", "match": {"value": 1}}}}},
      {"delete": {"filter": {"must_not": {"key": "b", "match": {"value": 1}}}}}]})");
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.result().size(), 3u);
  const Json points = post("/collections/c/points/scroll", "{}").result()["points"];
  EXPECT_EQ(points, Json::parse(R"([{"id": 1, "payload": {"a": 1, "b": 1}}])"));
}

TEST_F(QdrantRoutesTest, PicturesOfTheServerAreForAdmins) {
  const std::string model = SIGHTLINE_TEST_DATA "/clip-vit-tiny";
  const auto picture = allowed_ / "a.png";
  std::filesystem::copy_file(SIGHTLINE_TEST_DATA "/images/rgb.png", picture);
  ASSERT_EQ(put("/collections/c", R"({"vectors": {"model": ")" + model + R"("}})").status, 200);
  const std::string vector =
      R"({"image": ")" + picture.string() + R"(", "model": ")" + model + R"("})";
  const std::string points = R"({"points": [{"id": 1, "vector": )" + vector + "}]}";
  ASSERT_EQ(put("/collections/c/points", points).status, 200);
  const std::string query = R"({"query": )" + vector + "}";
  EXPECT_EQ(post("/collections/c/points/query", query).result()["points"].size(), 1U);
  principal_.right = Right::kWrite;
  const QdrantReply refused = post("/collections/c/points/query", query);
  EXPECT_EQ(refused.status, 403);
  EXPECT_THAT(refused.error(), HasSubstr("is not in a folder that requests may name"));
  EXPECT_EQ(put("/collections/c/points", points).status, 403);
}

TEST_F(QdrantRoutesTest, TextsNeedTheModelOfTheirVectors) {
  const std::string model = SIGHTLINE_TEST_DATA "/clip-vit-tiny";
  ASSERT_EQ(put("/collections/c", R"({"vectors": {"model": ")" + model + R"("}})").status, 200);
  const Json config = get("/collections/c").result()["config"]["params"]["vectors"];
  EXPECT_EQ(config["model"], model);
  const std::string point = R"({"points": [{"id": 1, "vector": {"text": "a dog", "model": ")";
  EXPECT_EQ(put("/collections/c/points", point + model + "\"}}]}").status, 200);
  const QdrantReply other = put("/collections/c/points", point + "embedded\"}}]}");
  EXPECT_EQ(other.status, 400);
  EXPECT_THAT(other.error(), HasSubstr("embedded"));
  EXPECT_THAT(other.error(), HasSubstr("clip-vit-tiny"));
}

}  // namespace
}  // namespace sightline::http
