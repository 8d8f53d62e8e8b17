// pipeline/score_background.h: how a collection's points score by chance, to tell hits that stand
// out from those that are merely the nearest.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/deadline.h"
#include "core/mutex.h"
#include "core/result.h"
#include "pipeline/collection_store.h"

namespace sightline::pipeline {

/// The scores of points taken at random. Robust: what the query is about may be common.
struct ScoreBackground {
  double center = 0;       ///< Their median.
  double spread = 0;       ///< Standard deviation, from the half below the median.
  double strong_from = 0;  ///< Hits that score so much stand out.
  std::size_t num_points = 0;
};

inline constexpr std::size_t kBackgroundPoints = 512;
/// With fewer there is no telling.
inline constexpr std::size_t kMinBackgroundPoints = 20;
/// Spreads above the center from which a hit stands out, for models that bring no number of their
/// own (encoders::ModelSettings).
inline constexpr double kStrongSpreads = 3;

/// `scores` in any order. nullopt: fewer than kMinBackgroundPoints, or all alike.
std::optional<ScoreBackground> background_of(std::vector<float> scores,
                                             double strong_spreads = kStrongSpreads);

/// Samples of collections' default vectors, kept and renewed as collections change.
/// Thread-safety: all methods may be called from any thread.
class ScoreBackgrounds {
 public:
  /// Of the inner products of `query`, a unit row, with points of the collection (kCosine).
  /// nullopt also: another metric, no default vector. errors  those of the store.
  Result<std::optional<ScoreBackground>> of(const std::string& collection,
                                            const CollectionStore& store,
                                            std::span<const float> query, double strong_spreads,
                                            const Deadline& deadline);

 private:
  struct Sample {
    std::uint64_t commit_number = 0;
    std::uint64_t num_points = 0;
    std::chrono::steady_clock::time_point taken;
    std::size_t dim = 0;
    std::vector<float> rows;  ///< [n, dim], unit rows

    std::chrono::steady_clock::duration age() const {
      return std::chrono::steady_clock::now() - taken;
    }
    bool is_good_for(const CollectionInfo& info, std::size_t wanted_dim) const;
  };

  Result<std::shared_ptr<const Sample>> sample_of(const std::string& collection,
                                                  const CollectionStore& store, std::size_t dim,
                                                  const Deadline& deadline);

  Mutex mutex_;
  std::map<std::string, std::shared_ptr<const Sample>> samples_ GUARDED_BY(mutex_);
};

}  // namespace sightline::pipeline
