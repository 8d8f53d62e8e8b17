#include "http/api_search_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/percent.h"

namespace sightline::http {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

Json json_of(std::string_view text) { return parse_json(text, "test").value(); }

/// A file part called `name`.
FormPart file_part(std::string name) {
  FormPart part;
  part.name = std::move(name);
  part.file_name = "photo.jpg";
  part.file = "/spool/1";
  part.size = 3;
  return part;
}
FormPart plain_part(std::string name, std::string value) {
  FormPart part;
  part.name = std::move(name);
  part.value = std::move(value);
  return part;
}

struct BadCase {
  std::string name, body, message;
  StatusCode code = StatusCode::kValidation;
};
class RefusedSearch : public testing::TestWithParam<BadCase> {};

TEST_P(RefusedSearch, NamesPathValueAndRule) {
  const auto parsed = parse_search(json_of(GetParam().body));
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code, GetParam().code);
  EXPECT_THAT(parsed.error().message, HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Cases, RefusedSearch,
    testing::ValuesIn(std::vector<BadCase>{
        {"NotAnObject", "[]", "value [] invalid, must be an object"},
        {"UnknownKey", R"({"limt": 3})", "[limt: value 3 invalid, is not one of collection, "},
        {"LimitZero", R"({"limit": 0})",
         "[limit: value 0 invalid, must be a whole number from 1 to 1000]"},
        {"LimitTooLarge", R"({"limit": 1001})", "[limit: value 1001 invalid"},
        {"LimitNegative", R"({"limit": -1})", "[limit: value -1 invalid"},
        {"LimitText", R"({"limit": "3"})", "[limit: value \"3\" invalid"},
        {"LimitFraction", R"({"limit": 1.5})", "[limit: value 1.5 invalid"},
        {"OffsetTooLarge", R"({"offset": 10001})", "[offset: value 10001 invalid"},
        {"WeightZero", R"({"query": [{"text": "a", "weight": 0}]})",
         "[query[0].weight: value 0 invalid, must be a number other than 0]"},
        {"WeightText", R"({"query": [{"text": "a"}, {"text": "b", "weight": "1"}]})",
         "[query[1].weight: value \"1\" invalid, must be a number]"},
        {"TwoKinds", R"({"query": [{"text": "a", "id": 1}]})",
         "must have one of text, image, id and part"},
        {"NoKind", R"({"query": {"weight": 1}})", "[query: value {\"weight\":1} invalid"},
        {"OperandNumber", R"({"query": [7]})",
         "[query[0]: value 7 invalid, must be a text or an object with text, image or id]"},
        {"OperandUnknownKey", R"({"query": [{"txt": "a"}]})", "[query[0].txt: value \"a\""},
        {"BadId", R"({"query": [{"id": "x"}]})", "[query[0].id: value \"x\" invalid"},
        {"NoSuchPart", R"({"query": [{"part": "photo"}]})", "[query[0].part: value \"photo\""},
        {"DiversityAboveOne", R"({"query": "a", "diversity": 1.5})",
         "[diversity: value 1.5 invalid, must be a number from 0.0 to 1.0]"},
        {"BadFilter", R"({"filter": {"must": [{"key": "a"}]}})", "[filter: value "},
        {"UnknownFilterKey", R"({"filter": {"most": []}})", "[filter: value "},
        {"FilterPrefix", R"({"filter": {"must": {"key": "a", "match": {"prefix": "b"}}}})",
         "prefix", StatusCode::kUnimplemented},
        {"BadGroupField", R"({"query": "a", "group_by": "a["})", "[group_by: value \"a[\""},
        {"GroupWhenBrowsing", R"({"group_by": "a"})", "[group_by: value \"a\" invalid, needs a"},
        {"ThresholdWhenBrowsing", R"({"score_threshold": 0.1})", "needs a query"},
        {"SortAndGroup", R"({"query": "a", "group_by": "b", "sort": "c"})", "[sort: value \"c\""},
        {"OffsetAndGroup", R"({"query": "a", "group_by": "b", "offset": 1})", "[offset: value 1"},
        {"CursorAndOffset", R"({"cursor": "o1", "offset": 1})", "[cursor: value \"o1\""},
        {"BadCursor", R"({"cursor": "x"})", "must be next_cursor of an answer"},
        {"CursorOfBrowsing", R"({"query": "a", "cursor": "i7"})", "is of another query"},
        {"PayloadNumber", R"({"with_payload": 1})", "[with_payload: value 1 invalid"},
        {"PayloadBoth", R"({"with_payload": {"include": [], "exclude": []}})", "[with_payload: "},
        {"Rerank", R"({"query": "a", "rerank": true})", "rerank", StatusCode::kUnimplemented},
        {"RerankOptions", R"({"query": "a", "rerank": {"model": "x"}})", "rerank",
         StatusCode::kUnimplemented},
        {"Enrich", R"({"query": "a", "enrich": ["caption"]})", "enrich",
         StatusCode::kUnimplemented},
    }),
    [](const auto& info) { return info.param.name; });

TEST(SearchRequest, ReadsEverything) {
  const auto wish = parse_search(json_of(R"({
    "collection": "films", "query": [{"text": "a dog", "weight": 2}, {"image": "/9j/x"},
    {"id": 18446744073709551615, "weight": -0.5}],
    "filter": {"must": [{"key": "city", "match": {"value": "Paris"}}]}, "limit": 20, "offset": 40,
    "score_threshold": 0.25, "diversity": 0.5, "with_payload": ["city"], "with_vector": true,
    "sort": "-year", "exact": true, "nprobe": 3, "ef_search": 4, "rerank": false,
    "enrich": null})"));
  ASSERT_TRUE(wish) << wish.error().message;
  EXPECT_EQ(wish->collection, "films");
  ASSERT_THAT(wish->query, SizeIs(3));
  EXPECT_EQ(std::get<SearchOperand::Text>(wish->query[0].what).text, "a dog");
  EXPECT_EQ(wish->query[0].weight, 2);
  EXPECT_EQ(std::get<SearchOperand::Image>(wish->query[1].what).source, "/9j/x");
  EXPECT_EQ(std::get<PointId>(wish->query[2].what), PointId(UINT64_MAX));
  EXPECT_EQ(wish->query[2].weight, -0.5);
  EXPECT_NE(wish->filter, nullptr);
  EXPECT_EQ(wish->limit, 20U);
  EXPECT_EQ(wish->start.offset, 40U);
  EXPECT_EQ(wish->score_threshold, 0.25F);
  EXPECT_EQ(wish->diversity, 0.5);
  EXPECT_EQ(wish->payload.kind, pipeline::PayloadSelector::Kind::kInclude);
  EXPECT_TRUE(wish->with_vector);
  EXPECT_EQ(wish->sort->field.text(), "year");
  EXPECT_TRUE(wish->sort->descending);
  EXPECT_TRUE(wish->exact);
  EXPECT_EQ(wish->nprobe, 3U);
  EXPECT_EQ(wish->ef_search, 4U);
}

struct BrowseCase {
  std::string name, body;
};
class Browsing : public testing::TestWithParam<BrowseCase> {};
TEST_P(Browsing, IsAskedForByNoWords) {
  const auto wish = parse_search(json_of(GetParam().body));
  ASSERT_TRUE(wish) << wish.error().message;
  EXPECT_TRUE(wish->is_browsing());
}
INSTANTIATE_TEST_SUITE_P(Cases, Browsing,
                         testing::ValuesIn(std::vector<BrowseCase>{
                             {"Nothing", "{}"},
                             {"EmptyList", R"({"query": []})"},
                             {"Null", R"({"query": null})"},
                             {"EmptyText", R"({"query": ""})"},
                             {"Blanks", R"({"query": [{"text": "  "}]})"},
                             {"Cursor", R"({"cursor": "i7"})"},
                         }),
                         [](const auto& info) { return info.param.name; });

TEST(SearchRequest, FilesThatNoOperandNamesAreOperands) {
  const std::vector<FormPart> parts = {file_part("a"), file_part("b"), file_part("a")};
  const auto wish = parse_search(
      json_of(R"({"query": [{"part": "b", "weight": -1}, {"part": "a", "weight": 3}]})"), parts);
  ASSERT_TRUE(wish) << wish.error().message;
  ASSERT_THAT(wish->query, SizeIs(3));
  EXPECT_EQ(std::get<SearchOperand::Part>(wish->query[0].what).at, 1U);
  EXPECT_EQ(std::get<SearchOperand::Part>(wish->query[1].what).at, 0U);
  EXPECT_EQ(std::get<SearchOperand::Part>(wish->query[2].what).at, 2U);
  EXPECT_EQ(wish->query[2].weight, 1);
}

TEST(SearchRequest, OperandsAreLimited) {
  Json query = Json::array();
  for (int i = 0; i < 65; ++i) query.push_back("a");
  EXPECT_FALSE(parse_search(Json{{"query", query}}));
  query.erase(0);
  EXPECT_TRUE(parse_search(Json{{"query", query}}));
}

TEST(SearchRequest, FormOfPlainParts) {
  const std::vector<FormPart> parts = {plain_part("text", "winter"),
                                       plain_part("weight", "1.5"),
                                       file_part("photo"),
                                       plain_part("weight", "-2"),
                                       plain_part("limit", "20"),
                                       plain_part("with_payload", "a,b"),
                                       plain_part("filter", R"({"must": []})"),
                                       plain_part("sort", "")};
  const auto body = search_from_form(parts);
  ASSERT_TRUE(body) << body.error().message;
  const auto wish = parse_search(*body, parts);
  ASSERT_TRUE(wish) << wish.error().message;
  ASSERT_THAT(wish->query, SizeIs(2));
  EXPECT_EQ(wish->query[0].weight, 1.5);
  EXPECT_EQ(wish->query[1].weight, -2);
  EXPECT_EQ(wish->limit, 20U);
  EXPECT_THAT(wish->payload.paths, SizeIs(2));
  EXPECT_FALSE(wish->sort);
}

TEST(SearchRequest, FormWithRequestPart) {
  const std::vector<FormPart> parts = {plain_part("request", R"({"limit": 3})"), file_part("p")};
  const auto wish = parse_search(search_from_form(parts).value(), parts);
  ASSERT_TRUE(wish) << wish.error().message;
  EXPECT_EQ(wish->limit, 3U);
  EXPECT_THAT(wish->query, SizeIs(1));

  const std::vector<FormPart> both = {plain_part("request", "{}"), plain_part("limit", "3")};
  EXPECT_EQ(search_from_form(both).error().code, StatusCode::kValidation);
  const std::vector<FormPart> broken = {plain_part("request", "{")};
  EXPECT_THAT(search_from_form(broken).error().message, HasSubstr("Format error in JSON body"));
  const std::vector<FormPart> lone_weight = {plain_part("weight", "3")};
  EXPECT_THAT(search_from_form(lone_weight).error().message, HasSubstr("must follow its operand"));
}

struct UrlCase {
  std::string name, query;
  std::string json;  ///< Empty: refused.
};
class SearchUrl : public testing::TestWithParam<UrlCase> {};
TEST_P(SearchUrl, BecomesTheSameJson) {
  const auto body = search_from_query(parse_query(GetParam().query).value());
  if (GetParam().json.empty()) {
    EXPECT_FALSE(body);
    return;
  }
  ASSERT_TRUE(body) << body.error().message;
  EXPECT_EQ(*body, json_of(GetParam().json));
}
INSTANTIATE_TEST_SUITE_P(
    Cases, SearchUrl,
    testing::ValuesIn(std::vector<UrlCase>{
        {"Empty", "", "{}"},
        {"Words", "q=a+red%20dog", R"({"query": [{"text": "a red dog"}]})"},
        {"WordsAndPoint", "q=a&id=7", R"({"query": [{"text": "a"}, {"id": 7}]})"},
        {"Numbers", "limit=3&score_threshold=0.5&exact=true",
         R"({"limit": 3, "score_threshold": 0.5, "exact": true})"},
        {"Filter", "filter=%7B%22must%22:%5B%5D%7D", R"({"filter": {"must": []}})"},
        {"PayloadOff", "with_payload=false", R"({"with_payload": false})"},
        {"PayloadFields", "with_payload=a,b", R"({"with_payload": ["a", "b"]})"},
        {"EmptyValues", "q=&limit=", "{}"},
        {"LimitWords", "limit=many", ""},
        {"LimitTwice", "limit=1&limit=2", ""},
        {"Unknown", "limt=1", ""},
        {"FilterNoJson", "filter=x", ""},
        {"BadId", "id=x", ""},
    }),
    [](const auto& info) { return info.param.name; });

struct CursorCase {
  std::string name, text;
  bool good;
};
class Cursor : public testing::TestWithParam<CursorCase> {};
TEST_P(Cursor, ReadsWhatItWrote) {
  const auto start = parse_cursor(GetParam().text);
  ASSERT_EQ(start.has_value(), GetParam().good);
  if (start) {
    EXPECT_EQ(cursor_text(*start), GetParam().text);
  }
}
INSTANTIATE_TEST_SUITE_P(Cases, Cursor,
                         testing::ValuesIn(std::vector<CursorCase>{
                             {"Offset", "o20", true},
                             {"Number", "i18446744073709551615", true},
                             {"Uuid", "i550e8400-e29b-41d4-a716-446655440000", true},
                             {"Empty", "", false},
                             {"NoNumber", "o", false},
                             {"Trailing", "o2x", false},
                             {"TooFar", "o10001", false},
                             {"OtherKind", "x1", false},
                         }),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sightline::http
