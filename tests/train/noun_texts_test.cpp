#include "train/noun_texts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "tests/support/temp_dir.h"

namespace sightline::train {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Key;
using testing::Not;

// As in WordNet 3.0, shortened: horse -> equine -> animal; robin -> bird -> animal.
constexpr const char* kIndex =
    "horse n 2 2 @ ~ 2 1 00000010 00000090  \n"
    "nag n 1 1 @ 1 0 00000010  \n"
    "robin n 1 1 @ 1 0 00000030  \n"
    "pony n 1 1 @ 1 0 00000050  \n"
    "kindness n 1 0 1 1 00000070  \n"
    "rarity n 1 0 1 0 00000080  \n"
    "gymnastics_horse n 1 0 1 0 00000090  \n";
constexpr const char* kData =
    "00000010 05 n 03 horse 0 Equus_caballus 0 nag 0 002 @ 00000020 n 0000 ~ 00000050 n 0000 | x\n"
    "00000020 05 n 02 equine 0 equid 0 001 @ 00000040 n 0000 | x\n"
    "00000030 05 n 02 robin 0 redbreast 0 001 @ 00000060 n 0000 | x\n"
    "00000040 05 n 01 animal 0 000 | x\n"
    "00000050 05 n 01 pony 0 001 @ 00000010 n 0000 | x\n"
    "00000060 05 n 01 bird 0 001 @i 00000040 n 0000 | x\n"
    "00000070 05 n 01 kindness 0 000 | x\n"
    "00000080 05 n 01 rarity 0 000 | x\n"
    "00000090 05 n 02 horse 0 gymnastic_horse 0 000 | x\n";

class NounTextsTest : public testing::Test {
 protected:
  NounTextsTest() {
    folder_.write("debian/wordnet-base/usr/share/wordnet/index.noun", kIndex);
    folder_.write("debian/wordnet-base/usr/share/wordnet/data.noun", kData);
    auto net = read_wordnet(folder_.path());
    EXPECT_TRUE(net) << net.error().message;
    net_ = std::move(net).value();
  }

  std::map<std::string, std::vector<std::string>> texts(
      const std::vector<SourcePicture>& pictures) {
    std::map<std::string, std::vector<std::string>> titles;
    for (const LanguageText& text : list_noun_texts(pictures, net_)) {
      EXPECT_EQ(text.language, "en");
      titles[text.text] = text.titles;
    }
    return titles;
  }

  static SourcePicture picture(const std::string& title, bool held_out = false) {
    return {.source = "stamps", .name = title, .words = {title, {}}, .held_out = held_out};
  }

  testing_support::TempDir folder_;
  WordNet net_;
};

TEST_F(NounTextsTest, HypernymsAreThoseOfTheFirstSenseNearestFirst) {
  EXPECT_THAT(net_.hypernyms("pony", 3),
              ElementsAre("horse", "equus caballus", "nag", "equine", "equid", "animal"));
  EXPECT_THAT(net_.hypernyms("pony", 1), ElementsAre("horse", "equus caballus", "nag"));
  EXPECT_THAT(net_.hypernyms("robin", 3), ElementsAre("bird", "animal"));
  EXPECT_THAT(net_.hypernyms("unheard of", 3), IsEmpty());
  EXPECT_THAT(net_.common_nouns(), ElementsAre("horse", "kindness"));
}

TEST_F(NounTextsTest, WordsAboveMeanAllTitlesBelowThem) {
  const auto titles = texts({picture("horse"), picture("a red robin"), picture("pony")});
  const auto expect_means = [&](const std::string& text, std::vector<std::string> below) {
    if (is_held_out_synonym(text)) {
      EXPECT_THAT(titles, Not(Contains(Key(text))));
    } else {
      ASSERT_THAT(titles, Contains(Key(text)));
      EXPECT_EQ(titles.at(text), below) << text;
    }
  };
  expect_means("animal", {"a red robin", "horse", "pony"});
  expect_means("bird", {"a red robin"});
  expect_means("equine", {"horse", "pony"});
  expect_means("equid", {"horse", "pony"});
  expect_means("equus caballus", {"horse", "pony"});
  EXPECT_THAT(titles, Not(Contains(Key("horse"))));  // a caption holds it
}

TEST_F(NounTextsTest, SynonymsMeanTheirTitleUnlessHeldOut) {
  const auto titles = texts({picture("horse"), picture("a red robin")});
  std::size_t num_told = 0;
  for (const std::string synonym : {"nag", "equus caballus", "redbreast"}) {
    const std::string text = synonym == "redbreast" ? "a red redbreast" : synonym;
    EXPECT_EQ(titles.contains(text), !is_held_out_synonym(synonym)) << synonym;
    num_told += titles.contains(text) ? 1 : 0;
  }
  EXPECT_GT(num_told, 0u);
}

TEST_F(NounTextsTest, CommonNounsMeanThemselvesAndHeldOutTitlesStayUnsaid) {
  auto titles = texts({picture("robin")});
  EXPECT_THAT(titles["kindness"], ElementsAre("kindness"));
  EXPECT_THAT(titles["horse"], ElementsAre("horse"));
  EXPECT_THAT(titles, Not(Contains(Key("rarity"))));
  titles = texts({picture("robin"), picture("horse", true), picture("bird", true)});
  EXPECT_THAT(titles, Not(Contains(Key("horse"))));
  EXPECT_THAT(titles, Not(Contains(Key("bird"))));
}

}  // namespace
}  // namespace sightline::train
