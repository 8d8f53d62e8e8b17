#include "pipeline/internal/base64.h"

#include <array>
#include <cstdint>
#include <string>

namespace sightline::pipeline {
namespace {

constexpr std::uint8_t kNone = 0xFF;

constexpr std::array<std::uint8_t, 256> make_table() {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::array<std::uint8_t, 256> table{};
  table.fill(kNone);
  for (std::size_t i = 0; i < kDigits.size(); ++i)
    table[static_cast<unsigned char>(kDigits[i])] = static_cast<std::uint8_t>(i);
  return table;
}
constexpr std::array<std::uint8_t, 256> kValues = make_table();

}  // namespace

Result<std::vector<std::byte>> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) {
    return invalid_argument("base64 of " + std::to_string(text.size()) +
                            " characters; it must be a multiple of 4, padded by \"=\"");
  }
  std::size_t num_digits = text.size();
  while (num_digits > 0 && text.size() - num_digits < 2 && text[num_digits - 1] == '=')
    --num_digits;
  std::vector<std::byte> bytes;
  bytes.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  int num_bits = 0;
  for (std::size_t i = 0; i < num_digits; ++i) {
    const std::uint8_t value = kValues[static_cast<unsigned char>(text[i])];
    if (value == kNone)
      return invalid_argument("base64: character " + std::to_string(i + 1) + " is none of its 64");
    bits = bits << 6 | value;
    num_bits += 6;
    if (num_bits >= 8) {
      num_bits -= 8;
      bytes.push_back(static_cast<std::byte>(bits >> num_bits & 0xFF));
    }
  }
  if ((bits & ((1u << num_bits) - 1)) != 0)
    return invalid_argument("base64: the last character holds stray bits");
  return bytes;
}

}  // namespace sightline::pipeline
