#include <cstddef>

namespace {
constexpr std::size_t kLanes = 8, kTileRows = 6, kTileVectors = 2;
}

#include "index/kernels/nearest_impl.inl"

namespace sightline::index {

extern constinit const NearestKernel kAvx2Nearest;
constinit const NearestKernel kAvx2Nearest = make_kernel("avx2");

}  // namespace sightline::index
