#include "apps/html_page.h"

#include <algorithm>
#include <cmath>

#include "apps/text_format.h"
#include "core/json.h"

namespace sightline::apps {
namespace {

constexpr std::string_view kHead = R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<link rel="icon" href="data:,">
<style>
:root {
  --page: #f6f6f4; --card: #fff; --ink: #1d1d1b; --soft: #6c6c66; --line: #e3e3de;
  --accent: #2a6f6b; --minus: #a8432f; --mat: #fff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #161716; --card: #212322; --ink: #ecece8; --soft: #9a9b95; --line: #343634;
    --accent: #6dc0b9; --minus: #e08b76; --mat: #fff;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; padding: 1.5rem clamp(1rem, 4vw, 3rem) 3rem; background: var(--page);
  color: var(--ink); font: 15px/1.45 system-ui, sans-serif;
}
header { display: flex; align-items: baseline; gap: .8rem; margin-bottom: 1.5rem; }
header b { font-size: 1.25rem; letter-spacing: -.01em; color: var(--accent); }
header span, .time { color: var(--soft); font-size: .85rem; }
section { margin-bottom: 2.6rem; }
h2 {
  display: flex; flex-wrap: wrap; align-items: center; gap: .5rem .6rem;
  margin: 0 0 .9rem; font-size: 1.2rem; font-weight: 600;
}
h2 img { height: 3.2rem; border-radius: .4rem; background: var(--mat); }
h2 .minus { color: var(--minus); }
h2 small { font-weight: 400; color: var(--soft); }
.time { font-weight: 400; margin-left: auto; }
ol {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: .9rem;
  margin: 0; padding: 0; list-style: none;
}
li {
  display: flex; flex-direction: column; overflow: hidden; background: var(--card);
  border: 1px solid var(--line); border-radius: .7rem;
}
.picture {
  display: flex; align-items: center; justify-content: center; height: 150px; padding: .5rem;
  background: var(--mat); color: #777;
}
.picture img { max-width: 100%; max-height: 100%; object-fit: contain; }
.facts { padding: .5rem .7rem .65rem; border-top: 1px solid var(--line); }
.name { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.name, .name:visited { color: inherit; text-decoration: none; }
a.name:hover { text-decoration: underline; }
.numbers { display: flex; flex-wrap: wrap; gap: 0 .6rem; color: var(--soft); font-size: .8rem; font-variant-numeric: tabular-nums; }
.numbers b { color: var(--accent); font-weight: 600; }
.numbers span { white-space: nowrap; }
.empty { color: var(--soft); }
</style>
)";

std::string picture(const std::string& thumbnail, std::string_view alt) {
  return "<img src=\"data:image/jpeg;base64," + base64(thumbnail) + "\" alt=\"" + escape_html(alt) +
         "\" loading=\"lazy\">";
}

std::string file_name(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

/// " × 0.5", or nothing for a weight of 1.
std::string weight_note(double weight) {
  const double size = std::abs(weight);
  if (size == 1.0) return "";
  std::string number = format_fixed(size, 3);
  number.erase(number.find_last_not_of('0') + 1);
  if (number.ends_with('.')) number.pop_back();
  return " <small>× " + number + "</small>";
}

std::string heading(const PageSection& section) {
  std::string html = "<h2>";
  for (std::size_t i = 0; i < section.operands.size(); ++i) {
    const PageOperand& operand = section.operands[i];
    const bool minus = operand.weight < 0;
    if (i > 0 || minus) html += minus ? "<small>−</small>" : "<small>+</small>";
    if (!operand.thumbnail.empty()) html += picture(operand.thumbnail, operand.label);
    html += minus ? "<span class=\"minus\">" : "<span>";
    const std::string label = escape_html(escape_line(operand.label));
    html += operand.is_words ? "“" + label + "”" : label;
    html += weight_note(operand.weight) + "</span>";
  }
  return html + "<span class=\"time\">" + format_fixed(section.milliseconds, 1) +
         " ms</span></h2>\n";
}

std::string card(const PageHit& hit) {
  const std::string name = hit.path.empty() ? hit.id : file_name(hit.path);
  std::string html = "<li><div class=\"picture\">";
  html += hit.thumbnail.empty() ? "no thumbnail" : picture(hit.thumbnail, name);
  html += "</div><div class=\"facts\">";
  const std::string title = escape_html(escape_line(hit.path.empty() ? hit.id : hit.path));
  const std::string label = escape_html(escape_line(name));
  // A member of a tar file has no address that a browser could open.
  const bool linked = hit.path.starts_with('/') && hit.path.find(".tar#") == std::string::npos;
  html += linked ? "<a class=\"name\" href=\"" + file_uri(hit.path) + "\" title=\"" + title +
                       "\">" + label + "</a>"
                 : "<span class=\"name\" title=\"" + title + "\">" + label + "</span>";
  html += "<div class=\"numbers\">" + std::to_string(hit.rank) + " <b>" +
          format_fixed(hit.score, 3) + "</b><span>";
  if (hit.width > 0) html += std::to_string(hit.width) + " × " + std::to_string(hit.height);
  if (hit.bytes > 0) html += (hit.width > 0 ? ", " : "") + format_bytes(hit.bytes);
  return html + "</span></div></div></li>\n";
}

std::string title_of(const std::vector<PageSection>& sections) {
  if (sections.size() != 1) return std::to_string(sections.size()) + " queries";
  std::string title;
  for (const PageOperand& operand : sections[0].operands) {
    title += operand.weight < 0 ? " − " : title.empty() ? "" : " + ";
    title += operand.label;
  }
  return escape_html(escape_line(title));
}

}  // namespace

std::string escape_html(std::string_view text) {
  // The JSON writer replaces bytes that are not UTF-8; reading its text gives clean ones.
  const std::string valid = Json::parse(dump_json(Json(text))).get<std::string>();
  std::string out;
  for (const char c : valid) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string file_uri(std::string_view absolute_path) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string uri = "file://";
  for (const char c : absolute_path) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~/").find(c) != std::string_view::npos;
    if (plain) {
      uri += c;
    } else {
      uri += '%';
      uri += digits[byte >> 4];
      uri += digits[byte & 15];
    }
  }
  return uri;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8 | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out += k <= count ? alphabet[group >> (18 - 6 * k) & 63] : '=';
    }
  }
  return out;
}

std::string render_page(const std::vector<PageSection>& sections, std::string_view subtitle) {
  std::string html(kHead);
  html += "<title>" + title_of(sections) + " · sightline</title>\n</head>\n<body>\n";
  html += "<header><b>sightline</b><span>" + escape_html(subtitle) + "</span></header>\n<main>\n";
  for (const PageSection& section : sections) {
    html += "<section>\n" + heading(section);
    if (section.hits.empty()) {
      html += "<p class=\"empty\">Nothing found.</p>\n";
    } else {
      html += "<ol>\n";
      for (const PageHit& hit : section.hits) html += card(hit);
      html += "</ol>\n";
    }
    html += "</section>\n";
  }
  return html + "</main>\n</body>\n</html>\n";
}

}  // namespace sightline::apps
