// CLIP's tokenizer against the reference's ids, and what malformed files are told.
#include "encoders/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <random>
#include <thread>

#include "core/json.h"
#include "encoders/internal/byte_pair_encoder.h"
#include "encoders/safetensors.h"
#include "tests/support/temp_dir.h"

namespace sightline::encoders {
namespace {

namespace fs = std::filesystem;
using sightline::testing_support::TempDir;
using ::testing::HasSubstr;

const fs::path kData = SIGHTLINE_TEST_DATA;
using Ids = std::vector<std::int32_t>;

std::unique_ptr<Tokenizer> load(const fs::path& folder) {
  auto tokenizer = load_tokenizer(folder);
  SIGHTLINE_CHECK(tokenizer.has_value());
  return *std::move(tokenizer);
}

// A copy of the folder's tokenizer files, all or some.
void copy_files(const fs::path& from, const fs::path& to, const std::vector<std::string>& names) {
  for (const std::string& name : names) fs::copy_file(from / name, to / name);
}

class ReferenceCases : public ::testing::TestWithParam<bool> {
 protected:
  ReferenceCases() : cases_(read_json_file(kData / "tokenizers/clip/cases.json").value()) {
    if (GetParam()) {
      tokenizer_ = load(kData / "tokenizers/clip");
      return;
    }
    copy_files(kData / "tokenizers/clip", folder_.path(), {"vocab.json", "merges.txt"});
    tokenizer_ = load(folder_.path());
  }
  TempDir folder_;
  Json cases_;
  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_P(ReferenceCases, IdsAndDecodedTextsAreEqual) {
  ASSERT_EQ(cases_["cases"].size(), 169u);
  const std::size_t max_length = cases_["max_length"];
  std::size_t cut = 0;
  for (const Json& c : cases_["cases"]) {
    const std::string text = c["text"];
    const Ids ids = c["ids"];
    EXPECT_EQ(tokenizer_->encode(text, std::nullopt), ids) << text;
    EXPECT_EQ(tokenizer_->encode(text, std::nullopt), ids) << "from the cache: " << text;
    const bool is_cut = c.contains("ids_truncated");
    cut += is_cut;
    EXPECT_EQ(tokenizer_->encode(text, max_length), is_cut ? c["ids_truncated"].get<Ids>() : ids)
        << text;
    EXPECT_EQ(tokenizer_->decode(ids, true), c["decoded"].get<std::string>()) << text;
  }
  EXPECT_EQ(cut, 5u);
}

TEST_P(ReferenceCases, PaddedBatchIsEqual) {
  const Json& batch = cases_["batch"];
  const std::size_t max_length = cases_["max_length"];
  for (std::size_t i = 0; i < batch["texts"].size(); ++i) {
    Ids ids = tokenizer_->encode(batch["texts"][i].get<std::string>(), max_length);
    ids.resize(max_length, tokenizer_->pad_id());
    EXPECT_EQ(ids, batch["ids"][i].get<Ids>()) << batch["texts"][i];
  }
}

TEST_P(ReferenceCases, KnowsItsSpecialIds) {
  EXPECT_EQ(tokenizer_->pad_id(), 49407);
  EXPECT_EQ(tokenizer_->end_id(), 49407);
  EXPECT_EQ(tokenizer_->vocab_size(), 49408u);
  EXPECT_EQ(tokenizer_->model_max_length(), 77u);
}

INSTANTIATE_TEST_SUITE_P(Forms, ReferenceCases, ::testing::Values(true, false),
                         [](const auto& param) {
                           return param.param ? "TokenizerJson" : "VocabAndMerges";
                         });

TEST(Tokenizer, TinyFixturesGiveTheRecordedIds) {
  for (const char* name : {"clip-vit-tiny", "clip-vit-tiny-gelu"}) {
    const auto tokenizer = load(kData / name);
    EXPECT_EQ(tokenizer->vocab_size(), 1000u);
    const Json notes = read_json_file(kData / name / "golden.json").value();
    const Checkpoint golden = Checkpoint::open(kData / name / "golden.safetensors").value();
    const TensorView* recorded = golden.find("input_ids");
    ASSERT_NE(recorded, nullptr);
    const auto columns = static_cast<std::size_t>(recorded->shape[1]);
    std::vector<std::int64_t> wanted(recorded->bytes.size() / sizeof(std::int64_t));
    std::memcpy(wanted.data(), recorded->bytes.data(), recorded->bytes.size());
    std::vector<std::int64_t> got;
    for (const Json& text : notes["texts"]) {
      Ids ids = tokenizer->encode(text.get<std::string>(), tokenizer->model_max_length());
      ids.resize(columns, tokenizer->pad_id());
      got.insert(got.end(), ids.begin(), ids.end());
    }
    EXPECT_EQ(got, wanted);
  }
}

TEST(Tokenizer, CutsSoThatTheEndTokenStays) {
  const auto tokenizer = load(kData / "tokenizers/clip");
  const std::string text = "a photo of a cat";
  EXPECT_EQ(tokenizer->encode(text, 4), (Ids{49406, 320, 1125, 49407}));
  EXPECT_EQ(tokenizer->encode(text, 7), (Ids{49406, 320, 1125, 539, 320, 2368, 49407}));
  EXPECT_EQ(tokenizer->encode(text, 2), (Ids{49406, 49407}));
  EXPECT_EQ(tokenizer->encode(text, 1), (Ids{49407}));
  EXPECT_EQ(tokenizer->encode(text, 0), Ids{});
}

TEST(Tokenizer, SpecialTokensInTheTextCountByTheirFlags) {
  const auto tokenizer = load(kData / "tokenizers/clip");
  // The end token is looked for in the raw text, the begin token in the lower-cased one.
  EXPECT_EQ(tokenizer->encode("<|startoftext|><|endoftext|>", std::nullopt),
            (Ids{49406, 49406, 49407, 49407}));
  EXPECT_EQ(tokenizer->encode("<|StartOfText|>", std::nullopt), (Ids{49406, 49406, 49407}));
  EXPECT_GT(tokenizer->encode("<|EndOfText|>", std::nullopt).size(), 3u);
  EXPECT_EQ(tokenizer->decode(Ids{49406, 320, 49407}, false), "<|startoftext|>a <|endoftext|>");
}

TEST(Tokenizer, MalformedUtf8BecomesReplacementCharacters) {
  const auto tokenizer = load(kData / "tokenizers/clip");
  const std::string replacement = "\xEF\xBF\xBD";
  const std::vector<std::pair<std::string, std::string>> cases{
      {"cat\xFF", "cat" + replacement},
      {"\xE2\x82", replacement},
      {"\xC0\xAF", replacement + replacement},
      {"\xED\xA0\x80", replacement + replacement + replacement},
      {"a\xF0\x9F\x98 b", "a" + replacement + " b"},
      {"\xF5\x80", replacement + replacement},
  };
  for (const auto& [text, same_as] : cases)
    EXPECT_EQ(tokenizer->encode(text, std::nullopt), tokenizer->encode(same_as, std::nullopt));
}

TEST(Tokenizer, UnknownIdsAreLeftOutWhenDecoding) {
  const auto tokenizer = load(kData / "tokenizers/clip");
  EXPECT_EQ(tokenizer->decode(Ids{-1, 2368, 1 << 30}, true), "cat");
}

TEST(Tokenizer, LongWordsTakeNoQuadraticTime) {
  const auto tokenizer = load(kData / "tokenizers/clip");
  const auto start = std::chrono::steady_clock::now();
  EXPECT_GT(tokenizer->encode(std::string(1'000'000, 'a'), std::nullopt).size(), 1000u);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

TEST(Tokenizer, ThreadsShareOneTokenizer) {
  const auto tokenizer = load(kData / "clip-vit-tiny");
  const std::string text = "Two small dogs are playing in the park.";
  const Ids wanted = load(kData / "clip-vit-tiny")->encode(text, std::nullopt);
  std::vector<std::jthread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        tokenizer->encode("word" + std::to_string(i * 4 + t), std::nullopt);
        if (tokenizer->encode(text, std::nullopt) != wanted) ++wrong;
      }
    });
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

// The naive form of byte-pair encoding: the best-ranked pair of neighbours first, leftmost of
// equals.
TEST(BytePairEncoder, MatchesTheNaiveAlgorithm) {
  std::mt19937 random(20240601);
  Vocabulary vocabulary{{"<unk>", 0}};
  std::vector<std::string> tokens;
  const auto add = [&](const std::string& token) {
    if (vocabulary.emplace(token, static_cast<std::int32_t>(vocabulary.size())).second)
      tokens.push_back(token);
  };
  for (const char* c : {"a", "b", "c"}) {
    add(c);
    add(std::string(c) + "</w>");
  }
  MergeList merges;
  std::map<std::pair<std::string, std::string>, std::size_t> ranks;
  while (merges.size() < 60) {
    const std::string left = tokens[random() % tokens.size()];
    const std::string right = tokens[random() % tokens.size()];
    if (left.ends_with("</w>") || !ranks.emplace(std::pair(left, right), merges.size()).second)
      continue;
    merges.emplace_back(left, right);
    add(left + right);
  }
  const auto encoder = BytePairEncoder::create(vocabulary, merges, "</w>", 0).value();
  for (int round = 0; round < 500; ++round) {
    std::string word(1 + random() % 40, 'a');
    for (char& c : word) c = static_cast<char>('a' + random() % 3);
    std::vector<std::string> symbols;
    for (const char c : word) symbols.emplace_back(1, c);
    symbols.back() += "</w>";
    for (;;) {
      std::size_t best = merges.size(), at = 0;
      for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
        const auto rank = ranks.find({symbols[i], symbols[i + 1]});
        if (rank != ranks.end() && rank->second < best) {
          best = rank->second;
          at = i;
        }
      }
      if (best == merges.size()) break;
      symbols[at] += symbols[at + 1];
      symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    }
    Ids wanted, got;
    for (const std::string& symbol : symbols) wanted.push_back(vocabulary.at(symbol));
    encoder->encode_word(word, got);
    ASSERT_EQ(got, wanted) << word;
  }
}

// The tiny tokenizer.json with one thing changed.
struct ChangeCase {
  std::string name;
  std::function<void(Json&)> change;
  std::string named;  // empty: it loads and encodes as before
};
class ChangedFile : public ::testing::TestWithParam<ChangeCase> {};

TEST_P(ChangedFile, IsReadOrRefusedByName) {
  const TempDir folder;
  Json json = read_json_file(kData / "clip-vit-tiny/tokenizer.json").value();
  GetParam().change(json);
  folder.write("tokenizer.json", json.dump());
  const auto tokenizer = load_tokenizer(folder.path());
  if (GetParam().named.empty()) {
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    const std::string text = "Two small dogs, it's late";
    EXPECT_EQ((*tokenizer)->encode(text, std::nullopt),
              load(kData / "clip-vit-tiny")->encode(text, std::nullopt));
    EXPECT_EQ((*tokenizer)->end_id(), 999);
    return;
  }
  ASSERT_FALSE(tokenizer);
  EXPECT_EQ(tokenizer.error().code, StatusCode::kInvalidArgument);
  EXPECT_THAT(tokenizer.error().message, HasSubstr("tokenizer.json"));
  EXPECT_THAT(tokenizer.error().message, HasSubstr(GetParam().named));
}

Json template_processing() {
  return Json::parse(R"({"type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "<|startoftext|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
               {"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}], "pair": [],
    "special_tokens": {"<|startoftext|>": {"id": "<|startoftext|>", "ids": [998], "tokens": ["<|startoftext|>"]},
                       "<|endoftext|>": {"id": "<|endoftext|>", "ids": [999], "tokens": ["<|endoftext|>"]}}})");
}

INSTANTIATE_TEST_SUITE_P(
    Cases, ChangedFile,
    ::testing::ValuesIn(std::vector<ChangeCase>{
        {"TemplateProcessing", [](Json& j) { j["post_processor"] = template_processing(); }, ""},
        {"MergesAsPairs",
         [](Json& j) {
           for (Json& merge : j["model"]["merges"]) {
             const std::string text = merge;
             merge = {text.substr(0, text.find(' ')), text.substr(text.find(' ') + 1)};
           }
         },
         ""},
        {"NoModelType", [](Json& j) { j["model"].erase("type"); }, ""},
        {"PatternWithoutSpecials",
         [](Json& j) {
           Json& regex = j["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"];
           const std::string text = regex;
           regex = text.substr(text.find("'s"));
         },
         ""},
        {"OtherModel", [](Json& j) { j["model"]["type"] = "WordPiece"; }, "WordPiece"},
        {"OtherPattern",
         [](Json& j) { j["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "\\w+"; },
         "pre_tokenizer"},
        {"NoPreTokenizer", [](Json& j) { j["pre_tokenizer"] = nullptr; }, "pre_tokenizer"},
        {"OtherNormalizer", [](Json& j) { j["normalizer"]["normalizers"][0]["type"] = "NFKC"; },
         "normalizer"},
        {"OtherOrderOfNormalizers",
         [](Json& j) {
           auto& list = j["normalizer"]["normalizers"];
           std::swap(list[0], list[2]);
         },
         "normalizer"},
        {"OtherPostProcessor", [](Json& j) { j["post_processor"]["type"] = "Other"; },
         "post_processor"},
        {"TemplateWithoutIds",
         [](Json& j) {
           j["post_processor"] = template_processing();
           j["post_processor"]["special_tokens"].erase("<|endoftext|>");
         },
         "<|endoftext|>"},
        {"NoVocabulary", [](Json& j) { j["model"].erase("vocab"); }, "model.vocab"},
        {"NegativeId", [](Json& j) { j["model"]["vocab"]["!"] = -5; }, "-5"},
        {"HugeId", [](Json& j) { j["model"]["vocab"]["!"] = 1ULL << 40; }, "1099511627776"},
        {"IdIsText", [](Json& j) { j["model"]["vocab"]["!"] = "0"; }, "model.vocab"},
        {"MergeOfUnknownTokens", [](Json& j) { j["model"]["merges"][0] = "zz qq"; },
         "needs \"qq\", which the vocabulary lacks"},
        {"MergeOfThree", [](Json& j) { j["model"]["merges"][3] = "a b c"; }, "merge 3"},
        {"MergeIsNumber", [](Json& j) { j["model"]["merges"][3] = 7; }, "model.merges[3]"},
        {"Dropout", [](Json& j) { j["model"]["dropout"] = 0.1; }, "model.dropout"},
        {"EmptyAddedToken", [](Json& j) { j["added_tokens"][0]["content"] = ""; }, "is empty"},
        {"SingleWord", [](Json& j) { j["added_tokens"][0]["single_word"] = true; }, "added_tokens"},
        {"NotAnObject", [](Json& j) { j = Json::array(); }, "model is missing"},
    }),
    [](const auto& param) { return param.param.name; });

TEST(LoadTokenizer, NamesWhatIsMissing) {
  const TempDir folder;
  auto tokenizer = load_tokenizer(folder.path());
  ASSERT_FALSE(tokenizer);
  EXPECT_EQ(tokenizer.error().code, StatusCode::kNotFound);
  EXPECT_THAT(tokenizer.error().message, HasSubstr("tokenizer.json"));

  copy_files(kData / "clip-vit-tiny", folder.path(), {"vocab.json"});
  EXPECT_EQ(load_tokenizer(folder.path()).error().code, StatusCode::kNotFound);

  folder.write("tokenizer.json", "{\"model\": ");
  EXPECT_THAT(load_tokenizer(folder.path()).error().message, HasSubstr("tokenizer.json"));
}

TEST(LoadTokenizer, ConfigurationNamesPadTokenAndLength) {
  const TempDir folder;
  copy_files(kData / "clip-vit-tiny", folder.path(), {"tokenizer.json"});
  EXPECT_EQ(load(folder.path())->pad_id(), 999);
  EXPECT_EQ(load(folder.path())->model_max_length(), 77u);

  folder.write("special_tokens_map.json", R"({"pad_token": {"content": "!"}})");
  EXPECT_EQ(load(folder.path())->pad_id(), 0);

  folder.write("tokenizer_config.json",
               R"({"model_max_length": 20, "pad_token": "<|startoftext|>"})");
  EXPECT_EQ(load(folder.path())->pad_id(), 998);
  EXPECT_EQ(load(folder.path())->model_max_length(), 20u);

  folder.write("tokenizer_config.json", R"({"model_max_length": 1e30})");
  EXPECT_EQ(load(folder.path())->model_max_length(), 77u);
}

}  // namespace
}  // namespace sightline::encoders
