#include "train/bpe_trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "encoders/tokenizer.h"
#include "tests/support/temp_dir.h"

namespace sightline::train {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(TrainBpe, MergesTheMostFrequentPairFirstAndTiesByAlphabet) {
  // "l o" and "o w</w>" occur 7 times each: "l o" comes first.
  const auto vocabulary = train_bpe({{"low", 5}, {"slow", 2}, {"cat", 4}}, 517);
  EXPECT_THAT(vocabulary.merges,
              ElementsAre(Pair("l", "o"), Pair("lo", "w</w>"), Pair("a", "t</w>")));
  EXPECT_EQ(vocabulary.tokens.size(), 517u);
  EXPECT_EQ(vocabulary.tokens[512], "lo");
  EXPECT_EQ(vocabulary.tokens[0], "!");
  EXPECT_EQ(vocabulary.tokens[256], "!</w>");
  EXPECT_EQ(vocabulary.start_id(), 515);
  EXPECT_EQ(vocabulary.end_id(), 516);
}

TEST(TrainBpe, StopsWhereNoPairOccursTwice) {
  EXPECT_EQ(train_bpe({{"ab", 1}, {"cd", 2}}, 6000).merges.size(), 1u);
}

TEST(TrainBpe, CutsWordsWhereTheTokenizerDoes) {
  // Digits and what follows an apostrophe are words of their own: no merge crosses them.
  for (const auto& [left, right] : train_bpe({{"g20", 9}, {"king's", 9}}, 6000).merges) {
    EXPECT_EQ((left + right).find_first_of("02"), std::string::npos) << left << right;
    EXPECT_NE(left + right, "g'");
  }
}

TEST(WriteTokenizer, OurTokenizerReadsBothFormsAndRoundTrips) {
  const testing_support::TempDir folder;
  const auto vocabulary =
      train_bpe({{"red", 9}, {"kangaroo", 7}, {"bus", 5}, {"caf\xc3\xa9", 3}}, 530);
  ASSERT_TRUE(write_tokenizer(vocabulary, 32, folder.path()));
  const auto fast = encoders::load_tokenizer(folder.path());
  ASSERT_TRUE(fast) << fast.error().message;
  EXPECT_EQ((*fast)->vocab_size(), vocabulary.tokens.size());
  EXPECT_EQ((*fast)->model_max_length(), 32u);
  EXPECT_EQ((*fast)->end_id(), vocabulary.end_id());
  std::filesystem::remove(folder / "tokenizer.json");
  const auto slow = encoders::load_tokenizer(folder.path());
  ASSERT_TRUE(slow) << slow.error().message;
  for (const char* text : {"a red kangaroo", "RED  bus 42", "caf\xc3\xa9!", "z\xe2\x82\xac?", ""}) {
    const auto ids = (*fast)->encode(text, std::nullopt);
    EXPECT_EQ(ids, (*slow)->encode(text, std::nullopt)) << text;
    EXPECT_EQ(ids.front(), vocabulary.start_id());
    EXPECT_EQ(ids.back(), vocabulary.end_id());
  }
  EXPECT_EQ((*fast)->decode((*fast)->encode("Red kangaroo", std::nullopt), true), "red kangaroo");
  // What the captions hold often is one token.
  EXPECT_EQ((*fast)->encode("red", std::nullopt).size(), 3u);
}

TEST(WriteTokenizer, NamesTheFileItCannotWrite) {
  const testing_support::TempDir folder;
  const auto file = folder.write("taken", "");
  const auto written = write_tokenizer(train_bpe({{"ab", 2}}, 600), 32, file);
  ASSERT_FALSE(written);
  EXPECT_THAT(written.error().message, testing::HasSubstr("taken"));
}

}  // namespace
}  // namespace sightline::train
