#include "train/internal/svg_metadata.h"

#include <array>
#include <utility>

namespace sightline::train {
namespace {

/// The text between <name ...> and </name> at or after `from`; moves `from` behind it. Empty: none.
std::string_view element(std::string_view text, std::string_view name, std::size_t& from) {
  const std::string open = '<' + std::string(name), close = "</" + std::string(name) + '>';
  const std::size_t begin = text.find(open, from);
  if (begin == std::string_view::npos) return from = text.size(), std::string_view{};
  const std::size_t start = text.find('>', begin);
  const std::size_t end = text.find(close, begin);
  if (start == std::string_view::npos || end == std::string_view::npos || start > end) {
    return from = text.size(), std::string_view{};
  }
  from = end + close.size();
  return text.substr(start + 1, end - start - 1);
}

std::string unescape(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, char>, 5> kEntities{
      {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}}};
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    bool found = false;
    for (const auto& [entity, character] : kEntities) {
      if (text.substr(i).starts_with(entity)) {
        out += character;
        i += entity.size() - 1;
        found = true;
        break;
      }
    }
    if (!found) out += text[i];
  }
  return out;
}

}  // namespace

SvgMetadata parse_svg_metadata(std::string_view svg) {
  SvgMetadata out;
  std::size_t at = 0;
  const std::string_view metadata = element(svg, "metadata", at);
  at = 0;
  const std::string_view creator = element(metadata, "dc:creator", at);
  at = 0;
  out.creator = unescape(element(creator, "dc:title", at));
  at = 0;
  const std::string_view subject = element(metadata, "dc:subject", at);
  for (std::size_t i = 0; i < subject.size();) {
    if (const auto keyword = element(subject, "rdf:li", i); !keyword.empty()) {
      out.keywords.push_back(unescape(keyword));
    }
  }
  // Agents have titles too: the work's own is the one outside of them.
  std::string without_agents;
  for (std::size_t i = 0; i < metadata.size();) {
    const std::size_t begin = metadata.find("<cc:Agent", i);
    without_agents += metadata.substr(i, begin == std::string_view::npos ? begin : begin - i);
    if (begin == std::string_view::npos) break;
    const std::size_t end = metadata.find("</cc:Agent>", begin);
    if (end == std::string_view::npos) break;
    i = end;
  }
  at = 0;
  out.title = unescape(element(without_agents, "dc:title", at));
  return out;
}

}  // namespace sightline::train
