#include "core/point_id.h"

#include <algorithm>
#include <charconv>

#include "core/checksum.h"

namespace sightline {
namespace {

constexpr char kNumberTag = 0;
constexpr char kUuidTag = 1;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<Uuid> parse_uuid(std::string_view text) {
  if (text.starts_with("urn:uuid:")) {
    text.remove_prefix(9);
  } else if (text.size() == 38 && text.front() == '{' && text.back() == '}') {
    text = text.substr(1, 36);
  }
  const bool hyphenated = text.size() == 36;
  if (!hyphenated && text.size() != 32) return std::nullopt;
  Uuid uuid{};
  std::size_t num_digits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (hyphenated && (i == 8 || i == 13 || i == 18 || i == 23)) {
      if (text[i] != '-') return std::nullopt;
      continue;
    }
    const int digit = hex_digit(text[i]);
    if (digit < 0) return std::nullopt;
    std::uint8_t& byte = uuid[num_digits / 2];
    byte = static_cast<std::uint8_t>(byte << 4 | digit);
    ++num_digits;
  }
  return uuid;
}

}  // namespace

Result<PointId> PointId::parse(std::string_view text) {
  if (const auto uuid = parse_uuid(text)) return PointId(*uuid);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (!text.empty() && error == std::errc() && end == text.data() + text.size()) {
    return PointId(number);
  }
  return invalid_argument("point id \"" + std::string(text.substr(0, 200)) +
                          "\" is neither an unsigned 64-bit integer nor a UUID");
}

Result<PointId> PointId::from_json(const Json& value) {
  if (value.is_number_unsigned()) return PointId(value.get<std::uint64_t>());
  if (value.is_number_integer() && value.get<std::int64_t>() >= 0) {
    return PointId(static_cast<std::uint64_t>(value.get<std::int64_t>()));
  }
  if (value.is_string()) return parse(value.get_ref<const std::string&>());
  return invalid_argument("point id " + dump_json(value).substr(0, 200) +
                          " is neither an unsigned 64-bit integer nor a UUID");
}

PointId PointId::from_digest(std::span<const std::uint8_t, 32> sha256) {
  Uuid uuid;
  std::copy_n(sha256.begin(), uuid.size(), uuid.begin());
  uuid[6] = static_cast<std::uint8_t>((uuid[6] & 0x0f) | 0x80);  // version 8
  uuid[8] = static_cast<std::uint8_t>((uuid[8] & 0x3f) | 0x80);  // variant 0b10
  return PointId(uuid);
}

std::string PointId::to_string() const {
  if (is_number()) return std::to_string(number());
  std::string text = to_hex(uuid());
  for (const std::size_t at : {20, 16, 12, 8}) text.insert(at, 1, '-');
  return text;
}

Json PointId::to_json() const { return is_number() ? Json(number()) : Json(to_string()); }

std::string PointId::encode() const {
  std::string key;
  if (is_number()) {
    key += kNumberTag;
    for (int shift = 56; shift >= 0; shift -= 8) key += static_cast<char>(number() >> shift & 0xff);
  } else {
    key += kUuidTag;
    key.append(uuid().begin(), uuid().end());
  }
  return key;
}

Result<PointId> PointId::decode(std::string_view key) {
  if (key.size() == 9 && key[0] == kNumberTag) {
    std::uint64_t number = 0;
    for (const char c : key.substr(1)) number = number << 8 | static_cast<std::uint8_t>(c);
    return PointId(number);
  }
  if (key.size() == 17 && key[0] == kUuidTag) {
    Uuid uuid;
    std::copy_n(key.begin() + 1, uuid.size(), uuid.begin());
    return PointId(uuid);
  }
  return corruption("point id key of " + std::to_string(key.size()) +
                    " bytes; it must be tag 0 and 8 bytes, or tag 1 and 16 bytes");
}

}  // namespace sightline

std::size_t std::hash<sightline::PointId>::operator()(const sightline::PointId& id) const noexcept {
  if (id.is_number()) {
    const std::uint64_t number = id.number();
    return sightline::checksum64(std::as_bytes(std::span(&number, 1)));
  }
  return sightline::checksum64(std::as_bytes(std::span(id.uuid())));
}
