#include "eval/match_threshold.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "index/kernels/kernels.h"
#include "pipeline/score_background.h"

namespace sightline::eval {
namespace {

constexpr std::size_t kMostQueries = 4000;
// Thresholds that are tried: 0, 0.05, ... 20.
constexpr double kPerSpread = 20;
constexpr std::size_t kNumSteps = 401;

/// Counts of what scores at least so many steps above the background.
class Counts {
 public:
  Counts() : right_(kNumSteps + 1), all_(kNumSteps + 1), queries_(kNumSteps + 1) {}

  /// `spreads`, `is_right`: of every picture for one query.
  void add(std::span<const double> spreads, const std::vector<bool>& is_right) {
    double highest = -std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < spreads.size(); ++i) {
      const std::size_t step = steps_below(spreads[i]);
      ++all_[step];
      if (is_right[i]) ++right_[step];
      highest = std::max(highest, spreads[i]);
    }
    ++queries_[steps_below(highest)];
  }

  MatchQuality at(double spreads) const {
    const auto from = static_cast<std::size_t>(
        std::clamp(std::ceil(spreads * kPerSpread - 1e-9), 0.0, double(kNumSteps - 1)));
    MatchQuality quality;
    quality.spreads = spreads;
    const double right = sum(right_, from + 1), strong = sum(all_, from + 1);
    const double num_right = sum(right_, 0), num_queries = sum(queries_, 0);
    quality.precision = strong > 0 ? right / strong : 0;
    quality.recall = num_right > 0 ? right / num_right : 0;
    const double both = quality.precision + quality.recall;
    quality.f1 = both > 0 ? 2 * quality.precision * quality.recall / both : 0;
    quality.pictures_per_query = num_queries > 0 ? strong / num_queries : 0;
    quality.queries_without = num_queries > 0 ? 1 - sum(queries_, from + 1) / num_queries : 0;
    return quality;
  }

  double num_queries() const { return sum(queries_, 0); }

 private:
  /// How many of the thresholds 0, 0.05, ... `spreads` reaches: 0..kNumSteps.
  static std::size_t steps_below(double spreads) {
    if (!(spreads >= 0)) return 0;
    return std::min(static_cast<std::size_t>(spreads * kPerSpread + 1e-9) + 1, kNumSteps);
  }

  static double sum(const std::vector<std::uint64_t>& counts, std::size_t from) {
    double total = 0;
    for (std::size_t i = from; i < counts.size(); ++i) total += static_cast<double>(counts[i]);
    return total;
  }

  // [k]: those that reach exactly the first k thresholds.
  std::vector<std::uint64_t> right_, all_, queries_;
};

}  // namespace

Json to_json(const MatchQuality& quality) {
  return {{"strong_spreads", quality.spreads},
          {"precision", quality.precision},
          {"recall", quality.recall},
          {"f1", quality.f1},
          {"pictures_per_query", quality.pictures_per_query},
          {"queries_without", quality.queries_without}};
}

Result<MatchThreshold> fit_match_threshold(const CaptionedEmbeddings& embeddings, double used,
                                           const Deadline& deadline) {
  const auto& [pictures, captions, captions_of] = embeddings;
  std::vector<const std::byte*> rows(pictures.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i] = std::as_bytes(pictures.row(i)).data();
  }
  const std::size_t stride = captions.size() / (kMostQueries + 1) + 1;
  Counts counts;
  std::vector<float> scores(rows.size());
  std::vector<double> spreads(rows.size());
  std::vector<bool> is_right(rows.size());
  for (std::size_t caption = 0; caption < captions.size(); caption += stride) {
    SIGHTLINE_TRY_DO(deadline.check("fitting the threshold"));
    index::kernels().inner_products(captions.row(caption).data(), rows.data(), rows.size(),
                                    pictures.dim(), scores.data());
    const auto background = pipeline::background_of(scores, used);
    if (!background) continue;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      spreads[i] = (scores[i] - background->center) / background->spread;
      is_right[i] = std::ranges::find(captions_of[i], caption) != captions_of[i].end();
    }
    counts.add(spreads, is_right);
  }
  if (counts.num_queries() == 0) {
    return failed_precondition("a threshold needs at least " +
                               std::to_string(pipeline::kMinBackgroundPoints) +
                               " pictures that do not all score alike");
  }
  MatchThreshold threshold;
  threshold.used = counts.at(used);
  for (std::size_t step = 1; step < kNumSteps; ++step) {
    const MatchQuality quality = counts.at(static_cast<double>(step) / kPerSpread);
    if (quality.f1 > threshold.best.f1) threshold.best = quality;
  }
  return threshold;
}

}  // namespace sightline::eval
