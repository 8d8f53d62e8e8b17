#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "index/internal/shard_searcher.h"

namespace sightline::index {
namespace {

// Beyond the k nearest: a few for near-ties, and what one pass mostly needs.
constexpr std::size_t kSpare = 16, kTimesMore = 8;
constexpr std::size_t kRowsBetweenChecks = 64;

/// How much a distance may change by rounding, and by the few last places of float32 sums.
double greatest_error(const ScanJob& job) {
  const double shift = 1.001 * job.data.max_shift;
  if (job.data.distance == Distance::kL2) return shift;  // the triangle inequality
  double squares = 0;
  for (const float value : job.query.vector) squares += double{value} * double{value};
  return shift * std::sqrt(squares);  // Cauchy and Schwarz
}

}  // namespace

Result<Candidates> scan_true_rows(const ScanJob& job) {
  const std::size_t k = job.query.k;
  const std::uint64_t scanned_before = job.stats.num_scanned;
  const double error = greatest_error(job);
  Candidates found;
  for (std::size_t kept = k + kSpare;; kept *= kTimesMore) {
    job.stats.num_scanned = scanned_before;  // a row counts once
    kept = std::min(kept, std::max<std::size_t>(1, job.data.num_rows));
    SIGHTLINE_TRY(found, scan_rows(job, kept));
    if (found.size() < kept || kept == job.data.num_rows) break;
    if (double{found.back().distance} > double{found[k - 1].distance} + 2 * error) break;
  }
  const float worst =
      found.size() > k ? found[k - 1].distance : std::numeric_limits<float>::infinity();
  const double bound = double{worst} + 2 * error;
  const auto scanner = make_vector_scanner(job.kernels, job.data.distance, job.query.vector);
  std::vector<float> row(job.data.dim);
  const std::byte* const bytes = std::as_bytes(std::span(row)).data();
  TopK best(k, job.query.order);
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (i >= k + kSpare && found[i].distance > bound) break;
    if (i % kRowsBetweenChecks == 0) SIGHTLINE_TRY_DO(job.deadline.check("searching"));
    Candidate candidate = found[i];
    const auto at = *find_row(job.data, candidate.slot);
    if (job.query.true_rows->read(candidate.slot, job.data.versions[at], row))
      scanner->score({&bytes, 1}, &candidate.distance);
    best.offer(candidate);
    ++job.stats.num_refined;
  }
  return best.take_sorted();
}

}  // namespace sightline::index
