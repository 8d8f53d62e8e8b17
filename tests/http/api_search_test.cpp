#include <algorithm>
#include <fstream>
#include <map>

#include "tests/http/api_fixture.h"
#include "tests/pipeline/pictures.h"

namespace sightline::http {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;
using testing_support::make_png;

class ApiSearch : public ApiTest {};

TEST_F(ApiSearch, ByWords) {
  fill(30);
  const Reply reply = post("/v1/search", {{"query", "a dog"}, {"limit", 5}});
  ASSERT_EQ(reply.status, 200) << reply.body;
  const Json answer = reply.json();
  EXPECT_EQ(answer["collection"], "default");
  EXPECT_EQ(answer["model"], "clip-vit-tiny");
  EXPECT_EQ(answer["total"], 30);
  EXPECT_EQ(answer["next_cursor"], "o5");
  ASSERT_THAT(answer["hits"], SizeIs(5));
  for (std::size_t i = 0; i < 5; ++i) {
    const Json& hit = answer["hits"][i];
    EXPECT_EQ(hit["rank"], i + 1);
    EXPECT_EQ(hit["score"], hit["cosine"]);
    EXPECT_EQ(hit["width"], 40);
    EXPECT_TRUE(hit["strong"].is_boolean());
    EXPECT_THAT(hit["thumbnail_url"].get<std::string>(),
                testing::MatchesRegex("v1/images/default/[0-9]+/thumbnail\\?v=[0-9a-f]{12}"));
    EXPECT_TRUE(hit["payload"].contains("number"));
    EXPECT_FALSE(hit.contains("vector"));
    if (i > 0) {
      EXPECT_LE(hit["score"], answer["hits"][i - 1]["score"]);
    }
  }
  EXPECT_EQ(answer["plan"]["strategy"], "exact");
  EXPECT_TRUE(answer["timings_ms"].contains("encode"));
  EXPECT_TRUE(answer["timings_ms"].contains("search"));
  EXPECT_TRUE(answer["timings_ms"].contains("total"));
  const Json& background = answer["background"];
  EXPECT_EQ(background["points"], 30);
  // The model brings no threshold of its own.
  EXPECT_DOUBLE_EQ(background["strong_from"].get<double>(),
                   background["center"].get<double>() + 3 * background["spread"].get<double>());
}

/// A model folder with a setting of its own.
class FittedModel {
 protected:
  FittedModel() {
    std::filesystem::copy(SIGHTLINE_TEST_DATA "/clip-vit-tiny", model_.path() / "fitted");
    model_.write("fitted/sightline.json", R"({"strong_spreads": 1.5})");
  }
  testing_support::TempDir model_;
};
class ApiSearchFitted : protected FittedModel, public ApiTest {
 protected:
  ApiSearchFitted() : ApiTest(model_.path() / "fitted") {}
};

TEST_F(ApiSearchFitted, TheModelSaysWhatIsAStrongMatch) {
  fill(30);
  const std::string picture = testing_support::make_png(7);
  for (const auto& [what, reply] : std::vector<std::pair<std::string, Reply>>{
           {"text", post("/v1/search", {{"query", "a dog"}, {"limit", 30}})},
           {"URL", get("/v1/search?q=a+dog&limit=30")},
           {"picture", post_form("/v1/search", {{"image", picture, "p.png"}, {"limit", "30"}})},
           {"point", post("/v1/search", {{"query", {{"id", 7}}}, {"limit", 30}})},
       }) {
    SCOPED_TRACE(what);
    ASSERT_EQ(reply.status, 200) << reply.body;
    const Json answer = reply.json();
    const Json& background = answer["background"];
    const double strong_from = background["strong_from"];
    EXPECT_DOUBLE_EQ(strong_from,
                     background["center"].get<double>() + 1.5 * background["spread"].get<double>());
    for (const Json& hit : answer["hits"]) {
      EXPECT_EQ(hit["strong"], hit["score"].get<double>() >= strong_from) << hit["score"];
    }
  }
}

TEST_F(ApiSearch, PagesGoOnWhereTheLastEnded) {
  fill(12);
  const Json whole = post("/v1/search", {{"query", "a dog"}, {"limit", 12}}).json();
  EXPECT_TRUE(whole["next_cursor"].is_null());
  Json found = Json::array();
  Json cursor;
  do {
    const Json page =
        post("/v1/search", {{"query", "a dog"}, {"limit", 5}, {"cursor", cursor}}).json();
    found.insert(found.end(), page["hits"].begin(), page["hits"].end());
    cursor = page["next_cursor"];
  } while (!cursor.is_null());
  EXPECT_EQ(found, whole["hits"]);
}

TEST_F(ApiSearch, BrowsesById) {
  fill(12);
  const Json first = post("/v1/search", {{"limit", 5}}).json();
  EXPECT_THAT(ids(first["hits"]), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_TRUE(first["hits"][0]["score"].is_null());
  EXPECT_TRUE(first["plan"].is_null());
  EXPECT_EQ(first["total"], 12);
  EXPECT_EQ(first["next_cursor"], "i6");
  const Json second = get("/v1/search?limit=5&cursor=i6").json();
  EXPECT_THAT(ids(second["hits"]), ElementsAre(6, 7, 8, 9, 10));
  const Json last = get("/v1/search?limit=5&offset=10").json();
  EXPECT_THAT(ids(last["hits"]), ElementsAre(11, 12));
  EXPECT_TRUE(last["next_cursor"].is_null());
  EXPECT_EQ(last["hits"][0]["rank"], 11);
}

TEST_F(ApiSearch, SortsWithAndWithoutIndex) {
  fill(9);
  const auto sorted = [&](const std::string& sort, const Json& more = Json::object()) {
    Json body{{"sort", sort}, {"limit", 3}, {"offset", 1}};
    body.update(more);
    const Json answer = post("/v1/search", body).json();
    EXPECT_EQ(answer["next_cursor"], "o4");
    return ids(answer["hits"]);
  };
  EXPECT_THAT(sorted("-half"), ElementsAre(8, 7, 6));
  EXPECT_THAT(sorted("half"), ElementsAre(2, 3, 4));
  EXPECT_THAT(sorted("-half", {{"query", "a dog"}}), ElementsAre(8, 7, 6));
  EXPECT_THAT(sorted("parity"), ElementsAre(4, 6, 8));  // "even" before "odd", ties by id
  EXPECT_THAT(post("/v1/search", {{"sort", "half"}}).json()["warnings"], SizeIs(1));

  ASSERT_TRUE(
      folder_->open_collection("default").value()->create_payload_index("half", FieldType::kFloat));
  EXPECT_THAT(sorted("-half"), ElementsAre(8, 7, 6));
  EXPECT_THAT(post("/v1/search", {{"sort", "half"}}).json()["warnings"], IsEmpty());
}

TEST_F(ApiSearch, ByPointLeavesItOut) {
  fill(6);
  const Json like = post("/v1/search", {{"query", {{"id", 3}}}}).json();
  EXPECT_THAT(ids(like["hits"]), SizeIs(5));
  EXPECT_THAT(ids(like["hits"]), testing::Not(testing::Contains(3)));
  const Json unlike = get("/v1/search?id=3").json();
  EXPECT_EQ(ids(unlike["hits"]), ids(like["hits"]));
  const Json away = post("/v1/search", {{"query", {{"id", 3}, {"weight", -1}}}}).json();
  EXPECT_EQ(ids(away["hits"]).back(), 3U);
}

TEST_F(ApiSearch, ByUploadFindsThePicture) {
  fill(8);
  const Reply reply = post_form("/v1/search", {{"image", make_png(5), "x.png"}, {"limit", "2"}});
  ASSERT_EQ(reply.status, 200) << reply.body;
  const Json hits = reply.json()["hits"];
  EXPECT_EQ(hits[0]["id"], 5);
  EXPECT_NEAR(hits[0]["cosine"].get<double>(), 1, 1e-4);

  const Json request{{"query", {{{"part", "bad"}, {"weight", -1}}, {{"part", "good"}}}}};
  const Json mixed = post_form("/v1/search", {{"good", make_png(2), "a.png"},
                                              {"bad", make_png(7), "b.png"},
                                              {"request", request.dump()}})
                         .json();
  // The one is on the query's side, the other opposite.
  for (const Json& hit : mixed["hits"]) {
    if (hit["id"] == 2) {
      EXPECT_GT(hit["score"], 0);
    }
    if (hit["id"] == 7) {
      EXPECT_LT(hit["score"], 0);
    }
  }
  EXPECT_THAT(mixed["hits"], SizeIs(8));
}

TEST_F(ApiSearch, ByImageText) {
  fill(4);
  const auto file = allowed_ / "asked.png";
  std::ofstream(file, std::ios::binary) << make_png(3);
  const Json by_path =
      post("/v1/search", {{"query", {{"image", file.string()}}}, {"limit", 1}}).json();
  EXPECT_EQ(by_path["hits"][0]["id"], 3);

  principal_.right = Right::kRead;  // paths of the server are for admins
  const Reply refused = post("/v1/search", {{"query", {{"image", file.string()}}}});
  EXPECT_EQ(refused.status, 403) << refused.body;
  EXPECT_EQ(post("/v1/search", {{"query", {{"image", "/etc/passwd"}}}}).status, 403);
}

TEST_F(ApiSearch, FiltersAndThresholds) {
  fill(10);
  const Json even = {{"must", {{{"key", "parity"}, {"match", {{"value", "even"}}}}}}};
  const Json found = post("/v1/search", {{"query", "a dog"}, {"filter", even}}).json();
  EXPECT_THAT(ids(found["hits"]), testing::UnorderedElementsAre(2, 4, 6, 8, 10));
  EXPECT_EQ(found["total"], 5);
  const Json browsed = post("/v1/search", {{"filter", even}, {"limit", 2}}).json();
  EXPECT_THAT(ids(browsed["hits"]), ElementsAre(2, 4));
  EXPECT_EQ(browsed["total"], 5);

  const double third = found["hits"][2]["score"].get<double>();
  const Json best =
      post("/v1/search", {{"query", "a dog"}, {"filter", even}, {"score_threshold", third}}).json();
  EXPECT_THAT(best["hits"], SizeIs(3));
  EXPECT_TRUE(best["total"].is_null());
}

TEST_F(ApiSearch, DiversityKeepsTheBestAndMovesTheAlike) {
  fill(10);
  // Twins of the best hit: MMR takes something else before them.
  const Json plain = post("/v1/search", {{"query", "a dog"}, {"limit", 10}}).json();
  const auto best = ids(plain["hits"]).front();
  post_form("/v1/collections/default/images",
            {{"file", make_png(static_cast<std::uint32_t>(best)), "twin.png"}, {"id", "77"}});
  const Json nearest = post("/v1/search", {{"query", "a dog"}, {"limit", 2}}).json();
  EXPECT_THAT(ids(nearest["hits"]), testing::UnorderedElementsAre(best, 77U));
  const Reply reply = post("/v1/search", {{"query", "a dog"}, {"limit", 2}, {"diversity", 0.9}});
  ASSERT_EQ(reply.status, 200) << reply.body;
  const auto spread = ids(reply.json()["hits"]);
  ASSERT_THAT(spread, SizeIs(2));
  EXPECT_THAT(spread[0], testing::AnyOf(best, 77U));
  EXPECT_THAT(spread[1], testing::AllOf(testing::Ne(best), testing::Ne(77U)));
}

TEST_F(ApiSearch, Groups) {
  fill(10);
  const Reply reply =
      post("/v1/search", {{"query", "a dog"}, {"group_by", "parity"}, {"group_size", 2}});
  ASSERT_EQ(reply.status, 200) << reply.body;
  const Json answer = reply.json();
  EXPECT_FALSE(answer.contains("hits"));
  ASSERT_THAT(answer["groups"], SizeIs(2));
  for (const Json& group : answer["groups"]) {
    EXPECT_THAT(group["hits"], SizeIs(2));
    for (const Json& hit : group["hits"]) EXPECT_EQ(hit["payload"]["parity"], group["key"]);
  }
  EXPECT_GE(answer["groups"][0]["hits"][0]["score"], answer["groups"][1]["hits"][0]["score"]);
}

TEST_F(ApiSearch, APointIsInTheGroupOfEachOfItsValues) {
  std::vector<Part> parts;
  for (const std::uint32_t i : {1, 2, 3}) {
    parts.push_back({"file", testing_support::make_png(i), std::to_string(i) + ".png"});
    parts.push_back({"id", std::to_string(i)});
  }
  parts.push_back({"payload", R"([{"tags": ["red", "old", "red"], "of": [{"year": 1}]},
                                  {"tags": ["old"], "of": [{"year": 1}, {"year": 2}]},
                                  {"tags": "red"}])"});
  ASSERT_EQ(post_form("/v1/collections/default/images", parts).json()["indexed"], 3);
  const auto groups = [&](const std::string& field) {
    const Reply reply =
        post("/v1/search", {{"query", "a dog"}, {"group_by", field}, {"with_payload", false}});
    EXPECT_EQ(reply.status, 200) << reply.body;
    std::map<Json, std::vector<std::uint64_t>> found;
    const Json answer = reply.json();
    for (const Json& group : answer["groups"]) {
      found[group["key"]] = ids(group["hits"]);
      std::ranges::sort(found[group["key"]]);
    }
    return found;
  };
  using Groups = std::map<Json, std::vector<std::uint64_t>>;
  EXPECT_EQ(groups("tags"), (Groups{{"red", {1, 3}}, {"old", {1, 2}}}));
  EXPECT_EQ(groups("tags[]"), (Groups{{"red", {1}}, {"old", {1, 2}}}));
  EXPECT_EQ(groups("of[].year"), (Groups{{1, {1, 2}}, {2, {2}}}));
}

TEST_F(ApiSearch, PayloadsAndVectorsAsWanted) {
  fill(3);
  const auto first = [&](const Json& more) {
    Json body{{"query", "a dog"}, {"limit", 1}};
    body.update(more);
    return post("/v1/search", body).json()["hits"][0];
  };
  EXPECT_TRUE(first({{"with_payload", false}})["payload"].is_null());
  EXPECT_EQ(first({{"with_payload", false}})["width"], 40);
  EXPECT_THAT(first({{"with_payload", {"number"}}})["payload"], SizeIs(1));
  EXPECT_FALSE(first({{"with_payload", {{"exclude", {"_image"}}}}})["payload"].contains("_image"));
  EXPECT_THAT(first({{"with_vector", true}})["vector"], SizeIs(32));
}

TEST_F(ApiSearch, Failures) {
  EXPECT_EQ(post("/v1/search", {{"query", "a"}, {"collection", "nothere"}}).status, 404);
  EXPECT_THAT(post("/v1/search", {{"query", "a"}, {"collection", "nothere"}}).error(),
              HasSubstr("nothere"));
  fill(2);
  EXPECT_EQ(post("/v1/search", {{"query", "a"}, {"collection", "nothere"}}).error(),
            "there is no collection \"nothere\"")
      << "where the folder is and what else it holds are not for everyone";
  EXPECT_EQ(post("/v1/search", {{"query", {{"id", 99}}}}).status, 404);
  EXPECT_THAT(post("/v1/search", {{"query", {{"id", 99}}}}).error(), HasSubstr("99"));

  const Reply invalid = post("/v1/search", {{"limit", 0}});
  EXPECT_EQ(invalid.status, 422);
  EXPECT_EQ(invalid.error("param"), "limit");
  EXPECT_EQ(invalid.error("code"), "validation_failed");
  EXPECT_EQ(invalid.error("type"), "invalid_request_error");
  EXPECT_THAT(invalid.error(), StartsWith("Validation error in JSON body: [limit: value 0 "));

  std::ofstream(allowed_ / "empty.png");
  for (const std::string& image :
       {std::string("data:,"), std::string("data:;base64,"), (allowed_ / "empty.png").string()}) {
    const Reply empty = post("/v1/search", {{"query", {{"image", image}}}});
    EXPECT_EQ(empty.status, 400) << image;
    EXPECT_THAT(empty.error(), HasSubstr("is empty"));
  }
  const Reply rerank = post("/v1/search", {{"query", "a"}, {"rerank", true}});
  EXPECT_EQ(rerank.status, 501);
  EXPECT_THAT(rerank.error(), HasSubstr("rerank"));
  EXPECT_EQ(rerank.headers.find("x-should-retry"), "false");
  EXPECT_EQ(get("/v1/search?q=a&enrich=true").status, 501);

  const Reply cancelled =
      post("/v1/search", {{"query", {{{"text", "a"}}, {{"text", "a"}, {"weight", -1}}}}});
  EXPECT_EQ(cancelled.status, 400);
  EXPECT_THAT(cancelled.error(), HasSubstr("cancel each other out"));

  for (const double weight : {1e308, 1e-300}) {
    const Json operands = {{{"text", "a"}, {"weight", weight}},
                           {{"id", 1}, {"weight", weight / 2}}};
    EXPECT_EQ(post("/v1/search", {{"query", operands}}).json()["hits"],
              post("/v1/search", {{"query", {{{"text", "a"}, {"weight", 2}}, {{"id", 1}}}}})
                  .json()["hits"])
        << weight << ": ratios count alone";
  }
  EXPECT_EQ(get("/v1/search?q=a&timeout=5").status, 200);

  const Reply broken = post_form("/v1/search", {{"image", "not a picture", "x.png"}});
  EXPECT_EQ(broken.status, 400);
  EXPECT_THAT(broken.error(), HasSubstr("x.png"));
}

TEST_F(ApiSearch, ErrorsSayWhereTheMistakeStands) {
  fill(1);
  for (const auto& [reply, message] : std::vector<std::pair<Reply, std::string>>{
           {get("/v1/search?q=a&limit=0"), "query parameters: [limit: value 0 invalid, must"},
           {get("/v1/search?q=a&limit=x"), "query parameters: [limit: value \"x\" invalid, must"},
           {get("/v1/search?q=a&filter={"), "query parameters: [filter: value \"{\" invalid"},
           {get("/v1/search?q=a&lmit=1"), "query parameters: [lmit: value \"1\" invalid, is not"},
           {get("/v1/search?sort=a["), "query parameters: [sort: value \"a[\" invalid"},
           {get("/v1/collections/default/facets?field=number&limit=0"),
            "query parameters: [limit: value 0 invalid"},
           {get("/v1/collections/default/duplicates?max_distance=99"),
            "query parameters: [max_distance: value 99 invalid"},
           {get("/v1/images/default/1?orignal=true"), "query parameters: [orignal: value"},
           {post_body("/v1/collections/default/images?id=x", "image/png", "..."),
            "query parameters: [id: value \"x\" invalid"},
           {post_form("/v1/collections/default/images", {{"id", "1"}}), "form: [files: value 0"},
           {post_form("/v1/search", {{"text", "a"}, {"limit", "0"}}), "form: [limit: value 0 "},
           {post_form("/v1/search", {{"text", "a"}, {"weight", "x"}}), "form: [weight: value \"x"},
       }) {
    EXPECT_EQ(reply.status, 422) << reply.body;
    EXPECT_THAT(reply.error(), StartsWith("Validation error in " + message));
    EXPECT_EQ(
        reply.error("param"),
        message.substr(message.find('[') + 1, message.find(": value") - message.find('[') - 1));
  }
}

TEST_F(ApiSearch, KeysReachTheirCollectionsAlone) {
  fill(2);
  principal_.collections = {"other"};
  EXPECT_EQ(post("/v1/search", {{"query", "a"}}).status, 403);
  EXPECT_THAT(get("/v1/collections").json()["collections"], IsEmpty());
}

}  // namespace
}  // namespace sightline::http
