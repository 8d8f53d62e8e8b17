#include "encoders/internal/clip_tokenizer.h"

#include <algorithm>
#include <array>

#include "encoders/unicode/unicode.h"

namespace sightline::encoders {
namespace {

using unicode::is_letter;
using unicode::is_number;
using unicode::is_space;

struct AddedPattern {
  std::u32string content;
  const AddedToken* token;
};

// Cuts `text` at the leftmost, longest added tokens: pieces between go to `on_text`, tokens to
// `on_token`.
template <typename OnText, typename OnToken>
void split_added(std::u32string_view text, const std::vector<AddedPattern>& patterns,
                 OnText on_text, OnToken on_token) {
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size() && !patterns.empty();) {
    const std::u32string_view rest = text.substr(i);
    const auto found = std::find_if(patterns.begin(), patterns.end(), [&](const AddedPattern& p) {
      return rest.starts_with(p.content);
    });
    if (found == patterns.end()) {
      ++i;
      continue;
    }
    std::size_t end_of_text = i;
    i += found->content.size();
    if (found->token->lstrip)
      while (end_of_text > begin && is_space(text[end_of_text - 1])) --end_of_text;
    if (found->token->rstrip)
      while (i < text.size() && is_space(text[i])) ++i;
    if (end_of_text > begin) on_text(text.substr(begin, end_of_text - begin));
    on_token(*found->token);
    begin = i;
  }
  if (begin < text.size()) on_text(text.substr(begin));
}

bool is_other(char32_t c) { return !is_space(c) && !is_letter(c) && !is_number(c); }

// Length of the contraction that `text` starts with ('s 't 're 've 'm 'll 'd), or 0.
std::size_t contraction_length(std::u32string_view text) {
  constexpr std::array<std::u32string_view, 7> kContractions{U"'s", U"'t",  U"'re", U"'ve",
                                                             U"'m", U"'ll", U"'d"};
  for (const std::u32string_view contraction : kContractions)
    if (text.starts_with(contraction)) return contraction.size();
  return 0;
}

// Characters that a match of CLIP's pattern takes at the start of `text`, which is no space:
// contractions | letters+ | one number | others+.
std::size_t match_length(std::u32string_view text) {
  if (const std::size_t length = contraction_length(text)) return length;
  if (is_number(text[0])) return 1;
  const auto same = is_letter(text[0]) ? is_letter : is_other;
  return static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), same) - text.begin());
}

std::u32string collapse_spaces(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!is_space(text[i]))
      out += text[i];
    else if (i == 0 || !is_space(text[i - 1]))
      out += U' ';
  }
  return out;
}

// Python's str.strip(): White_Space and the four information separators.
std::string strip(const std::string& text) {
  std::u32string characters = unicode::decode_utf8(text);
  const auto blank = [](char32_t c) { return is_space(c) || (c >= 0x1C && c <= 0x1F); };
  while (!characters.empty() && blank(characters.back())) characters.pop_back();
  const auto first = std::find_if_not(characters.begin(), characters.end(), blank);
  return unicode::encode_utf8(std::u32string(first, characters.end()));
}

class ClipTokenizer : public Tokenizer {
 public:
  ClipTokenizer(ClipTokenizerSpec spec, std::unique_ptr<BytePairEncoder> encoder)
      : spec_(std::move(spec)), encoder_(std::move(encoder)) {
    std::int32_t largest = -1;
    for (const auto& [token, id] : spec_.vocabulary) largest = std::max(largest, id);
    for (const AddedToken& token : spec_.added_tokens) largest = std::max(largest, token.id);
    tokens_.resize(static_cast<std::size_t>(largest + 1));
    for (const auto& [token, id] : spec_.vocabulary) tokens_[static_cast<std::size_t>(id)] = token;
    for (const AddedToken& token : spec_.added_tokens) {
      tokens_[static_cast<std::size_t>(token.id)] = token.content;
      if (token.special) special_ids_.insert(token.id);
      std::u32string content = unicode::decode_utf8(token.content);
      if (token.normalized) content = normalize(content);
      (token.normalized ? normalized_patterns_ : raw_patterns_).push_back({content, &token});
    }
    for (auto* patterns : {&raw_patterns_, &normalized_patterns_})
      std::stable_sort(patterns->begin(), patterns->end(),
                       [](const AddedPattern& a, const AddedPattern& b) {
                         return a.content.size() > b.content.size();
                       });
    spec_.vocabulary.clear();
    spec_.merges.clear();
  }

  std::vector<std::int32_t> encode(std::string_view text,
                                   std::optional<std::size_t> max_length) const override {
    std::vector<std::int32_t> ids;
    const auto on_token = [&ids](const AddedToken& token) { ids.push_back(token.id); };
    const auto on_normalized = [&](std::u32string_view piece) { encode_piece(piece, ids); };
    split_added(
        unicode::decode_utf8(text), raw_patterns_,
        [&](std::u32string_view piece) {
          split_added(normalize(piece), normalized_patterns_, on_normalized, on_token);
        },
        on_token);

    const std::size_t around = spec_.prefix.size() + spec_.suffix.size();
    if (max_length && ids.size() + around > *max_length)
      ids.resize(*max_length > around ? *max_length - around : 0);
    ids.insert(ids.begin(), spec_.prefix.begin(), spec_.prefix.end());
    ids.insert(ids.end(), spec_.suffix.begin(), spec_.suffix.end());
    // Shorter than the tokens around a text: the end token is what a model needs.
    if (max_length && ids.size() > *max_length)
      ids.erase(ids.begin(), ids.end() - static_cast<std::ptrdiff_t>(*max_length));
    return ids;
  }

  std::string decode(std::span<const std::int32_t> ids, bool skip_special) const override {
    std::string bytes;
    for (const std::int32_t id : ids) {
      if (id < 0 || static_cast<std::size_t>(id) >= tokens_.size()) continue;
      if (skip_special && special_ids_.contains(id)) continue;
      bytes += spelled_bytes(tokens_[static_cast<std::size_t>(id)]);
    }
    std::string text = unicode::encode_utf8(unicode::decode_utf8(bytes));
    if (!spec_.word_end.empty()) {
      for (std::size_t at = text.find(spec_.word_end); at != std::string::npos;
           at = text.find(spec_.word_end, at + 1))
        text.replace(at, spec_.word_end.size(), " ");
    }
    return strip(text);
  }

  std::int32_t pad_id() const override { return spec_.pad_id; }
  std::int32_t end_id() const override { return spec_.end_id; }
  std::size_t vocab_size() const override { return tokens_.size(); }
  std::size_t model_max_length() const override { return spec_.model_max_length; }

 private:
  std::u32string normalize(std::u32string_view text) const {
    std::u32string result(text);
    if (spec_.nfc) result = unicode::to_nfc(std::move(result));
    if (spec_.collapse_spaces) result = collapse_spaces(result);
    if (spec_.lowercase) result = unicode::to_lower(result);
    return result;
  }

  void encode_piece(std::u32string_view text, std::vector<std::int32_t>& ids) const {
    std::string word;
    const auto encode_word = [&](std::u32string_view characters) {
      word.clear();
      for (const char32_t c : characters) unicode::append_utf8(c, word);
      encoder_->encode_word(word, ids);
    };
    for (std::size_t i = 0; i < text.size();) {
      const std::u32string_view rest = text.substr(i);
      if (is_space(rest[0])) {
        ++i;
        continue;
      }
      // The pattern takes a special token whole; the byte-level step then cuts it in three.
      if (const std::u32string_view name = special_name(rest); !name.empty()) {
        encode_word(U"<|");
        encode_word(name);
        encode_word(U"|>");
        i += name.size() + 4;
        continue;
      }
      const std::size_t length = match_length(rest);
      encode_word(rest.substr(0, length));
      i += length;
    }
  }

  std::u32string_view special_name(std::u32string_view text) const {
    if (!spec_.pattern_has_specials || text[0] != U'<') return {};
    if (text.starts_with(U"<|startoftext|>")) return U"startoftext";
    if (text.starts_with(U"<|endoftext|>")) return U"endoftext";
    return {};
  }

  ClipTokenizerSpec spec_;
  std::unique_ptr<BytePairEncoder> encoder_;
  std::vector<std::string> tokens_;  // by id; empty where there is none
  std::unordered_set<std::int32_t> special_ids_;
  std::vector<AddedPattern> raw_patterns_, normalized_patterns_;  // longest first
};

}  // namespace

void add_to_checksum(const ClipTokenizerSpec& spec, Checksum128& checksum) {
  const auto add_text = [&checksum](const std::string& text) {
    checksum.update(std::to_string(text.size()) + ":" + text);
  };
  const auto add_number = [&checksum](std::int64_t number) {
    checksum.update(std::to_string(number) + ";");
  };
  std::vector<std::pair<std::int32_t, std::string>> vocabulary;
  for (const auto& [token, id] : spec.vocabulary) vocabulary.emplace_back(id, token);
  std::sort(vocabulary.begin(), vocabulary.end());
  for (const auto& [id, token] : vocabulary) {
    add_number(id);
    add_text(token);
  }
  for (const auto& [left, right] : spec.merges) {
    add_text(left);
    add_text(right);
  }
  std::vector<const AddedToken*> added;
  for (const AddedToken& token : spec.added_tokens) added.push_back(&token);
  std::sort(added.begin(), added.end(),
            [](const AddedToken* a, const AddedToken* b) { return a->id < b->id; });
  for (const AddedToken* token : added) {
    add_number(token->id);
    add_text(token->content);
    for (const bool value : {token->normalized, token->lstrip, token->rstrip}) add_number(value);
  }
  add_text(spec.word_end);
  add_text(spec.unknown_token);
  for (const bool value :
       {spec.nfc, spec.collapse_spaces, spec.lowercase, spec.pattern_has_specials})
    add_number(value);
  for (const std::int32_t id : spec.prefix) add_number(id);
  checksum.update("|");
  for (const std::int32_t id : spec.suffix) add_number(id);
}

Result<std::unique_ptr<Tokenizer>> make_clip_tokenizer(ClipTokenizerSpec spec) {
  for (const AddedToken& token : spec.added_tokens)
    if (token.content.empty())
      return invalid_argument("added token " + std::to_string(token.id) + " is empty");
  const auto unknown = spec.vocabulary.find(spec.unknown_token);
  if (!spec.unknown_token.empty() && unknown == spec.vocabulary.end())
    return invalid_argument("the vocabulary lacks the unknown token \"" + spec.unknown_token +
                            "\"");
  SIGHTLINE_TRY(auto encoder,
                BytePairEncoder::create(spec.vocabulary, spec.merges, spec.word_end,
                                        unknown == spec.vocabulary.end() ? -1 : unknown->second));
  return std::unique_ptr<Tokenizer>(
      std::make_unique<ClipTokenizer>(std::move(spec), std::move(encoder)));
}

}  // namespace sightline::encoders
