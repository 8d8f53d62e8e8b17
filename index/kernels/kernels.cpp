#include "index/kernels/kernels.h"

#ifdef SIGHTLINE_X86_KERNELS
#include <cpuid.h>
#endif

#include <cstdlib>
#include <string>
#include <vector>

namespace sightline::index {

extern const KernelTable kGenericKernels;
#ifdef SIGHTLINE_X86_KERNELS
extern const KernelTable kAvx2Kernels;
extern const KernelTable kAvx512Kernels;
#endif

#ifdef SIGHTLINE_X86_KERNELS
namespace {

// Conversion of fp16. Compilers of before 2023 do not know its name in __builtin_cpu_supports.
bool has_f16c() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

}  // namespace
#endif

std::span<const KernelTable* const> supported_kernels() {
  static const std::vector<const KernelTable*> tables = [] {
    std::vector<const KernelTable*> found;
#ifdef SIGHTLINE_X86_KERNELS
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f")) found.push_back(&kAvx512Kernels);
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c()) {
      found.push_back(&kAvx2Kernels);
    }
#endif
    found.push_back(&kGenericKernels);
    return found;
  }();
  return tables;
}

Result<const KernelTable*> choose_kernels(std::string_view wanted) {
  const auto tables = supported_kernels();
  if (wanted.empty() || wanted == "auto") return tables.front();
  std::string names;
  for (const KernelTable* table : tables) {
    if (wanted == table->name) return table;
    names += std::string(names.empty() ? "" : ", ") + table->name;
  }
  return invalid_argument("SIGHTLINE_CPU is \"" + std::string(wanted) +
                          "\"; this CPU offers: auto, " + names);
}

Result<const KernelTable*> kernels_from_environment() {
  static const Result<const KernelTable*> chosen = [] {
    const char* wanted = std::getenv("SIGHTLINE_CPU");
    return choose_kernels(wanted == nullptr ? "" : wanted);
  }();
  return chosen;
}

const KernelTable& kernels() {
  static const KernelTable& table = *kernels_from_environment().value();
  return table;
}

}  // namespace sightline::index
