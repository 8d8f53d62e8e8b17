#include "encoders/internal/byte_pair_encoder.h"

#include <mutex>
#include <queue>

#include "encoders/unicode/unicode.h"

namespace sightline::encoders {
namespace {

constexpr std::size_t kMaxCachedWords = 1 << 16;
constexpr std::size_t kMaxCachedBytes = 48;  // longer words hardly come again

// GPT-2's bytes_to_unicode(): printable Latin-1 stands for itself, the rest for U+0100 and on.
std::array<char32_t, 256> byte_characters() {
  std::array<char32_t, 256> characters{};
  char32_t next = 0x100;
  for (char32_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) ||
                           (byte >= 0xAE && byte <= 0xFF);
    characters[byte] = printable ? byte : next++;
  }
  return characters;
}

std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32) |
         static_cast<std::uint32_t>(right);
}

struct Symbol {
  std::int32_t id;
  std::int32_t previous, next;  // -1: none
  bool alive = true;
};

struct Candidate {
  std::uint32_t rank;
  std::int32_t position;  // of the left symbol
  std::int32_t left, right, merged;
  bool operator<(const Candidate& other) const {  // std::priority_queue: the largest comes first
    return std::pair(rank, position) > std::pair(other.rank, other.position);
  }
};

}  // namespace

const std::array<std::string, 256>& byte_spellings() {
  static const std::array<std::string, 256> spellings = [] {
    const auto characters = byte_characters();
    std::array<std::string, 256> result;
    for (std::size_t byte = 0; byte < 256; ++byte)
      unicode::append_utf8(characters[byte], result[byte]);
    return result;
  }();
  return spellings;
}

std::string spelled_bytes(std::string_view token) {
  static const std::unordered_map<char32_t, char> bytes = [] {
    const auto characters = byte_characters();
    std::unordered_map<char32_t, char> result;
    for (std::size_t byte = 0; byte < 256; ++byte)
      result.emplace(characters[byte], static_cast<char>(byte));
    return result;
  }();
  std::string out;
  for (const char32_t c : unicode::decode_utf8(token)) {
    const auto found = bytes.find(c);
    if (found == bytes.end())
      unicode::append_utf8(c, out);
    else
      out += found->second;
  }
  return out;
}

Result<std::unique_ptr<BytePairEncoder>> BytePairEncoder::create(const Vocabulary& vocabulary,
                                                                 const MergeList& merges,
                                                                 const std::string& word_end,
                                                                 std::int32_t unknown) {
  std::unique_ptr<BytePairEncoder> encoder(new BytePairEncoder);
  const auto id_or_unknown = [&](const std::string& token) {
    const auto found = vocabulary.find(token);
    return found == vocabulary.end() ? unknown : found->second;
  };
  for (std::size_t byte = 0; byte < 256; ++byte) {
    encoder->inner_ids_[byte] = id_or_unknown(byte_spellings()[byte]);
    encoder->last_ids_[byte] = id_or_unknown(byte_spellings()[byte] + word_end);
  }
  encoder->merges_.reserve(merges.size());
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    std::array<std::int32_t, 3> ids{};
    const std::array<std::string, 3> tokens{left, right, left + right};
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const auto found = vocabulary.find(tokens[i]);
      if (found == vocabulary.end())
        return invalid_argument("merge " + std::to_string(rank) + " (\"" + left + "\" \"" + right +
                                "\") needs \"" + tokens[i] + "\", which the vocabulary lacks");
      ids[i] = found->second;
    }
    encoder->merges_.emplace(pair_key(ids[0], ids[1]),
                             Merge{static_cast<std::uint32_t>(rank), ids[2]});
  }
  return encoder;
}

const BytePairEncoder::Merge* BytePairEncoder::find_merge(std::int32_t left,
                                                          std::int32_t right) const {
  const auto found = merges_.find(pair_key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

std::vector<std::int32_t> BytePairEncoder::merge_bytes(std::string_view word) const {
  std::vector<Symbol> symbols;
  symbols.reserve(word.size());
  for (std::size_t i = 0; i < word.size(); ++i) {
    const auto byte = static_cast<unsigned char>(word[i]);
    const bool last = i + 1 == word.size();
    symbols.push_back({last ? last_ids_[byte] : inner_ids_[byte], static_cast<std::int32_t>(i) - 1,
                       last ? -1 : static_cast<std::int32_t>(i) + 1});
  }
  std::priority_queue<Candidate> queue;
  const auto offer = [&](std::int32_t position) {
    if (position < 0 || symbols[static_cast<std::size_t>(position)].next < 0) return;
    const Symbol& left = symbols[static_cast<std::size_t>(position)];
    const Symbol& right = symbols[static_cast<std::size_t>(left.next)];
    if (const Merge* merge = find_merge(left.id, right.id))
      queue.push({merge->rank, position, left.id, right.id, merge->id});
  };
  for (std::size_t i = 0; i < symbols.size(); ++i) offer(static_cast<std::int32_t>(i));

  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = symbols[static_cast<std::size_t>(best.position)];
    if (!left.alive || left.id != best.left || left.next < 0) continue;
    Symbol& right = symbols[static_cast<std::size_t>(left.next)];
    if (right.id != best.right) continue;
    left.id = best.merged;
    left.next = right.next;
    right.alive = false;
    if (left.next >= 0) symbols[static_cast<std::size_t>(left.next)].previous = best.position;
    offer(left.previous);
    offer(best.position);
  }
  std::vector<std::int32_t> ids;
  for (std::int32_t i = 0; i >= 0; i = symbols[static_cast<std::size_t>(i)].next)
    if (symbols[static_cast<std::size_t>(i)].id >= 0)
      ids.push_back(symbols[static_cast<std::size_t>(i)].id);
  return ids;
}

void BytePairEncoder::encode_word(std::string_view word, std::vector<std::int32_t>& ids) const {
  if (word.empty()) return;
  const bool cached = word.size() <= kMaxCachedBytes;
  if (cached) {
    const std::shared_lock lock(mutex_);
    if (const auto found = cache_.find(word); found != cache_.end()) {
      ids.insert(ids.end(), found->second.begin(), found->second.end());
      return;
    }
  }
  std::vector<std::int32_t> merged = merge_bytes(word);
  ids.insert(ids.end(), merged.begin(), merged.end());
  if (!cached) return;
  const std::unique_lock lock(mutex_);
  if (cache_.size() < kMaxCachedWords) cache_.emplace(word, std::move(merged));
}

}  // namespace sightline::encoders
