#include "train/captions.h"

#include <array>

namespace sightline::train {
namespace {

bool is_kept(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80;
}

// Prefixes as people type them; "" most of all is what a search box gets.
constexpr std::array<std::string_view, 6> kPrompts{
    "a ", "the ", "a picture of a ", "a drawing of a ", "an icon of a ", "an image of "};

std::string prefixed(const std::string& title, Random& random) {
  std::string prefix(kPrompts[random.below(kPrompts.size())]);
  if (title.find_first_of("aeiou") == 0 && prefix.ends_with("a ")) {
    prefix.pop_back();
    prefix += "n ";
  }
  return prefix + title;
}

std::string join_some(const std::vector<std::string>& words, std::size_t at_most, Random& random) {
  const std::size_t wanted = 1 + random.below(at_most);
  std::string text;
  for (std::size_t i = 0; i < wanted; ++i) {
    if (!text.empty()) text += ' ';
    text += words[random.below(words.size())];
  }
  return text;
}

}  // namespace

std::string normalise_caption(std::string_view text) {
  std::string out;
  bool gap = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto c = static_cast<unsigned char>(text[i]);
    // U+2018, U+2019 are apostrophes, the rest of U+2000..U+203F (dashes, quotes) separates.
    if (c == 0xe2 && i + 2 < text.size() && static_cast<unsigned char>(text[i + 1]) == 0x80) {
      const auto last = static_cast<unsigned char>(text[i += 2]);
      c = last == 0x98 || last == 0x99 ? '\'' : ' ';
    }
    if (c >= 'A' && c <= 'Z') c = static_cast<unsigned char>(c - 'A' + 'a');
    const bool apostrophe = c == '\'' && !out.empty() && !gap && i + 1 < text.size() &&
                            static_cast<unsigned char>(text[i + 1] | 0x20) >= 'a';
    if (!is_kept(c) && !apostrophe) {
      gap = true;
      continue;
    }
    if (gap && !out.empty()) out += ' ';
    gap = false;
    out += static_cast<char>(c);
  }
  return out;
}

std::string normalise_title(std::string_view text) {
  std::string title = normalise_caption(text);
  for (const std::string_view article : {"a ", "an ", "the ", "some "}) {
    if (title.starts_with(article)) return title.substr(article.size());
  }
  return title;
}

std::uint64_t title_hash(std::string_view title) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : title) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  }
  // FNV's low bits follow the last letters closely: mix before taking a remainder.
  hash ^= hash >> 32;
  hash *= 0xd6e8feb86659fd93ULL;
  return hash ^ (hash >> 32);
}

bool is_held_out_title(std::string_view title, std::uint64_t one_in) {
  return title_hash(title) % one_in == 0;
}

std::string draw_caption(const Words& words, const CaptionMix& mix, Random& random) {
  const double kind = random.uniform();
  std::string text;
  if (words.words.empty() || kind < mix.title + mix.title_and_words) {
    text = random.chance(mix.prompt) ? prefixed(words.title, random) : words.title;
    if (!words.words.empty() && kind >= mix.title) text += ' ' + join_some(words.words, 3, random);
  } else {
    text = join_some(words.words, 4, random);
  }
  if (random.chance(mix.full_stop)) text += '.';
  return text;
}

}  // namespace sightline::train
