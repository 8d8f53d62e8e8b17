// encoders/internal/byte_pair_encoder.h: byte-level byte-pair encoding of one word
// (Sennrich et al., arXiv 1508.07909; bytes as GPT-2 spells them).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/result.h"

namespace sightline::encoders {

using Vocabulary = std::unordered_map<std::string, std::int32_t>;
using MergeList = std::vector<std::pair<std::string, std::string>>;  ///< Most wanted first.

/// GPT-2's printable stand-in for each byte, as UTF-8.
const std::array<std::string, 256>& byte_spellings();
/// The bytes that a token's spelling stands for; characters that stand for none are kept.
std::string spelled_bytes(std::string_view token);

/// Thread-safety: const methods may run on many threads at once; words are cached behind a lock.
class BytePairEncoder {
 public:
  /// word_end   marks the last symbol of a word ("</w>"); may be empty.
  /// unknown    id for a byte that the vocabulary lacks; negative: such bytes are left out.
  /// errors     kInvalidArgument: a merge whose parts or result the vocabulary lacks.
  static Result<std::unique_ptr<BytePairEncoder>> create(const Vocabulary& vocabulary,
                                                         const MergeList& merges,
                                                         const std::string& word_end,
                                                         std::int32_t unknown);

  /// Appends the ids of `word` (any bytes, not empty), in O(n log n) of its length.
  void encode_word(std::string_view word, std::vector<std::int32_t>& ids) const;

 private:
  struct Merge {
    std::uint32_t rank;
    std::int32_t id;
  };
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  BytePairEncoder() = default;
  const Merge* find_merge(std::int32_t left, std::int32_t right) const;
  std::vector<std::int32_t> merge_bytes(std::string_view word) const;

  std::array<std::int32_t, 256> inner_ids_{}, last_ids_{};
  std::unordered_map<std::uint64_t, Merge> merges_;
  mutable std::shared_mutex mutex_;
  mutable std::unordered_map<std::string, std::vector<std::int32_t>, TextHash, std::equal_to<>>
      cache_;
};

}  // namespace sightline::encoders
