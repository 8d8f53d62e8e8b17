// index/shard_spec.h: which index structure a sealed shard has, in FAISS's factory grammar.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"
#include "index/distance.h"

namespace sightline::index {

enum class ShardType { kFlat, kIvfFlat, kIvfSq8, kIvfPq, kHnsw };

/// "auto", "Flat", "IVF4096,Flat", "IVF4096,SQ8", "IVF4096,PQ64", "HNSW32" (or "HNSW32,Flat").
/// SQ8 and PQ are followed by ",Refine(SQfp16)" where full vectors are to be kept as fp16; so is
/// auto, for the case that it becomes one of them. (",RFlat" is what they are without it.)
struct ShardSpec {
  bool automatic = true;  ///< choose_spec() decides; the rest is unused.
  ShardType type = ShardType::kFlat;
  std::size_t nlist = 0;           ///< IVF; 0: by the number of rows (default_nlist()).
  std::size_t num_subvectors = 0;  ///< PQ: bytes a code.
  std::size_t hnsw_m = 32;
  std::size_t ef_construction = 200;
  bool half_vectors = false;  ///< SQ8, PQ, automatic: full vectors as fp16, where that suits them.

  bool operator==(const ShardSpec&) const = default;
};

/// errors  kInvalidArgument: names the text and lists what is understood ("IVF,..." without a
/// number
///         is understood too).
Result<ShardSpec> parse_shard_spec(std::string_view text);
std::string to_string(const ShardSpec& spec);

/// Whether its codes say less than the rows, so that full vectors lie beside them: SQ8 and PQ.
bool has_lossy_codes(const ShardSpec& spec);

/// Whether rows of `dim` under `distance` can be held so: PQ needs num_subvectors to divide dim; L1
/// takes Flat alone. errors  kInvalidArgument.
Result<void> check_shard_spec(const ShardSpec& spec, std::size_t dim, Distance distance);

/// What `auto` becomes: Flat below 100,000 rows (and always for L1), IVF-Flat to 10 million, then
/// IVF-PQ with refine; by bytes where the budget says otherwise: the rows' own bytes against
/// `memory_bytes` (Flat and IVF-Flat are mapped, so only codes and ids count against it).
ShardSpec choose_spec(std::uint64_t num_rows, std::size_t dim, Distance distance,
                      std::uint64_t memory_bytes);
/// About 4 sqrt(rows), a power of two in 64..65536, at least 39 rows a list where rows allow.
std::size_t default_nlist(std::uint64_t num_rows);

}  // namespace sightline::index
