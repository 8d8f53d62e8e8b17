// Built for AVX-512 with BW, VL and VNNI; includes nothing with inline code of its own.
#include <immintrin.h>

#include "image/kernels/kernel_table.h"

namespace sightline::image {
extern const KernelTable kAvx512Kernels;

namespace {

__m512i all_lanes(const void* at) {  // 16 bytes, four times
  return _mm512_broadcast_i32x4(_mm_loadu_si128(static_cast<const __m128i*>(at)));
}

// Weights of two neighbouring taps in every 32-bit lane.
__m512i pair_of(const std::int16_t* weights) {
  int packed;
  __builtin_memcpy(&packed, weights, sizeof packed);
  return _mm512_set1_epi32(packed);
}

// sum + one half, then the integer part: int32 lanes in -512..511.
__m512i integer_part(__m512i sum) {
  const __m512i half = _mm512_set1_epi32(1 << (kWeightBits - 1));
  return _mm512_srai_epi32(_mm512_add_epi32(sum, half), kWeightBits);
}

// The sums of one column, a channel in each 128-bit lane: two with the low halves of the weights,
// two with the high ones, already in their places. Modulo 2^32.
__m512i column_sums(const std::uint8_t* row, const TapSpan& span, const TapGroup* groups) {
  // Four pixels as 16-bit lanes: r0 r1 r2 r3 twice | g0 .. g3 twice | b0 .. b3 twice | zeros. The
  // weights of a group lie as low[4] high[4].
  const __m512i spread = _mm512_set_epi64(
      -1, -1, static_cast<long long>(0xFF0BFF08FF05FF02),
      static_cast<long long>(0xFF0BFF08FF05FF02), static_cast<long long>(0xFF0AFF07FF04FF01),
      static_cast<long long>(0xFF0AFF07FF04FF01), static_cast<long long>(0xFF09FF06FF03FF00),
      static_cast<long long>(0xFF09FF06FF03FF00));
  const std::uint8_t* pixel = row + 3 * span.first;
  const TapGroup* group = groups + span.offset;
  const TapGroup* const end = group + span.groups;
  __m512i sums = _mm512_setzero_si512();
  for (; group != end; ++group, pixel += 12) {
    const __m512i values = _mm512_shuffle_epi8(all_lanes(pixel), spread);
    sums = _mm512_dpwssd_epi32(sums, values, all_lanes(group));
  }
  return _mm512_sllv_epi32(sums, _mm512_broadcast_i32x4(_mm_setr_epi32(0, 0, kLowBits, kLowBits)));
}

// The columns of four spans: r g b, four times, and four zeros.
__m128i four_columns(const std::uint8_t* row, const TapSpan& first, const TapSpan& second,
                     const TapSpan& third, const TapSpan& fourth, const TapGroup* groups) {
  const __m512i a = column_sums(row, first, groups), b = column_sums(row, second, groups);
  const __m512i c = column_sums(row, third, groups), d = column_sums(row, fourth, groups);
  const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
  const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
  const __m512i sums =
      _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m512i values = _mm512_max_epi32(integer_part(sums), _mm512_setzero_si512());
  // r r r r g g g g b b b b 0 0 0 0
  return _mm_shuffle_epi8(_mm512_cvtusepi32_epi8(values),
                          _mm_setr_epi8(0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11, -1, -1, -1, -1));
}

void horizontal(const std::uint8_t* row, const TapSpan* spans, std::size_t count,
                const TapGroup* groups, std::uint8_t* out) {
  std::size_t i = 0;
  for (; i + 4 <= count; i += 4, spans += 4, out += 12) {
    const __m128i pixels = four_columns(row, spans[0], spans[1], spans[2], spans[3], groups);
    _mm_mask_storeu_epi8(out, 0x0FFF, pixels);
  }
  if (i == count) return;
  const std::size_t last = count - i - 1;
  const __m128i pixels =
      four_columns(row, spans[0], spans[last < 1 ? last : 1], spans[last], spans[last], groups);
  _mm_mask_storeu_epi8(out, static_cast<__mmask16>((1U << 3 * (last + 1)) - 1), pixels);
}

// Sums of 16 bytes each, with the low and with the high halves of the weights.
struct Sums {
  __m512i low = _mm512_setzero_si512();
  __m512i high = _mm512_setzero_si512();

  void add(__m512i pairs, __m512i low_weights, __m512i high_weights) {
    low = _mm512_dpwssd_epi32(low, pairs, low_weights);
    high = _mm512_dpwssd_epi32(high, pairs, high_weights);
  }
  __m512i total() const { return _mm512_add_epi32(_mm512_slli_epi32(high, kLowBits), low); }
};

// The bytes of one output row that `mask` names.
void vertical_block(const std::uint8_t* rows, std::size_t stride, std::size_t num_rows,
                    const TapGroup* groups, std::uint8_t* out, __mmask64 mask) {
  const __m512i zero = _mm512_setzero_si512();
  Sums first, second, third, fourth;
  for (std::size_t row = 0; row < num_rows; row += 2, rows += 2 * stride) {
    const __m512i upper = _mm512_maskz_loadu_epi8(mask, rows);
    // An odd last row is paired with zeros.
    const bool paired = row + 1 < num_rows;
    const __m512i lower = _mm512_maskz_loadu_epi8(paired ? mask : 0, rows + (paired ? stride : 0));
    const __m512i left = _mm512_unpacklo_epi8(upper, lower);
    const __m512i right = _mm512_unpackhi_epi8(upper, lower);
    const TapGroup& group = groups[row / 4];
    const __m512i low = pair_of(group.low + row % 4);
    const __m512i high = pair_of(group.high + row % 4);
    first.add(_mm512_unpacklo_epi8(left, zero), low, high);
    second.add(_mm512_unpackhi_epi8(left, zero), low, high);
    third.add(_mm512_unpacklo_epi8(right, zero), low, high);
    fourth.add(_mm512_unpackhi_epi8(right, zero), low, high);
  }
  // unpack and packs both work within 128-bit lanes, so the bytes are in order again.
  const __m512i left =
      _mm512_packs_epi32(integer_part(first.total()), integer_part(second.total()));
  const __m512i right =
      _mm512_packs_epi32(integer_part(third.total()), integer_part(fourth.total()));
  _mm512_mask_storeu_epi8(out, mask, _mm512_packus_epi16(left, right));
}

void vertical(const std::uint8_t* rows, std::size_t stride, std::size_t num_rows,
              const TapGroup* groups, std::size_t num_groups, std::uint8_t* out,
              std::size_t bytes) {
  if (num_rows > 4 * num_groups) num_rows = 4 * num_groups;
  for (std::size_t i = 0; i < bytes; i += 64) {
    const std::size_t left = bytes - i;
    const auto mask = static_cast<__mmask64>(left < 64 ? (1ULL << left) - 1 : ~0ULL);
    vertical_block(rows + i, stride, num_rows, groups, out + i, mask);
  }
}

}  // namespace

constinit const KernelTable kAvx512Kernels{"avx512", horizontal, vertical};

}  // namespace sightline::image
