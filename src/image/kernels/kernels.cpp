#include "image/kernels/kernels.h"

#include <cstdlib>
#include <string_view>
#include <vector>

namespace sightline::image {

extern const KernelTable kGenericKernels;
#ifdef SIGHTLINE_IMAGE_X86
extern const KernelTable kAvx2Kernels;
extern const KernelTable kAvx512Kernels;
#endif

std::span<const KernelTable* const> supported_kernels() {
  static const std::vector<const KernelTable*> tables = [] {
    std::vector<const KernelTable*> found;
#ifdef SIGHTLINE_IMAGE_X86
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512vnni")) {
      found.push_back(&kAvx512Kernels);
    }
    if (__builtin_cpu_supports("avx2")) found.push_back(&kAvx2Kernels);
#endif
    found.push_back(&kGenericKernels);
    return found;
  }();
  return tables;
}

const KernelTable& kernels() {
  static const KernelTable& chosen = []() -> const KernelTable& {
    if (const char* wanted = std::getenv("SIGHTLINE_CPU")) {
      for (const KernelTable* table : supported_kernels()) {
        if (std::string_view(wanted) == table->name) return *table;
      }
    }
    return *supported_kernels().front();
  }();
  return chosen;
}

}  // namespace sightline::image
