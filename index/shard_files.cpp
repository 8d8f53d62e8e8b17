// Opening the files of a sealed shard. Nothing here trusts a byte: lengths are checked before they
// are used, also where a checksum matched.
#include <algorithm>
#include <bit>
#include <limits>
#include <new>
#include <string>
#include <utility>

#include "index/internal/faiss_layout.h"
#include "index/internal/huge_pages.h"
#include "index/internal/mapped_file.h"
#include "index/internal/shard_data.h"
#include "index/internal/shard_manifest.h"

namespace sightline::index {
namespace {

/// Finds the row of a slot: the slots are cut into runs of equal width, a few rows each.
/// Thread-safety: immutable.
class RowFinder {
 public:
  explicit RowFinder(std::span<const Slot> slots) : slots_(slots) {
    const std::uint64_t width = std::uint64_t{slots.back()} + 1;
    while ((width >> shift_) > slots.size() / 4 + 1) ++shift_;
    starts_.resize(static_cast<std::size_t>((width - 1) >> shift_) + 2);
    for (const Slot slot : slots) ++starts_[(slot >> shift_) + 1];
    for (std::size_t i = 1; i < starts_.size(); ++i) starts_[i] += starts_[i - 1];
  }

  std::optional<std::size_t> find(std::int64_t id) const {
    if (id < 0 || id > std::int64_t{slots_.back()}) return std::nullopt;
    const auto slot = static_cast<Slot>(id);
    const auto first = slots_.begin() + starts_[slot >> shift_];
    const auto end = slots_.begin() + starts_[(slot >> shift_) + 1];
    const auto at = std::lower_bound(first, end, slot);
    if (at == end || *at != slot) return std::nullopt;
    return static_cast<std::size_t>(at - slots_.begin());
  }

 private:
  std::span<const Slot> slots_;
  unsigned shift_ = 0;
  std::vector<std::uint32_t> starts_;
};

/// Fills a ShardData from a folder.
class ShardOpener {
 public:
  ShardOpener(const std::filesystem::path& folder, const ShardManifest& manifest, bool verify_all)
      : folder_(folder),
        manifest_(manifest),
        verify_all_(verify_all),
        data_(std::make_unique<ShardData>()) {}

  Result<std::unique_ptr<ShardData>> open() {
    data_->folder = folder_;
    data_->spec = manifest_.spec;
    data_->dim = manifest_.dim;
    data_->distance = manifest_.distance;
    data_->nprobe = manifest_.nprobe;
    data_->ef_search = manifest_.ef_search;
    data_->refine = manifest_.refine;
    data_->half_vectors = manifest_.half_vectors;
    data_->max_shift = manifest_.max_shift;
    if (manifest_.num_rows == 0 || manifest_.num_rows > std::numeric_limits<std::uint32_t>::max()) {
      return damaged(kManifestFile, "it has " + std::to_string(manifest_.num_rows) + " rows");
    }
    data_->num_rows = static_cast<std::size_t>(manifest_.num_rows);
    SIGHTLINE_TRY_DO(check_files());
    SIGHTLINE_TRY_DO(open_rows());
    SIGHTLINE_TRY_DO(open_index());
    if (has_vectors_file()) SIGHTLINE_TRY_DO(open_vectors());
    count_bytes();
    data_->owner = std::make_shared<std::vector<std::shared_ptr<const MappedFile>>>(mapped_);
    return std::move(data_);
  }

 private:
  Status damaged(std::string_view file, const std::string& how) const {
    return corruption((folder_ / file).string() + " is damaged: " + how);
  }
  bool has_vectors_file() const { return has_lossy_codes(manifest_.spec); }

  Result<void> check_files();
  Result<void> check_file(std::string_view name, bool with_bulk);
  Result<void> open_rows();
  Result<void> open_index();
  Result<void> open_vectors();
  void read_ivf(FaissReader& reader, const FaissHeader& header);
  void read_quantizer(FaissReader& reader);
  void read_graph(FaissReader& reader);
  void check_graph(FaissReader& reader, const FaissGraph& graph) const;
  void check_links(FaissReader& reader) const;
  Result<void> check_ids();
  void count_bytes();

  const std::filesystem::path& folder_;
  const ShardManifest& manifest_;
  const bool verify_all_;
  std::unique_ptr<ShardData> data_;
  std::vector<std::shared_ptr<const MappedFile>> mapped_;
};

Result<void> ShardOpener::check_file(std::string_view name, bool with_bulk) {
  const auto path = folder_ / name;
  const auto described = manifest_.files.find(name);
  if (described == manifest_.files.end()) {
    return damaged(kManifestFile, "it does not describe " + std::string(name));
  }
  const auto& [head, bulk] = described->second;
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error == std::errc::no_such_file_or_directory) {
    return corruption(path.string() + " is missing");
  }
  if (error) return file_error(error.value(), path, "read");
  if (head.size > size || bulk.size != size - head.size) {
    return damaged(name, "it has " + std::to_string(size) + " bytes, not " +
                             std::to_string(head.size) + " and " + std::to_string(bulk.size));
  }
  SIGHTLINE_TRY_DO(verify_region(path, 0, head, "its head"));
  if (with_bulk) SIGHTLINE_TRY_DO(verify_region(path, head.size, bulk, "its bulk"));
  return {};
}

Result<void> ShardOpener::check_files() {
  SIGHTLINE_TRY_DO(check_file(kIndexFile, verify_all_));
  SIGHTLINE_TRY_DO(check_file(kRowsFile, true));
  if (has_vectors_file()) SIGHTLINE_TRY_DO(check_file(kVectorsFile, verify_all_));
  return {};
}

Result<void> ShardOpener::open_rows() {
  const auto source = sidecar_source(manifest_.files.find(kIndexFile)->second);
  SIGHTLINE_TRY(auto rows,
                open_sidecar(folder_ / kRowsFile, kRowsKind, source, SidecarCheck::kHeader));
  const std::size_t n = data_->num_rows;
  if (rows.payload.size() != n * (sizeof(Version) + sizeof(Slot))) {
    return damaged(kRowsFile, "it holds " + std::to_string(rows.payload.size()) + " bytes for " +
                                  std::to_string(n) + " rows");
  }
  const void* const versions = rows.payload.data();
  const void* const slots = rows.payload.data() + n * sizeof(Version);
  data_->versions = {static_cast<const Version*>(versions), n};
  data_->slots = {static_cast<const Slot*>(slots), n};
  for (std::size_t first = 0; first < n;) {
    std::size_t end = first + 1;
    while (end < n && data_->slots[end] == data_->slots[end - 1] + 1) ++end;
    if (end < n && data_->slots[end] <= data_->slots[end - 1]) {
      return damaged(kRowsFile, "the slots do not ascend at row " + std::to_string(end));
    }
    data_->slot_set.add_range(data_->slots[first], std::uint64_t{data_->slots[end - 1]} + 1);
    first = end;
  }
  mapped_.push_back(std::move(rows.file));
  return {};
}

Result<void> ShardOpener::open_vectors() {
  const auto source = sidecar_source(manifest_.files.find(kIndexFile)->second);
  const SidecarKind& kind = data_->half_vectors ? kHalfVectorsKind : kVectorsKind;
  SIGHTLINE_TRY(auto vectors,
                open_sidecar(folder_ / kVectorsFile, kind, source, SidecarCheck::kHeader));
  if (vectors.payload.size() != data_->num_rows * data_->row_bytes()) {
    return damaged(kVectorsFile, "it holds " + std::to_string(vectors.payload.size()) +
                                     " bytes for " + std::to_string(data_->num_rows) +
                                     " rows of dim " + std::to_string(data_->dim));
  }
  data_->vectors = vectors.payload.data();
  mapped_.push_back(std::move(vectors.file));
  return {};
}

Result<void> ShardOpener::open_index() {
  SIGHTLINE_TRY(const auto file, MappedFile::open(folder_ / kIndexFile));
  mapped_.push_back(file);
  FaissReader reader(file->bytes());
  const FaissHeader header = read_faiss_letters_and_header(reader);
  if (reader.ok() && (header.dim != data_->dim || header.num_rows != data_->num_rows ||
                      header.distance != data_->distance)) {
    reader.fail("it has " + std::to_string(header.num_rows) + " rows of dim " +
                std::to_string(header.dim) + ", not what shard.json says, or another metric");
  }
  const bool is_ivf = data_->spec.type != ShardType::kFlat && data_->spec.type != ShardType::kHnsw;
  if (data_->spec.type == ShardType::kFlat && is_faiss_flat(header.letters)) {
    data_->vectors = read_faiss_flat(reader, header).data();
  } else if (data_->spec.type == ShardType::kHnsw && header.letters == "IHNf") {
    read_graph(reader);
  } else if ((data_->spec.type == ShardType::kIvfFlat && header.letters == "IwFl") ||
             (data_->spec.type == ShardType::kIvfSq8 && header.letters == "IwSq") ||
             (data_->spec.type == ShardType::kIvfPq && header.letters == "IwPQ")) {
    read_ivf(reader, header);
  } else {
    reader.fail("it is a \"" + header.letters + "\", not a " + to_string(data_->spec));
  }
  if (reader.ok() && reader.offset() != file->bytes().size()) {
    reader.fail("it goes on for " + std::to_string(file->bytes().size() - reader.offset()) +
                " bytes");
  }
  if (!reader.ok()) return damaged(kIndexFile, reader.failure());
  if (is_ivf) return check_ids();
  return {};
}

void ShardOpener::read_ivf(FaissReader& reader, const FaissHeader& header) {
  const FaissIvf ivf = read_faiss_ivf(reader, header);
  if (reader.ok() && (ivf.nlist != data_->spec.nlist || ivf.centroids.empty())) {
    reader.fail("it has " + std::to_string(ivf.nlist) + " lists, not those of " +
                to_string(data_->spec));
  }
  if (!reader.ok()) return;
  copy_huge(data_->centroids, ivf.centroids);
  read_quantizer(reader);
  FaissLists lists = read_faiss_lists(reader, ivf.nlist, data_->code_size);
  if (reader.ok() && lists.num_entries != data_->num_rows) {
    reader.fail("its lists hold " + std::to_string(lists.num_entries) + " rows, not " +
                std::to_string(data_->num_rows));
  }
  data_->lists = std::move(lists.lists);
}

void ShardOpener::read_quantizer(FaissReader& reader) {
  const std::size_t dim = data_->dim;
  if (data_->spec.type == ShardType::kIvfFlat) {
    data_->code_size = dim * sizeof(float);
  } else if (data_->spec.type == ShardType::kIvfSq8) {
    const FaissScalarQuantizer sq = read_faiss_scalar_quantizer(reader);
    if (sq.type != 0 || sq.code_size != dim || sq.trained.size() != 2 * dim * sizeof(float)) {
      reader.fail("its scalar quantizer is not one of 8 bits for dim " + std::to_string(dim));
      return;
    }
    data_->code_size = dim;
    data_->by_residual = sq.by_residual;
    data_->sq_min = copy_of<float>(sq.trained.first(dim * sizeof(float)));
    data_->sq_difference = copy_of<float>(sq.trained.last(dim * sizeof(float)));
  } else {
    const FaissProductQuantizer pq = read_faiss_product_quantizer(reader);
    const std::size_t bytes = data_->spec.num_subvectors;
    if (pq.code_size != bytes || pq.dim != dim || pq.num_subvectors != bytes || pq.num_bits != 8 ||
        pq.codebooks.size() != 256 * dim * sizeof(float)) {
      reader.fail("its product quantizer is not the one of " + to_string(data_->spec));
      return;
    }
    data_->code_size = bytes;
    data_->by_residual = pq.by_residual;
    copy_huge(data_->codebooks, pq.codebooks);
  }
}

void ShardOpener::read_graph(FaissReader& reader) {
  const FaissGraph graph = read_faiss_graph(reader);
  check_graph(reader, graph);
  const FaissHeader storage = read_faiss_letters_and_header(reader);
  if (reader.ok() && (!is_faiss_flat(storage.letters) || storage.dim != data_->dim ||
                      storage.num_rows != data_->num_rows)) {
    reader.fail("its rows are a \"" + storage.letters + "\" of another size");
  }
  data_->vectors = read_faiss_flat(reader, storage).data();
  if (!reader.ok()) return;
  copy_huge(data_->hnsw_levels, graph.levels);
  copy_huge(data_->hnsw_offsets, graph.offsets);
  copy_huge(data_->hnsw_neighbours, graph.neighbours);
  data_->hnsw_cumulative = copy_of<std::int32_t>(graph.cumulative);
  data_->hnsw_entry = graph.entry;
  data_->hnsw_max_level = graph.max_level;
  data_->spec.ef_construction = static_cast<std::size_t>(std::max(0, graph.ef_construction));
  check_links(reader);
}

/// The sizes of the arrays against each other, before any is copied.
void ShardOpener::check_graph(FaissReader& reader, const FaissGraph& graph) const {
  const std::size_t n = data_->num_rows;
  constexpr std::size_t kMaxLevels = 64;
  if (!reader.ok()) return;
  if (n > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()) ||
      graph.levels.size() != n * sizeof(std::int32_t) ||
      graph.offsets.size() != (n + 1) * sizeof(std::uint64_t)) {
    return reader.fail("its links are not those of " + std::to_string(n) + " rows");
  }
  const auto cumulative = copy_of<std::int32_t>(graph.cumulative);
  if (cumulative.size() < 2 || cumulative.size() > kMaxLevels + 1 || cumulative.front() != 0 ||
      cumulative.back() > (1 << 20) || !std::ranges::is_sorted(cumulative)) {
    return reader.fail("its numbers of links by level do not make sense");
  }
  const auto num_levels = static_cast<std::int32_t>(cumulative.size()) - 1;
  if (graph.entry < 0 || static_cast<std::size_t>(graph.entry) >= n || graph.max_level < 0 ||
      graph.max_level >= num_levels) {
    reader.fail("its entry is row " + std::to_string(graph.entry) + " on level " +
                std::to_string(graph.max_level));
  }
}

/// Every link leads to a row that is there, on the level that it belongs to.
void ShardOpener::check_links(FaissReader& reader) const {
  const auto& [levels, offsets, neighbours, cumulative] = std::tie(
      data_->hnsw_levels, data_->hnsw_offsets, data_->hnsw_neighbours, data_->hnsw_cumulative);
  const auto num_levels = static_cast<std::int32_t>(cumulative.size()) - 1;
  const auto n = static_cast<std::int32_t>(data_->num_rows);
  const auto damaged_row = [&](std::int32_t row) {
    reader.fail("the links of row " + std::to_string(row) + " do not make sense");
  };
  if (offsets.front() != 0) return damaged_row(0);
  for (std::int32_t row = 0; row < n; ++row) {
    const auto at = static_cast<std::size_t>(row);
    const std::int32_t level = levels[at];
    if (level < 1 || level > num_levels || level > data_->hnsw_max_level + 1 ||
        offsets[at + 1] != offsets[at] + static_cast<std::uint64_t>(cumulative[level])) {
      return damaged_row(row);
    }
  }
  if (offsets.back() != neighbours.size() ||
      levels[static_cast<std::size_t>(data_->hnsw_entry)] != data_->hnsw_max_level + 1) {
    return reader.fail("its links or its entry do not fit its levels");
  }
  for (std::int32_t row = 0; row < n; ++row) {
    const auto at = static_cast<std::size_t>(row);
    for (std::int32_t level = 0; level < levels[at]; ++level) {
      for (std::int32_t link = cumulative[level]; link < cumulative[level + 1]; ++link) {
        const std::int32_t to = neighbours[offsets[at] + static_cast<std::size_t>(link)];
        if (to < -1 || to >= n || (to >= 0 && levels[static_cast<std::size_t>(to)] <= level)) {
          return damaged_row(row);
        }
      }
    }
  }
}

/// Every row is in one list. IVF-Flat needs to know where; codes are walked list by list, and their
/// ids are looked at when every byte is.
Result<void> ShardOpener::check_ids() {
  const bool keep = data_->spec.type == ShardType::kIvfFlat;
  if (!keep && !verify_all_) return {};
  constexpr std::uint32_t kNowhere = std::numeric_limits<std::uint32_t>::max();
  const RowFinder finder(data_->slots);
  std::vector<ShardData::Position> positions;
  resize_huge(positions, data_->num_rows);
  std::ranges::fill(positions, ShardData::Position{kNowhere, 0});
  for (std::size_t list = 0; list < data_->lists.size(); ++list) {
    const ShardData::List& entries = data_->lists[list];
    for (std::size_t at = 0; at < entries.size; ++at) {
      std::int64_t id = 0;
      std::memcpy(&id, entries.ids + at * sizeof(id), sizeof(id));
      const auto row = finder.find(id);
      if (!row || positions[*row].list != kNowhere) {
        return damaged(kIndexFile, "list " + std::to_string(list) + " holds slot " +
                                       std::to_string(id) +
                                       (row ? " a second time" : ", which is not in the shard"));
      }
      positions[*row] = {static_cast<std::uint32_t>(list), static_cast<std::uint32_t>(at)};
    }
  }
  if (keep) data_->positions = std::move(positions);
  return {};
}

void ShardOpener::count_bytes() {
  const auto bytes = [](const auto&... values) {
    return (... + (values.capacity() * sizeof(values[0])));
  };
  const ShardData& d = *data_;
  data_->memory_bytes =
      sizeof(ShardData) + d.slot_set.serialize().size() +
      bytes(d.centroids, d.lists, d.positions, d.sq_min, d.sq_difference, d.codebooks,
            d.hnsw_levels, d.hnsw_offsets, d.hnsw_neighbours, d.hnsw_cumulative);
  for (const auto& file : mapped_) data_->mapped_bytes += file->bytes().size();
}

}  // namespace

Result<std::unique_ptr<ShardData>> open_shard_data(const std::filesystem::path& folder,
                                                   const ShardManifest& manifest, bool verify_all) {
  try {
    return ShardOpener(folder, manifest, verify_all).open();
  } catch (const std::bad_alloc&) {
    return Status{StatusCode::kResourceExhausted, "no memory to open shard " + folder.string()};
  }
}

Result<std::unique_ptr<ShardData>> open_shard_files(const std::filesystem::path& folder,
                                                    std::size_t expected_dim,
                                                    Distance expected_distance, bool verify_all) {
  SIGHTLINE_TRY(const ShardManifest manifest, read_shard_manifest(folder));
  if (manifest.dim != expected_dim || manifest.distance != expected_distance) {
    return failed_precondition(
        "shard " + folder.string() + " holds rows of dim " + std::to_string(manifest.dim) +
        (manifest.distance == expected_distance ? "" : " under another distance") +
        "; this collection has dim " + std::to_string(expected_dim));
  }
  return open_shard_data(folder, manifest, verify_all);
}

Result<void> verify_shard_files(const std::filesystem::path& folder) {
  SIGHTLINE_TRY(const ShardManifest manifest, read_shard_manifest(folder));
  SIGHTLINE_TRY_DO(open_shard_data(folder, manifest, true));
  return {};
}

}  // namespace sightline::index
