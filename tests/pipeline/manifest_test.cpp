// JSONL and CSV manifests: rows, their columns and what is wrong with them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "pipeline/file_uri.h"
#include "pipeline/internal/csv_reader.h"
#include "pipeline/internal/manifest_reader.h"
#include "tests/pipeline/pictures.h"
#include "tests/pipeline/recording_sink.h"
#include "tests/support/temp_dir.h"

namespace sightline::pipeline {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::TempDir;

struct CsvCase {
  std::string name, text;
  std::vector<std::vector<std::string>> records;
  std::vector<std::uint64_t> lines;
};
class Csv : public testing::TestWithParam<CsvCase> {};

TEST_P(Csv, RecordsAreAsRfc4180HasThem) {
  const CsvCase& c = GetParam();
  TempDir root;
  CsvReader reader(TextFile::open(root.write("t.csv", c.text).string()).value());
  std::vector<std::vector<std::string>> records;
  std::vector<std::uint64_t> lines;
  for (;;) {
    const auto record = reader.next();
    ASSERT_TRUE(record) << record.error().message;
    if (!*record) break;
    EXPECT_EQ((*record)->problem, "");
    records.push_back((*record)->fields);
    lines.push_back((*record)->line);
  }
  EXPECT_EQ(records, c.records);
  EXPECT_EQ(lines, c.lines);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, Csv,
    testing::ValuesIn(std::vector<CsvCase>{
        {"Plain", "a,b\n1,2\n", {{"a", "b"}, {"1", "2"}}, {1, 2}},
        {"NoFinalNewline", "a,b\n1,", {{"a", "b"}, {"1", ""}}, {1, 2}},
        {"CrLf", "a,b\r\n1,2\r\n", {{"a", "b"}, {"1", "2"}}, {1, 2}},
        {"ByteOrderMark",
         "\xEF\xBB\xBF"
         "a\n1\n",
         {{"a"}, {"1"}},
         {1, 2}},
        {"Quotes", "\"a,b\",\"say \"\"hi\"\"\"\n", {{"a,b", "say \"hi\""}}, {1}},
        {"LineBreaksInAField", "\"a\nb\",c\nd,e\n", {{"a\nb", "c"}, {"d", "e"}}, {1, 3}},
        {"EmptyFields", ",,\n\"\",x,\n", {{"", "", ""}, {"", "x", ""}}, {1, 2}},
        {"EmptyLinesArePassedOver", "a\n\n\r\nb\n", {{"a"}, {"b"}}, {1, 4}},
        {"QuoteInsideAPlainField", "5\" disk,x\n", {{"5\" disk", "x"}}, {1}},
        {"CarriageReturnInside", "a\rb,c\n", {{"a\rb", "c"}}, {1}},
        {"Empty", "", {}, {}},
    }),
    [](const auto& test) { return test.param.name; });

TEST(CsvProblems, AreNamedAndReadingGoesOn) {
  TempDir root;
  CsvReader reader(
      TextFile::open(root.write("t.csv", "\"a\"b,c\nfine,1\n\"open,2\nx\n").string()).value());
  EXPECT_THAT((*reader.next().value()).problem, HasSubstr("behind a closing quote"));
  EXPECT_EQ((*reader.next().value()).fields, (std::vector<std::string>{"fine", "1"}));
  const auto open = *reader.next().value();
  EXPECT_EQ(open.line, 3u);
  EXPECT_THAT(open.problem, HasSubstr("never closed"));
  EXPECT_FALSE(reader.next().value());
}

struct ValueCase {
  std::string name, text;
  Json value;
};
class CsvValue : public testing::TestWithParam<ValueCase> {};
TEST_P(CsvValue, HasTheTypeThatTheTextShows) {
  const Json value = parse_csv_value(GetParam().text);
  EXPECT_EQ(value.type(), GetParam().value.type()) << value;
  EXPECT_EQ(value, GetParam().value);
}
INSTANTIATE_TEST_SUITE_P(Cases, CsvValue,
                         testing::ValuesIn(std::vector<ValueCase>{
                             {"Integer", "42", std::int64_t{42}},
                             {"Negative", "-7", std::int64_t{-7}},
                             {"Zero", "0", std::int64_t{0}},
                             {"LargeUnsigned", "18446744073709551615",
                              std::uint64_t{18446744073709551615u}},
                             {"TooLargeStaysText", "18446744073709551616", "18446744073709551616"},
                             {"LeadingZeroStaysText", "007", "007"},
                             {"PlusStaysText", "+1", "+1"},
                             {"MinusZeroStaysText", "-0", "-0"},
                             {"Fraction", "2.5", 2.5},
                             {"Exponent", "1e3", 1000.0},
                             {"PointAloneStaysText", "1.", "1."},
                             {"NoDigitBeforeThePoint", ".5", ".5"},
                             {"OverflowStaysText", "1e999", "1e999"},
                             {"NanStaysText", "nan", "nan"},
                             {"SpaceStaysText", " 1", " 1"},
                             {"True", "true", true},
                             {"False", "false", false},
                             {"OtherCaseStaysText", "True", "True"},
                             {"Hex", "0x10", "0x10"},
                             {"Date", "2024-01-01", "2024-01-01"},
                             {"Version", "1.2.3", "1.2.3"},
                         }),
                         [](const auto& test) { return test.param.name; });

class Manifest : public testing::Test {
 protected:
  RecordingSink read(const std::string& name, const std::string& text, ManifestKind kind) {
    const std::string path = root_.write(name, text).string();
    const auto checked = check_manifest(path, kind);
    EXPECT_TRUE(checked) << checked.error().message;
    RecordingSink sink;
    const auto done = read_manifest(path, kind, sink);
    EXPECT_TRUE(done) << done.error().message;
    return sink;
  }
  RecordingSink jsonl(const std::string& text) {
    return read("m.jsonl", text, ManifestKind::kJsonLines);
  }
  RecordingSink csv(const std::string& text) { return read("m.csv", text, ManifestKind::kCsv); }
  Status refused(const std::string& name, const std::string& text, ManifestKind kind) {
    const auto checked = check_manifest(root_.write(name, text).string(), kind);
    EXPECT_FALSE(checked);
    return checked ? Status{} : checked.error();
  }
  std::string path(const std::string& name) {
    return std::filesystem::canonical(root_.path()).string() + "/" + name;
  }
  std::string uri(const std::string& name) { return to_file_uri(path(name)); }
  TempDir root_;
};

TEST_F(Manifest, JsonLinesGiveIdAndColumns) {
  root_.write("img/a.png", "x");
  root_.write("b.png", "xy");
  const RecordingSink sink = jsonl(
      "\xEF\xBB\xBF"
      R"({"image": "img/a.png", "id": 7, "label": "cat", "tags": ["x", null], "n": 1.5})"
      "\r\n\n"
      R"({"image": "./img/../b.png", "id": "6ba7b810-9dad-11d1-80b4-00c04fd430c8"})"
      "\n"
      R"({"id": null, "image": "b.png", "extra": null})");
  ASSERT_EQ(sink.sources.size(), 3u);
  EXPECT_EQ(sink.sources[0].uri, uri("img/a.png") + "#id=7");
  EXPECT_EQ(sink.sources[0].id, PointId(7));
  EXPECT_EQ(*sink.sources[0].payload,
            (Json{{"label", "cat"}, {"tags", {"x", nullptr}}, {"n", 1.5}}));
  EXPECT_EQ(sink.sources[1].uri, uri("b.png") + "#id=6ba7b810-9dad-11d1-80b4-00c04fd430c8");
  EXPECT_EQ(sink.sources[1].size, 2u);
  EXPECT_EQ(sink.sources[2].uri, uri("b.png"));
  EXPECT_FALSE(sink.sources[2].id_given);
  EXPECT_EQ(*sink.sources[2].payload, (Json{{"extra", nullptr}}));
  EXPECT_NE(sink.sources[0].payload_hash, sink.sources[2].payload_hash);
}

TEST_F(Manifest, CsvGivesTypedColumns) {
  root_.write("a b,c.png", "x");
  const RecordingSink sink =
      csv("id,image,label,year,score,ok,\n1,\"a b,c.png\",cat,1999,0.5,true,ignored\n"
          ",\"a b,c.png\",,,,,\n");
  ASSERT_EQ(sink.sources.size(), 2u);
  EXPECT_EQ(sink.sources[0].uri, uri("a b,c.png") + "#id=1");
  EXPECT_EQ(*sink.sources[0].payload,
            (Json{{"label", "cat"}, {"year", 1999}, {"score", 0.5}, {"ok", true}}));
  EXPECT_EQ(*sink.sources[1].payload, Json::object());
}

TEST_F(Manifest, PicturesByAnyKindOfName) {
  root_.write("d/a b.png", "x");
  root_.write("s #1.tar", testing_support::make_tar({{"./k/1.jpg", "one"}, {"2.jpg", "two"}}));
  std::filesystem::create_symlink(root_ / "d/a b.png", root_ / "link.png");
  std::filesystem::create_directory_symlink(root_ / "d", root_ / "e");
  Json rows =
      Json::array({"d/a b.png", path("d/a b.png"), uri("d/a b.png"), "link.png", "e/a b.png",
                   "s #1.tar#k/1.jpg", uri("s #1.tar") + "#2.jpg", "s #1.tar#./2.jpg"});
  std::string text;
  for (const Json& row : rows) text += dump_json(Json{{"image", row}}) + "\n";
  const RecordingSink sink = jsonl(text);
  const std::string picture = uri("d/a b.png");
  EXPECT_THAT(sink.uris(),
              ElementsAre(picture, picture, picture, picture, picture, uri("s #1.tar") + "#k/1.jpg",
                          uri("s #1.tar") + "#2.jpg", uri("s #1.tar") + "#2.jpg"));
  for (const Source& source : sink.sources) EXPECT_EQ(source.problem, "");
  EXPECT_EQ(sink.sources[5].size, 3u);
}

struct BadRowCase {
  std::string name, row, reason, message;
};
class BadRow : public Manifest, public testing::WithParamInterface<BadRowCase> {};

TEST_P(BadRow, IsNamedWithFileAndLineAndTheNextOneIsRead) {
  root_.write("good.png", "x");
  root_.write("s.tar", testing_support::make_tar({{"1.jpg", "one"}}));
  const std::string good = R"({"image": "good.png"})";
  const RecordingSink sink = jsonl(good + "\n" + GetParam().row + "\n" + good + "\n");
  ASSERT_EQ(sink.sources.size(), 3u);
  EXPECT_EQ(sink.sources[0].problem, "");
  EXPECT_EQ(sink.sources[1].problem, GetParam().reason);
  EXPECT_THAT(sink.sources[1].problem_message, HasSubstr("m.jsonl:2: "));
  EXPECT_THAT(sink.sources[1].problem_message, HasSubstr(GetParam().message));
  EXPECT_EQ(sink.sources[2].problem, "");
}
INSTANTIATE_TEST_SUITE_P(
    Cases, BadRow,
    testing::ValuesIn(std::vector<BadRowCase>{
        {"NotJson", "{\"image\": ", "bad_row", "syntax error"},
        {"NotAnObject", "[1]", "bad_row", "not a JSON object"},
        {"NoImage", "{\"x\": 1}", "bad_row", "no \"image\""},
        {"ImageIsANumber", "{\"image\": 1}", "bad_row", "not a string"},
        {"ImageIsEmpty", "{\"image\": \"\"}", "bad_row", "empty"},
        {"NulByte", "{\"image\": \"a\\u0000.png\"}", "bad_row", "NUL"},
        {"NegativeId", "{\"image\": \"good.png\", \"id\": -1}", "bad_row", "\"id\""},
        {"TextId", "{\"image\": \"good.png\", \"id\": \"seven\"}", "bad_row", "seven"},
        {"Http", "{\"image\": \"https://x/a.png\"}", "bad_row", "https://x/a.png"},
        {"OtherHost", "{\"image\": \"file://host/a.png\"}", "bad_row", "host"},
        {"NotUtf8", "{\"image\": \"\xFF.png\"}", "bad_row", "UTF-8"},
        {"Gone", "{\"image\": \"gone.png\"}", "missing", "no such file"},
        {"GoneFolder", "{\"image\": \"x/y/gone.png\"}", "missing", "no such file"},
        {"AFolder", "{\"image\": \".\"}", "unreadable", "not a regular file"},
        {"GoneTar", "{\"image\": \"t.tar#1.jpg\"}", "missing", "no such file"},
        {"GoneMember", "{\"image\": \"s.tar#2.jpg\"}", "missing", "no member \"2.jpg\""},
    }),
    [](const auto& test) { return test.param.name; });

TEST_F(Manifest, BadCsvRows) {
  root_.write("a.png", "x");
  const RecordingSink sink =
      csv("image,label\na.png,1,2\na.png\n\"a.png\"x,1\na.png,\xFF\na.png,ok\n");
  ASSERT_EQ(sink.sources.size(), 5u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(sink.sources[i].problem, "bad_row") << i;
    EXPECT_THAT(sink.sources[i].problem_message,
                HasSubstr("m.csv:" + std::to_string(i + 2) + ": "));
  }
  EXPECT_EQ(sink.sources[4].problem, "");
}

TEST_F(Manifest, ReservedColumnsAreRefusedWithFileLineAndRule) {
  for (const char* name : {"_image", "_enrich"}) {
    const Status header = refused("m.csv", std::string("image,") + name + "\n", ManifestKind::kCsv);
    EXPECT_EQ(header.code, StatusCode::kInvalidArgument);
    EXPECT_THAT(header.message, HasSubstr("m.csv:1: "));
    EXPECT_THAT(header.message, HasSubstr(name));
    EXPECT_THAT(header.message, HasSubstr("reserved"));
    const Status row = refused(
        "m.jsonl", "{\"image\": \"a\"}\n{\"image\": \"b\", \"" + std::string(name) + "\": 1}\n",
        ManifestKind::kJsonLines);
    EXPECT_THAT(row.message, HasSubstr("m.jsonl:2: "));
    EXPECT_THAT(row.message, HasSubstr(name));
  }
  // As a value or deeper down the word is the user's own.
  EXPECT_TRUE(check_manifest(
      root_.write("v.jsonl", R"({"image": "a", "x": "_image", "y": {"_image": 1}})").string(),
      ManifestKind::kJsonLines));
}

TEST_F(Manifest, WithoutImageColumnIsRefused) {
  EXPECT_THAT(refused("m.csv", "picture,label\n", ManifestKind::kCsv).message,
              HasSubstr("no column \"image\""));
  EXPECT_THAT(refused("e.csv", "", ManifestKind::kCsv).message, HasSubstr("empty"));
  EXPECT_THAT(refused("t.csv", "image,a,a\n", ManifestKind::kCsv).message, HasSubstr("twice"));
  EXPECT_THAT(refused("m.jsonl", "{\"picture\": 1}\n", ManifestKind::kJsonLines).message,
              HasSubstr("\"image\""));
  EXPECT_EQ(check_manifest((root_ / "none.csv").string(), ManifestKind::kCsv).error().code,
            StatusCode::kNotFound);
}

}  // namespace
}  // namespace sightline::pipeline
