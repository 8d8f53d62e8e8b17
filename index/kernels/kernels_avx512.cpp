// Built with -mavx512f; includes nothing with inline code of its own.
#include <immintrin.h>

#include "index/kernels/kernel_table.h"

namespace sightline::index {
namespace {

constexpr std::size_t kWords = 256;  // of a codebook

const float* floats(const std::byte* row) {
  return static_cast<const float*>(static_cast<const void*>(row));
}

// Lanes [0, count) on; a masked load touches no memory behind the row.
__mmask16 tail_mask(std::size_t count) { return static_cast<__mmask16>((1U << count) - 1U); }

struct InnerProduct {
  static __m512 add(__m512 q, __m512 x, __m512 sum) { return _mm512_fmadd_ps(q, x, sum); }
};
struct L2Squared {
  static __m512 add(__m512 q, __m512 x, __m512 sum) {
    const __m512 difference = _mm512_sub_ps(q, x);
    return _mm512_fmadd_ps(difference, difference, sum);
  }
};
struct L1 {
  static __m512 add(__m512 q, __m512 x, __m512 sum) {
    return _mm512_add_ps(sum, _mm512_abs_ps(_mm512_sub_ps(q, x)));
  }
};

// The sum of one row, wherever it is made: the order of its additions is settled here.
template <typename Term>
struct RowSum {
  __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;

  void add64(const float* query, const float* x) {
    s0 = Term::add(_mm512_loadu_ps(query), _mm512_loadu_ps(x), s0);
    s1 = Term::add(_mm512_loadu_ps(query + 16), _mm512_loadu_ps(x + 16), s1);
    s2 = Term::add(_mm512_loadu_ps(query + 32), _mm512_loadu_ps(x + 32), s2);
    s3 = Term::add(_mm512_loadu_ps(query + 48), _mm512_loadu_ps(x + 48), s3);
  }
  void add16(const float* query, const float* x) {
    s0 = Term::add(_mm512_loadu_ps(query), _mm512_loadu_ps(x), s0);
  }
  void add_last(const float* query, const float* x, __mmask16 mask) {
    s1 = Term::add(_mm512_maskz_loadu_ps(mask, query), _mm512_maskz_loadu_ps(mask, x), s1);
  }
  float total() const {
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));
  }
};

template <typename Term>
float one_row(const float* query, const std::byte* row, std::size_t dim) {
  const float* x = floats(row);
  RowSum<Term> sum;
  std::size_t i = 0;
  for (; i + 64 <= dim; i += 64) sum.add64(query + i, x + i);
  for (; i + 16 <= dim; i += 16) sum.add16(query + i, x + i);
  if (i < dim) sum.add_last(query + i, x + i, tail_mask(dim - i));
  return sum.total();
}

void prefetch64(const float* x) {
  const char* bytes = static_cast<const char*>(static_cast<const void*>(x));
  _mm_prefetch(bytes, _MM_HINT_T0);
  _mm_prefetch(bytes + 64, _MM_HINT_T0);
  _mm_prefetch(bytes + 128, _MM_HINT_T0);
  _mm_prefetch(bytes + 192, _MM_HINT_T0);
}

// Four rows share the loads of the query; while they are read, the same place of the next four is
// fetched.
template <typename Term>
void four_rows(const float* query, const std::byte* const* rows, const std::byte* const* next,
               std::size_t dim, float* sums) {
  const float *x0 = floats(rows[0]), *x1 = floats(rows[1]), *x2 = floats(rows[2]),
              *x3 = floats(rows[3]);
  RowSum<Term> sum0, sum1, sum2, sum3;
  std::size_t i = 0;
  for (; i + 64 <= dim; i += 64) {
    for (std::size_t r = 0; r < 4; ++r) prefetch64(floats(next[r]) + i);
    sum0.add64(query + i, x0 + i);
    sum1.add64(query + i, x1 + i);
    sum2.add64(query + i, x2 + i);
    sum3.add64(query + i, x3 + i);
  }
  for (; i + 16 <= dim; i += 16) {
    sum0.add16(query + i, x0 + i);
    sum1.add16(query + i, x1 + i);
    sum2.add16(query + i, x2 + i);
    sum3.add16(query + i, x3 + i);
  }
  if (i < dim) {
    const __mmask16 mask = tail_mask(dim - i);
    sum0.add_last(query + i, x0 + i, mask);
    sum1.add_last(query + i, x1 + i, mask);
    sum2.add_last(query + i, x2 + i, mask);
    sum3.add_last(query + i, x3 + i, mask);
  }
  sums[0] = sum0.total();
  sums[1] = sum1.total();
  sums[2] = sum2.total();
  sums[3] = sum3.total();
}

template <typename Term>
void many_rows(const float* query, const std::byte* const* rows, std::size_t num_rows,
               std::size_t dim, float* sums) {
  std::size_t r = 0;
  for (; r + 4 <= num_rows; r += 4) {
    const std::byte* const* next = r + 8 <= num_rows ? rows + r + 4 : rows + r;
    four_rows<Term>(query, rows + r, next, dim, sums + r);
  }
  for (; r < num_rows; ++r) sums[r] = one_row<Term>(query, rows[r], dim);
}

// --- Rows of fp16 --------------------------------------------------------------------------------

__m512 sixteen_halves(const std::byte* row) {
  return _mm512_cvtph_ps(
      _mm256_loadu_si256(static_cast<const __m256i*>(static_cast<const void*>(row))));
}

// The last `count` < 16 values, then zeros.
__m512 last_halves(const std::byte* row, std::size_t count) {
  alignas(32) std::byte bytes[32] = {};
  for (std::size_t i = 0; i < 2 * count; ++i) bytes[i] = row[i];
  return sixteen_halves(bytes);
}

template <typename Term>
float sum_of_halves(const float* query, const std::byte* row, const std::byte* later,
                    std::size_t dim) {
  __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
  std::size_t i = 0;
  for (; i + 64 <= dim; i += 64, row += 128, later += 128) {
    const char* bytes = static_cast<const char*>(static_cast<const void*>(later));
    _mm_prefetch(bytes, _MM_HINT_T0);
    _mm_prefetch(bytes + 64, _MM_HINT_T0);
    s0 = Term::add(_mm512_loadu_ps(query + i), sixteen_halves(row), s0);
    s1 = Term::add(_mm512_loadu_ps(query + i + 16), sixteen_halves(row + 32), s1);
    s2 = Term::add(_mm512_loadu_ps(query + i + 32), sixteen_halves(row + 64), s2);
    s3 = Term::add(_mm512_loadu_ps(query + i + 48), sixteen_halves(row + 96), s3);
  }
  for (; i + 16 <= dim; i += 16, row += 32) {
    s0 = Term::add(_mm512_loadu_ps(query + i), sixteen_halves(row), s0);
  }
  if (i < dim) {
    const __mmask16 mask = tail_mask(dim - i);
    s1 = Term::add(_mm512_maskz_loadu_ps(mask, query + i), last_halves(row, dim - i), s1);
  }
  return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));
}

template <typename Term>
void many_halves(const float* query, const std::byte* const* rows, std::size_t num_rows,
                 std::size_t dim, float* sums) {
  constexpr std::size_t kAhead = 2;
  for (std::size_t r = 0; r < num_rows; ++r) {
    const std::byte* later = r + kAhead < num_rows ? rows[r + kAhead] : rows[r];
    sums[r] = sum_of_halves<Term>(query, rows[r], later, dim);
  }
}

// --- Codes ---------------------------------------------------------------------------------------

__m512i sixteen_codes(const std::byte* codes) {
  return _mm512_cvtepu8_epi32(
      _mm_loadu_si128(static_cast<const __m128i*>(static_cast<const void*>(codes))));
}

// The last `count` < 16 codes, then zeros.
__m512i last_codes(const std::byte* codes, std::size_t count) {
  std::byte bytes[16] = {};
  for (std::size_t i = 0; i < count; ++i) bytes[i] = codes[i];
  return sixteen_codes(bytes);
}

// Term::add(query, scale, codes as floats, sum).
template <typename Term>
float sum_of_codes(const float* query, const float* scale, const std::byte* codes,
                   std::size_t dim) {
  __m512 s0 = _mm512_setzero_ps(), s1 = s0;
  std::size_t i = 0;
  for (; i + 32 <= dim; i += 32) {
    s0 = Term::add(_mm512_loadu_ps(query + i), _mm512_loadu_ps(scale + i),
                   _mm512_cvtepi32_ps(sixteen_codes(codes + i)), s0);
    s1 = Term::add(_mm512_loadu_ps(query + i + 16), _mm512_loadu_ps(scale + i + 16),
                   _mm512_cvtepi32_ps(sixteen_codes(codes + i + 16)), s1);
  }
  if (i + 16 <= dim) {
    s0 = Term::add(_mm512_loadu_ps(query + i), _mm512_loadu_ps(scale + i),
                   _mm512_cvtepi32_ps(sixteen_codes(codes + i)), s0);
    i += 16;
  }
  if (i < dim) {
    const __mmask16 mask = tail_mask(dim - i);
    s1 = Term::add(_mm512_maskz_loadu_ps(mask, query + i), _mm512_maskz_loadu_ps(mask, scale + i),
                   _mm512_cvtepi32_ps(last_codes(codes + i, dim - i)), s1);
  }
  return _mm512_reduce_add_ps(_mm512_add_ps(s0, s1));
}

struct CodeProduct {
  static __m512 add(__m512 q, __m512, __m512 code, __m512 sum) {
    return _mm512_fmadd_ps(q, code, sum);
  }
};
struct CodeSquare {
  static __m512 add(__m512 q, __m512 scale, __m512 code, __m512 sum) {
    const __m512 difference = _mm512_fnmadd_ps(scale, code, q);
    return _mm512_fmadd_ps(difference, difference, sum);
  }
};

void sq8_products(const float* query, const std::byte* const* codes, std::size_t num_rows,
                  std::size_t dim, float* sums) {
  for (std::size_t r = 0; r < num_rows; ++r)
    sums[r] = sum_of_codes<CodeProduct>(query, query, codes[r], dim);
}

void sq8_squares(const float* query, const float* scale, const std::byte* const* codes,
                 std::size_t num_rows, std::size_t dim, float* sums) {
  for (std::size_t r = 0; r < num_rows; ++r)
    sums[r] = sum_of_codes<CodeSquare>(query, scale, codes[r], dim);
}

template <typename Term>
void fill_table(const float* query, const float* codebooks, std::size_t num_parts,
                std::size_t part_dim, float* table) {
  for (std::size_t m = 0; m < num_parts; ++m) {
    const float* words = codebooks + m * part_dim * kWords;
    for (std::size_t word = 0; word < kWords; word += 64, table += 64) {
      RowSum<Term> sum;  // A lane a word.
      for (std::size_t i = 0; i < part_dim; ++i) {
        const __m512 q = _mm512_set1_ps(query[m * part_dim + i]);
        const float* x = words + i * kWords + word;
        sum.s0 = Term::add(q, _mm512_loadu_ps(x), sum.s0);
        sum.s1 = Term::add(q, _mm512_loadu_ps(x + 16), sum.s1);
        sum.s2 = Term::add(q, _mm512_loadu_ps(x + 32), sum.s2);
        sum.s3 = Term::add(q, _mm512_loadu_ps(x + 48), sum.s3);
      }
      _mm512_storeu_ps(table, sum.s0);
      _mm512_storeu_ps(table + 16, sum.s1);
      _mm512_storeu_ps(table + 32, sum.s2);
      _mm512_storeu_ps(table + 48, sum.s3);
    }
  }
}

void table_sums(const float* table, const std::byte* const* codes, std::size_t num_rows,
                std::size_t num_parts, float* sums) {
  const __m512i lanes =
      _mm512_slli_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), 8);
  for (std::size_t r = 0; r < num_rows; ++r) {
    __m512 total = _mm512_setzero_ps();
    std::size_t m = 0;
    for (; m + 16 <= num_parts; m += 16) {
      const __m512i at = _mm512_add_epi32(sixteen_codes(codes[r] + m), lanes);
      total = _mm512_add_ps(total, _mm512_i32gather_ps(at, table + m * kWords, 4));
    }
    if (m + 8 <= num_parts) {
      const __m256i eight = _mm256_cvtepu8_epi32(
          _mm_loadl_epi64(static_cast<const __m128i*>(static_cast<const void*>(codes[r] + m))));
      const __m256i at = _mm256_add_epi32(eight, _mm512_castsi512_si256(lanes));
      const __m256 found = _mm256_i32gather_ps(table + m * kWords, at, 4);
      total = _mm512_add_ps(total, _mm512_zextps256_ps512(found));
      m += 8;
    }
    float rest = 0;
    for (; m < num_parts; ++m) rest += table[m * kWords + static_cast<unsigned char>(codes[r][m])];
    sums[r] = _mm512_reduce_add_ps(total) + rest;
  }
}

}  // namespace

extern constinit const KernelTable kAvx512Kernels;
constinit const KernelTable kAvx512Kernels{"avx512",
                                           one_row<InnerProduct>,
                                           one_row<L2Squared>,
                                           one_row<L1>,
                                           many_rows<InnerProduct>,
                                           many_rows<L2Squared>,
                                           many_halves<InnerProduct>,
                                           many_halves<L2Squared>,
                                           sq8_products,
                                           sq8_squares,
                                           fill_table<InnerProduct>,
                                           fill_table<L2Squared>,
                                           table_sums};

}  // namespace sightline::index
