#include "train/kernels/kernels_impl.inl"

namespace sightline::train {

extern const KernelTable kGenericKernels;
const KernelTable kGenericKernels = make_table("generic");

}  // namespace sightline::train
