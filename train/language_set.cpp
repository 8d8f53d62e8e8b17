#include "train/internal/language_set.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <unordered_map>

#include "train/internal/batch_maker.h"

namespace sightline::train {
namespace {

constexpr std::size_t kEnglishDraws = 40'000;
constexpr std::size_t kEnglishPairs = 60'000;
constexpr std::size_t kTextGroups = 6;
constexpr const char* kEnglish = "en";

/// English texts in the order of their rows.
class EnglishTexts {
 public:
  std::int64_t row_of(const std::string& text) {
    const auto [found, is_new] = rows_.emplace(text, static_cast<std::int64_t>(texts_.size()));
    if (is_new) texts_.push_back(text);
    return found->second;
  }
  const std::vector<std::string>& all() const { return texts_; }

 private:
  std::unordered_map<std::string, std::int64_t> rows_;
  std::vector<std::string> texts_;
};

Result<torch::Tensor> embed(const std::vector<std::string>& texts, const encoders::Encoder& teacher,
                            const Deadline& deadline) {
  const std::size_t batch = teacher.info().max_batch, dim = teacher.info().dim;
  torch::Tensor rows = torch::empty(
      {static_cast<std::int64_t>(texts.size()), static_cast<std::int64_t>(dim)}, torch::kFloat32);
  for (std::size_t first = 0; first < texts.size(); first += batch) {
    const std::size_t n = std::min(batch, texts.size() - first);
    SIGHTLINE_TRY(const auto part, teacher.encode_texts({texts.data() + first, n}, deadline));
    std::ranges::copy(part.values(), rows.data_ptr<float>() + first * dim);
  }
  return rows;
}

bool is_trained(const SourcePicture& picture) {
  return !picture.held_out && !is_measured_only(picture.source);
}

/// Titles, words, captions as the first stage drew them, and words and titles of different pictures
/// side by side: people ask for more than what one picture is called, and the student is to answer
/// as its teacher does there, too.
std::set<std::string> english_texts(const std::vector<SourcePicture>& pictures,
                                    const CaptionMix& mix, std::uint64_t seed) {
  std::vector<const Words*> trained;
  std::set<std::string> texts, held_out;
  for (const SourcePicture& picture : pictures) {
    if (picture.held_out) held_out.insert(picture.words.title);
    if (!is_trained(picture)) continue;
    trained.push_back(&picture.words);
    texts.insert(picture.words.title);
    texts.insert(picture.words.words.begin(), picture.words.words.end());
  }
  Random random(seed);
  for (std::size_t i = 0; i < kEnglishDraws && !trained.empty(); ++i) {
    texts.insert(draw_caption(*trained[random.below(trained.size())], mix, random));
  }
  for (std::size_t i = 0; i < kEnglishPairs && !trained.empty(); ++i) {
    const Words& one = *trained[random.below(trained.size())];
    const Words& other = *trained[random.below(trained.size())];
    const std::string& word =
        one.words.empty() ? one.title : one.words[random.below(one.words.size())];
    std::string pair = word + ' ' + other.title;
    if (!held_out.contains(pair)) texts.insert(std::move(pair));
  }
  return texts;
}

}  // namespace

std::size_t LanguageSet::num_texts() const {
  std::size_t n = 0;
  for (const auto& [language, items] : languages) n += items.size();
  return n;
}

Result<LanguageSet> make_language_set(const std::vector<SourcePicture>& pictures,
                                      const std::vector<LanguageText>& others,
                                      const encoders::Encoder& teacher, const CaptionMix& mix,
                                      std::uint64_t seed, std::stop_token stop) {
  LanguageSet set;
  EnglishTexts english;
  for (const std::string& text : english_texts(pictures, mix, seed)) {
    set.languages[kEnglish].push_back({text, english.row_of(text), title_hash(text)});
  }
  std::vector<std::vector<std::int64_t>> means;  // rows of the titles, for texts with several
  for (const LanguageText& text : others) {
    if (text.held_out) continue;
    std::vector<std::int64_t> rows;
    for (const std::string& title : text.titles) rows.push_back(english.row_of(title));
    LanguageItem item{text.text, rows.front(), title_hash(text.titles.front())};
    if (rows.size() > 1) {
      item.target = -1 - static_cast<std::int64_t>(means.size());
      item.concept_id = title_hash(text.language + ' ' + text.text);
      means.push_back(std::move(rows));
    }
    set.languages[text.language].push_back(std::move(item));
  }
  SIGHTLINE_TRY(const torch::Tensor rows,
                embed(english.all(), teacher, Deadline::never().with_stop(stop)));
  std::vector<torch::Tensor> all{rows};
  for (const auto& of : means) {
    const torch::Tensor mean = rows.index_select(0, torch::tensor(of, torch::kLong)).mean(0, true);
    all.push_back(mean / mean.norm().clamp_min(1e-12));
  }
  set.targets = torch::cat(all);
  for (auto& [language, items] : set.languages) {
    for (LanguageItem& item : items) {
      if (item.target < 0) item.target = rows.size(0) - 1 - item.target;
    }
  }
  return set;
}

std::map<SymbolWord, std::uint64_t> count_symbol_words(const LanguageSet& set,
                                                       const LanguageStage& stage,
                                                       const encoders::Tokenizer& tokenizer,
                                                       const BpeVocabulary& vocabulary) {
  constexpr double kScale = 1000;
  constexpr std::string_view kWordEnd = "</w>";
  std::map<SymbolWord, std::uint64_t> words;
  for (const auto& [language, items] : set.languages) {
    const auto weight = stage.weights.find(language);
    const double share = (weight == stage.weights.end() ? 1.0 : weight->second) /
                         std::sqrt(static_cast<double>(items.size()));
    const auto count = static_cast<std::uint64_t>(std::max(1.0, kScale * share));
    for (const LanguageItem& item : items) {
      const auto ids = tokenizer.encode(item.text, std::nullopt);
      SymbolWord word;
      for (const std::int32_t id : ids) {
        if (id >= vocabulary.start_id()) continue;
        word.push_back(vocabulary.tokens[static_cast<std::size_t>(id)]);
        if (!word.back().ends_with(kWordEnd)) continue;
        words[std::move(word)] += count;
        word.clear();
      }
    }
  }
  return words;
}

LanguageBatches::LanguageBatches(const LanguageSet& set, const LanguageStage& stage,
                                 const encoders::Tokenizer& tokenizer, std::size_t max_tokens)
    : set_(set), stage_(stage), pad_(tokenizer.pad_id()) {
  for (const auto& [language, items] : set.languages) {
    auto& entries = languages_.emplace_back();
    for (const LanguageItem& item : items) {
      entries.push_back({&item, tokenizer.encode(item.text, max_tokens)});
    }
    const auto weight = stage.weights.find(language);
    weights_.push_back((weight == stage.weights.end() ? 1.0 : weight->second) *
                       std::sqrt(static_cast<double>(items.size())));
    is_english_.push_back(language == kEnglish);
    (language == kEnglish ? english_ : foreign_) += weights_.back();
  }
}

LanguageBatches::Batch LanguageBatches::draw(double english, Random& random) const {
  std::vector<double> cumulative;
  double sum = 0;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    const double share = is_english_[i] ? english : 1 - english;
    const double of = is_english_[i] ? english_ : foreign_;
    sum += of > 0 ? weights_[i] * share / of : 0;  // weights of 0 leave a whole group out
    cumulative.push_back(sum);
  }
  std::vector<const Entry*> drawn;
  while (drawn.size() < stage_.batch) {
    const double at = random.uniform(0, cumulative.back());
    const auto found = std::ranges::upper_bound(cumulative, at) - cumulative.begin();
    const auto& language =
        languages_[std::min(static_cast<std::size_t>(found), languages_.size() - 1)];
    drawn.push_back(&language[random.below(language.size())]);
  }
  std::ranges::stable_sort(drawn, {}, [](const Entry* entry) { return entry->ids.size(); });
  Batch batch;
  std::vector<std::int64_t> targets, concepts;
  for (std::size_t g = 0; g < kTextGroups; ++g) {
    std::vector<std::vector<std::int32_t>> ids;
    for (std::size_t i = drawn.size() * g / kTextGroups; i < drawn.size() * (g + 1) / kTextGroups;
         ++i) {
      ids.push_back(drawn[i]->ids);
      targets.push_back(drawn[i]->item->target);
      concepts.push_back(static_cast<std::int64_t>(drawn[i]->item->concept_id));
    }
    if (!ids.empty()) batch.ids.push_back(text_ids(ids, pad_));
  }
  batch.targets = set_.targets.index_select(0, torch::tensor(targets, torch::kLong));
  batch.concepts = torch::tensor(concepts, torch::kLong);
  return batch;
}

}  // namespace sightline::train
