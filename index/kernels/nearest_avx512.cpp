#include <cstddef>

namespace {
constexpr std::size_t kLanes = 16, kTileRows = 12, kTileVectors = 2;
}

#include "index/kernels/nearest_impl.inl"

namespace sightline::index {

extern constinit const NearestKernel kAvx512Nearest;
constinit const NearestKernel kAvx512Nearest = make_kernel("avx512");

}  // namespace sightline::index
