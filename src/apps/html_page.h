// apps/html_page.h: answers as one HTML file that needs nothing else: no scripts, no network.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sightline::apps {

/// One part of a query as the page shows it.
struct PageOperand {
  std::string label;      ///< The words, or the name of the picture or point.
  double weight = 1.0;    ///< Shown unless 1; negative: subtracted.
  bool is_words = false;  ///< Words are quoted.
  std::string thumbnail;  ///< JPEG bytes; empty: none.
};

struct PageHit {
  std::size_t rank = 0;
  std::string id;
  float score = 0;
  std::string path;  ///< Absolute, or "TAR#member"; empty: unknown.
  std::size_t width = 0, height = 0;
  std::uint64_t bytes = 0;  ///< 0: unknown
  std::string thumbnail;    ///< JPEG bytes; empty: none.
};

/// A query and its answer.
struct PageSection {
  std::vector<PageOperand> operands;
  std::vector<PageHit> hits;
  double milliseconds = 0;
};

/// The page: a section per query, an <img> per thumbnail as a data URI; light and dark. Everything
/// that comes from outside is escaped. `subtitle`: one line of plain text.
std::string render_page(const std::vector<PageSection>& sections, std::string_view subtitle);

/// For HTML text and quoted attributes; bytes that are not UTF-8 become U+FFFD.
std::string escape_html(std::string_view text);
/// "file:///..." with everything but letters, digits and "-._~/" percent-encoded.
std::string file_uri(std::string_view absolute_path);
std::string base64(std::string_view bytes);

}  // namespace sightline::apps
