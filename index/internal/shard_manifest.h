// index/internal/shard_manifest.h: `shard.json`, which says what the other files of a sealed shard
// hold and how to know them again (docs/shard_format.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "core/result.h"
#include "index/distance.h"
#include "index/file_writer.h"
#include "index/internal/shard_data.h"
#include "index/shard_spec.h"
#include "index/sidecar.h"

namespace sightline::index {

/// 2: full vectors were wanted as fp16; without that 1 is written.
inline constexpr int kShardFormat = 2;
inline constexpr std::string_view kManifestFile = "shard.json";
inline constexpr std::string_view kIndexFile = "index.faiss";
inline constexpr std::string_view kRowsFile = "rows";
inline constexpr std::string_view kVectorsFile = "vectors";
/// Payload: versions u64 [num_rows], then slots u32 [num_rows], ascending.
inline constexpr SidecarKind kRowsKind{"rows", 1};
/// Payload: rows f32 [num_rows, dim].
inline constexpr SidecarKind kVectorsKind{"vectors", 1};
/// The same file with rows f16 [num_rows, dim].
inline constexpr SidecarKind kHalfVectorsKind{"vectors_fp16", 1};

struct ShardManifest {
  ShardSpec spec;
  std::size_t dim = 0;
  Distance distance = Distance::kInnerProduct;
  std::uint64_t num_rows = 0;
  std::size_t nprobe = 0, ef_search = 0, refine = 0;  ///< Calibrated; 0 where without meaning.
  double recall = 0;                                  ///< recall@10 that these reached.
  bool half_vectors = false;  ///< What `vectors` holds; spec.half_vectors is what was wanted.
  double max_shift = 0;       ///< ShardData::max_shift

  /// A file is its head, verified on every open, and its bulk.
  struct File {
    FileRegion head, bulk;
  };
  std::map<std::string, File, std::less<>> files;
};

/// errors  kNotFound: no such folder; kCorruption: shard.json is missing or damaged;
///         kFailedPrecondition: a newer format; kIoError.
Result<ShardManifest> read_shard_manifest(const std::filesystem::path& folder);
Result<void> write_shard_manifest(const std::filesystem::path& folder,
                                  const ShardManifest& manifest, FileCalls& calls);

/// What sidecars of the shard derive from: both regions of index.faiss.
std::string sidecar_source(const ShardManifest::File& index_file);

/// The files of a shard whose shard.json says, or will say, `manifest`.
/// errors  as open_shard_files().
Result<std::unique_ptr<ShardData>> open_shard_data(const std::filesystem::path& folder,
                                                   const ShardManifest& manifest, bool verify_all);

}  // namespace sightline::index
