#include "core/indexed_value.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "core/internal/numbers.h"
#include "core/internal/token_reader.h"

namespace sightline {
namespace {

struct TypeName {
  FieldType type;
  std::string_view name;
};
constexpr std::array kTypeNames = std::to_array<TypeName>({
    {FieldType::kKeyword, "keyword"},
    {FieldType::kInteger, "integer"},
    {FieldType::kFloat, "float"},
    {FieldType::kBool, "bool"},
    {FieldType::kDatetime, "datetime"},
    {FieldType::kGeo, "geo"},
    {FieldType::kUuid, "uuid"},
    {FieldType::kText, "text"},
});

template <typename T>
std::optional<IndexedValue> indexed(const std::optional<T>& value) {
  return value ? std::optional<IndexedValue>(*value) : std::nullopt;
}

std::optional<IndexedValue> keyword(const std::string& text) {
  if (text.size() > kMaxIndexedString) return std::nullopt;
  return IndexedValue(text);
}

std::optional<IndexedValue> uuid(std::string_view text) {
  const auto id = PointId::parse(text);
  if (!id || id->is_number()) return std::nullopt;
  return IndexedValue(id->uuid());
}

/// One value, of any type but kText.
std::optional<IndexedValue> indexed_value(const Json& value, FieldType type) {
  const auto* text = value.get_ptr<const std::string*>();
  switch (type) {
    case FieldType::kKeyword:
      return text != nullptr ? keyword(*text) : std::nullopt;
    case FieldType::kInteger:
      return indexed(internal::as_int64(value));
    case FieldType::kFloat:
      if (!value.is_number() || std::isnan(value.get<double>())) return std::nullopt;
      return IndexedValue(value.get<double>());
    case FieldType::kBool:
      return value.is_boolean() ? std::optional<IndexedValue>(value.get<bool>()) : std::nullopt;
    case FieldType::kDatetime:
      return text != nullptr ? indexed(parse_datetime(*text)) : std::nullopt;
    case FieldType::kGeo:
      return indexed(geo_point(value));
    case FieldType::kUuid:
      return text != nullptr ? uuid(*text) : std::nullopt;
    case FieldType::kText:
      break;
  }
  return std::nullopt;
}

void add_tokens(std::string_view text, std::vector<IndexedValue>& values) {
  internal::TokenReader reader(text);
  std::string token;
  bool any = false, all = true;
  while (reader.next(token)) {
    any = true;
    if (token.size() <= kMaxIndexedString) {
      values.emplace_back(token);
    } else {
      all = false;
    }
  }
  if (!any || !all) values.emplace_back(OtherValue());
}

void append_big_endian(std::string& bytes, std::uint64_t bits) {
  for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(bits >> shift & 0xff);
}

std::uint64_t read_big_endian(std::string_view bytes) {
  std::uint64_t bits = 0;
  for (const char c : bytes) bits = bits << 8 | static_cast<std::uint8_t>(c);
  return bits;
}

constexpr std::uint64_t kSign = std::uint64_t{1} << 63;

void append(std::string& bytes, std::int64_t value) {
  append_big_endian(bytes, std::bit_cast<std::uint64_t>(value) ^ kSign);
}

std::int64_t read_integer(std::string_view bytes) {
  return std::bit_cast<std::int64_t>(read_big_endian(bytes) ^ kSign);
}

/// The bits of positive doubles sort as they do, those of negative ones the other way round.
void append(std::string& bytes, double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value == 0 ? 0.0 : value);
  append_big_endian(bytes, bits & kSign ? ~bits : bits | kSign);
}

double read_float(std::string_view bytes) {
  const std::uint64_t bits = read_big_endian(bytes);
  return std::bit_cast<double>(bits & kSign ? bits ^ kSign : ~bits);
}

void append(std::string& bytes, bool value) { bytes += value ? '\1' : '\0'; }

void append(std::string& bytes, const GeoPoint& point) {
  append(bytes, point.lon);
  append(bytes, point.lat);
}

void append(std::string& bytes, const Uuid& uuid) { bytes.append(uuid.begin(), uuid.end()); }

void append(std::string&, const OtherValue&) {}

/// Ends with two zero bytes; a zero byte inside is followed by 0xff.
void append(std::string& bytes, const std::string& text) {
  for (const char c : text) {
    bytes += c;
    if (c == '\0') bytes += '\xff';
  }
  bytes.append(2, '\0');
}

std::optional<std::string> read_string(std::string_view bytes) {
  if (!bytes.ends_with(std::string_view("\0\0", 2))) return std::nullopt;
  bytes.remove_suffix(2);
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    text += bytes[i];
    if (bytes[i] == '\0' && (++i == bytes.size() || bytes[i] != '\xff')) return std::nullopt;
  }
  return text;
}

/// Bytes of a value; 0: any number.
std::size_t encoded_size(FieldType type) {
  switch (type) {
    case FieldType::kKeyword:
    case FieldType::kText:
      return 0;
    case FieldType::kInteger:
    case FieldType::kFloat:
    case FieldType::kDatetime:
      return 8;
    case FieldType::kBool:
      return 1;
    case FieldType::kGeo:
    case FieldType::kUuid:
      return 16;
  }
  return 0;
}

/// nullopt: no encoding of a value. `bytes` has the size of the type.
std::optional<IndexedValue> decode(FieldType type, std::string_view bytes) {
  switch (type) {
    case FieldType::kKeyword:
    case FieldType::kText:
      return indexed(read_string(bytes));
    case FieldType::kInteger:
    case FieldType::kDatetime:
      return IndexedValue(read_integer(bytes));
    case FieldType::kFloat: {
      const double value = read_float(bytes);
      return std::isnan(value) ? std::nullopt : std::optional<IndexedValue>(value);
    }
    case FieldType::kBool:
      if (bytes[0] != '\0' && bytes[0] != '\1') return std::nullopt;
      return IndexedValue(bytes[0] == '\1');
    case FieldType::kGeo: {
      const GeoPoint point{read_float(bytes.substr(0, 8)), read_float(bytes.substr(8))};
      const bool within = std::abs(point.lon) <= 180 && std::abs(point.lat) <= 90;
      return within ? std::optional<IndexedValue>(point) : std::nullopt;
    }
    case FieldType::kUuid: {
      Uuid uuid;
      std::copy(bytes.begin(), bytes.end(), uuid.begin());
      return IndexedValue(uuid);
    }
  }
  return std::nullopt;
}

}  // namespace

std::string_view field_type_name(FieldType type) {
  for (const TypeName& entry : kTypeNames) {
    if (entry.type == type) return entry.name;
  }
  return "unknown";
}

Result<FieldType> parse_field_type(std::string_view text) {
  std::string names;
  for (const TypeName& entry : kTypeNames) {
    if (entry.name == text) return entry.type;
    names += (names.empty() ? "" : ", ") + std::string(entry.name);
  }
  return invalid_argument("field type \"" + std::string(text.substr(0, 200)) +
                          "\" is not known; it must be one of " + names);
}

std::vector<IndexedValue> indexed_values(const Json& payload, const FieldPath& path,
                                         FieldType type) {
  std::vector<IndexedValue> values;
  path.visit(payload, [&values, type](const Json& value) {
    if (value.is_null()) return true;
    if (type == FieldType::kText && value.is_string()) {
      add_tokens(value.get_ref<const std::string&>(), values);
    } else {
      values.push_back(indexed_value(value, type).value_or(OtherValue()));
    }
    return true;
  });
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

std::string encode_indexed(const IndexedValue& value) {
  std::string bytes;
  std::visit([&bytes](const auto& v) { append(bytes, v); }, value);
  return bytes;
}

Result<IndexedValue> decode_indexed(FieldType type, std::string_view bytes) {
  if (bytes.empty()) return IndexedValue(OtherValue());
  const std::size_t size = encoded_size(type);
  if (size == 0 || bytes.size() == size) {
    if (auto value = decode(type, bytes)) return *std::move(value);
  }
  return corruption(std::string(field_type_name(type)) + " of an index: " +
                    std::to_string(bytes.size()) + " bytes are not a value of this type");
}

}  // namespace sightline
