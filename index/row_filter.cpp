#include "index/internal/row_filter.h"

namespace sightline::index {

std::optional<std::size_t> find_row(const ShardData& data, Slot slot) {
  if (data.slots.empty() || slot < data.slots.front()) return std::nullopt;
  // Slots ascend without repeats, so a row is at most as far from the first as its slot; without
  // gaps between them it is exactly so far.
  const std::size_t most = std::min<std::size_t>(slot - data.slots.front(), data.slots.size() - 1);
  if (data.slots[most] == slot) return most;
  const auto end = data.slots.begin() + static_cast<std::ptrdiff_t>(most);
  const auto found = std::lower_bound(data.slots.begin(), end, slot);
  if (found == end || *found != slot) return std::nullopt;
  return static_cast<std::size_t>(found - data.slots.begin());
}

std::size_t RowCursor::row_of(Slot slot) {
  std::size_t step = 1;
  while (row_ + step < slots_.size() && slots_[row_ + step] <= slot) {
    row_ += step;
    step *= 2;
  }
  const auto begin = slots_.begin() + static_cast<std::ptrdiff_t>(row_);
  const auto end =
      slots_.begin() + static_cast<std::ptrdiff_t>(std::min(slots_.size(), row_ + step));
  row_ = static_cast<std::size_t>(std::lower_bound(begin, end, slot) - slots_.begin());
  return row_;
}

RowFilter::RowFilter(const ShardData& data, const Tombstones* tombstones, Version newest,
                     const ShardQuery& query)
    : data_(data),
      tombstones_(tombstones != nullptr && tombstones->count() > 0 ? tombstones : nullptr),
      read_version_(query.read_version),
      checks_versions_(query.read_version < newest),
      allowed_(query.allowed),
      num_allowed_(allowed_ != nullptr ? data.slot_set.and_count(*allowed_) : data.num_rows),
      filters_(num_allowed_ < data.num_rows) {}

double RowFilter::selectivity() const {
  return static_cast<double>(num_allowed_) /
         static_cast<double>(std::max<std::size_t>(1, data_.num_rows));
}

std::vector<Slot> RowFilter::survivors() const {
  Bitmap both = data_.slot_set;
  return (both &= *allowed_).to_vector();
}

void RowFilter::expect(std::uint64_t num_tests) {
  // Setting a bit costs about a twelfth of a look-up in the compressed set.
  if (!filters_ || !flat_.empty() || num_tests < num_allowed_ / 12) return;
  flat_.resize((data_.slots.back() - data_.slots.front()) / 64 + 1);
  for (const Slot slot : survivors()) {
    const std::size_t at = slot - data_.slots.front();
    flat_[at / 64] |= std::uint64_t{1} << (at % 64);
  }
}

bool RowFilter::was_inserted(Slot slot) const {
  const auto row = find_row(data_, slot);
  return row && data_.versions[*row] <= read_version_;
}

}  // namespace sightline::index
