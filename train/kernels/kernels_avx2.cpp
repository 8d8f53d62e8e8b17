#include "train/kernels/kernels_impl.inl"

namespace sightline::train {

extern const KernelTable kAvx2Kernels;
const KernelTable kAvx2Kernels = make_table("avx2");

}  // namespace sightline::train
