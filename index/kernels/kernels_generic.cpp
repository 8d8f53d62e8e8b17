#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "index/kernels/kernel_table.h"

namespace sightline::index {
namespace {

constexpr std::size_t kWords = 256;  // of a codebook

float load(const std::byte* row, std::size_t i) {
  float value;
  std::memcpy(&value, row + i * sizeof(float), sizeof(float));
  return value;
}

// An fp16 value; without branches, for the compiler's vectors.
float load_half(const std::byte* row, std::size_t i) {
  std::uint16_t half;
  std::memcpy(&half, row + i * sizeof half, sizeof half);
  const std::uint32_t sign = std::uint32_t{half} << 16 & 0x80000000;
  const std::uint32_t magnitude = half & 0x7fff;
  constexpr std::uint32_t kShift = std::uint32_t{127 - 15} << 23;  // between the exponents
  const std::uint32_t infinite = magnitude >= 0x7c00 ? kShift : 0;
  const auto normal = (magnitude << 13) + kShift + infinite;
  const float subnormal = static_cast<float>(static_cast<std::int32_t>(magnitude)) * 0x1p-24F;
  const std::uint32_t bits = magnitude < 0x400 ? std::bit_cast<std::uint32_t>(subnormal) : normal;
  return std::bit_cast<float>(bits | sign);
}

std::size_t code(const std::byte* codes, std::size_t i) {
  return static_cast<unsigned char>(codes[i]);
}

// Eight partial sums let the compiler use what vectors the base architecture has without
// reordering additions itself.
template <typename Term>
float sum_of(std::size_t dim, Term term) {
  float sums[8] = {};
  std::size_t i = 0;
  for (; i + 8 <= dim; i += 8) {
    for (std::size_t lane = 0; lane < 8; ++lane) sums[lane] += term(i + lane);
  }
  for (std::size_t lane = 0; i < dim; ++i, ++lane) sums[lane] += term(i);
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

float inner_product(const float* query, const std::byte* row, std::size_t dim) {
  return sum_of(dim, [=](std::size_t i) { return query[i] * load(row, i); });
}

float l2_squared(const float* query, const std::byte* row, std::size_t dim) {
  return sum_of(dim, [=](std::size_t i) {
    const float difference = query[i] - load(row, i);
    return difference * difference;
  });
}

float l1(const float* query, const std::byte* row, std::size_t dim) {
  return sum_of(dim, [=](std::size_t i) { return std::fabs(query[i] - load(row, i)); });
}

template <float (*one_row)(const float*, const std::byte*, std::size_t)>
void for_rows(const float* query, const std::byte* const* rows, std::size_t num_rows,
              std::size_t dim, float* sums) {
  for (std::size_t r = 0; r < num_rows; ++r) sums[r] = one_row(query, rows[r], dim);
}

float half_product(const float* query, const std::byte* row, std::size_t dim) {
  return sum_of(dim, [=](std::size_t i) { return query[i] * load_half(row, i); });
}

float half_square(const float* query, const std::byte* row, std::size_t dim) {
  return sum_of(dim, [=](std::size_t i) {
    const float difference = query[i] - load_half(row, i);
    return difference * difference;
  });
}

void sq8_products(const float* query, const std::byte* const* codes, std::size_t num_rows,
                  std::size_t dim, float* sums) {
  for (std::size_t r = 0; r < num_rows; ++r) {
    sums[r] = sum_of(dim, [query, row = codes[r]](std::size_t i) {
      return query[i] * static_cast<float>(code(row, i));
    });
  }
}

void sq8_squares(const float* query, const float* scale, const std::byte* const* codes,
                 std::size_t num_rows, std::size_t dim, float* sums) {
  for (std::size_t r = 0; r < num_rows; ++r) {
    sums[r] = sum_of(dim, [query, scale, row = codes[r]](std::size_t i) {
      const float difference = query[i] - scale[i] * static_cast<float>(code(row, i));
      return difference * difference;
    });
  }
}

template <typename Term>
void fill_table(const float* query, const float* codebooks, std::size_t num_parts,
                std::size_t part_dim, float* table, Term term) {
  for (std::size_t m = 0; m < num_parts; ++m, table += kWords) {
    for (std::size_t word = 0; word < kWords; ++word) table[word] = 0;
    for (std::size_t i = 0; i < part_dim; ++i, codebooks += kWords) {
      const float q = *query++;
      for (std::size_t word = 0; word < kWords; ++word) table[word] += term(q, codebooks[word]);
    }
  }
}

void product_table(const float* query, const float* codebooks, std::size_t num_parts,
                   std::size_t part_dim, float* table) {
  fill_table(query, codebooks, num_parts, part_dim, table, [](float q, float x) { return q * x; });
}

void square_table(const float* query, const float* codebooks, std::size_t num_parts,
                  std::size_t part_dim, float* table) {
  fill_table(query, codebooks, num_parts, part_dim, table,
             [](float q, float x) { return (q - x) * (q - x); });
}

void table_sums(const float* table, const std::byte* const* codes, std::size_t num_rows,
                std::size_t num_parts, float* sums) {
  for (std::size_t r = 0; r < num_rows; ++r) {
    sums[r] = sum_of(num_parts, [table, row = codes[r]](std::size_t m) {
      return table[m * kWords + code(row, m)];
    });
  }
}

}  // namespace

extern constinit const KernelTable kGenericKernels;
constinit const KernelTable kGenericKernels{"generic",
                                            inner_product,
                                            l2_squared,
                                            l1,
                                            for_rows<inner_product>,
                                            for_rows<l2_squared>,
                                            for_rows<half_product>,
                                            for_rows<half_square>,
                                            sq8_products,
                                            sq8_squares,
                                            product_table,
                                            square_table,
                                            table_sums};

}  // namespace sightline::index
