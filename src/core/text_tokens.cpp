#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <span>

#include "core/indexed_value.h"
#include "core/internal/token_reader.h"

namespace sightline {
namespace {

constexpr char32_t kInvalid = 0xffffffff;

/// Code points above ASCII that part words: spaces, punctuation, symbols, emoji, private use. Whole
/// blocks where nearly all of a block does. The rest counts as letters and digits.
struct Range {
  char32_t first, last;
};
constexpr std::array kSeparators = std::to_array<Range>({
    {0x80, 0xa9},        {0xab, 0xb4},     {0xb6, 0xb9},     {0xbb, 0xbf},     {0xd7, 0xd7},
    {0xf7, 0xf7},        {0x37e, 0x37e},   {0x387, 0x387},   {0x55a, 0x55f},   {0x589, 0x58f},
    {0x5be, 0x5be},      {0x5c0, 0x5c0},   {0x5c3, 0x5c3},   {0x5c6, 0x5c6},   {0x5f3, 0x5f4},
    {0x600, 0x60f},      {0x61b, 0x61f},   {0x66a, 0x66d},   {0x6d4, 0x6d4},   {0x964, 0x965},
    {0xe3f, 0xe3f},      {0xe4f, 0xe4f},   {0xe5a, 0xe5b},   {0x1680, 0x1680}, {0x180e, 0x180e},
    {0x2000, 0x200b},    {0x200e, 0x206f}, {0x20a0, 0x20cf}, {0x2190, 0x2bff}, {0x2e00, 0x2e7f},
    {0x3000, 0x3004},    {0x3008, 0x3020}, {0x3030, 0x3030}, {0x303d, 0x303f}, {0x30a0, 0x30a0},
    {0x30fb, 0x30fb},    {0xe000, 0xf8ff}, {0xfe00, 0xfe1f}, {0xfe30, 0xfe6f}, {0xfeff, 0xff0f},
    {0xff1a, 0xff20},    {0xff3b, 0xff40}, {0xff5b, 0xff65}, {0xffe0, 0xffff}, {0x1f000, 0x1fbef},
    {0xe0000, 0x10ffff},
});

/// Capital letters and where their small ones are: every `step`th of first..last, `offset` on.
struct Fold {
  char32_t first, last;
  int offset, step;
};
constexpr std::array kFolds = std::to_array<Fold>({
    {0xc0, 0xd6, 32, 1},    {0xd8, 0xde, 32, 1},     {0x100, 0x12e, 1, 2},  {0x130, 0x130, -199, 1},
    {0x132, 0x136, 1, 2},   {0x139, 0x147, 1, 2},    {0x14a, 0x176, 1, 2},  {0x178, 0x178, -121, 1},
    {0x179, 0x17d, 1, 2},   {0x17f, 0x17f, -268, 1},  // long s
    {0x386, 0x386, 38, 1},  {0x388, 0x38a, 37, 1},   {0x38c, 0x38c, 64, 1}, {0x38e, 0x38f, 63, 1},
    {0x391, 0x3a1, 32, 1},  {0x3a3, 0x3ab, 32, 1},   {0x3c2, 0x3c2, 1, 1},  // final sigma
    {0x400, 0x40f, 80, 1},  {0x410, 0x42f, 32, 1},   {0x460, 0x480, 1, 2},  {0x48a, 0x4be, 1, 2},
    {0x4c0, 0x4c0, 15, 1},  {0x4c1, 0x4cd, 1, 2},    {0x4d0, 0x52e, 1, 2},  {0x1e00, 0x1e94, 1, 2},
    {0x1ea0, 0x1efe, 1, 2},
});

/// The range of a sorted table that holds `c`, or null.
template <typename T>
const T* find_range(std::span<const T> table, char32_t c) {
  const auto after = std::upper_bound(table.begin(), table.end(), c,
                                      [](char32_t value, const T& r) { return value < r.first; });
  if (after == table.begin()) return nullptr;
  const T& range = *std::prev(after);
  return c <= range.last ? &range : nullptr;
}

bool is_ascii_word(char32_t c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_word(char32_t c) {
  if (c < 0x80) return is_ascii_word(c);
  return c != kInvalid && find_range<Range>(kSeparators, c) == nullptr;
}

char32_t fold(char32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
  const Fold* range = find_range<Fold>(kFolds, c);
  if (range == nullptr || (c - range->first) % static_cast<char32_t>(range->step) != 0) return c;
  return static_cast<char32_t>(static_cast<int>(c) + range->offset);
}

/// Bytes of the code point that `lead`, no ASCII, begins; 0: it begins none.
std::size_t sequence_length(std::uint8_t lead) {
  if (lead < 0xc2) return 0;
  if (lead < 0xe0) return 2;
  if (lead < 0xf0) return 3;
  return lead < 0xf5 ? 4 : 0;
}

/// Takes one code point from the front of `text`, which is not empty; a byte that begins none is
/// taken alone and is kInvalid. Overlong forms and surrogates are no code points.
char32_t take_code_point(std::string_view& text) {
  const auto byte = [&text](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  if (byte(0) < 0x80) {
    const char32_t ascii = byte(0);
    text.remove_prefix(1);
    return ascii;
  }
  const std::size_t length = sequence_length(byte(0));
  char32_t c = byte(0) & (0x7fU >> length);
  bool valid = length != 0 && length <= text.size();
  for (std::size_t i = 1; valid && i < length; ++i) {
    valid = (byte(i) & 0xc0) == 0x80;
    c = c << 6 | (byte(i) & 0x3fU);
  }
  const bool overlong = (length == 3 && c < 0x800) || (length == 4 && c < 0x10000);
  valid = valid && !overlong && !(c >= 0xd800 && c <= 0xdfff) && c <= 0x10ffff;
  text.remove_prefix(valid ? length : 1);
  return valid ? c : kInvalid;
}

void append_utf8(std::string& text, char32_t c) {
  if (c < 0x80) {
    text += static_cast<char>(c);
    return;
  }
  const int num_trailing = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  const unsigned lead_bits = num_trailing == 1 ? 0xc0 : num_trailing == 2 ? 0xe0 : 0xf0;
  text += static_cast<char>(lead_bits | c >> (6 * num_trailing));
  for (int i = num_trailing - 1; i >= 0; --i) {
    text += static_cast<char>(0x80 | (c >> (6 * i) & 0x3f));
  }
}

}  // namespace

namespace internal {

bool TokenReader::next(std::string& token) {
  token.clear();
  while (!rest_.empty()) {
    const char32_t c = take_code_point(rest_);
    if (is_word(c)) {
      append_utf8(token, fold(c));
    } else if (!token.empty()) {
      break;
    }
  }
  return !token.empty();
}

}  // namespace internal

std::vector<std::string> text_tokens(std::string_view text) {
  std::vector<std::string> tokens;
  internal::TokenReader reader(text);
  std::string token;
  while (reader.next(token)) tokens.push_back(token);
  return tokens;
}

}  // namespace sightline
