#include "http/api_images.h"

#include <fstream>
#include <sstream>

#include "tests/http/api_fixture.h"
#include "tests/pipeline/pictures.h"

namespace sightline::http {
namespace {

using testing::HasSubstr;
using testing::SizeIs;
using testing_support::make_jpeg;
using testing_support::make_png;
using testing_support::make_tar;

constexpr const char* kImages = "/v1/collections/photos/images";

class ApiImages : public ApiTest {};

TEST_F(ApiImages, OneBrokenPictureFailsAlone) {
  const Reply reply = post_form(kImages, {{"a", make_png(1), "a.png"},
                                          {"b", "not a picture", "b.png"},
                                          {"c", make_jpeg(2), "c.jpg"},
                                          {"d", "", "d.png"}});
  ASSERT_EQ(reply.status, 200) << reply.body;
  const Json answer = reply.json();
  EXPECT_EQ(answer["indexed"], 2);
  EXPECT_EQ(answer["failed"], 2);
  EXPECT_EQ(answer["collection"], "photos");
  ASSERT_THAT(answer["results"], SizeIs(4));
  EXPECT_EQ(answer["results"][0]["status"], "indexed");
  EXPECT_EQ(answer["results"][0]["name"], "a.png");
  EXPECT_EQ(answer["results"][0]["width"], 40);
  EXPECT_EQ(answer["results"][1]["status"], "failed");
  EXPECT_THAT(answer["results"][1]["error"].get<std::string>(), HasSubstr("b.png"));
  EXPECT_EQ(answer["results"][2]["status"], "indexed");

  const Json again = post_form(kImages, {{"a", make_png(1), "a.png"}}).json();
  EXPECT_EQ(again["unchanged"], 1);
  EXPECT_EQ(again["results"][0]["id"], answer["results"][0]["id"]);
}

TEST_F(ApiImages, LinesAsTheyAreFinished) {
  const Reply reply = post_form(kImages, {{"a", make_png(1), "a.png"}, {"b", "broken", "b.png"}},
                                "application/x-ndjson");
  ASSERT_EQ(reply.status, 200);
  EXPECT_EQ(reply.content_type, "application/x-ndjson");
  std::stringstream lines(reply.body);
  std::vector<Json> read;
  for (std::string line; std::getline(lines, line);) read.push_back(Json::parse(line));
  ASSERT_THAT(read, SizeIs(3));
  EXPECT_EQ(read[0]["status"], "indexed");
  EXPECT_EQ(read[1]["status"], "failed");
  EXPECT_EQ(read[2], (Json{{"indexed", 1}, {"updated", 0}, {"unchanged", 0}, {"failed", 1}}));
}

struct PayloadCase {
  std::string name;
  Json payload;
  Json first, second;  ///< `tag` of a.png and b.png; null: none.
};
class UploadPayload : public ApiTest, public testing::WithParamInterface<PayloadCase> {};
TEST_P(UploadPayload, GoesToItsPicture) {
  const PayloadCase& c = GetParam();
  const Reply reply = post_form(kImages, {{"f", make_png(1), "a.png"},
                                          {"f", make_png(2), "b.png"},
                                          {"id", "1"},
                                          {"id", "2"},
                                          {"payload", c.payload.dump()}});
  ASSERT_EQ(reply.status, 200) << reply.body;
  const Json hits = post("/v1/search", {{"collection", "photos"}}).json()["hits"];
  ASSERT_THAT(hits, SizeIs(2));
  EXPECT_EQ(hits[0]["payload"].value("tag", Json()), c.first);
  EXPECT_EQ(hits[1]["payload"].value("tag", Json()), c.second);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, UploadPayload,
    testing::ValuesIn(std::vector<PayloadCase>{
        {"ForAll", {{"tag", "x"}}, "x", "x"},
        {"InOrder", {{{"tag", "x"}}, {{"tag", "y"}}}, "x", "y"},
        {"InOrderWithGap", {nullptr, {{"tag", "y"}}}, nullptr, "y"},
        {"ByName", {{"b.png", {{"tag", "y"}}}, {"a.png", {{"tag", "x"}}}}, "x", "y"},
        {"ByNameOfOne", {{"b.png", {{"tag", "y"}}}}, nullptr, "y"},
        {"ByNameWithGap", {{"b.png", {{"tag", "y"}}}, {"a.png", nullptr}}, nullptr, "y"},
        {"OfOtherNames", {{"c.png", {{"tag", "y"}}}, {"tag", "x"}}, "x", "x"},
    }),
    [](const auto& info) { return info.param.name; });

struct RefusedUpload {
  std::string name;
  std::vector<std::pair<std::string, std::string>> fields;
  std::string message;
};
class RefusedForm : public testing::TestWithParam<RefusedUpload> {};
TEST_P(RefusedForm, SaysWhy) {
  std::vector<FormPart> parts;
  for (const auto& [name, value] : GetParam().fields) {
    FormPart part;
    part.name = name;
    if (name == "file" || name == "tar") {
      part.file_name = name == "tar" ? "x.tar" : "x.png";
      part.file = "/spool/x";
    } else {
      part.value = value;
    }
    parts.push_back(std::move(part));
  }
  const auto wish = uploads_from_form(parts);
  ASSERT_FALSE(wish);
  EXPECT_EQ(wish.error().code, StatusCode::kValidation);
  EXPECT_THAT(wish.error().message, HasSubstr(GetParam().message));
}
INSTANTIATE_TEST_SUITE_P(
    Cases, RefusedForm,
    testing::ValuesIn(std::vector<RefusedUpload>{
        {"Nothing", {}, "must be at least one part with a file name"},
        {"UnknownField", {{"file", ""}, {"paylod", "{}"}}, "[paylod: value"},
        {"PayloadNoJson", {{"file", ""}, {"payload", "{"}}, "[payload: value"},
        {"PayloadNumber", {{"file", ""}, {"payload", "3"}}, "must be an object or a list"},
        {"PayloadListShort", {{"file", ""}, {"file", ""}, {"payload", "[{}]"}}, "each of the 2"},
        {"PayloadListOfNumbers", {{"file", ""}, {"payload", "[3]"}}, "[payload[0]: value 3"},
        {"PayloadOfNoFile",
         {{"file", ""}, {"payload", R"({"x.png": {"a": 1}, "x.jpg": {"a": 2}})"}},
         R"([payload["x.jpg"]: value {"a":2} invalid, must be of a file of this request)"},
        {"PayloadOfFileNoObject",
         {{"file", ""}, {"payload", R"({"x.png": 3})"}},
         R"([payload["x.png"]: value 3 invalid, must be an object)"},
        {"IdTwice",
         {{"file", ""}, {"file", ""}, {"id", "7"}, {"id", "7"}},
         "[id: value 7 invalid, must be given once: it is that of x.png and of x.png]"},
        {"PayloadWithTar", {{"tar", ""}, {"payload", "{}"}}, "does not go with a tar"},
        {"TooFewIds", {{"file", ""}, {"file", ""}, {"id", "1"}}, "for each picture, or for none"},
        {"BadId", {{"file", ""}, {"id", "x"}}, "[id: value \"x\""},
        {"IdWithTar", {{"tar", ""}, {"id", "1"}}, "does not go with a tar"},
    }),
    [](const auto& info) { return info.param.name; });

TEST_F(ApiImages, RawBodyAndTar) {
  const Reply raw = post_body(std::string(kImages) + "?id=7&name=r.png&payload=%7B%22a%22:1%7D",
                              "image/png", make_png(3));
  ASSERT_EQ(raw.status, 200) << raw.body;
  EXPECT_EQ(raw.json()["results"][0]["id"], 7);
  EXPECT_EQ(raw.json()["results"][0]["name"], "r.png");
  const Reply nameless = post_body(kImages, "image/png", "broken");
  EXPECT_THAT(nameless.json()["results"][0]["error"].get<std::string>(),
              testing::StartsWith("picture: not a picture"))
      << "where its bytes lay for the moment is nobody's business";

  const Reply tar = post_body(
      kImages, "application/x-tar",
      make_tar(
          {{"a/1.png", make_png(4)}, {"a/1.json", R"({"city": "Paris"})"}, {"a/2.png", "broken"}}));
  ASSERT_EQ(tar.status, 200) << tar.body;
  EXPECT_EQ(tar.json()["indexed"], 1);
  EXPECT_EQ(tar.json()["failed"], 1);
  const Json paris = {{"must", {{{"key", "city"}, {"match", {{"value", "Paris"}}}}}}};
  EXPECT_THAT(post("/v1/search", {{"collection", "photos"}, {"filter", paris}}).json()["hits"],
              SizeIs(1));
}

TEST_F(ApiImages, ATarThatEndsTooEarlyIsOneFailure) {
  const std::string whole = make_tar({{"1.png", make_png(4)}, {"2.png", make_png(5)}});
  const std::size_t second = whole.find("2.png");
  const Json cut =
      post_body(kImages, "application/x-tar", whole.substr(0, second + 512 + 20)).json();
  EXPECT_EQ(cut["indexed"], 1) << cut;
  EXPECT_EQ(cut["failed"], 1);
  ASSERT_THAT(cut["results"], SizeIs(2));
  EXPECT_EQ(cut["results"][1]["name"], "the tar");
  EXPECT_THAT(cut["results"][1]["error"].dump(), HasSubstr("2.png"));
  const Json between =
      post_body(kImages, "application/x-tar", whole.substr(0, second + 100)).json();
  EXPECT_EQ(between["failed"], 1) << between;
  EXPECT_EQ(between["results"].back()["name"], "the tar");
}

TEST_F(ApiImages, PicturesComeBackAsTheyWere) {
  const std::string png = make_png(9);
  ASSERT_EQ(post_form(kImages, {{"f", png, "nine.png"}, {"id", "9"}}).status, 200);
  const Reply image = get("/v1/images/photos/9");
  EXPECT_EQ(image.status, 200) << image.body;
  EXPECT_EQ(image.body, png);
  EXPECT_EQ(image.content_type, "image/png");
  EXPECT_EQ(image.headers.find("x-content-type-options"), "nosniff");
  EXPECT_THAT(std::string(image.headers.find("content-security-policy").value_or("")),
              HasSubstr("default-src 'none'"));
  EXPECT_EQ(image.headers.find("cache-control"), "private, no-cache");
  EXPECT_EQ(image.headers.find("content-disposition"), "inline; filename*=UTF-8''nine.png");
  EXPECT_THAT(image.etag, testing::MatchesRegex("\".+\""));

  const Reply thumbnail = get("/v1/images/photos/9/thumbnail");
  EXPECT_EQ(thumbnail.status, 200);
  EXPECT_EQ(thumbnail.content_type, "image/jpeg");
  EXPECT_EQ(thumbnail.body.substr(0, 2), "\xff\xd8");
  EXPECT_EQ(thumbnail.headers.find("cache-control"), "private, no-cache");
  EXPECT_EQ(get("/v1/images/photos/9?original=true").body, png);
  EXPECT_EQ(get("/v1/images/photos/9?timeout=5").body, png) << "any request may say it";
  EXPECT_EQ(get("/v1/images/photos/9?orignal=true").status, 422);
}

TEST_F(ApiImages, OnlyTheNameOfTheContentIsKeptForGood) {
  ASSERT_EQ(post_form(kImages, {{"f", make_png(9), "nine.png"}, {"id", "9"}}).status, 200);
  const Json hit = post("/v1/search", {{"collection", "photos"}}).json()["hits"][0];
  const auto cached = [&](const std::string& target) {
    const Reply reply = get(target);
    EXPECT_EQ(reply.status, 200) << target;
    return std::string(reply.headers.find("cache-control").value_or(""));
  };
  for (const std::string key : {"image_url", "thumbnail_url"}) {
    const std::string url = "/" + hit[key].get<std::string>();
    EXPECT_EQ(cached(url), "private, max-age=31536000, immutable");
    for (const std::string other : {"", "?v=", "?v=abc"}) {
      EXPECT_EQ(cached(url.substr(0, url.find('?')) + other), "private, no-cache") << other;
    }
  }
  // Another picture under the id: what the old name says is not there any more.
  ASSERT_EQ(post_form(kImages, {{"f", make_png(10), "ten.png"}, {"id", "9"}}).status, 200);
  for (const std::string key : {"image_url", "thumbnail_url"}) {
    EXPECT_EQ(cached("/" + hit[key].get<std::string>()), "private, no-cache") << key;
  }
}

struct Traversal {
  std::string name, target;
};
class NoOtherFile : public ApiTest, public testing::WithParamInterface<Traversal> {};
TEST_P(NoOtherFile, CanBeRead) {
  ASSERT_EQ(post_form(kImages, {{"f", make_png(1), "a.png"}, {"id", "1"}}).status, 200);
  const Reply reply = get(GetParam().target);
  EXPECT_THAT(reply.status, testing::AnyOf(400, 404, 422)) << reply.body;
  EXPECT_THAT(reply.body, testing::Not(HasSubstr("root:")));
}
INSTANTIATE_TEST_SUITE_P(Cases, NoOtherFile,
                         testing::ValuesIn(std::vector<Traversal>{
                             {"DotsInId", "/v1/images/photos/..%2f..%2f..%2f..%2fetc%2fpasswd"},
                             {"DotsAsSegments", "/v1/images/photos/../../etc/passwd"},
                             {"EncodedDots", "/v1/images/photos/%2e%2e/thumbnail"},
                             {"DotsInCollection", "/v1/images/..%2fphotos/1"},
                             {"AbsoluteCollection", "/v1/images/%2fetc/passwd"},
                             {"NulInId", "/v1/images/photos/1%00"},
                             {"NoSuchPoint", "/v1/images/photos/2"},
                             {"NoSuchThumbnail", "/v1/images/photos/2/thumbnail"},
                             {"NoSuchCollection", "/v1/images/nothere/1"},
                             {"BadEscape", "/v1/images/photos/%zz"},
                         }),
                         [](const auto& info) { return info.param.name; });

TEST_F(ApiImages, AnyFileThatAPayloadNamesIsNotServed) {
  // A point whose payload was written by hand has no source: its words lead nowhere.
  ASSERT_EQ(post_form(kImages, {{"f", make_png(1), "a.png"}, {"id", "1"}}).status, 200);
  const auto store = folder_->open_collection("photos").value();
  const auto stored = store->get(std::vector<PointId>{PointId(1)}, {false, true}).value();
  pipeline::UpsertPoint point;
  point.id = PointId(5);
  point.vectors = stored[0]->vectors;
  point.payload = {{"uri", "file:///etc/passwd"}};
  ASSERT_TRUE(store->write({point}));
  EXPECT_EQ(get("/v1/images/photos/5").status, 404);
}

TEST_F(ApiImages, WritingNeedsTheRightForTheCollection) {
  principal_.collections = {"other"};
  EXPECT_EQ(post_form(kImages, {{"f", make_png(1), "a.png"}}).status, 403);
  EXPECT_EQ(folder_->list_collections().value(), std::vector<std::string>());
}

}  // namespace
}  // namespace sightline::http
