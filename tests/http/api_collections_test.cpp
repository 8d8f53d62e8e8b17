#include <algorithm>

#include "tests/http/api_fixture.h"
#include "tests/pipeline/pictures.h"

namespace sightline::http {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing_support::make_png;

class ApiCollections : public ApiTest {
 protected:
  Json field(const Json& collection, const std::string& name) const {
    for (const Json& guess : collection["fields"]) {
      if (guess["field"] == name) return guess;
    }
    return nullptr;
  }
};

TEST_F(ApiCollections, ListAndDetails) {
  EXPECT_THAT(get("/v1/collections").json()["collections"], IsEmpty());
  fill(10);
  const Json list = get("/v1/collections").json()["collections"];
  ASSERT_THAT(list, SizeIs(1));
  EXPECT_EQ(list[0]["name"], "default");
  EXPECT_EQ(list[0]["points"], 10);
  EXPECT_TRUE(list[0]["model"].is_string());

  const Json one = get("/v1/collections/default").json();
  EXPECT_EQ(one["points"], 10);
  EXPECT_EQ(one["sources"], 10);
  EXPECT_EQ(one["vectors"][0]["dim"], 32);
  EXPECT_EQ(one["vectors"][0]["kind"], "dense");
  EXPECT_EQ(one["sampled_points"], 10);
  EXPECT_EQ(field(one, "number")["type"], "integer");
  EXPECT_EQ(field(one, "number")["min"], 1);
  EXPECT_EQ(field(one, "number")["max"], 10);
  EXPECT_EQ(field(one, "half")["type"], "float");
  EXPECT_EQ(field(one, "parity")["type"], "keyword");
  EXPECT_EQ(field(one, "parity")["num_values"], 2);
  EXPECT_EQ(field(one, "parity")["facet"], true);
  EXPECT_EQ(field(one, "parity")["share"], 1.0);
  EXPECT_EQ(field(one, "_image.width")["type"], "integer");
  EXPECT_TRUE(field(one, "_image.content_hash").is_null());

  const Reply missing = get("/v1/collections/nothere");
  EXPECT_EQ(missing.status, 404);
  EXPECT_THAT(missing.error(), HasSubstr("nothere"));
}

TEST_F(ApiCollections, FacetsWithAndWithoutIndex) {
  fill(9);
  const auto facets = [&](const std::string& query) {
    return get("/v1/collections/default/facets?" + query).json()["facets"];
  };
  const Json expected = {{{"value", "odd"}, {"count", 5}}, {{"value", "even"}, {"count", 4}}};
  EXPECT_EQ(facets("field=parity")[0]["values"], expected);
  EXPECT_EQ(facets("field=parity")[0]["indexed"], false);
  ASSERT_TRUE(folder_->open_collection("default").value()->create_payload_index(
      "parity", FieldType::kKeyword));
  EXPECT_EQ(facets("field=parity")[0]["values"], expected);
  EXPECT_EQ(facets("field=parity")[0]["indexed"], true);

  const Json both = facets("field=parity&field=number&limit=1");
  ASSERT_THAT(both, SizeIs(2));
  EXPECT_THAT(both[1]["values"], SizeIs(1));
  const std::string filter =
      "%7B%22must%22:%5B%7B%22key%22:%22number%22,%22range%22:%7B%22lte%22:3%7D%7D%5D%7D";
  EXPECT_EQ(facets("field=parity&filter=" + filter)[0]["values"][0]["count"], 2);

  EXPECT_EQ(get("/v1/collections/default/facets").status, 422);
  EXPECT_EQ(get("/v1/collections/default/facets?field=a[").status, 422);
  EXPECT_EQ(get("/v1/collections/default/facets?field=a&limit=0").status, 422);
}

TEST_F(ApiCollections, Duplicates) {
  fill(5);
  ASSERT_EQ(
      post_form("/v1/collections/default/images", {{"f", make_png(4), "again.png"}, {"id", "71"}})
          .json()["indexed"],
      1);
  const Reply reply = get("/v1/collections/default/duplicates?max_distance=0");
  ASSERT_EQ(reply.status, 200) << reply.body;
  const Json answer = reply.json();
  EXPECT_EQ(answer["points"], 6);
  ASSERT_EQ(answer["total"], 1) << answer;
  EXPECT_THAT(ids(answer["groups"][0]["hits"]), ElementsAre(4, 71));
  EXPECT_EQ(answer["groups"][0]["hits"][1]["distance"], 0);
  EXPECT_TRUE(answer["groups"][0]["hits"][0]["thumbnail_url"].is_string());
  EXPECT_EQ(get("/v1/collections/default/duplicates?max_distance=12").status, 422);
  EXPECT_THAT(get("/v1/collections/default/duplicates?max_distance=0&offset=1").json()["groups"],
              IsEmpty());
}

TEST_F(ApiCollections, InfoAndModels) {
  const Json info = get("/v1/info").json();
  EXPECT_EQ(info["title"], "sightline");
  EXPECT_EQ(info["you"]["right"], "admin");
  EXPECT_TRUE(info["you"]["collections"].is_null());
  EXPECT_EQ(info["features"]["rerank"], false);
  EXPECT_EQ(info["limits"]["max_limit"], 1000);
  const Json models = get("/v1/models").json();
  EXPECT_EQ(models["object"], "list");
  ASSERT_THAT(models["data"], testing::Not(IsEmpty()));
  EXPECT_EQ(models["data"][0]["default"], true);
  principal_.right = Right::kRead;
  EXPECT_FALSE(get("/v1/models").json()["data"][0].contains("path"));
}

}  // namespace
}  // namespace sightline::http
