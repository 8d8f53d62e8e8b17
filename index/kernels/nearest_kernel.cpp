#include "index/kernels/nearest_kernel.h"

#include <string_view>

#include "core/result.h"
#include "index/kernels/kernel_table.h"

namespace sightline::index {

extern const NearestKernel kGenericNearest;
#ifdef SIGHTLINE_X86_KERNELS
extern const NearestKernel kAvx2Nearest;
extern const NearestKernel kAvx512Nearest;
#endif

const NearestKernel& nearest_kernel(const KernelTable& level) {
  static constexpr const NearestKernel* kAll[] = {
#ifdef SIGHTLINE_X86_KERNELS
      &kAvx512Nearest, &kAvx2Nearest,
#endif
      &kGenericNearest};
  for (const NearestKernel* kernel : kAll) {
    if (std::string_view(kernel->name) == level.name) return *kernel;
  }
  SIGHTLINE_CHECK(!"every CPU level has its nearest kernel");
  return kGenericNearest;
}

}  // namespace sightline::index
