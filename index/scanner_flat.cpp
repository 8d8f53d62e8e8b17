#include <algorithm>
#include <memory>

#include "index/internal/parallel_scan.h"
#include "index/internal/shard_searcher.h"

namespace sightline::index {
namespace {

// A part of a scan that one thread takes at a time, and below which helpers cost more than they
// give: at 10 GB/s a chunk is some 400 us.
constexpr std::size_t kChunkBytes = std::size_t{4} << 20;

// All rows, or those of `survivors`.
class RowPart final : public ScanPart {
 public:
  RowPart(const ScanJob& job, const std::vector<Slot>* survivors, std::size_t chunk_rows,
          TopK& result)
      : job_(job),
        survivors_(survivors),
        chunk_rows_(chunk_rows),
        result_(result),
        scanner_(make_row_scanner(job.data, job.kernels, job.query.vector)),
        best_(result.emptied()) {}

  Result<void> scan(std::size_t chunk) override {
    SIGHTLINE_TRY_DO(job_.deadline.check("searching"));
    const ShardData& data = job_.data;
    ScanBatch batch(*scanner_,
                    offer_to(best_, [&data](std::uint32_t row) { return data.slots[row]; }));
    const std::size_t first = chunk * chunk_rows_;
    if (survivors_ != nullptr) {
      RowCursor cursor(data.slots);
      const std::size_t end = std::min(survivors_->size(), first + chunk_rows_);
      for (std::size_t i = first; i < end; ++i) {
        if (!job_.filter.is_visible((*survivors_)[i])) continue;
        const std::size_t row = cursor.row_of((*survivors_)[i]);
        batch.add(data.vector(row), static_cast<std::uint32_t>(row));
      }
    } else {
      const bool checks = job_.filter.checks();
      const std::size_t end = std::min(data.num_rows, first + chunk_rows_);
      for (std::size_t row = first; row < end; ++row) {
        if (checks && !job_.filter.is_visible(data.slots[row])) continue;
        batch.add(data.vector(row), static_cast<std::uint32_t>(row));
      }
    }
    batch.flush();
    num_scanned_ += batch.num_scored();
    return {};
  }

  void finish() override {
    result_.merge(best_);
    job_.stats.num_scanned += num_scanned_;
  }

 private:
  const ScanJob& job_;
  const std::vector<Slot>* const survivors_;
  const std::size_t chunk_rows_;
  TopK& result_;
  const std::unique_ptr<Scanner> scanner_;
  TopK best_;
  std::uint64_t num_scanned_ = 0;
};

}  // namespace

Result<Candidates> scan_rows(const ScanJob& job, std::size_t k) {
  const std::vector<Slot> survivors =
      job.filter.filters() ? job.filter.survivors() : std::vector<Slot>();
  const std::size_t rows = job.filter.filters() ? survivors.size() : job.data.num_rows;
  const std::size_t chunk_rows = std::max<std::size_t>(1, kChunkBytes / job.data.row_bytes());
  TopK best(k, job.query.order);
  SIGHTLINE_TRY_DO(scan_in_parts(
      (rows + chunk_rows - 1) / chunk_rows, rows, job.pool, Priority::kQueryEncoding, [&] {
        return std::make_unique<RowPart>(job, job.filter.filters() ? &survivors : nullptr,
                                         chunk_rows, best);
      }));
  return best.take_sorted();
}

}  // namespace sightline::index
