#include "index/growing_shard.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <exception>
#include <new>

#include "core/mutex.h"
#include "index/top_k.h"

namespace sightline::index {
namespace {

// A part of a scan that one thread takes at a time, and below which helpers cost more than they
// give: at 10 GB/s a chunk is some 400 us.
constexpr std::size_t kChunkBytes = std::size_t{4} << 20;

struct AlignedDelete {
  void operator()(float* values) const { ::operator delete[](values, std::align_val_t{64}); }
};

}  // namespace

struct GrowingShard::Block {
  explicit Block(std::size_t dim)
      : values(static_cast<float*>(
            ::operator new[](kBlockRows* dim * sizeof(float), std::align_val_t{64}))) {
    for (auto& version : deleted) version.store(kNever, std::memory_order_relaxed);
  }

  std::unique_ptr<float[], AlignedDelete> values;  // [kBlockRows, dim]
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
  num_rows_.store(number + 1, std::memory_order_release);
}

void GrowingShard::remove(Slot slot, Version version) {
  const std::uint32_t row = find_row(slot);
  if (row == 0) return;
  block((row - 1) / kBlockRows)
      .deleted[(row - 1) % kBlockRows]
      .store(version, std::memory_order_release);
  row_of(slot) = 0;
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

// One scan that several threads share. The caller works too and waits only for chunks that somebody
// has taken, never for a helper that has not begun: so a pool worker may be the caller.
class GrowingShard::Scan {
 public:
  Scan(const GrowingShard& shard, const ShardQuery& query, const Deadline& deadline,
       std::size_t num_rows)
      : shard_(shard),
        query_(query),
        deadline_(deadline),
        num_rows_(num_rows),
        num_blocks_((num_rows + kBlockRows - 1) / kBlockRows),
        chunk_blocks_(std::max<std::size_t>(
            1, kChunkBytes / (kBlockRows * std::max<std::size_t>(1, shard.dim_) * sizeof(float)))),
        num_chunks_((num_blocks_ + chunk_blocks_ - 1) / chunk_blocks_),
        best_(query.k, query.order) {}

  std::size_t num_chunks() const { return num_chunks_; }

  // Takes chunks until none is left. A helper that comes too late touches nothing but next_chunk_.
  void work() {
    std::size_t chunk = next_chunk_.fetch_add(1);
    if (chunk >= num_chunks_) return;
    std::size_t num_taken = 1;
    std::optional<Status> failure;
    try {
      TopK best(query_.k, query_.order);
      while (true) {
        if (!failure && !failed_.load(std::memory_order_relaxed)) {
          auto scanned = scan_chunk(chunk, best);
          if (!scanned) failure = std::move(scanned).error();
        }
        chunk = next_chunk_.fetch_add(1);
        if (chunk >= num_chunks_) break;
        ++num_taken;
      }
      const MutexLock lock(mutex_);
      best_.merge(best);
    } catch (const std::exception& e) {
      failure = internal_error(std::string("scan of a growing shard: ") + e.what());
    }
    const MutexLock lock(mutex_);
    if (failure && !failure_) failure_ = std::move(failure);
    if (failure_) failed_.store(true, std::memory_order_relaxed);
    num_done_ += num_taken;
    if (num_done_ == num_chunks_) done_.notify_all();
  }

  Result<std::vector<Candidate>> wait() {
    const MutexLock lock(mutex_);
    while (num_done_ != num_chunks_) done_.wait(mutex_);
    if (failure_) return *failure_;
    return best_.take_sorted();
  }

 private:
  Result<void> scan_chunk(std::size_t chunk, TopK& best) const {
    const std::size_t end = std::min(num_blocks_, (chunk + 1) * chunk_blocks_);
    for (std::size_t index = chunk * chunk_blocks_; index < end; ++index) {
      SIGHTLINE_TRY_DO(deadline_.check("searching"));
      const Block& block = shard_.block(index);
      const std::size_t rows = std::min(kBlockRows, num_rows_ - index * kBlockRows);
      switch (shard_.distance_) {
        case Distance::kInnerProduct:
          scan_block(block, rows, best, [this](const std::byte* row) {
            return -shard_.kernels_.inner_product(query_.vector.data(), row, shard_.dim_);
          });
          break;
        case Distance::kL2:
          scan_block(block, rows, best, [this](const std::byte* row) {
            return std::sqrt(shard_.kernels_.l2_squared(query_.vector.data(), row, shard_.dim_));
          });
          break;
        case Distance::kL1:
          scan_block(block, rows, best, [this](const std::byte* row) {
            return shard_.kernels_.l1(query_.vector.data(), row, shard_.dim_);
          });
          break;
      }
    }
    return {};
  }

  template <typename DistanceOf>
  void scan_block(const Block& block, std::size_t rows, TopK& best, DistanceOf distance_of) const {
    const std::byte* row = std::as_bytes(std::span(block.values.get(), 1)).data();
    const std::size_t stride = shard_.dim_ * sizeof(float);
    for (std::size_t at = 0; at < rows; ++at, row += stride) {
      if (block.inserted[at] > query_.read_version ||
          block.deleted[at].load(std::memory_order_relaxed) <= query_.read_version) {
        continue;
      }
      if (query_.allowed != nullptr && !query_.allowed->contains(block.slots[at])) continue;
      float distance = distance_of(row);
      if (std::isnan(distance)) distance = std::numeric_limits<float>::infinity();
      if (distance <= best.worst_distance()) best.offer({distance, block.slots[at]});
    }
  }

  const GrowingShard& shard_;
  const ShardQuery& query_;
  const Deadline& deadline_;
  const std::size_t num_rows_;
  const std::size_t num_blocks_;
  const std::size_t chunk_blocks_;
  const std::size_t num_chunks_;
  std::atomic<std::size_t> next_chunk_{0};
  std::atomic<bool> failed_{false};

  Mutex mutex_;
  CondVar done_;
  std::size_t num_done_ GUARDED_BY(mutex_) = 0;  // chunks
  std::optional<Status> failure_ GUARDED_BY(mutex_);
  TopK best_ GUARDED_BY(mutex_);
};

Result<std::vector<Candidate>> GrowingShard::search(const ShardQuery& query, ComputePool* pool,
                                                    const Deadline& deadline) const {
  if (query.vector.size() != dim_) {
    return invalid_argument("the query has " + std::to_string(query.vector.size()) +
                            " dimensions; this index has " + std::to_string(dim_));
  }
  if (query.k == 0) return invalid_argument("k is 0; it must be at least 1");
  SIGHTLINE_TRY_DO(deadline.check("searching"));
  const std::size_t rows = num_rows();
  if (rows == 0) return std::vector<Candidate>();

  const auto scan = std::make_shared<Scan>(*this, query, deadline, rows);
  if (pool != nullptr && pool->num_threads() > 1) {
    const std::size_t helpers = std::min(pool->num_threads(), scan->num_chunks()) - 1;
    for (std::size_t i = 0; i < helpers; ++i) {
      pool->submit(Priority::kQueryEncoding, [scan] { scan->work(); });
    }
  }
  scan->work();
  return scan->wait();
}

}  // namespace sightline::index
