// index/internal/faiss_layout.h: the bytes of FAISS's index files (faiss/impl/index_write.cpp and
// index_read.cpp, 1.7.3 to 1.11), as far as sealed shards hold them and imports meet them.
//
// A file is a tree of indexes, each led by four letters. Nothing is aligned; a vector is a u64
// count and its elements. What is read is walked in place, every count bounded by the bytes there
// are: FAISS's own reader allocates what a damaged file says, and copies what can stay mapped.
// What is written equals FAISS's own serialisation byte for byte (shard_builder_test).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "index/distance.h"
#include "index/internal/shard_data.h"
#include "index/shard_spec.h"

namespace sightline::index {

/// Walks bytes that nobody vouches for. After the first failure (a read beyond the end, or fail())
/// all reads return zeros and empty spans. Thread-safety: one thread.
class FaissReader {
 public:
  explicit FaissReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <typename T>
  T get() {
    T value{};
    const auto source = take(1, sizeof(T));
    if (!source.empty()) std::memcpy(&value, source.data(), sizeof(T));
    return value;
  }
  /// `count` elements of `element_bytes`.
  std::span<const std::byte> take(std::uint64_t count, std::size_t element_bytes);
  /// A u64 count and that many elements.
  std::span<const std::byte> take_vector(std::size_t element_bytes);

  void fail(const std::string& what);  ///< The first one stays.
  bool ok() const { return failure_.empty(); }
  const std::string& failure() const { return failure_; }  ///< What, and at which byte.
  std::size_t offset() const { return offset_; }

 private:
  std::span<const std::byte> bytes_;
  std::size_t offset_ = 0;
  std::string failure_;
};

/// Elements of a span that may be unaligned.
template <typename T>
std::vector<T> copy_of(std::span<const std::byte> bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return values;
}

/// What every index begins with.
struct FaissHeader {
  std::string letters;  ///< "IxF2", "IwFl", ...
  std::size_t dim = 0;
  std::uint64_t num_rows = 0;
  std::optional<Distance> distance;  ///< Nothing: a metric that we do not have.
};
FaissHeader read_faiss_letters_and_header(FaissReader& reader);
bool is_faiss_flat(std::string_view letters);

/// The rest of an IndexFlat: its rows.
std::span<const std::byte> read_faiss_flat(FaissReader& reader, const FaissHeader& header);

/// The rest of an IndexIVF up to what its codes need.
struct FaissIvf {
  std::uint64_t nlist = 0, nprobe = 0;
  FaissHeader quantizer;
  std::span<const std::byte> centroids;  ///< [nlist, dim] floats; empty if not a flat quantizer
};
FaissIvf read_faiss_ivf(FaissReader& reader, const FaissHeader& header);

struct FaissScalarQuantizer {
  std::int32_t type = 0;  ///< 0: 8 bits for each dimension of its own range
  std::span<const std::byte> trained;
  bool by_residual = false;
  std::uint64_t code_size = 0;
};
FaissScalarQuantizer read_faiss_scalar_quantizer(FaissReader& reader);

struct FaissProductQuantizer {
  bool by_residual = false;
  std::uint64_t code_size = 0, dim = 0, num_subvectors = 0, num_bits = 0;
  std::span<const std::byte> codebooks;  ///< [num_subvectors, 2^num_bits, dim / num_subvectors]
};
FaissProductQuantizer read_faiss_product_quantizer(FaissReader& reader);

/// Inverted lists; their bytes begin at `bulk_offset`.
struct FaissLists {
  std::vector<ShardData::List> lists;
  std::uint64_t num_entries = 0;
  std::size_t bulk_offset = 0;
};
FaissLists read_faiss_lists(FaissReader& reader, std::uint64_t nlist, std::uint64_t code_size);

/// What an IndexPreTransform does to vectors, up to the index that holds them. False: one of a kind
/// that is not read.
bool skip_faiss_transforms(FaissReader& reader);

/// The links of an HNSW; its storage, another index, follows.
struct FaissGraph {
  std::span<const std::byte> assign_probas;  // f64
  std::span<const std::byte> cumulative;     // i32
  std::span<const std::byte> levels;         // i32 [num_rows]
  std::span<const std::byte> offsets;        // u64 [num_rows + 1]
  std::span<const std::byte> neighbours;     // i32
  std::int32_t entry = -1, max_level = -1, ef_construction = 0, ef_search = 0;
};
FaissGraph read_faiss_graph(FaissReader& reader);

/// All of an IndexFlat but its rows.
std::string faiss_flat_head(Distance distance, std::size_t dim, std::uint64_t num_rows);

struct FaissIvfParts {
  ShardType type = ShardType::kIvfFlat;
  Distance distance = Distance::kL2;
  std::size_t dim = 0;
  std::uint64_t num_rows = 0;
  std::uint64_t nprobe = 1;
  std::span<const float> centroids;  ///< [nlist, dim]
  std::size_t code_size = 0;
  std::span<const float> sq_trained;  ///< SQ8: minima, then ranges [2, dim]
  std::span<const float> codebooks;   ///< PQ: [code_size, 256, dim / code_size]
  std::span<const std::uint64_t> list_sizes;
};
/// All of an IndexIVF but its lists: for each one that is not empty its codes, then its ids,
/// follow.
std::string faiss_ivf_head(const FaissIvfParts& parts);

/// An IndexHNSWFlat is this head, the neighbours, this tail, and the rows.
std::string faiss_graph_head(Distance distance, std::size_t dim, const FaissGraph& graph);
std::string faiss_graph_tail(Distance distance, std::size_t dim, const FaissGraph& graph);

}  // namespace sightline::index
