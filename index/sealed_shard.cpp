#include "index/sealed_shard.h"

#include <utility>

#include "index/internal/row_filter.h"
#include "index/internal/shard_data.h"
#include "index/internal/shard_searcher.h"
#include "index/internal/tombstones.h"

namespace sightline::index {
namespace {

std::unique_ptr<Tombstones> no_tombstones(std::span<const Slot> slots) {
  if (slots.empty()) return std::make_unique<Tombstones>(0, 0);
  return std::make_unique<Tombstones>(slots.front(), slots.back());
}

}  // namespace

SealedShard::SealedShard(std::unique_ptr<ShardData> data, const KernelTable& kernels)
    : data_(std::move(data)),
      tombstones_(no_tombstones(data_->slots)),
      searcher_(std::make_unique<ShardSearcher>(*data_, kernels, tombstones_.get())) {}

SealedShard::~SealedShard() = default;

Result<std::shared_ptr<SealedShard>> SealedShard::open(const std::filesystem::path& folder,
                                                       const OpenShardOptions& options) {
  SIGHTLINE_TRY(auto data,
                open_shard_files(folder, options.dim, options.distance, options.verify_all));
  return from_data(std::move(data),
                   options.kernels != nullptr ? *options.kernels : index::kernels());
}

std::shared_ptr<SealedShard> SealedShard::from_data(std::unique_ptr<ShardData> data,
                                                    const KernelTable& kernels) {
  return std::shared_ptr<SealedShard>(new SealedShard(std::move(data), kernels));
}

Result<std::vector<Candidate>> SealedShard::search(const ShardQuery& query, ComputePool* pool,
                                                   const Deadline& deadline) const {
  return searcher_->search(query, pool, deadline);
}

std::uint64_t SealedShard::num_rows() const { return data_->num_rows; }
std::uint64_t SealedShard::num_live() const { return data_->num_rows - tombstones_->count(); }

std::uint64_t SealedShard::memory_bytes() const {
  return data_->memory_bytes + tombstones_->memory_bytes() + searcher_->memory_bytes();
}
std::uint64_t SealedShard::mapped_bytes() const { return data_->mapped_bytes; }

void SealedShard::remove(Slot slot, Version version) {
  if (find_row(*data_, slot)) tombstones_->mark(slot, version);
}

std::optional<Version> SealedShard::version_of(Slot slot) const {
  const auto version = sealed_version_of(slot);
  return version && tombstones_->deleted_at(slot) == kNever ? version : std::nullopt;
}

std::optional<Version> SealedShard::sealed_version_of(Slot slot) const {
  const auto row = find_row(*data_, slot);
  if (!row) return std::nullopt;
  return data_->versions[*row];
}

std::vector<RowRef> SealedShard::live_rows() const {
  std::vector<RowRef> rows;
  rows.reserve(num_live());
  for (std::size_t row = 0; row < data_->num_rows; ++row) {
    const Slot slot = data_->slots[row];
    if (tombstones_->deleted_at(slot) != kNever) continue;
    rows.push_back(
        {slot, data_->versions[row], data_->half_vectors ? nullptr : data_->vector(row)});
  }
  return rows;
}

Result<void> SealedShard::verify() const { return verify_shard_files(data_->folder); }

const std::filesystem::path& SealedShard::folder() const { return data_->folder; }
const ShardSpec& SealedShard::spec() const { return data_->spec; }
bool SealedShard::has_half_vectors() const { return data_->half_vectors; }
std::size_t SealedShard::nprobe() const { return data_->nprobe; }
std::size_t SealedShard::ef_search() const { return data_->ef_search; }

}  // namespace sightline::index
