// WordNet's synonyms, and the captions that nobody was told.
#include "train/held_out_manifests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace sightline::train {
namespace {

using testing::ElementsAre;
using testing::FieldsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// As in WordNet 3.0, shortened.
constexpr const char* kIndex =
    "  1 This software and database is being provided to you, the LICENSEE, by\n"
    "car n 2 3 @ ~ #m 2 2 02958343 02959942  \n"
    "auto n 1 0 1 1 02958343  \n"
    "dog n 1 1 @ 1 1 02084071  \n"
    "fire_engine n 1 2 @ ~ 1 0 03345487  \n"
    "lonely n 1 0 1 0 00000001  \n";
constexpr const char* kData =
    "  1 This software and database is being provided to you, the LICENSEE, by\n"
    "02958343 06 n 05 car 0 auto 0 Automobile 0 machine 1 motorcar 0 001 @ 03791235 n 0000 | a\n"
    "02959942 06 n 02 car 0 railcar 0 000 | another\n"
    "02084071 05 n 03 dog 0 domestic_dog 0 Canis_familiaris 0 000 | a\n"
    "03345487 06 n 02 fire_engine 0 fire_truck 0 000 | a\n"
    "00000001 06 n 01 lonely 0 000 | a\n";

class WordNetTest : public testing::Test {
 protected:
  WordNet read() {
    folder_.write("index.noun", kIndex);
    folder_.write("data.noun", kData);
    auto net = WordNet::read(folder_.path());
    EXPECT_TRUE(net) << net.error().message;
    return std::move(net).value();
  }
  testing_support::TempDir folder_;
};

TEST_F(WordNetTest, KnowsTheWordsOfTheMostFrequentSense) {
  const WordNet net = read();
  EXPECT_THAT(net.synonyms("car"), ElementsAre("auto", "automobile", "machine", "motorcar"));
  EXPECT_THAT(net.synonyms("fire engine"), ElementsAre("fire truck"));
  EXPECT_THAT(net.synonyms("lonely"), IsEmpty());
  EXPECT_THAT(net.synonyms("unheard of"), IsEmpty());
}

TEST_F(WordNetTest, NamesWhatIsMissingOrDamaged) {
  const auto missing = WordNet::read(folder_.path());
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, StatusCode::kNotFound);
  EXPECT_THAT(missing.error().message, HasSubstr("scripts/training-data"));
  read();
  folder_.write("index.noun", "car n 2 3 @ ~\n");
  const auto cut = WordNet::read(folder_.path());
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code, StatusCode::kCorruption);
  folder_.write("data.noun", "02958343 06 n 05 car 0 auto\n");
  EXPECT_EQ(WordNet::read(folder_.path()).error().code, StatusCode::kCorruption);
}

TEST_F(WordNetTest, SynonymsThatNobodyWasToldTakeTheCaptionsPlace) {
  std::vector<SourcePicture> pictures(3);
  pictures[0] = {.source = "noto", .name = "a", .words = {"car", {"fast auto", "Machine"}}};
  pictures[1] = {.source = "stamps", .name = "b", .words = {"an automobile", {}}};
  pictures[2] = {.source = "stamps", .name = "c", .words = {"motorcar", {}}, .held_out = true};
  const std::vector<HeldOutPicture> held_out{{"1.png", "car"},
                                             {"2.png", "red car"},
                                             {"3.png", "dog"},
                                             {"4.png", "fire engine"},
                                             {"5.png", "nothing known"}};
  pictures[0].words.words[1] = normalise_caption(pictures[0].words.words[1]);
  EXPECT_THAT(with_unseen_synonyms(held_out, pictures, read()),
              ElementsAre(FieldsAre("1.png", "motorcar"), FieldsAre("2.png", "red motorcar"),
                          FieldsAre("3.png", "domestic dog"), FieldsAre("4.png", "fire truck")));
  pictures[2].held_out = false;  // now all five words are known
  const auto renamed = with_unseen_synonyms(held_out, pictures, read());
  EXPECT_THAT(renamed,
              ElementsAre(FieldsAre("3.png", "domestic dog"), FieldsAre("4.png", "fire truck")));
}

}  // namespace
}  // namespace sightline::train
