// index/internal/ivf_builder.h: rows -> inverted lists: trained, assigned, encoded, streamed out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/compute_pool.h"
#include "core/deadline.h"
#include "core/result.h"
#include "index/file_writer.h"
#include "index/shard.h"
#include "index/shard_builder.h"
#include "index/shard_spec.h"

namespace sightline::index {

/// `count` of the numbers below `n`, ascending, the same for a seed; all of them if n <= count.
std::vector<std::uint32_t> sample_rows(std::size_t n, std::size_t count, std::uint64_t seed);

/// Thread-safety: one thread; parts run on the pool.
class IvfBuilder {
 public:
  /// Borrows everything; `spec` is an IVF with its nlist set, at most rows.size().
  IvfBuilder(std::span<const RowRef> rows, const BuildOptions& options, const ShardSpec& spec,
             ComputePool* pool, const Deadline& deadline);

  using Progress = std::function<void(double share)>;  // of the step

  /// Centroids, and what the codes need. errors  kCancelled, kDeadlineExceeded.
  Result<void> train(const Progress& progress);
  /// Nearest centroids of all rows.
  Result<void> assign(const Progress& progress);
  /// The whole of an IndexIVF's file; its head is a region of its own.
  Result<void> write(FileWriter& file, const Progress& progress);

  FileRegion head() const { return head_; }

 private:
  std::vector<float> gather(std::span<const std::uint32_t> rows) const;
  Result<void> train_scalar_quantizer(std::span<const float> sample);
  Result<void> train_product_quantizer(std::span<const float> sample);
  void subtract_centroid(std::span<float> row, std::uint32_t list) const;
  void encode(std::span<const std::uint32_t> rows, std::span<std::byte> codes) const;
  Result<void> encode_window(std::size_t first, std::size_t count);
  Result<void> write_codes(FileWriter& file, std::size_t first, std::size_t count);
  Result<void> write_ids(FileWriter& file, std::size_t first, std::size_t count) const;

  const std::span<const RowRef> rows_;
  const BuildOptions& options_;
  const ShardSpec& spec_;
  ComputePool* const pool_;
  const Deadline& deadline_;
  const std::size_t dim_;
  const bool inner_product_;
  std::size_t code_size_ = 0;

  std::vector<float> centroids_;   // [nlist, dim]
  std::vector<float> sq_trained_;  // minima, then ranges
  std::vector<float> codebooks_;
  std::vector<std::uint32_t> labels_;      // [rows]
  std::vector<std::uint64_t> list_sizes_;  // [nlist]
  std::vector<std::uint32_t> order_;       // rows, list by list, ascending within each
  std::vector<std::byte> window_;          // codes of order_[window_first_ ..]
  std::size_t window_first_ = 0, window_count_ = 0;
  FileRegion head_;
};

}  // namespace sightline::index
