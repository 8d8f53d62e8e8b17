// tests/apps/vectors.h: vectors for the program, and what it should find.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "core/npy.h"
#include "tests/apps/program.h"

namespace sightline::apps::testing {

/// Rows of random numbers, the same for the same seed.
struct Vectors {
  std::size_t dim = 0;
  std::vector<float> values;

  std::size_t count() const { return values.size() / dim; }
  const float* row(std::size_t i) const { return values.data() + i * dim; }

  static Vectors random(std::size_t count, std::size_t dim, unsigned seed = 1) {
    std::mt19937 engine(seed);
    std::normal_distribution<float> number;
    Vectors vectors{dim, std::vector<float>(count * dim)};
    for (float& value : vectors.values) value = number(engine);
    return vectors;
  }
  std::string npy() const {
    const std::array<std::uint64_t, 2> shape = {count(), dim};
    return npy_bytes(shape, values);
  }
};

/// Higher is better, as the program says it.
inline double score(const std::string& metric, const float* a, const float* b, std::size_t dim) {
  double product = 0, squares_a = 0, squares_b = 0, squares = 0, sum = 0;
  for (std::size_t i = 0; i < dim; ++i) {
    const double x = a[i], y = b[i];
    product += x * y;
    squares_a += x * x;
    squares_b += y * y;
    squares += (x - y) * (x - y);
    sum += std::abs(x - y);
  }
  if (metric == "dot") return product;
  if (metric == "euclid") return -std::sqrt(squares);
  if (metric == "manhattan") return -sum;
  return product / std::sqrt(squares_a * squares_b);
}

/// The `k` nearest rows, best first.
inline std::vector<std::size_t> nearest(const std::string& metric, const Vectors& vectors,
                                        const float* query, std::size_t k) {
  std::vector<std::pair<double, std::size_t>> scored;
  for (std::size_t i = 0; i < vectors.count(); ++i) {
    scored.emplace_back(-score(metric, query, vectors.row(i), vectors.dim), i);
  }
  std::partial_sort(scored.begin(), scored.begin() + static_cast<std::ptrdiff_t>(k), scored.end());
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < k; ++i) rows.push_back(scored[i].second);
  return rows;
}

inline std::vector<std::uint64_t> ids_of(const Json& hits) {
  std::vector<std::uint64_t> ids;
  for (const Json& hit : hits) ids.push_back(hit["id"].get<std::uint64_t>());
  return ids;
}

}  // namespace sightline::apps::testing
