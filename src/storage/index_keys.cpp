#include "storage/internal/index_keys.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace sightline::storage {

std::string encode_definition(const IndexDefinition& definition) {
  std::string bytes(field_type_name(definition.type));
  if (definition.revision > 1) bytes += ' ' + std::to_string(definition.revision);
  if (!definition.parameters.is_null()) bytes += ' ' + dump_json(definition.parameters);
  return bytes;
}

Result<IndexDefinition> decode_definition(std::string_view bytes) {
  IndexDefinition definition;
  const std::size_t space = bytes.find(' ');
  const auto type = parse_field_type(bytes.substr(0, space));
  if (!type) return corruption(type.error().message);
  definition.type = *type;
  definition.revision = 1;
  if (space == std::string_view::npos) return definition;
  const char* end = bytes.data() + bytes.size();
  const auto read = std::from_chars(bytes.data() + space + 1, end, definition.revision);
  if (read.ec != std::errc() || (read.ptr != end && *read.ptr != ' ') || definition.revision < 2)
    return corruption("no revision of an index: \"" + std::string(bytes) + '"');
  if (read.ptr == end) return definition;
  auto parameters = parse_json({read.ptr + 1, end}, "parameters of an index");
  if (!parameters) return corruption(parameters.error().message);
  definition.parameters = *std::move(parameters);
  return definition;
}

Result<IndexedField> indexed_field(std::string_view field, FieldType type) {
  if (field.find('\0') != std::string_view::npos)
    return invalid_argument("a field with a zero byte cannot be indexed");
  IndexedField result;
  SIGHTLINE_TRY(result.path, FieldPath::parse(field));
  result.type = type;
  return result;
}

Result<std::vector<IndexedField>> indexed_fields(const std::map<std::string, FieldType>& types) {
  std::vector<IndexedField> fields;
  for (const auto& [name, type] : types) {
    SIGHTLINE_TRY(IndexedField field, indexed_field(name, type));
    fields.push_back(std::move(field));
  }
  return fields;
}

void append_index_keys(const IndexedField& field, Slot slot, const Json& payload,
                       std::vector<std::string>& keys) {
  for (const IndexedValue& value : indexed_values(payload, field.path, field.type))
    keys.push_back(index_key(field.path.text(), field.type, value, slot));
}

std::vector<std::string> index_keys(const std::vector<IndexedField>& fields, Slot slot,
                                    const Json& payload) {
  std::vector<std::string> keys;
  const std::string hash = content_hash_of(payload);
  if (!hash.empty()) keys.push_back(keyword_key(kContentHashField, hash, slot));
  for (const IndexedField& field : fields) append_index_keys(field, slot, payload, keys);
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

std::string end_of_prefix(std::string prefix) {
  prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

}  // namespace sightline::storage
