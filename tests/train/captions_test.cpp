#include "train/captions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "train/emoji_names.h"
#include "train/internal/svg_metadata.h"

namespace sightline::train {
namespace {

struct CaptionCase {
  std::string name, text, caption, title;
};
class Normalise : public testing::TestWithParam<CaptionCase> {};

TEST_P(Normalise, KeepsWordsAlone) {
  EXPECT_EQ(normalise_caption(GetParam().text), GetParam().caption);
  EXPECT_EQ(normalise_title(GetParam().text), GetParam().title);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, Normalise,
    testing::Values(CaptionCase{"Sentence", "A Red Kangaroo.", "a red kangaroo", "red kangaroo"},
                    CaptionCase{"Separators", "Pop_Can--(2)", "pop can 2", "pop can 2"},
                    CaptionCase{"Apostrophe", "An artist's 'palette'", "an artist's palette",
                                "artist's palette"},
                    CaptionCase{"CurlyQuotes",
                                "\xe2\x80\x9cten o\xe2\x80\x99"
                                "clock\xe2\x80\x9d",
                                "ten o'clock", "ten o'clock"},
                    CaptionCase{"Accents", "Caf\xc3\xa9", "caf\xc3\xa9", "caf\xc3\xa9"},
                    CaptionCase{"Empty", " .-", "", ""}),
    [](const auto& info) { return info.param.name; });

TEST(HeldOutTitles, AreAboutTheShareAskedForAndAlwaysTheSame) {
  int held_out = 0;
  for (int i = 0; i < 5000; ++i) held_out += is_held_out_title("title " + std::to_string(i), 5);
  EXPECT_NEAR(held_out, 1000, 100);
  EXPECT_EQ(title_hash("red kangaroo"), title_hash("red kangaroo"));
  EXPECT_TRUE(is_held_out_title("sumatran tiger", 5));
  EXPECT_FALSE(is_held_out_title("red kangaroo", 5));
}

TEST(DrawCaption, MixesTitleAndWordsAsAsked) {
  const Words words{"frog", {"animal", "green"}};
  Random random(3);
  int titles = 0, words_alone = 0;
  for (int i = 0; i < 4000; ++i) {
    const std::string caption = draw_caption(words, {0.5, 0.25, 0.0, 0.0}, random);
    titles += caption == "frog";
    words_alone += caption.find("frog") == std::string::npos;
  }
  EXPECT_NEAR(titles, 2000, 120);
  EXPECT_NEAR(words_alone, 1000, 120);
  EXPECT_EQ(draw_caption({"frog", {}}, {0.0, 0.0, 0.0, 0.0}, random), "frog");
}

TEST(DrawCaption, PrefixesTheShareOfTitlesAskedFor) {
  Random random(4);
  std::set<std::string> seen;
  int prefixed = 0;
  for (int i = 0; i < 4000; ++i) {
    const std::string caption = draw_caption({"frog", {}}, {1.0, 0.0, 0.25, 0.0}, random);
    EXPECT_TRUE(caption.ends_with("frog")) << caption;
    seen.insert(caption);
    prefixed += caption != "frog";
  }
  EXPECT_NEAR(prefixed, 1000, 120);
  EXPECT_EQ(seen.size(), 7u);
}

TEST(DrawCaption, ChoosesTheArticleByTheFirstLetter) {
  Random random(5);
  std::set<std::string> seen;
  for (int i = 0; i < 400; ++i)
    seen.insert(draw_caption({"owl", {}}, {1.0, 0.0, 1.0, 0.0}, random));
  EXPECT_EQ(seen,
            (std::set<std::string>{"an owl", "the owl", "a picture of an owl",
                                   "a drawing of an owl", "an icon of an owl", "an image of owl"}));
}

TEST(DrawCaption, EndsTheShareAskedForLikeASentence) {
  Random random(6);
  int sentences = 0;
  for (int i = 0; i < 4000; ++i)
    sentences += draw_caption({"frog", {"green"}}, {0.5, 0.25, 0.3, 0.25}, random).ends_with('.');
  EXPECT_NEAR(sentences, 1000, 120);
}

TEST(WordCutter, CutsAtKnownWords) {
  WordCutter cutter;
  for (int i = 0; i < 2; ++i) {
    cutter.add("globe showing americas");
    cutter.add("curry and rice");
  }
  cutter.add("chance");
  EXPECT_EQ(cutter.cut("americasglobe"), "americas globe");
  EXPECT_EQ(cutter.cut("curryandrice"), "curry and rice");
  EXPECT_EQ(cutter.cut("chance"), "chance") << "a word seen once proves nothing";
  EXPECT_EQ(cutter.cut("xyz"), "xyz");
}

TEST(SvgMetadata, TellsTheWorksTitleFromItsAuthors) {
  const auto metadata = parse_svg_metadata(R"(<svg><metadata><rdf:RDF><cc:Work>
    <dc:creator><cc:Agent><dc:title>Jane Doe</dc:title></cc:Agent></dc:creator>
    <dc:title>Salt &amp; Pepper</dc:title>
    <dc:subject><rdf:Bag><rdf:li>food</rdf:li><rdf:li>table</rdf:li></rdf:Bag></dc:subject>
    </cc:Work></rdf:RDF></metadata><path d="M0 0"/></svg>)");
  EXPECT_EQ(metadata.title, "Salt & Pepper");
  EXPECT_EQ(metadata.creator, "Jane Doe");
  EXPECT_THAT(metadata.keywords, testing::ElementsAre("food", "table"));
}

TEST(SvgMetadata, SurvivesBrokenFiles) {
  for (const char* svg : {"", "<svg/>", "<metadata><dc:title>cut", "<metadata></metadata>",
                          "<metadata><cc:Agent><dc:title>a</dc:title></metadata>",
                          "<metadata><dc:subject><rdf:li></rdf:li></dc:subject></metadata>"}) {
    EXPECT_TRUE(parse_svg_metadata(svg).title.empty()) << svg;
  }
}

}  // namespace
}  // namespace sightline::train
