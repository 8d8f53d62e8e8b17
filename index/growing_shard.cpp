#include "index/growing_shard.h"

#include <algorithm>
#include <cstring>

#include "index/internal/huge_pages.h"
#include "index/internal/parallel_scan.h"
#include "index/internal/scanner.h"
#include "index/top_k.h"

namespace sightline::index {
namespace {

// A part of a scan that one thread takes at a time, and below which helpers cost more than they
// give: at 10 GB/s a chunk is some 400 us.
constexpr std::size_t kChunkBytes = std::size_t{4} << 20;

}  // namespace

struct GrowingShard::Block {
  explicit Block(std::size_t dim) : values(huge_array<float>(kBlockRows * dim)) {
    for (auto& version : deleted) version.store(kNever, std::memory_order_relaxed);
  }

  const std::byte* row(std::size_t at, std::size_t dim) const {
    return std::as_bytes(std::span(values.get() + at * dim, dim)).data();
  }

  std::unique_ptr<float[], FreeHuge> values;  // [kBlockRows, dim]
  // Written before the row count that covers them is published.
  std::array<Slot, kBlockRows> slots;
  std::array<Version, kBlockRows> inserted;
  std::array<std::atomic<Version>, kBlockRows> deleted;
};

GrowingShard::GrowingShard(std::size_t dim, Distance distance, const KernelTable& kernels)
    : dim_(dim), distance_(distance), kernels_(kernels), memory_bytes_(sizeof(*this)) {}

GrowingShard::~GrowingShard() {
  for (auto& entry : segments_) {
    const std::unique_ptr<Segment> segment(entry.load(std::memory_order_relaxed));
    if (segment == nullptr) continue;
    for (auto& block : segment->blocks) delete block.load(std::memory_order_relaxed);
  }
}

GrowingShard::Block& GrowingShard::block(std::size_t index) const {
  const Segment* segment = segments_[index / kSegmentBlocks].load(std::memory_order_acquire);
  return *segment->blocks[index % kSegmentBlocks].load(std::memory_order_acquire);
}

GrowingShard::Block& GrowingShard::add_block(std::size_t index) {
  SIGHTLINE_CHECK(index < kNumSegments * kSegmentBlocks);
  auto& entry = segments_[index / kSegmentBlocks];
  Segment* segment = entry.load(std::memory_order_relaxed);
  if (segment == nullptr) {
    segment = new Segment;
    entry.store(segment, std::memory_order_release);
    memory_bytes_.fetch_add(sizeof(Segment), std::memory_order_relaxed);
  }
  auto block = std::make_unique<Block>(dim_);
  Block& added = *block;
  segment->blocks[index % kSegmentBlocks].store(block.release(), std::memory_order_release);
  memory_bytes_.fetch_add(sizeof(Block) + kBlockRows * dim_ * sizeof(float),
                          std::memory_order_relaxed);
  return added;
}

std::uint32_t& GrowingShard::row_of(Slot slot) {
  const std::size_t page = slot / kMapPage;
  if (page >= rows_by_slot_.size()) rows_by_slot_.resize(page + 1);
  if (rows_by_slot_[page] == nullptr) {
    rows_by_slot_[page] = std::make_unique<MapPage>();
    memory_bytes_.fetch_add(sizeof(MapPage), std::memory_order_relaxed);
  }
  return (*rows_by_slot_[page])[slot % kMapPage];
}

std::uint32_t GrowingShard::find_row(Slot slot) const {
  const std::size_t page = slot / kMapPage;
  if (page >= rows_by_slot_.size() || rows_by_slot_[page] == nullptr) return 0;
  return (*rows_by_slot_[page])[slot % kMapPage];
}

void GrowingShard::put(Slot slot, Version version, std::span<const float> row) {
  SIGHTLINE_CHECK(row.size() == dim_);
  const std::uint64_t number = num_rows_.load(std::memory_order_relaxed);
  const std::size_t at = number % kBlockRows;
  Block& target = at == 0 ? add_block(number / kBlockRows) : block(number / kBlockRows);
  std::memcpy(target.values.get() + at * dim_, row.data(), dim_ * sizeof(float));
  target.slots[at] = slot;
  target.inserted[at] = version;
  remove(slot, version);
  row_of(slot) = static_cast<std::uint32_t>(number + 1);
  num_live_.fetch_add(1, std::memory_order_relaxed);
  num_rows_.store(number + 1, std::memory_order_release);
}

void GrowingShard::remove(Slot slot, Version version) {
  const std::uint32_t row = find_row(slot);
  if (row == 0) return;
  block((row - 1) / kBlockRows)
      .deleted[(row - 1) % kBlockRows]
      .store(version, std::memory_order_release);
  row_of(slot) = 0;
  num_live_.fetch_sub(1, std::memory_order_relaxed);
}

std::optional<Version> GrowingShard::version_of(Slot slot) const {
  const std::uint32_t row = find_row(slot);
  if (row == 0) return std::nullopt;
  return block((row - 1) / kBlockRows).inserted[(row - 1) % kBlockRows];
}

std::vector<Slot> GrowingShard::live_slots() const {
  std::vector<Slot> slots;
  for (std::size_t page = 0; page < rows_by_slot_.size(); ++page) {
    if (rows_by_slot_[page] == nullptr) continue;
    for (std::size_t at = 0; at < kMapPage; ++at) {
      if ((*rows_by_slot_[page])[at] != 0) slots.push_back(static_cast<Slot>(page * kMapPage + at));
    }
  }
  return slots;
}

std::vector<RowRef> GrowingShard::live_rows() const {
  std::vector<RowRef> rows;
  for (const Slot slot : live_slots()) {
    const std::uint32_t row = find_row(slot) - 1;
    const Block& held = block(row / kBlockRows);
    const std::size_t at = row % kBlockRows;
    rows.push_back({slot, held.inserted[at], held.row(at, dim_)});
  }
  return rows;
}

class GrowingShard::ScanOfBlocks final : public ScanPart {
 public:
  ScanOfBlocks(const GrowingShard& shard, const ShardQuery& query, const Deadline& deadline,
               std::size_t num_rows, std::size_t chunk_rows, TopK& result, SearchStats& stats)
      : shard_(shard),
        query_(query),
        deadline_(deadline),
        num_rows_(num_rows),
        chunk_rows_(chunk_rows),
        result_(result),
        result_stats_(stats),
        scanner_(make_vector_scanner(shard.kernels_, shard.distance_, query.vector)),
        best_(result.emptied()) {}

  Result<void> scan(std::size_t chunk) override {
    const std::size_t end = std::min(num_rows_, (chunk + 1) * chunk_rows_);
    for (std::size_t first = chunk * chunk_rows_; first < end; first += kBlockRows) {
      SIGHTLINE_TRY_DO(deadline_.check("searching"));
      scan_block(shard_.block(first / kBlockRows), std::min(kBlockRows, end - first));
    }
    return {};
  }

  void finish() override {
    result_.merge(best_);
    result_stats_.add(stats_);
  }

 private:
  void scan_block(const Block& block, std::size_t rows) {
    ScanBatch batch(*scanner_,
                    offer_to(best_, [&block](std::uint32_t at) { return block.slots[at]; }));
    for (std::size_t at = 0; at < rows; ++at) {
      if (block.inserted[at] > query_.read_version ||
          block.deleted[at].load(std::memory_order_relaxed) <= query_.read_version) {
        continue;
      }
      ++stats_.num_rows;
      if (query_.allowed != nullptr && !query_.allowed->contains(block.slots[at])) continue;
      batch.add(block.row(at, shard_.dim_), static_cast<std::uint32_t>(at));
    }
    batch.flush();
    stats_.num_allowed += batch.num_scored();
    stats_.num_scanned += batch.num_scored();
  }

  const GrowingShard& shard_;
  const ShardQuery& query_;
  const Deadline& deadline_;
  const std::size_t num_rows_;
  const std::size_t chunk_rows_;
  TopK& result_;
  SearchStats& result_stats_;
  const std::unique_ptr<Scanner> scanner_;
  TopK best_;
  SearchStats stats_;
};

Result<std::vector<Candidate>> GrowingShard::search(const ShardQuery& query, ComputePool* pool,
                                                    const Deadline& deadline) const {
  SIGHTLINE_TRY_DO(check_query(query, dim_));
  SIGHTLINE_TRY_DO(deadline.check("searching"));
  const std::size_t rows = num_rows();
  const std::size_t block_bytes = kBlockRows * std::max<std::size_t>(1, dim_) * sizeof(float);
  const std::size_t chunk_rows = std::max<std::size_t>(1, kChunkBytes / block_bytes) * kBlockRows;
  TopK best(query.k, query.order);
  SearchStats stats;
  SIGHTLINE_TRY_DO(scan_in_parts((rows + chunk_rows - 1) / chunk_rows, rows, pool,
                                 Priority::kQueryEncoding, [&] {
                                   return std::make_unique<ScanOfBlocks>(
                                       *this, query, deadline, rows, chunk_rows, best, stats);
                                 }));
  ++stats.num_exact;
  if (query.stats != nullptr) query.stats->add(stats);
  return best.take_sorted();
}

}  // namespace sightline::index
