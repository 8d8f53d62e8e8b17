// storage/internal/index_keys.h: which keys of `payload_index` belong to a payload.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/field_path.h"
#include "core/indexed_value.h"
#include "core/json.h"
#include "core/result.h"
#include "storage/records.h"

namespace sightline::storage {

/// A defined payload index.
struct IndexedField {
  FieldPath path;
  FieldType type = FieldType::kKeyword;
};

/// What indexed_values() takes of a payload has a number of its own: an index with another one is
/// not read, and the next writer makes it anew.
inline constexpr std::uint64_t kIndexRevision = 2;

/// What `meta` says of an index: its type and, but for revision 1, a space and the revision; then,
/// if there are any, a space and the parameters as JSON.
struct IndexDefinition {
  FieldType type = FieldType::kKeyword;
  std::uint64_t revision = kIndexRevision;
  Json parameters = {};  ///< Not read by `storage`; null: none.
};
std::string encode_definition(const IndexDefinition& definition);
/// errors  kCorruption.
Result<IndexDefinition> decode_definition(std::string_view bytes);

/// errors  kInvalidArgument: no FieldPath, or it holds a zero byte.
Result<IndexedField> indexed_field(std::string_view field, FieldType type);
Result<std::vector<IndexedField>> indexed_fields(const std::map<std::string, FieldType>& types);

/// Adds the keys of one field.
void append_index_keys(const IndexedField& field, Slot slot, const Json& payload,
                       std::vector<std::string>& keys);
/// Of all `fields` and of find_content(), ascending.
std::vector<std::string> index_keys(const std::vector<IndexedField>& fields, Slot slot,
                                    const Json& payload);

/// The key after all those that start with `prefix`, which ends with a byte below FF.
std::string end_of_prefix(std::string prefix);

}  // namespace sightline::storage
