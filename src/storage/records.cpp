#include "storage/records.h"

#include <bit>
#include <cstring>

namespace sightline::storage {
namespace {

static_assert(std::endian::native == std::endian::little,
              "vectors and numbers are stored little-endian and copied as they are");

template <typename T>
void append(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

void append_text(std::string& out, std::string_view text) {
  append(out, static_cast<std::uint32_t>(text.size()));
  out.append(text);
}

/// Reads what append() wrote; once something is cut short, all that follows is empty.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : left_(bytes) {}

  template <typename T>
  T number() {
    T value{};
    if (left_.size() < sizeof(T)) {
      cut_ = true;
      return value;
    }
    std::memcpy(&value, left_.data(), sizeof(T));
    left_.remove_prefix(sizeof(T));
    return value;
  }
  std::string_view text() {
    const auto length = number<std::uint32_t>();
    if (cut_ || left_.size() < length) {
      cut_ = true;
      return {};
    }
    const std::string_view result = left_.substr(0, length);
    left_.remove_prefix(length);
    return result;
  }
  bool intact() const { return !cut_ && left_.empty(); }
  bool cut() const { return cut_; }

 private:
  std::string_view left_;
  bool cut_ = false;
};

Status damaged(std::string_view what) {
  return corruption("a stored " + std::string(what) + " is damaged");
}

/// Lower-case 'k' is taken by keyword_key().
char index_tag(FieldType type) {
  switch (type) {
    case FieldType::kKeyword:
      return 'K';
    case FieldType::kInteger:
      return 'i';
    case FieldType::kFloat:
      return 'f';
    case FieldType::kBool:
      return 'b';
    case FieldType::kDatetime:
      return 'd';
    case FieldType::kGeo:
      return 'g';
    case FieldType::kUuid:
      return 'u';
    case FieldType::kText:
      return 't';
  }
  SIGHTLINE_CHECK(false);
}

}  // namespace

std::string encode_slot(Slot slot) {
  return {static_cast<char>(slot >> 24), static_cast<char>(slot >> 16),
          static_cast<char>(slot >> 8), static_cast<char>(slot)};
}

Result<Slot> decode_slot(std::string_view key) {
  if (key.size() != 4) return damaged("slot number");
  Slot slot = 0;
  for (const char byte : key) slot = slot << 8 | static_cast<unsigned char>(byte);
  return slot;
}

std::string encode_number(std::uint64_t number) {
  std::string out;
  append(out, number);
  return out;
}

Result<std::uint64_t> decode_number(std::string_view value) {
  Reader reader(value);
  const auto number = reader.number<std::uint64_t>();
  if (!reader.intact()) return damaged("number");
  return number;
}

std::string encode_slot_record(const SlotRecord& record) {
  std::string out;
  append_text(out, record.id.encode());
  append(out, record.version);
  append_text(out, record.source_uri);
  append(out, static_cast<std::uint32_t>(record.vectors.size()));
  for (const auto& [name, version] : record.vectors) {
    append_text(out, name);
    append(out, version);
  }
  return out;
}

Result<SlotRecord> decode_slot_record(std::string_view value) {
  Reader reader(value);
  SlotRecord record;
  const std::string_view id = reader.text();
  record.version = reader.number<Version>();
  record.source_uri = reader.text();
  const auto num_vectors = reader.number<std::uint32_t>();
  for (std::uint32_t i = 0; i < num_vectors && !reader.cut(); ++i) {
    std::string name(reader.text());
    record.vectors[std::move(name)] = reader.number<Version>();
  }
  if (!reader.intact()) return damaged("slot record");
  SIGHTLINE_TRY(record.id, PointId::decode(id));
  return record;
}

std::string encode_source(const SourceRow& source) {
  std::string out;
  append(out, source.size);
  append(out, source.mtime_ns);
  append_text(out, source.content_hash);
  append_text(out, source.payload_hash);
  append_text(out, source.id ? source.id->encode() : std::string());
  append_text(out, source.skip_reason);
  append_text(out, source.skip_message);
  return out;
}

Result<SourceRow> decode_source(std::string_view uri, std::string_view value) {
  Reader reader(value);
  SourceRow source;
  source.uri = uri;
  source.size = reader.number<std::uint64_t>();
  source.mtime_ns = reader.number<std::int64_t>();
  source.content_hash = reader.text();
  source.payload_hash = reader.text();
  const std::string_view id = reader.text();
  source.skip_reason = reader.text();
  source.skip_message = reader.text();
  if (!reader.intact()) return damaged("source record (" + source.uri + ")");
  if (!id.empty()) {
    SIGHTLINE_TRY(source.id, PointId::decode(id));
  }
  return source;
}

std::string encode_payload(const Json& payload) {
  std::string out;
  Json::to_cbor(payload, nlohmann::detail::output_adapter<char>(out));
  return out;
}

Result<Json> decode_payload(std::string_view value) {
  Json payload = Json::from_cbor(value, /*strict=*/true, /*allow_exceptions=*/false);
  if (payload.is_discarded()) return damaged("payload");
  return payload;
}

std::string vector_prefix(std::string_view name) {
  std::string key(name);
  key.push_back('\0');
  return key;
}

std::string vector_key(std::string_view name, Slot slot) {
  return vector_prefix(name) + encode_slot(slot);
}

namespace {

// Last bytes of what is not a dense row, whose length is a multiple of 4.
constexpr char kSparseTail = 's';
constexpr char kMultiTail = 'm';

template <typename T>
void append_array(std::string& out, std::span<const T> values) {
  const std::size_t before = out.size();
  out.resize(before + values.size_bytes());
  if (!values.empty()) std::memcpy(out.data() + before, values.data(), values.size_bytes());
}

template <typename T>
void read_array(std::string_view bytes, std::vector<T>& values) {
  values.resize(bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
}

}  // namespace

std::string encode_vector(Version version, const VectorView& vector) {
  std::string out;
  out.reserve(sizeof(Version) + vector.values.size_bytes() + vector.indices.size_bytes() + 5);
  append(out, version);
  if (vector.kind == VectorKind::kSparse) append_array(out, vector.indices);
  append_array(out, vector.values);
  if (vector.kind == VectorKind::kMulti) append(out, static_cast<std::uint32_t>(vector.num_rows));
  if (vector.kind != VectorKind::kDense)
    out.push_back(vector.kind == VectorKind::kSparse ? kSparseTail : kMultiTail);
  return out;
}

std::string encode_vector(Version version, std::span<const float> values) {
  return encode_vector(version, VectorView{VectorKind::kDense, values});
}

std::pair<std::string_view, std::string_view> dense_row_parts(const Version& version,
                                                              std::span<const float> values) {
  const auto bytes = [](const auto* from, std::size_t size) {
    return std::string_view(reinterpret_cast<const char*>(from), size);  // NOLINT: as they are
  };
  return {bytes(&version, sizeof(version)), bytes(values.data(), values.size_bytes())};
}

Result<VectorRow> decode_vector(std::string_view value) {
  if (value.size() < sizeof(Version)) return damaged("vector");
  VectorRow row;
  std::memcpy(&row.version, value.data(), sizeof(Version));
  value.remove_prefix(sizeof(Version));
  if (value.size() % sizeof(float) == 0) {
    read_array(value, row.values);
    return row;
  }
  if (value.size() % sizeof(float) != 1) return damaged("vector");
  const char tail = value.back();
  value.remove_suffix(1);
  if (tail == kSparseTail && value.size() % 8 == 0) {
    row.kind = VectorKind::kSparse;
    read_array(value.substr(0, value.size() / 2), row.indices);
    read_array(value.substr(value.size() / 2), row.values);
    return row;
  }
  std::uint32_t num_rows = 0;
  if (tail != kMultiTail || value.size() < sizeof(num_rows)) return damaged("vector");
  std::memcpy(&num_rows, value.data() + value.size() - sizeof(num_rows), sizeof(num_rows));
  value.remove_suffix(sizeof(num_rows));
  row.kind = VectorKind::kMulti;
  row.num_rows = num_rows;
  read_array(value, row.values);
  if (num_rows == 0 || row.values.size() % num_rows != 0) return damaged("vector");
  return row;
}

std::string keyword_prefix(std::string_view field, std::string_view value) {
  std::string key(field);
  key.push_back('\0');
  key.push_back('k');
  key.append(value);
  key.push_back('\0');
  return key;
}

std::string keyword_key(std::string_view field, std::string_view value, Slot slot) {
  return keyword_prefix(field, value) + encode_slot(slot);
}

std::string index_prefix(std::string_view field, FieldType type) {
  std::string key(field);
  key.push_back('\0');
  key.push_back(index_tag(type));
  return key;
}

std::string index_key(std::string_view field, FieldType type, const IndexedValue& value,
                      Slot slot) {
  return index_prefix(field, type) + encode_indexed(value) + encode_slot(slot);
}

Result<IndexEntry> decode_index_entry(FieldType type, std::string_view key_tail) {
  if (key_tail.size() < sizeof(Slot)) return damaged("payload index entry");
  const std::size_t value_length = key_tail.size() - sizeof(Slot);
  IndexEntry entry;
  SIGHTLINE_TRY(entry.value, decode_indexed(type, key_tail.substr(0, value_length)));
  SIGHTLINE_TRY(entry.slot, decode_slot(key_tail.substr(value_length)));
  return entry;
}

std::string thumbnail_key(Slot slot) { return encode_slot(slot) + "t"; }

std::string content_hash_of(const Json& payload) {
  if (!payload.is_object()) return {};
  const auto image = payload.find(kImageKey);
  if (image == payload.end() || !image->is_object()) return {};
  const auto hash = image->find("content_hash");
  if (hash == image->end() || !hash->is_string()) return {};
  const auto& text = hash->get_ref<const std::string&>();
  return text.find('\0') == std::string::npos ? text : std::string();
}

}  // namespace sightline::storage
