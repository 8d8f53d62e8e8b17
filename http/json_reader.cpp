#include "http/json_reader.h"

#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "http/errors.h"

namespace sightline::http {
namespace {

static_assert(kJsonPadding >= simdjson::SIMDJSON_PADDING);

/// Memory for larger texts is not kept between requests.
constexpr std::size_t kKeptParserBytes = std::size_t{1} << 20;

enum class Lists { kPlain, kRows };

/// False: it is no list that read_json_with_rows() makes a row of.
bool convert_to_row(const simdjson::dom::array& array, Json& out) {
  using Type = simdjson::dom::element_type;
  if (array.size() < kMinRow) return false;
  Json::binary_t::container_type bytes(array.size() * sizeof(float));
  bool has_fraction = false;
  std::size_t at = 0;
  for (const auto child : array) {
    const Type type = child.type();
    if (type != Type::DOUBLE && type != Type::INT64 && type != Type::UINT64) return false;
    has_fraction = has_fraction || type == Type::DOUBLE;
    const auto number = static_cast<float>(child.get_double().value_unsafe());
    if (!std::isfinite(number) || at == bytes.size()) return false;
    std::memcpy(bytes.data() + at, &number, sizeof number);
    at += sizeof number;
  }
  if (!has_fraction || at != bytes.size()) return false;
  out = Json::binary(std::move(bytes));
  return true;
}

/// What simdjson has checked, as a core value. False: something only the slower reader can say.
bool convert(simdjson::dom::element element, Lists lists, Json& out) {
  using Type = simdjson::dom::element_type;
  switch (element.type()) {
    case Type::ARRAY: {
      const simdjson::dom::array array = element.get_array().value_unsafe();
      if (lists == Lists::kRows && convert_to_row(array, out)) return true;
      out = Json::array();
      auto& list = out.get_ref<Json::array_t&>();
      list.reserve(array.size());
      for (const auto child : array) {
        if (!convert(child, lists, list.emplace_back())) return false;
      }
      return true;
    }
    case Type::OBJECT: {
      out = Json::object();
      auto& object = out.get_ref<Json::object_t&>();
      const simdjson::dom::object fields = element.get_object().value_unsafe();
      for (const auto field : fields) {
        if (!convert(field.value, lists, object[std::string(field.key)])) return false;
      }
      return true;
    }
    case Type::INT64:
      // nlohmann's own parser makes every number without a sign an unsigned one.
      if (const std::int64_t number = element.get_int64().value_unsafe(); number >= 0) {
        out = static_cast<std::uint64_t>(number);
      } else {
        out = number;
      }
      return true;
    case Type::UINT64:
      out = element.get_uint64().value_unsafe();
      return true;
    case Type::DOUBLE:
      out = element.get_double().value_unsafe();
      return true;
    case Type::STRING:
      out = std::string(element.get_string().value_unsafe());
      return true;
    case Type::BOOL:
      out = element.get_bool().value_unsafe();
      return true;
    case Type::NULL_VALUE:
      out = nullptr;
      return true;
  }
  return false;
}

/// False: it is no JSON, or something only the slower reader can say.
bool parse_quickly(const std::string& text, simdjson::dom::parser& parser,
                   simdjson::dom::element& root) {
  if (parser.capacity() < text.size() || parser.max_depth() != kMaxJsonDepth) {
    if (parser.allocate(std::max<std::size_t>(text.size(), 4096), kMaxJsonDepth)) return false;
  }
  const bool is_padded = text.capacity() - text.size() >= simdjson::SIMDJSON_PADDING;
  return !parser.parse(text.data(), text.size(), !is_padded).get(root);
}

bool read_quickly(const std::string& text, Lists lists, simdjson::dom::parser& parser, Json& out) {
  simdjson::dom::element root;
  return parse_quickly(text, parser, root) && convert(root, lists, out);
}

/// The slower reader knows where a text went wrong, and takes integers of any length.
Result<Json> read_slowly(const std::string& text) {
  constexpr std::string_view kWhat = "body";
  auto parsed = parse_json(text, kWhat, kMaxJsonDepth);
  if (parsed) return parsed;
  return format_error(std::string_view(parsed.error().message).substr(kWhat.size() + 2));
}

Result<Json> read(const std::string& text, Lists lists) {
  Json out;
  if (text.size() <= kKeptParserBytes) {
    thread_local simdjson::dom::parser parser;
    if (read_quickly(text, lists, parser, out)) return out;
  } else {
    simdjson::dom::parser parser;
    if (read_quickly(text, lists, parser, out)) return out;
  }
  return read_slowly(text);
}

}  // namespace

Result<void> check_json(const std::string& text) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (parse_quickly(text, parser, root)) return {};
  auto json = read_slowly(text);
  if (!json) return std::move(json).error();
  return {};
}

Result<Json> read_json(const std::string& text) { return read(text, Lists::kPlain); }
Result<Json> read_json_with_rows(const std::string& text) { return read(text, Lists::kRows); }

std::vector<float> row_of(const Json& binary) {
  const Json::binary_t& bytes = binary.get_binary();
  std::vector<float> row(bytes.size() / sizeof(float));
  std::memcpy(row.data(), bytes.data(), bytes.size());
  return row;
}

}  // namespace sightline::http
