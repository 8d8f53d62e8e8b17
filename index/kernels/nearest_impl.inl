// The loop of nearest_kernel.h, compiled once per CPU level by nearest_LEVEL.cpp: plain C++ and the
// compilers' vector types. That file sets kLanes (floats in a vector) and the tile of kTileRows x
// kTileVectors sums, which the registers of its level hold beside a row of the panel.

#include <utility>

#include "index/kernels/nearest_kernel.h"

namespace sightline::index {
namespace {

typedef float Floats __attribute__((vector_size(kLanes * sizeof(float))));
typedef std::int32_t Ints __attribute__((vector_size(kLanes * sizeof(float))));
// In memory: of any alignment.
typedef Floats FloatsAt __attribute__((aligned(4), may_alias));
typedef Ints IntsAt __attribute__((aligned(4), may_alias));

Floats load(const float* at) { return *reinterpret_cast<const FloatsAt*>(at); }

void raise_tops(const float* rows, std::size_t num_rows, std::size_t dim, const float* panel,
                const float* offsets, std::int32_t first, float* top, std::int32_t* top_base) {
  for (std::size_t row = 0; row < num_rows; row += kTileRows) {
    const float* x = rows + row * dim;
    Floats sums[kTileRows][kTileVectors] = {};
    for (std::size_t i = 0; i < dim; ++i) {
      Floats c[kTileVectors];
      for (std::size_t v = 0; v < kTileVectors; ++v)
        c[v] = load(panel + (i * kTileVectors + v) * kLanes);
      for (std::size_t r = 0; r < kTileRows; ++r) {
        for (std::size_t v = 0; v < kTileVectors; ++v) sums[r][v] += x[r * dim + i] * c[v];
      }
    }
    for (std::size_t r = 0; r < kTileRows; ++r) {
      FloatsAt& best = *reinterpret_cast<FloatsAt*>(top + (row + r) * kLanes);
      IntsAt& base = *reinterpret_cast<IntsAt*>(top_base + (row + r) * kLanes);
      for (std::size_t v = 0; v < kTileVectors; ++v) {
        const Floats score = sums[r][v] - load(offsets + v * kLanes), held = best;
        const Ints held_base = base, new_base = Ints{} + (first + static_cast<int>(v * kLanes));
        const Ints better = score > held;
        best = better ? score : held;
        base = better ? new_base : held_base;
      }
    }
  }
}

/// Lane l of the result is lane (l + kBy) % kLanes of `v`.
template <std::size_t kBy, typename Vector, std::size_t... kLane>
Vector rotated(Vector v, std::index_sequence<kLane...>) {
  return __builtin_shufflevector(v, v, static_cast<int>((kLane + kBy) % kLanes)...);
}

/// The highest of all lanes, in every lane.
template <typename Vector, std::size_t kBy = 1>
Vector highest(Vector v) {
  if constexpr (kBy < kLanes) {
    const Vector other = rotated<kBy>(v, std::make_index_sequence<kLanes>());
    return highest<Vector, 2 * kBy>(other > v ? other : v);
  }
  return v;
}

void pick_labels(const float* top, const std::int32_t* top_base, std::size_t num_rows,
                 std::uint32_t* labels) {
  Ints lanes{};
  for (std::size_t l = 0; l < kLanes; ++l) lanes[l] = static_cast<int>(l);
  for (std::size_t row = 0; row < num_rows; ++row, top += kLanes, top_base += kLanes) {
    const Floats scores = load(top);
    const Ints base = *reinterpret_cast<const IntsAt*>(top_base);
    const Ints inverse = ~(base + lanes);  // negative: the higher, the lower the centroid
    const Ints best = scores == highest(scores) ? inverse : Ints{} - 0x7fffffff;
    labels[row] = static_cast<std::uint32_t>(~highest(best)[0]);
  }
}

constexpr NearestKernel make_kernel(const char* name) {
  return {name, kTileVectors * kLanes, kLanes, kTileRows, raise_tops, pick_labels};
}

}  // namespace
}  // namespace sightline::index
