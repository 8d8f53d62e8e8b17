#include <immintrin.h>

#include "image/kernels/kernel_table.h"

namespace sightline::image {
extern const KernelTable kAvx2Kernels;

namespace {

__m128i load16(const void* at) { return _mm_loadu_si128(static_cast<const __m128i*>(at)); }

// Weights of four taps in every 64-bit lane.
__m256i four_of(const std::int16_t* weights) {
  long long packed;
  __builtin_memcpy(&packed, weights, sizeof packed);
  return _mm256_set1_epi64x(packed);
}

// Weights of two neighbouring taps in every 32-bit lane.
__m256i pair_of(const std::int16_t* weights) {
  int packed;
  __builtin_memcpy(&packed, weights, sizeof packed);
  return _mm256_set1_epi32(packed);
}

// (high << kLowBits) + low + one half, then the integer part: int32 lanes in -512..511.
__m256i integer_part(__m256i low, __m256i high) {
  const __m256i half = _mm256_set1_epi32(1 << (kWeightBits - 1));
  const __m256i sum = _mm256_add_epi32(_mm256_slli_epi32(high, kLowBits), low);
  return _mm256_srai_epi32(_mm256_add_epi32(sum, half), kWeightBits);
}

void horizontal(const std::uint8_t* row, const TapSpan* spans, std::size_t count,
                const TapGroup* groups, std::uint8_t* out) {
  // Four pixels as 16-bit lanes: r0 r1 r2 r3 g0 g1 g2 g3 | b0 b1 b2 b3 and four zeros.
  const __m256i spread =
      _mm256_setr_epi8(0, -1, 3, -1, 6, -1, 9, -1, 1, -1, 4, -1, 7, -1, 10, -1, 2, -1, 5, -1, 8, -1,
                       11, -1, -1, -1, -1, -1, -1, -1, -1, -1);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t* pixel = row + 3 * spans[i].first;
    const TapGroup* group = groups + spans[i].offset;
    __m256i low = _mm256_setzero_si256();
    __m256i high = _mm256_setzero_si256();
    for (std::size_t g = 0; g < spans[i].groups; ++g, ++group, pixel += 12) {
      const __m256i values =
          _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(load16(pixel)), spread);
      const __m256i low_weights = four_of(group->low);
      const __m256i high_weights = four_of(group->high);
      low = _mm256_add_epi32(low, _mm256_madd_epi16(values, low_weights));
      high = _mm256_add_epi32(high, _mm256_madd_epi16(values, high_weights));
    }
    // Pairs of lanes still belong together: r r g g | b b 0 0 -> r g . . | b 0 . .
    low = _mm256_hadd_epi32(low, low);
    high = _mm256_hadd_epi32(high, high);
    const __m256i value = integer_part(low, high);
    const __m256i words = _mm256_packs_epi32(value, value);
    const __m256i octets = _mm256_packus_epi16(words, words);
    const int red_green = _mm_cvtsi128_si32(_mm256_castsi256_si128(octets));
    const int blue = _mm_cvtsi128_si32(_mm256_extracti128_si256(octets, 1));
    out[3 * i] = static_cast<std::uint8_t>(red_green);
    out[3 * i + 1] = static_cast<std::uint8_t>(red_green >> 8);
    out[3 * i + 2] = static_cast<std::uint8_t>(blue);
  }
}

std::uint8_t vertical_byte(const std::uint8_t* column, std::size_t stride, std::size_t num_rows,
                           const TapGroup* groups) {
  std::uint32_t sum = std::uint32_t{1} << (kWeightBits - 1);
  for (std::size_t row = 0; row < num_rows; ++row) {
    const TapGroup& group = groups[row / 4];
    sum += ((static_cast<std::uint32_t>(group.high[row % 4]) << kLowBits) +
            static_cast<std::uint32_t>(group.low[row % 4])) *
           column[row * stride];
  }
  const std::int32_t value = static_cast<std::int32_t>(sum) >> kWeightBits;
  return static_cast<std::uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
}

void vertical(const std::uint8_t* rows, std::size_t stride, std::size_t num_rows,
              const TapGroup* groups, std::size_t num_groups, std::uint8_t* out,
              std::size_t bytes) {
  if (num_rows > 4 * num_groups) num_rows = 4 * num_groups;
  std::size_t i = 0;
  for (; i + 16 <= bytes; i += 16) {
    __m256i low[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    __m256i high[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    for (std::size_t row = 0; row < num_rows; row += 2) {
      const std::uint8_t* source = rows + row * stride + i;
      const __m128i upper = load16(source);
      // An odd last row is paired with itself; its partner's weight is zero.
      const __m128i lower = row + 1 < num_rows ? load16(source + stride) : upper;
      const __m256i pairs[2] = {_mm256_cvtepu8_epi16(_mm_unpacklo_epi8(upper, lower)),
                                _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(upper, lower))};
      const TapGroup& group = groups[row / 4];
      const __m256i low_weights = pair_of(group.low + row % 4);
      const __m256i high_weights = pair_of(group.high + row % 4);
      for (int half = 0; half < 2; ++half) {
        low[half] = _mm256_add_epi32(low[half], _mm256_madd_epi16(pairs[half], low_weights));
        high[half] = _mm256_add_epi32(high[half], _mm256_madd_epi16(pairs[half], high_weights));
      }
    }
    const __m256i first = integer_part(low[0], high[0]);
    const __m256i second = integer_part(low[1], high[1]);
    // packs works within 128-bit halves; the permutation restores the order of the bytes.
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(first, second), 0xD8);
    const __m128i octets =
        _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128(static_cast<__m128i*>(static_cast<void*>(out + i)), octets);
  }
  for (; i < bytes; ++i) out[i] = vertical_byte(rows + i, stride, num_rows, groups);
}

}  // namespace

constinit const KernelTable kAvx2Kernels{"avx2", horizontal, vertical};

}  // namespace sightline::image
