#include "pipeline/vector_math.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "index/kernels/kernels.h"
#include "pipeline/internal/collection_config.h"

namespace sightline::pipeline {
namespace {

/// Norm 1 for kCosine, but for zeros.
Result<void> prepare_row(const std::string& name, Metric metric, std::span<float> row) {
  double squares = 0;
  for (const float value : row) {
    if (!std::isfinite(value))
      return invalid_argument(shown_vector_name(name) + " holds a value that is not finite");
    squares += double{value} * double{value};
  }
  if (metric != Metric::kCosine || squares == 0) return {};
  const double scale = 1.0 / std::sqrt(squares);
  for (float& value : row) value = static_cast<float>(value * scale);
  return {};
}

Result<void> check_dim(const std::string& name, std::size_t dim, std::size_t wanted) {
  if (dim == wanted) return {};
  return invalid_argument(shown_vector_name(name) + " has " + std::to_string(dim) +
                          " dimensions; the collection takes " + std::to_string(wanted));
}

Result<void> prepare_sparse(NamedVector& vector) {
  const std::string shown = shown_vector_name(vector.name);
  auto& indices = vector.indices;
  if (indices.size() != vector.values.size()) {
    return invalid_argument(shown + " has " + std::to_string(indices.size()) + " indices and " +
                            std::to_string(vector.values.size()) + " values");
  }
  SIGHTLINE_TRY_DO(prepare_row(vector.name, Metric::kDot, vector.values));
  if (!std::is_sorted(indices.begin(), indices.end())) {
    std::vector<std::size_t> order(indices.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return indices[a] < indices[b]; });
    NamedVector sorted{vector.name, {}, VectorKind::kSparse};
    for (const std::size_t i : order) {
      sorted.indices.push_back(indices[i]);
      sorted.values.push_back(vector.values[i]);
    }
    vector = std::move(sorted);
  }
  const auto twice = std::adjacent_find(vector.indices.begin(), vector.indices.end());
  if (twice == vector.indices.end()) return {};
  return invalid_argument(shown + " has index " + std::to_string(*twice) +
                          " twice; indices must be unique");
}

Result<void> prepare_multi(const VectorConfig& config, NamedVector& vector) {
  if (vector.num_rows == 0 || vector.values.empty()) {
    return invalid_argument(shown_vector_name(vector.name) +
                            " has no rows; a multi-vector has at least one");
  }
  if (vector.values.size() % vector.num_rows != 0) {
    return invalid_argument(shown_vector_name(vector.name) + " has rows of different lengths");
  }
  SIGHTLINE_TRY_DO(check_dim(vector.name, vector.values.size() / vector.num_rows, config.dim));
  for (std::size_t row = 0; row < vector.num_rows; ++row) {
    SIGHTLINE_TRY_DO(prepare_row(vector.name, config.metric,
                                 std::span(vector.values).subspan(row * config.dim, config.dim)));
  }
  return {};
}

std::optional<float> sparse_dot(const VectorView& a, const VectorView& b) {
  float sum = 0;
  bool shared = false;
  std::size_t i = 0, j = 0;
  while (i < a.indices.size() && j < b.indices.size()) {
    if (a.indices[i] < b.indices[j]) {
      ++i;
    } else if (b.indices[j] < a.indices[i]) {
      ++j;
    } else {
      sum += a.values[i++] * b.values[j++];
      shared = true;
    }
  }
  return shared ? std::optional(sum) : std::nullopt;
}

/// Higher is better. kEuclid: the negated square of the distance.
float inner_similarity(const index::KernelTable& kernels, Metric metric, const float* query,
                       const float* row, std::size_t dim) {
  const auto* bytes = reinterpret_cast<const std::byte*>(row);
  switch (metric) {
    case Metric::kCosine:
    case Metric::kDot:
      return kernels.inner_product(query, bytes, dim);
    case Metric::kEuclid:
      return -kernels.l2_squared(query, bytes, dim);
    case Metric::kManhattan:
      return -kernels.l1(query, bytes, dim);
  }
  return 0;
}

}  // namespace

Result<void> prepare_vector(const VectorConfig& config, NamedVector& vector) {
  const bool is_single_row = vector.kind == VectorKind::kDense && config.kind == VectorKind::kMulti;
  if (is_single_row) {
    vector.kind = VectorKind::kMulti;
    vector.num_rows = 1;
  }
  if (vector.kind != config.kind) {
    return invalid_argument(shown_vector_name(vector.name) + " is " +
                            std::string(vector_kind_name(config.kind)) + "; a " +
                            std::string(vector_kind_name(vector.kind)) + " vector was given");
  }
  switch (config.kind) {
    case VectorKind::kDense:
      SIGHTLINE_TRY_DO(check_dim(vector.name, vector.values.size(), config.dim));
      return prepare_row(vector.name, config.metric, vector.values);
    case VectorKind::kSparse:
      return prepare_sparse(vector);
    case VectorKind::kMulti:
      return prepare_multi(config, vector);
  }
  return {};
}

std::optional<float> similarity(const VectorConfig& config, const VectorView& query,
                                const VectorView& stored) {
  if (config.kind == VectorKind::kSparse) return sparse_dot(query, stored);
  const index::KernelTable& kernels = index::kernels();
  const std::size_t dim = config.dim;
  float sum = 0;
  for (std::size_t q = 0; q < query.num_rows; ++q) {
    float best = -std::numeric_limits<float>::infinity();
    for (std::size_t r = 0; r < stored.num_rows; ++r) {
      best = std::max(best, inner_similarity(kernels, config.metric, query.values.data() + q * dim,
                                             stored.values.data() + r * dim, dim));
    }
    sum += best;
  }
  return config.metric == Metric::kEuclid ? -std::sqrt(-sum) : sum;
}

}  // namespace sightline::pipeline
