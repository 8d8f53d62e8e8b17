#include "http/percent.h"

#include <algorithm>

namespace sightline::http {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_unreserved(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

}  // namespace

Result<std::string> percent_decode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0) {
      return invalid_argument("\"" + std::string(text) + "\": % is followed by two hex digits");
    }
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

std::string percent_encode(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    if (is_unreserved(c)) {
      encoded += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      encoded += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return encoded;
}

Result<QueryString> parse_query(std::string_view text) {
  std::vector<QueryString::Pair> pairs;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('&'), text.size());
    std::string item(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (item.empty()) continue;
    std::ranges::replace(item, '+', ' ');
    const std::size_t equals = std::min(item.find('='), item.size());
    SIGHTLINE_TRY(std::string name, percent_decode(std::string_view(item).substr(0, equals)));
    SIGHTLINE_TRY(std::string value,
                  percent_decode(std::string_view(item).substr(std::min(equals + 1, item.size()))));
    pairs.emplace_back(std::move(name), std::move(value));
  }
  return QueryString(std::move(pairs));
}

}  // namespace sightline::http
