#include <cmath>
#include <cstring>

#include "index/kernels/kernel_table.h"

namespace sightline::index {
namespace {

float load(const std::byte* row, std::size_t i) {
  float value;
  std::memcpy(&value, row + i * sizeof(float), sizeof(float));
  return value;
}

// Eight partial sums let the compiler use what vectors the base architecture has without
// reordering additions itself.
template <typename Term>
float sum_of(const float* query, const std::byte* row, std::size_t dim, Term term) {
  float sums[8] = {};
  std::size_t i = 0;
  for (; i + 8 <= dim; i += 8) {
    for (std::size_t lane = 0; lane < 8; ++lane) {
      sums[lane] += term(query[i + lane], load(row, i + lane));
    }
  }
  for (std::size_t lane = 0; i < dim; ++i, ++lane) sums[lane] += term(query[i], load(row, i));
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

float inner_product(const float* query, const std::byte* row, std::size_t dim) {
  return sum_of(query, row, dim, [](float q, float x) { return q * x; });
}

float l2_squared(const float* query, const std::byte* row, std::size_t dim) {
  return sum_of(query, row, dim, [](float q, float x) { return (q - x) * (q - x); });
}

float l1(const float* query, const std::byte* row, std::size_t dim) {
  return sum_of(query, row, dim, [](float q, float x) { return std::fabs(q - x); });
}

}  // namespace

extern constinit const KernelTable kGenericKernels;
constinit const KernelTable kGenericKernels{"generic", inner_product, l2_squared, l1};

}  // namespace sightline::index
