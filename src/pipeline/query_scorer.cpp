#include "pipeline/internal/query_scorer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <variant>

#include "pipeline/vector_math.h"

namespace sightline::pipeline {
namespace {

/// A context pair counts as told apart only beyond this.
constexpr float kMargin = std::numeric_limits<float>::epsilon();
constexpr float kLeast = -std::numeric_limits<float>::infinity();

std::vector<float> mean_of_dense(std::span<const NamedVector> vectors) {
  std::vector<float> mean(vectors.front().values.size());
  for (const NamedVector& vector : vectors) {
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += vector.values[i];
  }
  for (float& value : mean) value /= static_cast<float>(vectors.size());
  return mean;
}

std::map<std::uint32_t, float> mean_of_sparse(std::span<const NamedVector> vectors) {
  std::map<std::uint32_t, float> mean;
  for (const NamedVector& vector : vectors) {
    for (std::size_t i = 0; i < vector.indices.size(); ++i)
      mean[vector.indices[i]] += vector.values[i];
  }
  for (auto& [index, value] : mean) value /= static_cast<float>(vectors.size());
  return mean;
}

void append_rows(NamedVector& to, const NamedVector& from, float factor) {
  for (const float value : from.values) to.values.push_back(factor * value);
  to.num_rows += from.num_rows;
}

}  // namespace

float likeness(const VectorConfig& config, const VectorView& example, const VectorView& stored) {
  const float score = similarity(config, example, stored).value_or(0.0f);
  return config.metric == Metric::kEuclid ? -score * score : score;
}

float squash(float x) { return x / (1 + std::abs(x)); }
float squash_positive(float x) { return 0.5f * (squash(x) + 1); }

float score_by_examples(const VectorConfig& config, const Examples& examples,
                        const VectorView& stored) {
  const auto like = [&](const NamedVector& example) {
    return likeness(config, example.view(), stored);
  };
  float score = 0;
  switch (examples.rule) {
    case Examples::Rule::kBestScore: {
      float best = kLeast, worst = kLeast;
      for (const NamedVector& example : examples.positive) best = std::max(best, like(example));
      for (const NamedVector& example : examples.negative) worst = std::max(worst, like(example));
      return best > worst ? squash_positive(best) : -squash_positive(worst);
    }
    case Examples::Rule::kSumScores:
      for (const NamedVector& example : examples.positive) score += like(example);
      for (const NamedVector& example : examples.negative) score -= like(example);
      return score;
    case Examples::Rule::kDiscover:
      for (std::size_t i = 0; i < examples.positive.size(); ++i) {
        const float positive = like(examples.positive[i]), negative = like(examples.negative[i]);
        score += positive > negative ? 1.0f : positive < negative ? -1.0f : 0.0f;
      }
      return score + squash_positive(like(examples.target.front()));
    case Examples::Rule::kContext:
      for (std::size_t i = 0; i < examples.positive.size(); ++i) {
        const float lead = like(examples.positive[i]) - like(examples.negative[i]) - kMargin;
        score += squash(std::min(lead, 0.0f));
      }
      return score;
  }
  return score;
}

NamedVector average_example(const VectorConfig& config, std::span<const NamedVector> positive,
                            std::span<const NamedVector> negative) {
  NamedVector average;
  average.kind = config.kind;
  switch (config.kind) {
    case VectorKind::kDense: {
      average.values = mean_of_dense(positive);
      if (negative.empty()) break;
      const std::vector<float> away = mean_of_dense(negative);
      for (std::size_t i = 0; i < away.size(); ++i)
        average.values[i] += average.values[i] - away[i];
      break;
    }
    case VectorKind::kSparse: {
      auto sum = mean_of_sparse(positive);
      if (!negative.empty()) {
        for (auto& [index, value] : sum) value += value;
        for (const auto& [index, value] : mean_of_sparse(negative)) sum[index] -= value;
      }
      for (const auto& [index, value] : sum) {
        average.indices.push_back(index);
        average.values.push_back(value);
      }
      break;
    }
    case VectorKind::kMulti:
      average.num_rows = 0;
      for (const NamedVector& example : positive) append_rows(average, example, 1);
      for (const NamedVector& example : negative) append_rows(average, example, -1);
      break;
  }
  return average;
}

Result<NamedVector> to_vector(const QueryInput& input) {
  NamedVector vector;
  if (const auto* dense = std::get_if<DenseInput>(&input)) {
    vector.values = *dense;
  } else if (const auto* sparse = std::get_if<SparseInput>(&input)) {
    vector.kind = VectorKind::kSparse;
    vector.indices = sparse->indices;
    vector.values = sparse->values;
  } else if (const auto* multi = std::get_if<MultiInput>(&input)) {
    if (multi->rows.empty()) return invalid_argument("a multi-vector has no row");
    vector.kind = VectorKind::kMulti;
    vector.num_rows = multi->rows.size();
    for (const std::vector<float>& row : multi->rows) {
      if (row.size() != multi->rows.front().size()) {
        return invalid_argument("a multi-vector has rows of " +
                                std::to_string(multi->rows.front().size()) + " and of " +
                                std::to_string(row.size()) + " dimensions");
      }
      vector.values.insert(vector.values.end(), row.begin(), row.end());
    }
  } else {
    return internal_error("an id was not looked up");
  }
  return vector;
}

}  // namespace sightline::pipeline
