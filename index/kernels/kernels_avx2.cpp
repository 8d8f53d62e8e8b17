// Built with -mavx2 -mfma -mf16c; includes nothing with inline code of its own.
#include <immintrin.h>

#include "index/kernels/kernel_table.h"

namespace sightline::index {
namespace {

constexpr std::size_t kWords = 256;  // of a codebook

const float* floats(const std::byte* row) {
  return static_cast<const float*>(static_cast<const void*>(row));
}

float sum(__m256 v) {
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  half = _mm_add_ss(half, _mm_shuffle_ps(half, half, 1));
  return _mm_cvtss_f32(half);
}

// Lanes [0, count) on; masked loads touch no memory behind the row.
__m256i tail_mask(std::size_t count) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lanes);
}

struct InnerProduct {
  static __m256 add(__m256 q, __m256 x, __m256 sum) { return _mm256_fmadd_ps(q, x, sum); }
};
struct L2Squared {
  static __m256 add(__m256 q, __m256 x, __m256 sum) {
    const __m256 difference = _mm256_sub_ps(q, x);
    return _mm256_fmadd_ps(difference, difference, sum);
  }
};
struct L1 {
  static __m256 add(__m256 q, __m256 x, __m256 sum) {
    const __m256 sign = _mm256_set1_ps(-0.0F);
    return _mm256_add_ps(sum, _mm256_andnot_ps(sign, _mm256_sub_ps(q, x)));
  }
};

void prefetch(const float* address) {
  _mm_prefetch(static_cast<const char*>(static_cast<const void*>(address)), _MM_HINT_T0);
}

// While a row is read, the same place of a later one is fetched.
template <typename Term>
float sum_of(const float* query, const std::byte* row, const std::byte* later, std::size_t dim) {
  const float* x = floats(row);
  const float* next = floats(later);
  __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
  std::size_t i = 0;
  for (; i + 32 <= dim; i += 32) {
    prefetch(next + i);
    prefetch(next + i + 16);
    s0 = Term::add(_mm256_loadu_ps(query + i), _mm256_loadu_ps(x + i), s0);
    s1 = Term::add(_mm256_loadu_ps(query + i + 8), _mm256_loadu_ps(x + i + 8), s1);
    s2 = Term::add(_mm256_loadu_ps(query + i + 16), _mm256_loadu_ps(x + i + 16), s2);
    s3 = Term::add(_mm256_loadu_ps(query + i + 24), _mm256_loadu_ps(x + i + 24), s3);
  }
  for (; i + 8 <= dim; i += 8) {
    s0 = Term::add(_mm256_loadu_ps(query + i), _mm256_loadu_ps(x + i), s0);
  }
  if (i < dim) {
    const __m256i mask = tail_mask(dim - i);
    s1 = Term::add(_mm256_maskload_ps(query + i, mask), _mm256_maskload_ps(x + i, mask), s1);
  }
  return sum(_mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3)));
}

template <typename Term>
float one_row(const float* query, const std::byte* row, std::size_t dim) {
  return sum_of<Term>(query, row, row, dim);
}

template <typename Term>
void many_rows(const float* query, const std::byte* const* rows, std::size_t num_rows,
               std::size_t dim, float* sums) {
  constexpr std::size_t kAhead = 2;
  for (std::size_t r = 0; r < num_rows; ++r) {
    const std::byte* later = r + kAhead < num_rows ? rows[r + kAhead] : rows[r];
    sums[r] = sum_of<Term>(query, rows[r], later, dim);
  }
}

// --- Rows of fp16 --------------------------------------------------------------------------------

__m256 eight_halves(const std::byte* row) {
  return _mm256_cvtph_ps(
      _mm_loadu_si128(static_cast<const __m128i*>(static_cast<const void*>(row))));
}

// The last `count` < 8 values, then zeros.
__m256 last_halves(const std::byte* row, std::size_t count) {
  alignas(16) std::byte bytes[16] = {};
  for (std::size_t i = 0; i < 2 * count; ++i) bytes[i] = row[i];
  return eight_halves(bytes);
}

template <typename Term>
float sum_of_halves(const float* query, const std::byte* row, const std::byte* later,
                    std::size_t dim) {
  __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
  std::size_t i = 0;
  for (; i + 32 <= dim; i += 32, row += 64, later += 64) {
    _mm_prefetch(static_cast<const char*>(static_cast<const void*>(later)), _MM_HINT_T0);
    s0 = Term::add(_mm256_loadu_ps(query + i), eight_halves(row), s0);
    s1 = Term::add(_mm256_loadu_ps(query + i + 8), eight_halves(row + 16), s1);
    s2 = Term::add(_mm256_loadu_ps(query + i + 16), eight_halves(row + 32), s2);
    s3 = Term::add(_mm256_loadu_ps(query + i + 24), eight_halves(row + 48), s3);
  }
  for (; i + 8 <= dim; i += 8, row += 16) {
    s0 = Term::add(_mm256_loadu_ps(query + i), eight_halves(row), s0);
  }
  if (i < dim) {
    const __m256i mask = tail_mask(dim - i);
    s1 = Term::add(_mm256_maskload_ps(query + i, mask), last_halves(row, dim - i), s1);
  }
  return sum(_mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3)));
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

__m256i eight_codes(const std::byte* codes) {
  return _mm256_cvtepu8_epi32(
      _mm_loadl_epi64(static_cast<const __m128i*>(static_cast<const void*>(codes))));
}

// The last `count` < 8 codes, then zeros.
__m256i last_codes(const std::byte* codes, std::size_t count) {
  std::byte bytes[8] = {};
  for (std::size_t i = 0; i < count; ++i) bytes[i] = codes[i];
  return eight_codes(bytes);
}

// Term::add(query, scale, codes as floats, sum); `scale` is read only where `query` is.
template <typename Term>
float sum_of_codes(const float* query, const float* scale, const std::byte* codes,
                   std::size_t dim) {
  __m256 s0 = _mm256_setzero_ps(), s1 = s0;
  std::size_t i = 0;
  for (; i + 16 <= dim; i += 16) {
    s0 = Term::add(_mm256_loadu_ps(query + i), _mm256_loadu_ps(scale + i),
                   _mm256_cvtepi32_ps(eight_codes(codes + i)), s0);
    s1 = Term::add(_mm256_loadu_ps(query + i + 8), _mm256_loadu_ps(scale + i + 8),
                   _mm256_cvtepi32_ps(eight_codes(codes + i + 8)), s1);
  }
  for (; i < dim; i += 8) {
    const std::size_t count = dim - i < 8 ? dim - i : 8;
    const __m256i mask = tail_mask(count);
    s0 = Term::add(_mm256_maskload_ps(query + i, mask), _mm256_maskload_ps(scale + i, mask),
                   _mm256_cvtepi32_ps(last_codes(codes + i, count)), s0);
  }
  return sum(_mm256_add_ps(s0, s1));
}

struct CodeProduct {
  static __m256 add(__m256 q, __m256, __m256 code, __m256 sum) {
    return _mm256_fmadd_ps(q, code, sum);
  }
};
struct CodeSquare {
  static __m256 add(__m256 q, __m256 scale, __m256 code, __m256 sum) {
    const __m256 difference = _mm256_fnmadd_ps(scale, code, q);
    return _mm256_fmadd_ps(difference, difference, sum);
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
    for (std::size_t word = 0; word < kWords; word += 32, table += 32) {
      __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
      for (std::size_t i = 0; i < part_dim; ++i) {
        const __m256 q = _mm256_set1_ps(query[m * part_dim + i]);
        const float* x = words + i * kWords + word;
        s0 = Term::add(q, _mm256_loadu_ps(x), s0);
        s1 = Term::add(q, _mm256_loadu_ps(x + 8), s1);
        s2 = Term::add(q, _mm256_loadu_ps(x + 16), s2);
        s3 = Term::add(q, _mm256_loadu_ps(x + 24), s3);
      }
      _mm256_storeu_ps(table, s0);
      _mm256_storeu_ps(table + 8, s1);
      _mm256_storeu_ps(table + 16, s2);
      _mm256_storeu_ps(table + 24, s3);
    }
  }
}

void table_sums(const float* table, const std::byte* const* codes, std::size_t num_rows,
                std::size_t num_parts, float* sums) {
  const __m256i lanes =
      _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(kWords));
  for (std::size_t r = 0; r < num_rows; ++r) {
    __m256 total = _mm256_setzero_ps();
    std::size_t m = 0;
    for (; m + 8 <= num_parts; m += 8) {
      const __m256i at = _mm256_add_epi32(eight_codes(codes[r] + m), lanes);
      total = _mm256_add_ps(total, _mm256_i32gather_ps(table + m * kWords, at, 4));
    }
    float rest = 0;
    for (; m < num_parts; ++m) rest += table[m * kWords + static_cast<unsigned char>(codes[r][m])];
    sums[r] = sum(total) + rest;
  }
}

}  // namespace

extern constinit const KernelTable kAvx2Kernels;
constinit const KernelTable kAvx2Kernels{"avx2",
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
