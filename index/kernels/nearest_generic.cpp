#include <cstddef>

namespace {
constexpr std::size_t kLanes = 4, kTileRows = 4, kTileVectors = 2;
}

#include "index/kernels/nearest_impl.inl"

namespace sightline::index {

extern constinit const NearestKernel kGenericNearest;
constinit const NearestKernel kGenericNearest = make_kernel("generic");

}  // namespace sightline::index
