// index/internal/scanner.h: distances from one query to many codes, whatever the codes are. All
// that reads codes or full vectors goes through here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/result.h"
#include "index/distance.h"
#include "index/internal/shard_data.h"
#include "index/kernels/kernels.h"
#include "index/shard.h"
#include "index/top_k.h"

namespace sightline::index {

/// Thread-safety: one thread.
class Scanner {
 public:
  virtual ~Scanner() = default;
  /// The codes that follow are those of inverted list `list`.
  virtual void enter_list(std::size_t list);
  /// distances[i] of codes[i]; what is not a number counts as infinitely far.
  virtual void score(std::span<const std::byte* const> codes, float* distances) const = 0;
};

/// Rows of `query.size()` floats; distances are those of index/distance.h. Borrows `query`.
std::unique_ptr<Scanner> make_vector_scanner(const KernelTable& kernels, Distance distance,
                                             std::span<const float> query);

/// The full vectors of `data`, whatever they are kept as. Borrows both.
std::unique_ptr<Scanner> make_row_scanner(const ShardData& data, const KernelTable& kernels,
                                          std::span<const float> query);

/// What scanners of a shard share: the codebooks of its product quantiser as kernels read them,
/// [num_subvectors, dim / num_subvectors, 256]. Empty for other types.
std::vector<float> transpose_codebooks(const ShardData& data);

/// Codes of an IVF shard; order distances only among themselves (L2 stays squared) but for
/// IVF-Flat, whose codes are rows. Borrows everything.
std::unique_ptr<Scanner> make_code_scanner(const ShardData& data,
                                           std::span<const float> transposed_codebooks,
                                           const KernelTable& kernels,
                                           std::span<const float> query);

/// Collects codes, scores many at once and hands on what it found: take(distance, key).
template <typename Take>
class ScanBatch {
 public:
  ScanBatch(const Scanner& scanner, Take take) : scanner_(scanner), take_(take) {}

  void add(const std::byte* code, std::uint32_t key) {
    codes_[size_] = code;
    keys_[size_] = key;
    if (++size_ == kRows) flush();
  }
  /// To be called after the last add().
  void flush() {
    std::array<float, kRows> distances;
    scanner_.score(std::span(codes_).first(size_), distances.data());
    for (std::size_t i = 0; i < size_; ++i) take_(distances[i], keys_[i]);
    num_scored_ += size_;
    size_ = 0;
  }
  std::uint64_t num_scored() const { return num_scored_; }

 private:
  static constexpr std::size_t kRows = 32;
  const Scanner& scanner_;
  const Take take_;
  std::size_t size_ = 0;
  std::uint64_t num_scored_ = 0;
  std::array<const std::byte*, kRows> codes_;
  std::array<std::uint32_t, kRows> keys_;
};

/// What a ScanBatch hands on is offered to `best`. slot_of(key) is asked only for what may enter.
template <typename SlotOf>
auto offer_to(TopK& best, SlotOf slot_of) {
  return [&best, slot_of](float distance, std::uint32_t key) {
    if (distance <= best.worst_distance()) best.offer({distance, slot_of(key)});
  };
}

/// errors  kInvalidArgument: wrong dim, k of 0.
Result<void> check_query(const ShardQuery& query, std::size_t dim);

}  // namespace sightline::index
