#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "index/internal/shard_searcher.h"

namespace sightline::index {
namespace {

// Full vectors of candidates that ascend by code distance.
class Refiner {
 public:
  Refiner(const ScanJob& job, const Candidates& candidates)
      : job_(job),
        candidates_(candidates),
        scanner_(make_row_scanner(job.data, job.kernels, job.query.vector)),
        best_(job.query.k, job.query.order) {}

  /// Refines all before `end`.
  Result<void> refine_to(std::size_t end) {
    SIGHTLINE_TRY_DO(job_.deadline.check("searching"));
    std::vector<const std::byte*> rows;
    for (std::size_t i = exact_.size(); i < end; ++i)
      rows.push_back(job_.data.vector(*find_row(job_.data, candidates_[i].slot)));
    const std::size_t first = exact_.size();
    exact_.resize(end);
    scanner_->score(rows, exact_.data() + first);
    for (std::size_t i = first; i < end; ++i) best_.offer({exact_[i], candidates_[i].slot});
    job_.stats.num_refined += rows.size();
    return {};
  }

  /// How many of the candidates after the refined ones are likely to be among the k best: what a
  /// code says of a row errs there as it does in the latter half of those refined.
  double expected_misses() const {
    const double bound = in_codes(best_.worst_distance());
    if (std::isinf(bound)) return std::numeric_limits<double>::infinity();
    double sum = 0, squares = 0;
    const std::size_t first = exact_.size() / 2, count = exact_.size() - first;
    for (std::size_t i = first; i < exact_.size(); ++i) {
      const double error = in_codes(exact_[i]) - candidates_[i].distance;
      sum += error;
      squares += error * error;
    }
    const double mean = sum / static_cast<double>(count);
    const double variance = squares / static_cast<double>(count) - mean * mean;
    const double sigma = std::sqrt(std::max(variance, 1e-30));
    double misses = 0;
    for (std::size_t i = exact_.size(); i < candidates_.size(); ++i) {
      const double z = (bound - candidates_[i].distance - mean) / sigma;
      misses += 0.5 * std::erfc(-z / std::sqrt(2.0));
    }
    return misses;
  }

  Candidates take() { return best_.take_sorted(); }

 private:
  // Codes of L2 give squared distances.
  double in_codes(float distance) const {
    return job_.data.distance == Distance::kL2 ? double{distance} * distance : double{distance};
  }

  const ScanJob& job_;
  const Candidates& candidates_;
  const std::unique_ptr<Scanner> scanner_;
  TopK best_;
  std::vector<float> exact_;  // of the candidates refined
};

}  // namespace

Result<std::optional<Candidates>> refine_all(const ScanJob& job, const Candidates& candidates) {
  Refiner refiner(job, candidates);
  SIGHTLINE_TRY_DO(refiner.refine_to(candidates.size()));
  return std::optional<Candidates>(refiner.take());
}

Result<std::optional<Candidates>> refine_until_settled(const ScanJob& job,
                                                       const Candidates& candidates,
                                                       std::size_t num_least,
                                                       std::uint64_t num_passed) {
  constexpr std::size_t kErrorsMeasured = 32;
  constexpr double kMaxMissesPerHit = 0.002;
  const double most = kMaxMissesPerHit * static_cast<double>(job.query.k);
  Refiner refiner(job, candidates);
  for (std::size_t end = std::max(num_least, kErrorsMeasured);; end *= 2) {
    end = std::min(end, candidates.size());
    SIGHTLINE_TRY_DO(refiner.refine_to(end));
    if (end == candidates.size()) break;
    if (refiner.expected_misses() <= most) return std::optional<Candidates>(refiner.take());
  }
  if (num_passed > candidates.size()) return std::optional<Candidates>();
  return std::optional<Candidates>(refiner.take());
}

}  // namespace sightline::index
