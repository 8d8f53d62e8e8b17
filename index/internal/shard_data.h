// index/internal/shard_data.h: an opened shard as plain memory: what the scanners walk. Filled by
// shard_files.cpp from FAISS's public data and our sidecars; nothing here knows FAISS.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "core/bitmap.h"
#include "core/result.h"
#include "index/distance.h"
#include "index/shard.h"
#include "index/shard_spec.h"

namespace sightline::index {

struct ShardData {
  std::filesystem::path folder;
  ShardSpec spec;
  std::size_t dim = 0;
  Distance distance = Distance::kInnerProduct;
  std::size_t num_rows = 0;
  std::size_t nprobe = 0, ef_search = 0, refine = 0;  // calibrated; 0 where without meaning

  // Row r (0 .. num_rows): rows ascend by slot. From the `rows` sidecar.
  std::span<const Slot> slots;
  std::span<const Version> versions;
  Bitmap slot_set;

  // Full vectors, float32 little-endian, perhaps unaligned. Row r of Flat, HNSW, SQ8 and PQ lies at
  // vectors + r * row_bytes(); IVF-Flat has its rows in the lists: `positions` leads there.
  const std::byte* vectors = nullptr;
  bool half_vectors = false;  // SQ8, PQ: they were rounded to fp16; `spec` says what was wanted
  double max_shift = 0;       // by which rounding moved a row at most

  // IVF. Lists in the order of centroids; ids are slots.
  std::vector<float> centroids;  // [nlist, dim]
  struct List {
    const std::byte* codes = nullptr;  // [size, code_size]
    const std::byte* ids = nullptr;    // [size] int64 little-endian, perhaps unaligned
    std::size_t size = 0;
  };
  std::vector<List> lists;
  std::size_t code_size = 0;
  bool by_residual = false;  // codes hold x - centroid
  /// IVF-Flat: list and place of row r.
  struct Position {
    std::uint32_t list = 0, at = 0;
  };
  std::vector<Position> positions;

  // SQ8: x[i] = sq_min[i] + (code + 0.5) / 255 * sq_difference[i].
  std::vector<float> sq_min, sq_difference;
  // PQ: [num_subvectors, 256, dim / num_subvectors].
  std::vector<float> codebooks;

  // HNSW over rows (faiss/impl/HNSW.h): neighbours of row r at level l are
  // neighbours[offsets[r] + cum[l] .. offsets[r] + cum[l + 1]], -1 where there are fewer.
  std::vector<std::int32_t> hnsw_levels;    // [num_rows], number of levels of a row
  std::vector<std::uint64_t> hnsw_offsets;  // [num_rows + 1]
  std::vector<std::int32_t> hnsw_neighbours;
  std::vector<std::int32_t> hnsw_cumulative;  // cum_nneighbor_per_level
  std::int32_t hnsw_entry = -1;
  std::int32_t hnsw_max_level = -1;

  std::uint64_t memory_bytes = 0, mapped_bytes = 0;
  /// Keeps mappings and FAISS objects alive.
  std::shared_ptr<void> owner;

  /// Of a full vector.
  std::size_t row_bytes() const {
    return dim * (half_vectors ? sizeof(std::uint16_t) : sizeof(float));
  }
  const std::byte* vector(std::size_t row) const {
    if (vectors != nullptr) return vectors + row * row_bytes();
    const Position p = positions[row];
    return lists[p.list].codes + std::size_t{p.at} * code_size;
  }
};

/// Opens the files of a shard. errors: as SealedShard::open.
Result<std::unique_ptr<ShardData>> open_shard_files(const std::filesystem::path& folder,
                                                    std::size_t expected_dim,
                                                    Distance expected_distance, bool verify_all);
/// Every byte against its checksum. errors  kCorruption names file and damage.
Result<void> verify_shard_files(const std::filesystem::path& folder);

}  // namespace sightline::index
