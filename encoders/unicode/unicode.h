// encoders/unicode/unicode.h: the Unicode properties that tokenizers ask for, without a library.
//
// Tables come from the Unicode character database (generate_tables.py). Thread-safety: pure.
#pragma once

#include <string>
#include <string_view>

namespace sightline::encoders::unicode {

inline constexpr char32_t kReplacement = 0xFFFD;

bool is_letter(char32_t c);  ///< General category L: \p{L}
bool is_number(char32_t c);  ///< General category N: \p{N}
bool is_space(char32_t c);   ///< White_Space: \s

/// Each maximal malformed part becomes one U+FFFD (as WHATWG, Rust and Python decode).
std::u32string decode_utf8(std::string_view text);
std::string encode_utf8(std::u32string_view text);
void append_utf8(char32_t c, std::string& text);

/// Canonical composition (normalisation form NFC).
std::u32string to_nfc(std::u32string text);

/// Lower case of each character by itself (no final sigma), as Rust's char::to_lowercase.
std::u32string to_lower(std::u32string_view text);

}  // namespace sightline::encoders::unicode
