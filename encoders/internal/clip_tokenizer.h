// encoders/internal/clip_tokenizer.h: CLIP's byte-level BPE tokenizer, as the `tokenizers` library
// runs it: added tokens out of the raw text, NFC, runs of white space to one space, lower case,
// added tokens out of that, CLIP's pattern, byte-pair encoding, begin and end tokens.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "core/checksum.h"
#include "encoders/internal/byte_pair_encoder.h"
#include "encoders/tokenizer.h"

namespace sightline::encoders {

struct AddedToken {
  std::string content;
  std::int32_t id = 0;
  bool special = false;     ///< Left out by decode(skip_special).
  bool normalized = false;  ///< Looked for after normalising, not before.
  bool lstrip = false;      ///< Takes the white space before it.
  bool rstrip = false;      ///< Takes the white space behind it.
};

/// What a tokenizer's files say.
struct ClipTokenizerSpec {
  Vocabulary vocabulary;
  MergeList merges;
  std::vector<AddedToken> added_tokens;
  std::string word_end = "</w>";
  std::string unknown_token = "<|endoftext|>";
  bool nfc = true, collapse_spaces = true, lowercase = true;
  /// CLIP's pattern names its two special tokens first; some files leave them out.
  bool pattern_has_specials = true;
  std::vector<std::int32_t> prefix, suffix;  ///< Ids around every text.
  std::int32_t pad_id = 0, end_id = 0;
  std::size_t model_max_length = 77;
};

/// What a model's folder says about its tokenizer; errors as load_tokenizer().
Result<ClipTokenizerSpec> read_tokenizer_spec(const std::filesystem::path& folder);

/// Adds everything that decides about ids to a model's checksum: equal for the two forms of files
/// when they mean the same.
void add_to_checksum(const ClipTokenizerSpec& spec, Checksum128& checksum);

/// errors  kInvalidArgument: see BytePairEncoder::create(); an empty added token.
Result<std::unique_ptr<Tokenizer>> make_clip_tokenizer(ClipTokenizerSpec spec);

}  // namespace sightline::encoders
