#include "core/internal/datetime.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string_view>

#include "core/indexed_value.h"

namespace sightline {
namespace {

using std::chrono::microseconds;

constexpr auto kFirst = std::chrono::sys_time<microseconds>(
    std::chrono::sys_days(std::chrono::year(0) / std::chrono::January / 1));
constexpr auto kLast = std::chrono::sys_time<microseconds>(std::chrono::sys_days(
                           std::chrono::year(10000) / std::chrono::January / 1)) -
                       microseconds(1);

/// Takes the parts of a date from the front of a text.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool done() const { return rest_.empty(); }

  /// A number of exactly `width` digits.
  std::optional<int> number(std::size_t width) {
    if (rest_.size() < width) return std::nullopt;
    int value = 0;
    for (const char c : rest_.substr(0, width)) {
      if (!is_digit(c)) return std::nullopt;
      value = 10 * value + (c - '0');
    }
    rest_.remove_prefix(width);
    return value;
  }
  /// Like number(), which must be at most `max`.
  std::optional<int> number(std::size_t width, int max) {
    const auto value = number(width);
    return value && *value <= max ? value : std::nullopt;
  }
  bool skip(char c) { return skip_any({&c, 1}); }
  bool skip_any(std::string_view characters) {
    if (rest_.empty() || characters.find(rest_.front()) == characters.npos) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool skip_word(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  /// Digits after the point, of which six count.
  std::optional<microseconds> fraction() {
    if (rest_.empty() || !is_digit(rest_.front())) return std::nullopt;
    int micros = 0;
    for (int scale = 100'000; !rest_.empty() && is_digit(rest_.front()); scale /= 10) {
      micros += scale * (rest_.front() - '0');
      rest_.remove_prefix(1);
    }
    return microseconds(micros);
  }

 private:
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }

  std::string_view rest_;
};

std::optional<std::chrono::sys_days> read_day(Reader& in) {
  const auto year = in.number(4);
  if (!year || !in.skip('-')) return std::nullopt;
  const auto month = in.number(2);
  if (!month || !in.skip('-')) return std::nullopt;
  const auto day = in.number(2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date);
}

/// Since midnight. A leap second is the second after.
std::optional<microseconds> read_time(Reader& in) {
  const auto hour = in.number(2, 23);
  if (!hour || !in.skip(':')) return std::nullopt;
  const auto minute = in.number(2, 59);
  if (!minute) return std::nullopt;
  microseconds time = std::chrono::hours(*hour) + std::chrono::minutes(*minute);
  if (!in.skip(':')) return time;
  const auto second = in.number(2, 60);
  if (!second) return std::nullopt;
  time += std::chrono::seconds(*second);
  if (!in.skip('.')) return time;
  const auto fraction = in.fraction();
  if (!fraction) return std::nullopt;
  return time + *fraction;
}

/// What local time is ahead of UTC; 0 without a zone.
std::optional<std::chrono::minutes> read_zone(Reader& in) {
  using std::chrono::minutes;
  if (in.done()) return minutes(0);
  in.skip(' ');
  if (in.skip_any("Zz") || in.skip_word("UTC")) return minutes(0);
  const bool west = in.skip('-');
  if (!west && !in.skip('+')) return std::nullopt;
  const auto hour = in.number(2, 23);
  if (!hour) return std::nullopt;
  int minute = 0;
  if (!in.done()) {
    in.skip(':');
    const auto after_hour = in.number(2, 59);
    if (!after_hour) return std::nullopt;
    minute = *after_hour;
  }
  const minutes ahead = std::chrono::hours(*hour) + minutes(minute);
  return west ? -ahead : ahead;
}

void append_number(std::string& text, std::int64_t value, std::size_t width) {
  const std::string digits = std::to_string(value);
  text.append(width - std::min(width, digits.size()), '0').append(digits);
}

}  // namespace

std::optional<std::int64_t> parse_datetime(std::string_view text) {
  Reader in(text);
  const auto day = read_day(in);
  if (!day) return std::nullopt;
  std::chrono::sys_time<microseconds> moment = *day;
  if (!in.done()) {
    if (!in.skip_any("Tt ")) return std::nullopt;
    const auto time = read_time(in);
    if (!time) return std::nullopt;
    const auto ahead = read_zone(in);
    if (!ahead || !in.done()) return std::nullopt;
    moment += *time - *ahead;
  }
  if (moment < kFirst || moment > kLast) return std::nullopt;
  return moment.time_since_epoch().count();
}

std::string internal::format_datetime(std::int64_t micros) {
  const auto moment =
      std::clamp(std::chrono::sys_time<microseconds>(microseconds(micros)), kFirst, kLast);
  const auto day = std::chrono::floor<std::chrono::days>(moment);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(moment - day);
  std::string text;
  append_number(text, static_cast<int>(date.year()), 4);
  text += '-';
  append_number(text, static_cast<unsigned>(date.month()), 2);
  text += '-';
  append_number(text, static_cast<unsigned>(date.day()), 2);
  text += 'T';
  append_number(text, time.hours().count(), 2);
  text += ':';
  append_number(text, time.minutes().count(), 2);
  text += ':';
  append_number(text, time.seconds().count(), 2);
  if (time.subseconds().count() != 0) {
    text += '.';
    append_number(text, time.subseconds().count(), 6);
  }
  return text + 'Z';
}

}  // namespace sightline
