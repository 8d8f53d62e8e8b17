#include "train/kernels/kernels.h"

#include <cstdlib>
#include <string_view>
#include <vector>

namespace sightline::train {

extern const KernelTable kGenericKernels;
#if defined(__x86_64__)
extern const KernelTable kAvx2Kernels;
extern const KernelTable kAvx512Kernels;
#endif

std::span<const KernelTable* const> supported_kernels() {
  static const std::vector<const KernelTable*> tables = [] {
    std::vector<const KernelTable*> list;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
      list.push_back(&kAvx512Kernels);
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
      list.push_back(&kAvx2Kernels);
    }
#endif
    list.push_back(&kGenericKernels);
    return list;
  }();
  return tables;
}

const KernelTable& kernels() {
  static const KernelTable& chosen = []() -> const KernelTable& {
    const char* wanted = std::getenv("SIGHTLINE_CPU");
    for (const KernelTable* table : supported_kernels()) {
      if (wanted != nullptr && std::string_view(wanted) == table->name) return *table;
    }
    return *supported_kernels().front();
  }();
  return chosen;
}

}  // namespace sightline::train
