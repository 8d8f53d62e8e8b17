// index/sealed_shard.h: a searchable shard whose rows do not change, opened from its files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "core/result.h"
#include "index/kernels/kernels.h"
#include "index/shard.h"
#include "index/shard_spec.h"

namespace sightline::index {

struct ShardData;     // internal/shard_data.h
class Tombstones;     // internal/tombstones.h
class ShardSearcher;  // internal/shard_searcher.h

struct OpenShardOptions {
  std::size_t dim = 0;                          ///< Expected.
  Distance distance = Distance::kInnerProduct;  ///< Expected.
  /// Verify every byte; otherwise only what is parsed (headers, centroids, rows, list sizes), and
  /// mapped codes and vectors when they are read by verify().
  bool verify_all = true;
  const KernelTable* kernels = nullptr;  ///< null: kernels()
};

/// Thread-safety: as Shard's.
class SealedShard final : public Shard {
 public:
  /// errors  kNotFound: no such folder; kCorruption: names file and damage; kFailedPrecondition: a
  ///         newer format, or other dim or distance than expected.
  static Result<std::shared_ptr<SealedShard>> open(const std::filesystem::path& folder,
                                                   const OpenShardOptions& options);
  /// Of what is open already.
  static std::shared_ptr<SealedShard> from_data(std::unique_ptr<ShardData> data,
                                                const KernelTable& kernels = index::kernels());
  ~SealedShard() override;

  /// Picks by the share of allowed rows: an exact scan of these at about a tenth and below; above
  /// it lists or links, probed further until as many allowed rows were scanned as the unfiltered
  /// search scans and rows as near as the hits no longer turn up (DESIGN.md, "Filters keep
  /// recall"); exactly where that is likely to cost more. Under a filter no more than about a
  /// quarter above the cost of the exact scan is spent.
  Result<std::vector<Candidate>> search(const ShardQuery& query, ComputePool* pool,
                                        const Deadline& deadline) const override;

  std::uint64_t num_rows() const override;
  std::uint64_t num_live() const override;
  std::uint64_t memory_bytes() const override;
  std::uint64_t mapped_bytes() const override;

  void remove(Slot slot, Version version) override;
  std::optional<Version> version_of(Slot slot) const override;
  std::vector<RowRef> live_rows() const override;

  /// Version of the row that was sealed for `slot`, deleted or not.
  std::optional<Version> sealed_version_of(Slot slot) const;
  /// Every byte against its checksum. errors  kCorruption: names file and damage.
  Result<void> verify() const;

  const std::filesystem::path& folder() const;
  const ShardSpec& spec() const;  ///< As it was asked for.
  /// Whether its full vectors are fp16: as `spec` wants them, unless that did not suit them.
  bool has_half_vectors() const;
  std::size_t nprobe() const;     ///< The calibrated one; 0 if it has no lists.
  std::size_t ef_search() const;  ///< The calibrated one; 0 if it has no links.

 private:
  SealedShard(std::unique_ptr<ShardData> data, const KernelTable& kernels);

  const std::unique_ptr<const ShardData> data_;
  const std::unique_ptr<Tombstones> tombstones_;
  const std::unique_ptr<const ShardSearcher> searcher_;
};

}  // namespace sightline::index
