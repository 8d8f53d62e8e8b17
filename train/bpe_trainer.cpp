#include "train/bpe_trainer.h"

#include <algorithm>
#include <fstream>
#include <set>

#include "core/json.h"

namespace sightline::train {
namespace {

using Pair = std::pair<std::string, std::string>;

std::string utf8(std::uint32_t code) {
  if (code < 0x80) return {static_cast<char>(code)};
  return {static_cast<char>(0xc0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3f))};
}

/// GPT-2's printable stand-ins for the 256 bytes, in the order of CLIP's vocabulary; second: by
/// byte.
struct ByteSymbols {
  std::vector<std::string> in_order;
  std::vector<std::string> by_byte = std::vector<std::string>(256);

  ByteSymbols() {
    const auto is_printable = [](std::uint32_t b) {
      return (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || (b >= 0xae && b <= 0xff);
    };
    for (std::uint32_t b = 0; b < 256; ++b) {
      if (is_printable(b)) in_order.push_back(by_byte[b] = utf8(b));
    }
    std::uint32_t next = 256;
    for (std::uint32_t b = 0; b < 256; ++b) {
      if (!is_printable(b)) in_order.push_back(by_byte[b] = utf8(next++));
    }
  }
};

/// CLIP's tokenizer takes each digit for a word of its own, and cuts at apostrophes.
void add_pieces(const std::string& word, std::uint64_t count,
                std::map<std::string, std::uint64_t>& pieces) {
  std::string piece;
  const auto flush = [&] {
    if (!piece.empty()) pieces[piece] += count;
    piece.clear();
  };
  for (const char c : word) {
    const bool digit = c >= '0' && c <= '9';
    if (digit || c == '\'') flush();
    piece += c;
    if (digit) flush();
  }
  flush();
}

class Merger {
 public:
  explicit Merger(const std::map<SymbolWord, std::uint64_t>& words) {
    for (const auto& [symbols, count] : words) words_.push_back({symbols, count});
    for (std::size_t i = 0; i < words_.size(); ++i) count_pairs(i, true);
  }

  /// Merges the most frequent pair; false when none occurs twice.
  bool merge_next(Pair& merged) {
    if (ranking_.empty() || ranking_.begin()->first > -2) return false;
    merged = ranking_.begin()->second;
    const std::set<std::size_t> users = users_[merged];
    for (const std::size_t i : users) {
      count_pairs(i, false);
      auto& symbols = words_[i].symbols;
      std::vector<std::string> out;
      for (std::size_t s = 0; s < symbols.size(); ++s) {
        if (s + 1 < symbols.size() && symbols[s] == merged.first &&
            symbols[s + 1] == merged.second) {
          out.push_back(symbols[s] + symbols[s + 1]);
          ++s;
        } else {
          out.push_back(symbols[s]);
        }
      }
      symbols = std::move(out);
      count_pairs(i, true);
    }
    return true;
  }

 private:
  struct Word {
    std::vector<std::string> symbols;
    std::uint64_t count;
  };

  void count_pairs(std::size_t i, bool add) {
    const Word& word = words_[i];
    for (std::size_t s = 0; s + 1 < word.symbols.size(); ++s) {
      const Pair pair{word.symbols[s], word.symbols[s + 1]};
      std::int64_t& count = counts_[pair];
      ranking_.erase({-count, pair});
      count += add ? static_cast<std::int64_t>(word.count) : -static_cast<std::int64_t>(word.count);
      if (count > 0) ranking_.insert({-count, pair});
      if (add) {
        users_[pair].insert(i);
      } else {
        users_[pair].erase(i);
      }
    }
  }

  std::vector<Word> words_;
  std::map<Pair, std::int64_t> counts_;
  std::map<Pair, std::set<std::size_t>> users_;
  std::set<std::pair<std::int64_t, Pair>> ranking_;  // by -count, then alphabet
};

Result<void> write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.flush();
  if (!out) return io_error("cannot write " + path.string());
  return {};
}

OrderedJson added_token(const char* content, std::int32_t id) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", true}};
}

OrderedJson fast_tokenizer(const BpeVocabulary& vocabulary, const OrderedJson& vocab) {
  OrderedJson merges = OrderedJson::array();
  for (const auto& [left, right] : vocabulary.merges) merges.push_back(left + ' ' + right);
  const OrderedJson pattern{
      {"Regex",
       R"(<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+)"}};
  const OrderedJson byte_level{{"type", "ByteLevel"},
                               {"add_prefix_space", false},
                               {"trim_offsets", true},
                               {"use_regex", true}};
  return {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", OrderedJson::array({added_token(kStartToken, vocabulary.start_id()),
                                           added_token(kEndToken, vocabulary.end_id())})},
      {"normalizer",
       {{"type", "Sequence"},
        {"normalizers", OrderedJson::array({OrderedJson{{"type", "NFC"}},
                                            OrderedJson{{"type", "Replace"},
                                                        {"pattern", OrderedJson{{"Regex", "\\s+"}}},
                                                        {"content", " "}},
                                            OrderedJson{{"type", "Lowercase"}}})}}},
      {"pre_tokenizer",
       {{"type", "Sequence"},
        {"pretokenizers", OrderedJson::array({OrderedJson{{"type", "Split"},
                                                          {"pattern", pattern},
                                                          {"behavior", "Removed"},
                                                          {"invert", true}},
                                              byte_level})}}},
      {"post_processor",
       {{"type", "RobertaProcessing"},
        {"sep", OrderedJson::array({kEndToken, vocabulary.end_id()})},
        {"cls", OrderedJson::array({kStartToken, vocabulary.start_id()})},
        {"trim_offsets", false},
        {"add_prefix_space", false}}},
      {"decoder", byte_level},
      {"model",
       {{"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", kEndToken},
        {"continuing_subword_prefix", ""},
        {"end_of_word_suffix", "</w>"},
        {"fuse_unk", false},
        {"byte_fallback", false},
        {"vocab", vocab},
        {"merges", merges}}}};
}

}  // namespace

BpeVocabulary train_bpe(const std::map<std::string, std::uint64_t>& words, std::size_t vocab_size) {
  const ByteSymbols symbols;
  std::map<std::string, std::uint64_t> pieces;
  for (const auto& [word, count] : words) add_pieces(word, count, pieces);
  std::map<SymbolWord, std::uint64_t> cut;
  for (const auto& [piece, count] : pieces) {
    SymbolWord word;
    for (const char c : piece) word.push_back(symbols.by_byte[static_cast<unsigned char>(c)]);
    word.back() += "</w>";
    cut[std::move(word)] = count;
  }
  BpeVocabulary base;
  base.tokens = symbols.in_order;
  for (const auto& symbol : symbols.in_order) base.tokens.push_back(symbol + "</w>");
  base.tokens.insert(base.tokens.end(), {kStartToken, kEndToken});
  return extend_bpe(base, cut, vocab_size);
}

BpeVocabulary extend_bpe(const BpeVocabulary& base,
                         const std::map<SymbolWord, std::uint64_t>& words, std::size_t vocab_size) {
  BpeVocabulary out = base;
  out.tokens.resize(out.tokens.size() - 2);
  std::set<std::string> known(out.tokens.begin(), out.tokens.end());
  Merger merger(words);
  for (Pair pair; out.tokens.size() + 2 < vocab_size && merger.merge_next(pair);) {
    out.merges.push_back(pair);
    // Two different merges may spell the same token; ids must stay distinct.
    if (known.insert(pair.first + pair.second).second) {
      out.tokens.push_back(pair.first + pair.second);
    }
  }
  out.tokens.insert(out.tokens.end(), {kStartToken, kEndToken});
  return out;
}

Result<BpeVocabulary> load_vocabulary(const std::filesystem::path& folder) {
  SIGHTLINE_TRY(const Json vocab, read_json_file(folder / "vocab.json"));
  BpeVocabulary out;
  try {
    out.tokens.resize(vocab.size());
    for (const auto& [token, id] : vocab.items()) out.tokens.at(id.get<std::size_t>()) = token;
  } catch (const std::exception& e) {
    return invalid_argument((folder / "vocab.json").string() + ": " + e.what());
  }
  const std::filesystem::path path = folder / "merges.txt";
  std::ifstream in(path);
  if (!in) return not_found("cannot read " + path.string());
  for (std::string line; std::getline(in, line);) {
    const std::size_t gap = line.find(' ');
    if (line.empty() || line.starts_with("#version")) continue;
    if (gap == std::string::npos) {
      return invalid_argument(path.string() + ": a line without two symbols: " + line);
    }
    out.merges.emplace_back(line.substr(0, gap), line.substr(gap + 1));
  }
  if (out.tokens.size() < 2 || out.tokens.back() != kEndToken) {
    return invalid_argument((folder / "vocab.json").string() + ": its last token is not " +
                            kEndToken);
  }
  return out;
}

Result<void> write_tokenizer(const BpeVocabulary& vocabulary, std::size_t max_length,
                             const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  OrderedJson vocab = OrderedJson::object();
  for (std::size_t i = 0; i < vocabulary.tokens.size(); ++i) vocab[vocabulary.tokens[i]] = i;
  std::string merges = "#version: 0.2\n";
  for (const auto& [left, right] : vocabulary.merges) merges += left + ' ' + right + '\n';
  const OrderedJson special{{"bos_token", kStartToken},
                            {"eos_token", kEndToken},
                            {"pad_token", kEndToken},
                            {"unk_token", kEndToken}};
  OrderedJson config = special;
  config["add_prefix_space"] = false;
  config["do_lower_case"] = true;
  config["model_max_length"] = max_length;
  config["tokenizer_class"] = "CLIPTokenizer";
  SIGHTLINE_TRY_DO(write_text(folder / "vocab.json", vocab.dump()));
  SIGHTLINE_TRY_DO(write_text(folder / "merges.txt", merges));
  SIGHTLINE_TRY_DO(
      write_text(folder / "tokenizer.json", fast_tokenizer(vocabulary, vocab).dump() + '\n'));
  SIGHTLINE_TRY_DO(write_text(folder / "special_tokens_map.json", special.dump(2) + '\n'));
  return write_text(folder / "tokenizer_config.json", config.dump(2) + '\n');
}

}  // namespace sightline::train
