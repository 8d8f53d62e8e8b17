#include "pipeline/score_background.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace sightline::pipeline {
namespace {

/// A sample of a collection that changes is taken again after so long.
constexpr std::chrono::seconds kSampleAge{10};
/// Before that nobody asks whether it changes.
constexpr std::chrono::milliseconds kUncheckedAge{500};

double inner_product(std::span<const float> a, const float* b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * b[i];
  return sum;
}

}  // namespace

std::optional<ScoreBackground> background_of(std::vector<float> scores, double strong_spreads) {
  std::erase_if(scores, [](float score) { return !std::isfinite(score); });
  if (scores.size() < kMinBackgroundPoints) return std::nullopt;
  const auto middle = scores.begin() + static_cast<std::ptrdiff_t>(scores.size() / 2);
  std::nth_element(scores.begin(), middle, scores.end());
  const double center = *middle;
  double squares = 0;
  for (auto score = scores.begin(); score != middle; ++score) {
    squares += (*score - center) * (*score - center);
  }
  ScoreBackground background;
  background.center = center;
  background.spread = std::sqrt(squares / static_cast<double>(scores.size() / 2));
  background.strong_from = center + strong_spreads * background.spread;
  background.num_points = scores.size();
  if (!(background.spread > 0)) return std::nullopt;
  return background;
}

bool ScoreBackgrounds::Sample::is_good_for(const CollectionInfo& info,
                                           std::size_t wanted_dim) const {
  if (dim != wanted_dim || info.commit_number < commit_number) return false;
  if (info.commit_number == commit_number) return true;
  const bool is_other_size = info.num_points > 2 * num_points || info.num_points < num_points / 2;
  return !is_other_size && age() < kSampleAge;
}

Result<std::shared_ptr<const ScoreBackgrounds::Sample>> ScoreBackgrounds::sample_of(
    const std::string& collection, const CollectionStore& store, std::size_t dim,
    const Deadline& deadline) {
  std::shared_ptr<const Sample> known;
  {
    const MutexLock lock(mutex_);
    const auto found = samples_.find(collection);
    if (found != samples_.end()) known = found->second;
  }
  if (known && known->dim == dim && known->age() < kUncheckedAge) return known;
  SIGHTLINE_TRY(const CollectionInfo info, store.info());
  if (known && known->is_good_for(info, dim)) return known;
  SIGHTLINE_TRY(const auto points,
                store.sample(kBackgroundPoints, {false, true, {""}}, nullptr, deadline));
  auto sample = std::make_shared<Sample>();
  sample->commit_number = info.commit_number;
  sample->num_points = info.num_points;
  sample->taken = std::chrono::steady_clock::now();
  sample->dim = dim;
  for (const StoredPoint& point : points) {
    for (const NamedVector& vector : point.vectors) {
      if (!vector.name.empty() || vector.values.size() != dim) continue;
      sample->rows.insert(sample->rows.end(), vector.values.begin(), vector.values.end());
    }
  }
  const MutexLock lock(mutex_);
  samples_[collection] = sample;
  return std::shared_ptr<const Sample>(std::move(sample));
}

Result<std::optional<ScoreBackground>> ScoreBackgrounds::of(const std::string& collection,
                                                            const CollectionStore& store,
                                                            std::span<const float> query,
                                                            double strong_spreads,
                                                            const Deadline& deadline) {
  SIGHTLINE_TRY(const auto sample, sample_of(collection, store, query.size(), deadline));
  std::vector<float> scores;
  for (std::size_t at = 0; at < sample->rows.size(); at += query.size()) {
    scores.push_back(static_cast<float>(inner_product(query, sample->rows.data() + at)));
  }
  return background_of(std::move(scores), strong_spreads);
}

}  // namespace sightline::pipeline
