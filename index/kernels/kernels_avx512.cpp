// Built with -mavx512f; includes nothing with inline code of its own.
#include <immintrin.h>

#include "index/kernels/kernel_table.h"

namespace sightline::index {
namespace {

const float* floats(const std::byte* row) {
  return static_cast<const float*>(static_cast<const void*>(row));
}

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

template <typename Term>
float sum_of(const float* query, const std::byte* row, std::size_t dim) {
  const float* x = floats(row);
  __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
  std::size_t i = 0;
  for (; i + 64 <= dim; i += 64) {
    s0 = Term::add(_mm512_loadu_ps(query + i), _mm512_loadu_ps(x + i), s0);
    s1 = Term::add(_mm512_loadu_ps(query + i + 16), _mm512_loadu_ps(x + i + 16), s1);
    s2 = Term::add(_mm512_loadu_ps(query + i + 32), _mm512_loadu_ps(x + i + 32), s2);
    s3 = Term::add(_mm512_loadu_ps(query + i + 48), _mm512_loadu_ps(x + i + 48), s3);
  }
  for (; i + 16 <= dim; i += 16) {
    s0 = Term::add(_mm512_loadu_ps(query + i), _mm512_loadu_ps(x + i), s0);
  }
  if (i < dim) {  // A masked load touches no memory behind the row.
    const __mmask16 mask = static_cast<__mmask16>((1U << (dim - i)) - 1U);
    s1 = Term::add(_mm512_maskz_loadu_ps(mask, query + i), _mm512_maskz_loadu_ps(mask, x + i), s1);
  }
  return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));
}

}  // namespace

extern constinit const KernelTable kAvx512Kernels;
constinit const KernelTable kAvx512Kernels{"avx512", sum_of<InnerProduct>, sum_of<L2Squared>,
                                           sum_of<L1>};

}  // namespace sightline::index
