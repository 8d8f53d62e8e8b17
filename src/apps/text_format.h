// apps/text_format.h: numbers, names and tables for people.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sightline::apps {

/// `text` on one line and safe for a terminal: control characters and bytes that are not UTF-8
/// become \n, \t or \x1b, so that no file name can break a line or move the cursor.
std::string escape_line(std::string_view text);

/// Characters on a terminal, taking every code point for one column.
std::size_t display_width(std::string_view text);

std::string format_count(std::uint64_t count);             ///< "12,345"
std::string format_bytes(std::uint64_t bytes);             ///< "1.2 MiB"
std::string format_duration(double seconds);               ///< "0:07", "12:30", "3:02:10"
std::string format_fixed(double value, int num_decimals);  ///< "0.123"; independent of the locale

enum class Align { kLeft, kRight };

/// Rows of text in columns two spaces apart.
/// Thread-safety: one thread.
class TextTable {
 public:
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };
  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// Cells are escaped. One per column.
  void add_row(std::vector<std::string> cells);
  /// Lines with newlines, no spaces at their ends; titles first.
  std::string render() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace sightline::apps
