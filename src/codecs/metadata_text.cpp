#include "codecs/internal/metadata_text.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <utility>

namespace sightline::codecs {
namespace {

constexpr std::size_t kMaxBytes = 4096;

// Windows-1252, 0x80..0x9F; 0: not assigned.
constexpr std::array<char16_t, 32> kWindows1252{
    0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017D, 0,      0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178};

// Length of the valid UTF-8 sequence at the front, or 0 (Unicode 15, table 3-7).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<std::uint8_t>(text[i]) : std::uint8_t{0};
  };
  const auto in = [&](std::size_t i, int low, int high) {
    return byte(i) >= low && byte(i) <= high;
  };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (in(0, 0xC2, 0xDF)) return in(1, 0x80, 0xBF) ? 2 : 0;
  if (in(0, 0xE0, 0xEF)) {
    const bool second = in(1, first == 0xE0 ? 0xA0 : 0x80, first == 0xED ? 0x9F : 0xBF);
    return second && in(2, 0x80, 0xBF) ? 3 : 0;
  }
  if (in(0, 0xF0, 0xF4)) {
    const bool second = in(1, first == 0xF0 ? 0x90 : 0x80, first == 0xF4 ? 0x8F : 0xBF);
    return second && in(2, 0x80, 0xBF) && in(3, 0x80, 0xBF) ? 4 : 0;
  }
  return 0;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string from_windows_1252(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<std::uint8_t>(c);
    const char16_t code = byte >= 0x80 && byte < 0xA0 ? kWindows1252[byte - 0x80] : byte;
    if (code < 0x80) {
      if (code != 0) out += c;
    } else if (code < 0x800) {
      out += static_cast<char>(0xC0 | code >> 6);
      out += static_cast<char>(0x80 | (code & 0x3F));
    } else {
      out += static_cast<char>(0xE0 | code >> 12);
      out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
      out += static_cast<char>(0x80 | (code & 0x3F));
    }
  }
  return out;
}

// Takes exactly `count` digits off the front.
std::optional<int> take_number(std::string_view& text, std::size_t count) {
  if (text.size() < count) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return value;
}

// At least `count` digits, with zeros in front.
std::string digits(int value, std::size_t count) {
  const std::string text = std::to_string(value);
  return std::string(count - std::min(count, text.size()), '0') + text;
}

bool take_one_of(std::string_view& text, std::string_view chars) {
  if (text.empty() || chars.find(text.front()) == chars.npos) return false;
  text.remove_prefix(1);
  return true;
}

// "+02:00", "-0330", "Z"; empty if it makes no sense.
std::string parse_offset(std::string_view text) {
  if (text.starts_with('Z')) return "Z";
  const char sign = text.empty() ? '\0' : text.front();
  if (!take_one_of(text, "+-")) return {};
  const auto hours = take_number(text, 2);
  take_one_of(text, ":");
  const auto minutes = take_number(text, 2);
  if (!hours || !minutes || *hours > 14 || *minutes > 59) return {};
  return sign + digits(*hours, 2) + ":" + digits(*minutes, 2);
}

}  // namespace

std::string clean_text(std::string_view raw) {
  raw = raw.substr(0, raw.find('\0'));
  std::string text = is_utf8(raw) ? std::string(raw) : from_windows_1252(raw);
  if (text.size() > kMaxBytes) {
    std::size_t end = kMaxBytes;
    while (end > 0 && (static_cast<std::uint8_t>(text[end]) & 0xC0) == 0x80) --end;
    text.resize(end);
  }
  for (char& c : text) {
    const auto byte = static_cast<std::uint8_t>(c);
    if ((byte < 0x20 && c != '\n') || byte == 0x7F) c = ' ';
  }
  const std::size_t begin = text.find_first_not_of(" \n");
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(" \n") - begin + 1);
}

std::optional<std::string> parse_date(std::string_view text, std::string_view offset) {
  const auto year = take_number(text, 4);
  take_one_of(text, ":-/");
  const auto month = take_number(text, 2);
  take_one_of(text, ":-/");
  const auto day = take_number(text, 2);
  if (!year || !month || !day || *year < 1800) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;

  int hour = 0, minute = 0, second = 0;
  std::string zone = parse_offset(offset);
  if (take_one_of(text, " T")) {
    const auto hours = take_number(text, 2);
    take_one_of(text, ":");
    const auto minutes = take_number(text, 2);
    if (hours && minutes && *hours < 24 && *minutes < 60) {
      hour = *hours;
      minute = *minutes;
      take_one_of(text, ":");
      // 60 occurs; RFC 3339 has leap seconds, but few readers do.
      second = std::min(take_number(text, 2).value_or(0), 59);
      if (take_one_of(text, ".")) {
        while (take_number(text, 1)) continue;
      }
      if (std::string own = parse_offset(text); !own.empty()) zone = std::move(own);
    }
  }
  return digits(*year, 4) + "-" + digits(*month, 2) + "-" + digits(*day, 2) + "T" +
         digits(hour, 2) + ":" + digits(minute, 2) + ":" + digits(second, 2) +
         (zone.empty() ? "Z" : zone);
}

}  // namespace sightline::codecs
