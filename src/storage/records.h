// storage/records.h: what the column families hold, and how it becomes bytes
// (docs/storage_format.md).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/indexed_value.h"
#include "core/json.h"
#include "core/point_id.h"
#include "core/result.h"
#include "core/vector_view.h"

namespace sightline::storage {

/// Dense number of a point within its collection, never used twice (DESIGN.md, "Slots").
using Slot = std::uint32_t;
/// Number of the commit that wrote something, from 1.
using Version = std::uint64_t;

/// `slots`: who lives in a slot.
struct SlotRecord {
  PointId id;
  Version version = 0;                     ///< Of the last commit that touched the point.
  std::string source_uri;                  ///< Empty: no source.
  std::map<std::string, Version> vectors;  ///< Vector name -> version of its row.
};

/// `sources`: what is known of a source; the key is `uri`.
struct SourceRow {
  std::string uri;
  std::uint64_t size = 0;     ///< bytes
  std::int64_t mtime_ns = 0;  ///< since 1970
  std::string content_hash;   ///< "sha256:HEX" or empty
  std::string payload_hash;
  std::optional<PointId> id;  ///< Absent for a skipped source.
  std::string skip_reason;
  std::string skip_message;
};

std::string encode_slot(Slot slot);  ///< 4 bytes, big-endian: keys sort by slot.
Result<Slot> decode_slot(std::string_view key);
std::string encode_number(std::uint64_t number);  ///< 8 bytes, little-endian.
Result<std::uint64_t> decode_number(std::string_view value);

std::string encode_slot_record(const SlotRecord& record);
Result<SlotRecord> decode_slot_record(std::string_view value);

std::string encode_source(const SourceRow& source);  ///< Without the URI, which is the key.
Result<SourceRow> decode_source(std::string_view uri, std::string_view value);

std::string encode_payload(const Json& payload);  ///< CBOR (RFC 8949): 64-bit integers are exact.
Result<Json> decode_payload(std::string_view value);

/// Key in `vectors`: name, a zero byte, slot.
std::string vector_key(std::string_view name, Slot slot);
std::string vector_prefix(std::string_view name);
/// version, then what the kind holds; decode_vector() tells the kind by itself.
std::string encode_vector(Version version, const VectorView& vector);
std::string encode_vector(Version version, std::span<const float> values);  ///< kDense
/// The dense row in two parts, which end to end are encode_vector(). They are bytes of `version`
/// and `values`, which outlive them.
std::pair<std::string_view, std::string_view> dense_row_parts(const Version& version,
                                                              std::span<const float> values);
struct VectorRow {
  Version version = 0;
  std::vector<float> values;
  VectorKind kind = VectorKind::kDense;
  std::vector<std::uint32_t> indices = {};
  std::size_t num_rows = 1;

  VectorView view() const { return {kind, values, indices, num_rows}; }
};
Result<VectorRow> decode_vector(std::string_view value);

/// Key in `payload_index` that serves find_content() in every collection, defined index or not:
/// field, 0, 'k', value, 0, slot. Values hold no zero byte.
std::string keyword_prefix(std::string_view field, std::string_view value);
std::string keyword_key(std::string_view field, std::string_view value, Slot slot);

/// Key in `payload_index` of a defined index: field, 0, tag of the type, value, slot. Keys of a
/// field sort by value, then slot, but for those of OtherValue, which have no bytes of a value.
/// `field` holds no zero byte.
std::string index_prefix(std::string_view field, FieldType type);
std::string index_key(std::string_view field, FieldType type, const IndexedValue& value, Slot slot);
struct IndexEntry {
  IndexedValue value;
  Slot slot = 0;
};
/// Reads what follows index_prefix(). errors  kCorruption.
Result<IndexEntry> decode_index_entry(FieldType type, std::string_view key_tail);

/// Key of a thumbnail in `blobs`.
std::string thumbnail_key(Slot slot);

/// Reserved payload key of our facts about a picture (DESIGN.md, "Facts of a picture").
inline constexpr std::string_view kImageKey = "_image";
/// `payload["_image"]["content_hash"]`, or empty.
std::string content_hash_of(const Json& payload);
inline constexpr std::string_view kContentHashField = "_image.content_hash";

}  // namespace sightline::storage
