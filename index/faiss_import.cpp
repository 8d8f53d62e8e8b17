#include "index/faiss_import.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include "index/internal/faiss_layout.h"
#include "index/internal/mapped_file.h"

namespace sightline::index {
namespace {

// Indexes that hold codes alone, by their four letters (faiss/impl/index_write.cpp).
constexpr std::array<std::pair<std::string_view, std::string_view>, 16> kLossy = {{
    {"IxPq", "PQ"},
    {"IxPQ", "PQ"},
    {"IxPo", "PQ"},
    {"IPfs", "PQ fast scan"},
    {"IxSQ", "SQ"},
    {"IwPQ", "IVF,PQ"},
    {"IvPQ", "IVF,PQ"},
    {"IwQR", "IVF,PQR"},
    {"IvQR", "IVF,PQR"},
    {"IwPf", "IVF,PQ fast scan"},
    {"IwSq", "IVF,SQ"},
    {"IwSQ", "IVF,SQ"},
    {"IvSQ", "IVF,SQ"},
    {"IHNp", "HNSW,PQ"},
    {"IHNs", "HNSW,SQ"},
    {"IxRq", "RQ"},
}};

std::int64_t id_at(const std::byte* ids, std::uint64_t at) {
  std::int64_t id = 0;
  std::memcpy(&id, ids + at * sizeof(id), sizeof(id));
  return id;
}

/// Whether they name rows by other ids than 0, 1, 2, ...
bool have_own_ids(const FaissLists& lists) {
  std::vector<bool> seen(static_cast<std::size_t>(lists.num_entries));
  for (const ShardData::List& list : lists.lists) {
    for (std::size_t at = 0; at < list.size; ++at) {
      const auto id = static_cast<std::uint64_t>(id_at(list.ids, at));
      if (id >= seen.size() || seen[id]) return true;
      seen[id] = true;
    }
  }
  return false;
}

/// Of an index that holds codes, or vectors that it has transformed. What cannot be read does not
/// matter: vectors come from elsewhere.
bool codes_have_own_ids(FaissReader reader, FaissHeader header) {
  if (header.letters == "IxPT") {
    if (!skip_faiss_transforms(reader)) return false;
    header = read_faiss_letters_and_header(reader);
  }
  if (header.letters == "IxMp" || header.letters == "IxM2") return reader.ok();
  if (header.letters == "IwFl") {
    const FaissIvf ivf = read_faiss_ivf(reader, header);
    const FaissLists lists = read_faiss_lists(reader, ivf.nlist, header.dim * sizeof(float));
    return reader.ok() && have_own_ids(lists);
  }
  const bool is_pq = header.letters == "IwPQ";
  if (!is_pq && header.letters != "IwSq") return false;
  const FaissIvf ivf = read_faiss_ivf(reader, header);
  const std::uint64_t code_size = is_pq ? read_faiss_product_quantizer(reader).code_size
                                        : read_faiss_scalar_quantizer(reader).code_size;
  const FaissLists lists = read_faiss_lists(reader, ivf.nlist, code_size);
  return reader.ok() && have_own_ids(lists);
}

class MappedIndex final : public ForeignIndex {
 public:
  explicit MappedIndex(std::shared_ptr<const MappedFile> file) : file_(std::move(file)) {}

  /// errors  kUnimplemented. Damage is told by the reader.
  Result<void> parse(FaissReader& reader);

  std::size_t dim() const override { return header_.dim; }
  Distance distance() const override { return header_.distance.value_or(Distance::kL2); }
  std::uint64_t num_rows() const override { return header_.num_rows; }
  const std::string& type() const override { return type_; }
  bool has_vectors() const override { return has_vectors_; }
  bool has_own_ids() const override { return has_own_ids_; }
  Result<void> read(std::uint64_t first, std::size_t count, float* rows,
                    std::int64_t* ids) const override;

 private:
  Result<void> parse_vectors(FaissReader& reader, const FaissHeader& header, bool in_map);
  void parse_refined(FaissReader& reader, const FaissHeader& header, bool in_map);
  Result<std::int64_t> mapped_id(std::int64_t id) const;

  const std::shared_ptr<const MappedFile> file_;
  FaissHeader header_;
  std::string type_;
  bool has_vectors_ = true, has_own_ids_ = false;
  const std::byte* rows_ = nullptr;         // in order, or
  std::vector<ShardData::List> lists_;      // list by list,
  std::vector<std::uint64_t> list_begins_;  // each from this row on
  std::span<const std::byte> id_map_;       // i64; of an IndexIDMap
};

Result<void> MappedIndex::parse(FaissReader& reader) {
  FaissHeader header = read_faiss_letters_and_header(reader);
  const bool is_map = header.letters == "IxMp" || header.letters == "IxM2";
  header_ = header;
  if (is_map && reader.ok()) {
    type_ = header.letters == "IxMp" ? "IDMap," : "IDMap2,";
    header = read_faiss_letters_and_header(reader);
  }
  if (!reader.ok()) return {};
  if (!header.distance) {
    return Status{StatusCode::kUnimplemented, "its metric is none of l2, inner product and l1"};
  }
  SIGHTLINE_TRY_DO(parse_vectors(reader, header, is_map));
  has_own_ids_ = !has_vectors_ && (is_map || has_own_ids_);
  if (is_map && has_vectors_) {
    id_map_ = reader.take_vector(sizeof(std::int64_t));
    if (reader.ok() && id_map_.size() / sizeof(std::int64_t) != header_.num_rows) {
      reader.fail("it maps " + std::to_string(id_map_.size() / sizeof(std::int64_t)) + " ids of " +
                  std::to_string(header_.num_rows) + " rows");
    }
  }
  if (reader.ok() && (header.num_rows != header_.num_rows || header.dim != header_.dim ||
                      header.distance != header_.distance)) {
    reader.fail("an IndexIDMap and what it maps differ");
  }
  if (reader.ok() && has_vectors_ && reader.offset() != file_->bytes().size()) {
    reader.fail("it goes on for " + std::to_string(file_->bytes().size() - reader.offset()) +
                " bytes");
  }
  return {};
}

Result<void> MappedIndex::parse_vectors(FaissReader& reader, const FaissHeader& header,
                                        bool in_map) {
  if (is_faiss_flat(header.letters)) {
    type_ += "Flat";
    rows_ = read_faiss_flat(reader, header).data();
    return {};
  }
  if (header.letters == "IHNf") {
    const FaissGraph graph = read_faiss_graph(reader);
    const auto links = copy_of<std::int32_t>(graph.cumulative);
    type_ += "HNSW" + std::to_string(links.size() > 1 ? links[1] / 2 : 0) + ",Flat";
    const FaissHeader storage = read_faiss_letters_and_header(reader);
    if (reader.ok() && (!is_faiss_flat(storage.letters) || storage.dim != header.dim ||
                        storage.num_rows != header.num_rows)) {
      reader.fail("its rows are a \"" + storage.letters + "\" of another size");
    }
    rows_ = read_faiss_flat(reader, storage).data();
    return {};
  }
  if (header.letters == "IwFl") {
    const FaissIvf ivf = read_faiss_ivf(reader, header);
    type_ += "IVF" + std::to_string(ivf.nlist) + ",Flat";
    FaissLists lists = read_faiss_lists(reader, ivf.nlist, header.dim * sizeof(float));
    if (reader.ok() && lists.num_entries != header.num_rows) {
      reader.fail("its lists hold " + std::to_string(lists.num_entries) + " rows, not " +
                  std::to_string(header.num_rows));
    }
    lists_ = std::move(lists.lists);
    std::uint64_t begin = 0;
    for (const ShardData::List& list : lists_) {
      list_begins_.push_back(begin);
      begin += list.size;
    }
    return {};
  }
  if (header.letters == "IxRF") {
    parse_refined(reader, header, in_map);
    return {};
  }
  if (header.letters == "IxPT") {
    type_ += "PreTransform";
    has_vectors_ = false;
    has_own_ids_ = codes_have_own_ids(reader, header);
    return {};
  }
  for (const auto& [letters, name] : kLossy) {
    if (letters != header.letters) continue;
    type_ += name;
    has_vectors_ = false;
    has_own_ids_ = codes_have_own_ids(reader, header);
    return {};
  }
  return Status{StatusCode::kUnimplemented, "its type, \"" + header.letters + "\", is not read"};
}

/// An IndexRefineFlat is an index of whatever kind, then a flat one of the same rows and a float:
/// the rows are found from the end, or from the ids behind it.
void MappedIndex::parse_refined(FaissReader& reader, const FaissHeader& header, bool in_map) {
  type_ += "Refine,Flat";
  constexpr std::uint64_t kHeadBytes = 4 + 33 + 8;  // letters, header, number of floats
  const std::uint64_t left = file_->bytes().size() - reader.offset();
  const std::uint64_t row_bytes = header.dim * sizeof(float);
  const std::uint64_t id_bytes = in_map ? sizeof(std::int64_t) : 0;
  const std::uint64_t around = kHeadBytes + sizeof(float) + (in_map ? sizeof(std::uint64_t) : 0);
  if (left < around || (left - around) / (row_bytes + id_bytes) < header.num_rows) {
    reader.fail("its " + std::to_string(header.num_rows) + " full vectors are not there");
    return;
  }
  reader.take(left - around - header.num_rows * (row_bytes + id_bytes), 1);
  const FaissHeader rows = read_faiss_letters_and_header(reader);
  if (reader.ok() && (!is_faiss_flat(rows.letters) || rows.dim != header.dim ||
                      rows.num_rows != header.num_rows)) {
    reader.fail("what refines it is a \"" + rows.letters + "\" of another size");
  }
  rows_ = read_faiss_flat(reader, rows).data();
  reader.take(1, sizeof(float));
}

Result<std::int64_t> MappedIndex::mapped_id(std::int64_t id) const {
  if (id_map_.empty()) return id;
  if (id < 0 || static_cast<std::uint64_t>(id) >= header_.num_rows) {
    return corruption("its lists hold row " + std::to_string(id) + ", which its id map lacks");
  }
  return id_at(id_map_.data(), static_cast<std::uint64_t>(id));
}

Result<void> MappedIndex::read(std::uint64_t first, std::size_t count, float* rows,
                               std::int64_t* ids) const {
  if (!has_vectors_) {
    return failed_precondition(type_ + " holds codes; the vectors themselves are needed");
  }
  if (first > num_rows() || count > num_rows() - first) {
    return invalid_argument("rows " + std::to_string(first) + " to " +
                            std::to_string(first + count) + " are not all there; it has " +
                            std::to_string(num_rows()));
  }
  const std::size_t row_bytes = dim() * sizeof(float);
  std::size_t list = 0;
  if (!lists_.empty()) {
    const auto after = std::upper_bound(list_begins_.begin(), list_begins_.end(), first);
    list = static_cast<std::size_t>(after - list_begins_.begin()) - 1;
  }
  for (std::uint64_t row = first; row < first + count; ++row, rows += dim(), ++ids) {
    auto id = static_cast<std::int64_t>(row);
    if (lists_.empty()) {
      std::memcpy(rows, rows_ + row * row_bytes, row_bytes);
    } else {
      while (row - list_begins_[list] >= lists_[list].size) ++list;
      const std::uint64_t at = row - list_begins_[list];
      std::memcpy(rows, lists_[list].codes + at * row_bytes, row_bytes);
      id = id_at(lists_[list].ids, at);
    }
    SIGHTLINE_TRY(*ids, mapped_id(id));
  }
  return {};
}

/// Letters of an index: "I", then letters and digits; "IB" begins a binary one.
Result<void> check_letters(std::span<const std::byte> bytes) {
  const auto at = [&](std::size_t i) { return static_cast<char>(bytes[i]); };
  const auto is_fit = [&](std::size_t i) {
    const char c = at(i);
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  };
  if (bytes.size() < 4 || at(0) != 'I' || !is_fit(1) || !is_fit(2) || !is_fit(3))
    return corruption("is not an index of FAISS");
  if (at(1) == 'B') return Status{StatusCode::kUnimplemented, "is a binary index of FAISS"};
  return {};
}

}  // namespace

Result<std::unique_ptr<ForeignIndex>> open_faiss_file(const std::filesystem::path& path) {
  SIGHTLINE_TRY(auto file, MappedFile::open(path));
  if (auto named = check_letters(file->bytes()); !named)
    return named.error().with_context(path.string());
  FaissReader reader(file->bytes());
  auto index = std::make_unique<MappedIndex>(file);
  if (const auto parsed = index->parse(reader); !parsed) {
    return parsed.error().with_context("FAISS index " + path.string());
  }
  if (!reader.ok()) {
    return corruption("FAISS index " + path.string() +
                      " is damaged, or not of a kind that is read: " + reader.failure());
  }
  return std::unique_ptr<ForeignIndex>(std::move(index));
}

}  // namespace sightline::index
