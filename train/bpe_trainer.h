// train/bpe_trainer.h: learns a byte-level BPE vocabulary in CLIP's form from captions
// (Sennrich et al., arXiv 1508.07909; the last symbol of a word carries "</w>").
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/result.h"

namespace sightline::train {

inline constexpr const char* kStartToken = "<|startoftext|>";
inline constexpr const char* kEndToken = "<|endoftext|>";

/// Ids follow CLIP: 256 bytes, 256 bytes with "</w>", the merges in order, start and end token.
struct BpeVocabulary {
  std::vector<std::pair<std::string, std::string>> merges;
  std::vector<std::string> tokens;  ///< By id.
  std::int32_t start_id() const { return static_cast<std::int32_t>(tokens.size()) - 2; }
  std::int32_t end_id() const { return static_cast<std::int32_t>(tokens.size()) - 1; }
};

/// `words`: normalised words (lower case, no spaces) and how often each counts.
/// vocab_size  at most this many tokens, at least 514; fewer if no pair occurs twice.
/// Ties are broken by the alphabet, so the result depends on the counts alone.
BpeVocabulary train_bpe(const std::map<std::string, std::uint64_t>& words, std::size_t vocab_size);

/// A word as the symbols that a vocabulary cuts it into.
using SymbolWord = std::vector<std::string>;

/// `base` with more merges, learned from `words` (cut by `base`) and how often each counts, until
/// there are `vocab_size` tokens. Ids of `base` stay, but for start and end, which remain last.
BpeVocabulary extend_bpe(const BpeVocabulary& base,
                         const std::map<SymbolWord, std::uint64_t>& words, std::size_t vocab_size);

/// Reads vocab.json and merges.txt, as write_tokenizer() makes them.
/// errors  kNotFound, kInvalidArgument: names the file.
Result<BpeVocabulary> load_vocabulary(const std::filesystem::path& folder);

/// Writes vocab.json, merges.txt, tokenizer.json, tokenizer_config.json and
/// special_tokens_map.json, as transformers' CLIPTokenizer and CLIPTokenizerFast read them.
Result<void> write_tokenizer(const BpeVocabulary& vocabulary, std::size_t max_length,
                             const std::filesystem::path& folder);

}  // namespace sightline::train
