#include "encoders/unicode/unicode.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

namespace sightline::encoders::unicode {
namespace {

struct Range {
  char32_t first, last;
};
struct ClassRange {
  char32_t first, last;
  std::uint8_t combining_class;
};
struct Mapping {
  char32_t from, first, second;  // second: 0 when there is one character
};
struct Composition {
  char32_t first, second, composed;
};

#include "encoders/unicode/unicode_tables.inc"

template <typename Row, std::size_t N>
const Row* find_range(const Row (&rows)[N], char32_t c) {
  const Row* row = std::upper_bound(std::begin(rows), std::end(rows), c,
                                    [](char32_t value, const Row& r) { return value < r.first; });
  if (row == std::begin(rows)) return nullptr;
  --row;
  return c <= row->last ? row : nullptr;
}

template <std::size_t N>
const Mapping* find_mapping(const Mapping (&rows)[N], char32_t c) {
  const Mapping* row =
      std::lower_bound(std::begin(rows), std::end(rows), c,
                       [](const Mapping& mapping, char32_t value) { return mapping.from < value; });
  return row != std::end(rows) && row->from == c ? row : nullptr;
}

std::uint8_t combining_class(char32_t c) {
  if (c < 0x300) return 0;
  const ClassRange* row = find_range(kCombiningClasses, c);
  return row == nullptr ? 0 : row->combining_class;
}

// Hangul syllables compose by arithmetic (Unicode standard, section 3.12).
constexpr char32_t kHangulBase = 0xAC00, kLeadBase = 0x1100, kVowelBase = 0x1161,
                   kTailBase = 0x11A7;
constexpr char32_t kNumLeads = 19, kNumVowels = 21, kNumTails = 28;

void decompose(char32_t c, std::u32string& out) {
  if (c >= kHangulBase && c < kHangulBase + kNumLeads * kNumVowels * kNumTails) {
    const char32_t index = c - kHangulBase;
    out += kLeadBase + index / (kNumVowels * kNumTails);
    out += kVowelBase + index % (kNumVowels * kNumTails) / kNumTails;
    if (index % kNumTails != 0) out += kTailBase + index % kNumTails;
    return;
  }
  const Mapping* row = c < 0xC0 ? nullptr : find_mapping(kDecompositions, c);
  if (row == nullptr) {
    out += c;
    return;
  }
  decompose(row->first, out);
  if (row->second != 0) out += row->second;  // the second part never decomposes further
}

char32_t compose(char32_t a, char32_t b) {  // 0: they stay apart
  if (a >= kLeadBase && a < kLeadBase + kNumLeads && b >= kVowelBase && b < kVowelBase + kNumVowels)
    return kHangulBase + ((a - kLeadBase) * kNumVowels + (b - kVowelBase)) * kNumTails;
  if (a >= kHangulBase && a < kHangulBase + kNumLeads * kNumVowels * kNumTails &&
      (a - kHangulBase) % kNumTails == 0 && b > kTailBase && b < kTailBase + kNumTails)
    return a + (b - kTailBase);
  const Composition* row = std::lower_bound(
      std::begin(kCompositions), std::end(kCompositions), std::pair(a, b),
      [](const Composition& composition, const std::pair<char32_t, char32_t>& pair) {
        return std::pair(composition.first, composition.second) < pair;
      });
  const bool found = row != std::end(kCompositions) && row->first == a && row->second == b;
  return found ? row->composed : 0;
}

// Marks behind a starter come in the order of their combining class.
void order_marks(std::u32string& text) {
  for (std::size_t i = 0; i < text.size();) {
    if (combining_class(text[i]) == 0) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < text.size() && combining_class(text[end]) != 0) ++end;
    std::stable_sort(text.begin() + static_cast<std::ptrdiff_t>(i),
                     text.begin() + static_cast<std::ptrdiff_t>(end), [](char32_t a, char32_t b) {
                       return combining_class(a) < combining_class(b);
                     });
    i = end;
  }
}

}  // namespace

bool is_letter(char32_t c) {
  if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return find_range(kLetters, c) != nullptr;
}

bool is_number(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  return find_range(kNumbers, c) != nullptr;
}

bool is_space(char32_t c) {
  return c == ' ' || (c >= 9 && c <= 13) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

std::u32string decode_utf8(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  std::size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<unsigned char>(text[i++]);
    if (lead < 0x80) {
      out += lead;
      continue;
    }
    // Length and the range of the second byte (table 3-7 of the Unicode standard).
    int more = 0;
    unsigned low = 0x80, high = 0xBF;
    if (lead >= 0xC2 && lead <= 0xDF) more = 1;
    if (lead >= 0xE0 && lead <= 0xEF) more = 2;
    if (lead >= 0xF0 && lead <= 0xF4) more = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
    char32_t c = more == 0 ? kReplacement : static_cast<char32_t>(lead & (0x3F >> more));
    for (; more > 0; --more) {
      const unsigned byte = i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
      if (byte < low || byte > high) {
        c = kReplacement;
        break;
      }
      c = (c << 6) | (byte & 0x3F);
      low = 0x80;
      high = 0xBF;
      ++i;
    }
    out += c;
  }
  return out;
}

void append_utf8(char32_t c, std::string& text) {
  const auto put = [&text](char32_t byte) { text += static_cast<char>(byte); };
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xC0 | (c >> 6));
  } else if (c < 0x10000) {
    put(0xE0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3F));
  } else {
    put(0xF0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3F));
    put(0x80 | ((c >> 6) & 0x3F));
  }
  put(0x80 | (c & 0x3F));
}

std::string encode_utf8(std::u32string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char32_t c : text) append_utf8(c, out);
  return out;
}

std::u32string to_nfc(std::u32string text) {
  // Below U+0300 everything is composed already and nothing combines.
  if (std::all_of(text.begin(), text.end(), [](char32_t c) { return c < 0x300; })) return text;
  std::u32string apart;
  apart.reserve(text.size());
  for (const char32_t c : text) decompose(c, apart);
  order_marks(apart);

  std::u32string out;
  out.reserve(apart.size());
  constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::size_t starter = kNone;
  std::uint8_t last_class = 0;
  for (const char32_t c : apart) {
    const std::uint8_t mark = combining_class(c);
    const bool adjacent = starter != kNone && starter + 1 == out.size();
    // Blocked when a mark of the same or a higher class, or a starter, stands between.
    if (starter != kNone && (adjacent || (last_class != 0 && last_class < mark))) {
      if (const char32_t composed = compose(out[starter], c); composed != 0) {
        out[starter] = composed;
        continue;
      }
    }
    if (mark == 0) starter = out.size();
    last_class = mark;
    out += c;
  }
  return out;
}

std::u32string to_lower(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (const char32_t c : text) {
    if (c < 0x80) {
      out += c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
      continue;
    }
    const Mapping* row = find_mapping(kLower, c);
    out += row == nullptr ? c : row->first;
    if (row != nullptr && row->second != 0) out += row->second;
  }
  return out;
}

}  // namespace sightline::encoders::unicode
