// Built with -mavx2 -mfma; includes nothing with inline code of its own.
#include <immintrin.h>

#include "index/kernels/kernel_table.h"

namespace sightline::index {
namespace {

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

template <typename Term>
float sum_of(const float* query, const std::byte* row, std::size_t dim) {
  const float* x = floats(row);
  __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
  std::size_t i = 0;
  for (; i + 32 <= dim; i += 32) {
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

}  // namespace

extern constinit const KernelTable kAvx2Kernels;
constinit const KernelTable kAvx2Kernels{"avx2", sum_of<InnerProduct>, sum_of<L2Squared>,
                                         sum_of<L1>};

}  // namespace sightline::index
