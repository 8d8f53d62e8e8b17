#include "train/kernels/kernels_impl.inl"

namespace sightline::train {

extern const KernelTable kAvx512Kernels;
const KernelTable kAvx512Kernels = make_table("avx512");

}  // namespace sightline::train
