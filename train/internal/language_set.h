// train/internal/language_set.h: the texts that the languages' stage learns from, and what the
// English model makes of each.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "encoders/encoder.h"
#include "encoders/nn/torch_compat.h"
#include "encoders/tokenizer.h"
#include "train/bpe_trainer.h"
#include "train/language_texts.h"
#include "train/random.h"
#include "train/sources.h"
#include "train/train_config.h"

namespace sightline::train {

/// One text with the embedding that it is to meet.
struct LanguageItem {
  std::string text;
  std::int64_t target = 0;       ///< Row of LanguageSet::targets.
  std::uint64_t concept_id = 0;  ///< Texts of equal concepts are no contrast to each other.
};

/// Texts by language. English captions meet the teacher's embedding of themselves, labels that of
/// their English title, tags and hypernyms the mean of all titles they stand for.
struct LanguageSet {
  std::map<std::string, std::vector<LanguageItem>> languages;
  torch::Tensor targets;  ///< float32 [n, dim], rows of L2 norm 1
  std::size_t num_texts() const;
};

/// Of `pictures` and `others` (list_language_texts(), list_noun_texts()). What is held out or only
/// measured on stays out of it. The draws of English captions depend on `seed`.
/// errors  those of the teacher.
Result<LanguageSet> make_language_set(const std::vector<SourcePicture>& pictures,
                                      const std::vector<LanguageText>& others,
                                      const encoders::Encoder& teacher, const CaptionMix& mix,
                                      std::uint64_t seed, std::stop_token stop);

/// Words of all languages as `tokenizer` with `vocabulary` cuts them, each counted so that a
/// language's share follows its weight and the root of its size.
std::map<SymbolWord, std::uint64_t> count_symbol_words(const LanguageSet& set,
                                                       const LanguageStage& stage,
                                                       const encoders::Tokenizer& tokenizer,
                                                       const BpeVocabulary& vocabulary);

/// Draws what one step trains on. Thread-safety: one thread. What it borrows outlives it.
class LanguageBatches {
 public:
  LanguageBatches(const LanguageSet& set, const LanguageStage& stage,
                  const encoders::Tokenizer& tokenizer, std::size_t max_tokens);

  struct Batch {
    std::vector<torch::Tensor> ids;  ///< int64 [n_i, t_i]: texts of about one length together
    torch::Tensor targets;           ///< float32 [n, dim], in the order of `ids`
    torch::Tensor concepts;          ///< int64 [n]
  };
  /// english  share of English texts, 0..1. All randomness comes from `random`.
  Batch draw(double english, Random& random) const;

 private:
  struct Entry {
    const LanguageItem* item;
    std::vector<std::int32_t> ids;
  };
  const LanguageSet& set_;
  const LanguageStage& stage_;
  std::int32_t pad_;
  std::vector<std::vector<Entry>> languages_;
  std::vector<double> weights_;  // by language, and their sums
  std::vector<bool> is_english_;
  double english_ = 0, foreign_ = 0;
};

}  // namespace sightline::train
