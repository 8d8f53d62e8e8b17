// The loop of nearest_kernel.h, compiled once per CPU level by nearest_LEVEL.cpp: plain C++ and the
// compilers' vector types. That file sets kLanes (floats in a vector) and the tile of kTileRows x
// kTileVectors sums, which the registers of its level hold beside a row of the panel.

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

constexpr NearestKernel make_kernel(const char* name) {
  return {name, kTileVectors * kLanes, kLanes, kTileRows, raise_tops};
}

}  // namespace
}  // namespace sightline::index
