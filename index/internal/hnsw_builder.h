// index/internal/hnsw_builder.h: rows -> the links of a graph, by FAISS over our own kernels.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

#include "core/deadline.h"
#include "core/result.h"
#include "index/distance.h"
#include "index/internal/faiss_layout.h"
#include "index/kernels/kernel_table.h"
#include "index/shard.h"
#include "index/shard_spec.h"

namespace sightline::index {

struct BuiltGraph {
  FaissGraph links;  // points into `owner`
  std::shared_ptr<void> owner;
};

/// Links the rows of `rows` with spec.hnsw_m links and spec.ef_construction. Rows are read where
/// they lie; the same rows give the same links. One thread: the calling one.
///
/// deadline  checked between blocks of rows.
/// progress  may be empty; gets the share of rows that are linked.
/// errors    kInvalidArgument: more than 2^31 - 1 rows; kInternal: FAISS's; kCancelled, ...
Result<BuiltGraph> build_hnsw(std::span<const RowRef> rows, std::size_t dim, Distance distance,
                              const ShardSpec& spec, const KernelTable& kernels,
                              const Deadline& deadline,
                              const std::function<void(double share)>& progress);

}  // namespace sightline::index
