#include "train/bpe_trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <span>

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

TEST(ExtendBpe, OldTokensKeepTheirIdsAndTextsTheirPieces) {
  const auto base = train_bpe({{"red", 9}, {"kangaroo", 7}}, 530);
  // "r\xc3\xb3t" as the base cuts it.
  const SymbolWord word{"r", "\xc3\x83", "\xc2\xb3", "t</w>"};
  const auto more = extend_bpe(base, {{word, 5}}, base.tokens.size() + 2);
  ASSERT_EQ(more.tokens.size(), base.tokens.size() + 2);
  for (std::size_t i = 0; i + 2 < base.tokens.size(); ++i)
    EXPECT_EQ(more.tokens[i], base.tokens[i]);
  EXPECT_EQ(more.end_id(), base.end_id() + 2);
  EXPECT_EQ(more.merges.size(), base.merges.size() + 2);
  EXPECT_TRUE(std::ranges::equal(base.merges, std::span(more.merges).first(base.merges.size())));

  const testing_support::TempDir folder;
  ASSERT_TRUE(write_tokenizer(base, 32, folder / "base"));
  ASSERT_TRUE(write_tokenizer(more, 32, folder / "more"));
  const auto old_one = encoders::load_tokenizer(folder / "base");
  const auto new_one = encoders::load_tokenizer(folder / "more");
  ASSERT_TRUE(old_one && new_one);
  auto ids = (*old_one)->encode("red kangaroo", std::nullopt);
  ids.front() += 2;  // start and end token moved
  ids.back() += 2;
  EXPECT_EQ((*new_one)->encode("red kangaroo", std::nullopt), ids);
  EXPECT_LT((*new_one)->encode("r\xc3\xb3t", std::nullopt).size(),
            (*old_one)->encode("r\xc3\xb3t", std::nullopt).size());

  const auto read = load_vocabulary(folder / "more");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->tokens, more.tokens);
  EXPECT_EQ(read->merges, more.merges);
  EXPECT_FALSE(load_vocabulary(folder / "none"));
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
