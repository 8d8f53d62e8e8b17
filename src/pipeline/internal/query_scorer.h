// pipeline/internal/query_scorer.h: how a point's vector is scored by examples, and what vector
// stands for several. The rules: point_query.h.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "core/result.h"
#include "pipeline/collection_store.h"
#include "pipeline/point_query.h"

namespace sightline::pipeline {

/// s(example) of a stored vector. Both as prepare_vector() leaves them. Sparse vectors that share
/// no index: 0. Thread-safety: pure.
float likeness(const VectorConfig& config, const VectorView& example, const VectorView& stored);

/// x / (1 + |x|), -1..1; and the same within 0..1.
float squash(float x);
float squash_positive(float x);

/// Examples that have become vectors, as prepare_vector() leaves them.
struct Examples {
  enum class Rule { kBestScore, kSumScores, kDiscover, kContext } rule = Rule::kBestScore;
  std::vector<NamedVector> positive, negative;  ///< kDiscover, kContext: pairs.
  std::vector<NamedVector> target;              ///< kDiscover: one.
};
/// Thread-safety: pure.
float score_by_examples(const VectorConfig& config, const Examples& examples,
                        const VectorView& stored);

/// As RecommendStrategy::kAverageVector says. `positive` is not empty; all of config.kind.
NamedVector average_example(const VectorConfig& config, std::span<const NamedVector> positive,
                            std::span<const NamedVector> negative);

/// errors  kInvalidArgument: rows of different lengths, no row.
Result<NamedVector> to_vector(const QueryInput& input);

}  // namespace sightline::pipeline
