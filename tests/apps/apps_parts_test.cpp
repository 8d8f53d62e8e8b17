// The parts of the program that need no process: text, page, queries, files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/html_page.h"
#include "apps/output_file.h"
#include "apps/progress_bar.h"
#include "apps/query_operands.h"
#include "apps/text_format.h"
#include "tests/support/temp_dir.h"

namespace sightline::apps {
namespace {

using pipeline::ImageOperand;
using pipeline::PointOperand;
using pipeline::TextOperand;
using ::testing::HasSubstr;
using ::testing::Not;

struct EscapeCase {
  std::string name, text, line;
};
class EscapeLine : public ::testing::TestWithParam<EscapeCase> {};
TEST_P(EscapeLine, KeepsATextOnItsLine) {
  EXPECT_EQ(escape_line(GetParam().text), GetParam().line);
}
INSTANTIATE_TEST_SUITE_P(Cases, EscapeLine,
                         ::testing::ValuesIn(std::vector<EscapeCase>{
                             {"Plain", "a b.jpg", "a b.jpg"},
                             {"Utf8", "Gr\u00fc\u00dfe \u732b \U0001F408.jpg",
                              "Gr\u00fc\u00dfe \u732b \U0001F408.jpg"},
                             {"Newline", "a\nb\r\tc", "a\\nb\\r\\tc"},
                             {"TerminalEscape", "\x1b[31mred", "\\x1b[31mred"},
                             {"NotUtf8", "a\xff\x62", "a\\xffb"},
                             {"CutCharacter", "a\xe7\x8c", "a\\xe7\\x8c"},
                             {"Overlong", "\xc0\xaf", "\\xc0\\xaf"},
                             {"Surrogate", "\xed\xa0\x80", "\\xed\\xa0\\x80"},
                             {"EightBitControl",
                              "\xc2\x9b"
                              "31m",
                              "\\xc2\\x9b31m"},
                             {"Nul", std::string("a\0b", 3), "a\\x00b"},
                         }),
                         [](const auto& test) { return test.param.name; });

TEST(TextFormat, NumbersForPeople) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1234567), "1,234,567");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1536), "1.5 KiB");
  EXPECT_EQ(format_bytes(std::uint64_t{20} << 30), "20 GiB");
  EXPECT_EQ(format_duration(7.4), "0:07");
  EXPECT_EQ(format_duration(3725), "1:02:05");
  EXPECT_EQ(format_fixed(-0.12345, 3), "-0.123");
}

TEST(TextTable, AlignsColumnsByCharactersAndEscapes) {
  TextTable table({{"n", Align::kRight}, {"name", Align::kLeft}, {"x", Align::kLeft}});
  table.add_row({"1", "\u732b", "end"});
  table.add_row({"12", "a\nb", ""});
  EXPECT_EQ(table.render(), " n  name  x\n 1  \u732b     end\n12  a\\nb\n");
}

TEST(ProgressLine, ShowsABarOnceTheWalkIsDone) {
  pipeline::IngestProgress progress;
  progress.seen = 450;
  progress.found = 1000;
  progress.images_per_second = 210;
  progress.skipped = 3;
  EXPECT_EQ(progress_line(progress, 100), "indexing  450 of 1,000 found so far  210/s  3 skipped");
  progress.walk_done = true;
  progress.eta = std::chrono::seconds(18);
  const std::string line = progress_line(progress, 120);
  EXPECT_THAT(line, HasSubstr("[==========>"));
  EXPECT_THAT(line, HasSubstr("45 %"));
  EXPECT_THAT(line, HasSubstr("0:18 left"));
  for (const std::size_t width : {10U, 40U, 60U, 79U}) {
    EXPECT_LE(progress_line(progress, width).size(), width);
  }
}

TEST(ProgressLine, ShowsTheStageOfAJob) {
  const pipeline::JobProgress half{"loading", 0.5, 500'000, 1'000'000};
  EXPECT_EQ(progress_line(half, {1.0, 0.0, 0}, 100),
            "loading  [============>           ]   50 %  500,000 of 1,000,000")
      << "too early to say how long it takes";
  EXPECT_EQ(progress_line(half, {10.0, 0.25, 250'000}, 120),
            "loading  [============>           ]   50 %  500,000 of 1,000,000  25000/s  0:20 left")
      << "what was there when the stage began cost nothing";
  EXPECT_EQ(progress_line({"training", 0.75, 0, 0}, {30.0, 0.0, 0}, 100),
            "training  [==================>     ]   75 %  0:10 left");
  EXPECT_EQ(progress_line(half, {10.0, 0.0, 0}, 72),
            "loading  [======>     ]   50 %  500,000 of 1,000,000  50000/s  0:10 left");
  EXPECT_EQ(progress_line(half, {10.0, 0.0, 0}, 60),
            "loading  50 %  500,000 of 1,000,000  50000/s  0:10 left");
  EXPECT_EQ(progress_line(half, {10.0, 0.0, 0}, 20), "loading  50 %  500,0");
}

TEST(HtmlPage, EscapesEverythingFromOutside) {
  PageHit hit;
  hit.rank = 1;
  hit.id = "7";
  hit.path = "/tmp/<b>\"&'\n#?.jpg";
  hit.thumbnail = "jpeg";
  PageSection section;
  section.operands = {{"<script>alert(1)</script>", 1.0, true, ""}};
  section.hits = {hit};
  const std::string page = render_page({section}, "<i>");
  EXPECT_THAT(page, Not(HasSubstr("<script>")));
  EXPECT_THAT(page, Not(HasSubstr("<b>\"")));
  EXPECT_THAT(page, Not(HasSubstr("<i>")));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;"));
  EXPECT_THAT(page, HasSubstr("&lt;b&gt;&quot;&amp;&#39;\\n#?.jpg"));
  EXPECT_THAT(page, HasSubstr("href=\"file:///tmp/%3Cb%3E%22%26%27%0A%23%3F.jpg\""));
  EXPECT_THAT(page, HasSubstr("<img src=\"data:image/jpeg;base64,anBlZw==\""));
}

TEST(HtmlPage, HoldsAnImagePerHitAndNothingFromElsewhere) {
  std::vector<PageSection> sections(3);
  for (PageSection& section : sections) {
    section.operands = {{"words", 1.0, true, ""}, {"a.jpg", -0.5, false, "t"}};
    for (std::size_t i = 1; i <= 4; ++i) {
      section.hits.push_back({i, "id", 0.5F, "/p/" + std::to_string(i) + ".png", 3, 2, 10, "t"});
    }
  }
  const std::string page = render_page(sections, "");
  std::size_t count = 0;
  for (std::size_t at = page.find("<img"); at != page.npos; at = page.find("<img", at + 1)) ++count;
  EXPECT_EQ(count, 3U * (4 + 1));
  EXPECT_THAT(page, Not(HasSubstr("http:")));
  EXPECT_THAT(page, Not(HasSubstr("https:")));
  EXPECT_THAT(page, HasSubstr("× 0.5"));
}

TEST(HtmlPage, Base64HasTheValuesOfRfc4648) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("\xff\xfe"), "//4=");
}

TEST(OutputFile, ReplacesAFileWholeAndFollowsLinks) {
  const testing_support::TempDir dir;
  dir.write("a", "old");
  std::filesystem::create_symlink("a", dir / "link");
  ASSERT_TRUE(write_file(dir / "link", "new"));
  EXPECT_EQ(testing_support::read_file(dir / "a"), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(dir / "link"));
  const auto done = write_file(dir / "none" / "a", "x");
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, HasSubstr("none/a"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 2);
}

TEST(OutputFile, ReportsAFullDisk) {
  const auto done = write_file("/dev/full", "x");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, StatusCode::kResourceExhausted);
}

std::string text_of(const pipeline::QueryOperand& operand) {
  return std::get<TextOperand>(operand.what).text;
}

TEST(Operands, KeepTheOrderOfTheCommandLine) {
  const auto operands = operands_from({{"words", "red"},
                                       {"--top-k", "3"},
                                       {"words", "kangaroo"},
                                       {"--weight", "2"},
                                       {"--image", "a b.jpg"},
                                       {"--not", "summer"},
                                       {"--weight", "0.5"},
                                       {"--like", "42"},
                                       {"words", "snow"}});
  ASSERT_TRUE(operands) << operands.error().message;
  ASSERT_EQ(operands->size(), 5U);
  EXPECT_EQ(text_of((*operands)[0]), "red kangaroo");
  EXPECT_EQ((*operands)[0].weight, 2.0);
  EXPECT_EQ(std::get<ImageOperand>((*operands)[1].what).file, "a b.jpg");
  EXPECT_EQ(text_of((*operands)[2]), "summer");
  EXPECT_EQ((*operands)[2].weight, -0.5);
  EXPECT_EQ(std::get<PointOperand>((*operands)[3].what).id, PointId(42));
  EXPECT_EQ(text_of((*operands)[4]), "snow");
  EXPECT_EQ(describe(*operands),
            "\"red kangaroo\" x 2.00 + a b.jpg - \"summer\" x 0.50 + point 42 + \"snow\"");
}

TEST(Operands, AWeightNeedsANumberAndAnOperand) {
  for (const std::vector<OrderedValue>& values : std::vector<std::vector<OrderedValue>>{
           {{"--weight", "2"}, {"words", "a"}},
           {{"words", "a"}, {"--weight", "0"}},
           {{"words", "a"}, {"--weight", "nan"}},
           {{"words", "a"}, {"--weight", "2x"}},
           {{"words", "a"}, {"--weight", "2"}, {"--weight", "3"}},
           {{"words", "a"}, {"--weight", "2"}, {"--top-k", "3"}, {"--weight", "3"}},
           {{"--like", "not an id"}}}) {
    EXPECT_FALSE(operands_from(values)) << values.back().value;
  }
}

TEST(Queries, AreWordsOrJsonLineByLine) {
  const auto queries = parse_queries(
      "a dog\r\n"
      "\n"
      "{\"image\": \"a.jpg\"}\n"
      "  {\"operands\": [{\"like\": 7}, {\"text\": \"snow\", \"weight\": 0.5}, {\"not\": \"x\"}]}",
      "file");
  ASSERT_TRUE(queries) << queries.error().message;
  ASSERT_EQ(queries->size(), 3U);
  EXPECT_EQ(text_of((*queries)[0][0]), "a dog");
  EXPECT_EQ(std::get<ImageOperand>((*queries)[1][0].what).file, "a.jpg");
  EXPECT_EQ(describe((*queries)[2]), "point 7 + \"snow\" x 0.50 - \"x\"");
}

TEST(Queries, ErrorsNameTheLine) {
  for (const char* line : {"{", "{}", "{\"text\": 1}", "{\"texts\": \"a\"}", "{\"operands\": []}",
                           "{\"operands\": [1]}", "{\"text\": \"a\", \"image\": \"b\"}",
                           "{\"text\": \"a\", \"weight\": 0}", "{\"like\": \"x\"}"}) {
    const auto queries = parse_queries(std::string("fine\n") + line, "q.jsonl");
    ASSERT_FALSE(queries) << line;
    EXPECT_THAT(queries.error().message, HasSubstr("q.jsonl, line 2: ")) << line;
  }
}

}  // namespace
}  // namespace sightline::apps
