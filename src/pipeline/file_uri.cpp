#include "pipeline/file_uri.h"

#include <cstddef>
#include <cstdint>

#include "core/json.h"

namespace sightline::pipeline {
namespace {

constexpr std::string_view kScheme = "file://";
constexpr std::string_view kIdMark = "#id=";

bool is_plain(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~' || c == '/';
}

void append_escaped(std::string& out, unsigned char c) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  out += '%';
  out += kDigits[c >> 4];
  out += kDigits[c & 15];
}

std::string percent_encode(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_plain(byte)) {
      out += c;
    } else {
      append_escaped(out, byte);
    }
  }
  return out;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

/// Bytes of the UTF-8 sequence that starts at `text[i]`, or 0.
std::size_t utf8_length(std::string_view text, std::size_t i) {
  const auto byte = [&](std::size_t k) -> unsigned {
    return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0u;
  };
  const auto continues = [&](std::size_t k) { return (byte(k) & 0xC0u) == 0x80u; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return continues(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const bool overlong = lead == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = lead == 0xED && byte(1) > 0x9F;
    return continues(1) && continues(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const bool overlong = lead == 0xF0 && byte(1) < 0x90;
    const bool too_big = lead == 0xF4 && byte(1) > 0x8F;
    return continues(1) && continues(2) && continues(3) && !overlong && !too_big ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::string to_file_uri(std::string_view path) {
  return std::string(kScheme) + percent_encode(path);
}

std::string to_member_uri(std::string_view tar_path, std::string_view member) {
  std::string uri = to_file_uri(tar_path);
  uri += '#';
  uri += percent_encode(member);  // "=" is always encoded, so "#id=" stays unmistakable
  return uri;
}

std::string with_id(std::string uri, const PointId& id) {
  uri += kIdMark;
  uri += id.to_string();
  return uri;
}

Result<SourceName> parse_source_uri(std::string_view uri) {
  const auto refuse = [&](std::string_view rule) {
    return invalid_argument("\"" + std::string(uri) + "\" " + std::string(rule));
  };
  if (!uri.starts_with(kScheme)) return refuse("is not a file:// URI");
  std::string_view rest = uri.substr(kScheme.size());
  if (rest.starts_with("localhost/")) rest.remove_prefix(std::string_view("localhost").size());
  if (!rest.starts_with('/')) return refuse("names a host; only files of this machine are taken");

  SourceName name;
  if (const std::size_t mark = rest.rfind(kIdMark); mark != rest.npos) {
    auto id = PointId::parse(rest.substr(mark + kIdMark.size()));
    if (!id) return refuse("ends in an impossible id: " + id.error().message);
    name.id = *id;
    rest = rest.substr(0, mark);
  }
  const std::size_t hash = rest.find('#');
  const auto path = percent_decode(rest.substr(0, hash));
  if (!path) return refuse("has a broken percent escape");
  name.path = *path;
  if (hash != rest.npos) {
    const auto member = percent_decode(rest.substr(hash + 1));
    if (!member) return refuse("has a broken percent escape");
    name.member = *member;
  }
  return name;
}

std::string display_path(std::string_view uri) {
  auto name = parse_source_uri(uri);
  if (!name) return std::string(uri);
  return name->member.empty() ? name->path : name->path + "#" + name->member;
}

std::string to_valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_length(text, i);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
      ++i;
    } else {
      out.append(text.substr(i, length));
      i += length;
    }
  }
  return out;
}

}  // namespace sightline::pipeline
