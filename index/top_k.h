// index/top_k.h: keeps the k best candidates of a stream.
#pragma once

#include <cstddef>
#include <limits>
#include <vector>

#include "index/shard.h"

namespace sightline::index {

/// Total order: distance, then `order` (or the lower slot). Independent of the order of arrival.
/// Thread-safety: one thread.
class TopK {
 public:
  /// k >= 1; `order` may be null and outlives this.
  TopK(std::size_t k, const SlotOrder* order);

  /// Candidates farther than this cannot enter: infinity until k are held.
  float worst_distance() const { return worst_; }
  void offer(Candidate candidate);
  void merge(const TopK& other);
  /// An empty one of the same k and order.
  TopK emptied() const { return TopK(k_, order_); }
  /// Best first; leaves this empty.
  std::vector<Candidate> take_sorted();

 private:
  bool better(const Candidate& a, const Candidate& b) const;

  std::size_t k_;
  const SlotOrder* order_;
  float worst_ = std::numeric_limits<float>::infinity();
  std::vector<Candidate> heap_;  // worst on top
};

}  // namespace sightline::index
