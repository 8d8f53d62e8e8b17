#include "index/top_k.h"

#include <algorithm>

namespace sightline::index {

TopK::TopK(std::size_t k, const SlotOrder* order) : k_(k), order_(order) {
  heap_.reserve(std::min<std::size_t>(k, 1024));
}

bool TopK::better(const Candidate& a, const Candidate& b) const {
  if (a.distance != b.distance) return a.distance < b.distance;
  return order_ != nullptr ? order_->before(a.slot, b.slot) : a.slot < b.slot;
}

void TopK::offer(Candidate candidate) {
  if (candidate.distance > worst_) return;
  const auto less = [this](const Candidate& a, const Candidate& b) { return better(a, b); };
  if (heap_.size() < k_) {
    heap_.push_back(candidate);
    std::push_heap(heap_.begin(), heap_.end(), less);
  } else {
    if (!better(candidate, heap_.front())) return;
    std::pop_heap(heap_.begin(), heap_.end(), less);
    heap_.back() = candidate;
    std::push_heap(heap_.begin(), heap_.end(), less);
  }
  if (heap_.size() == k_) worst_ = heap_.front().distance;
}

void TopK::merge(const TopK& other) {
  for (const Candidate& candidate : other.heap_) offer(candidate);
}

std::vector<Candidate> TopK::take_sorted() {
  std::sort_heap(heap_.begin(), heap_.end(),
                 [this](const Candidate& a, const Candidate& b) { return better(a, b); });
  worst_ = std::numeric_limits<float>::infinity();
  return std::move(heap_);
}

}  // namespace sightline::index
