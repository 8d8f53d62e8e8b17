#include "settings/library_setup.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <dlfcn.h>
#include <faiss/Index.h>
#include <malloc.h>
#include <omp.h>
#include <pthread.h>
#include <rocksdb/version.h>
#include <signal.h>
#include <sys/resource.h>
#include <torch/csrc/api/include/torch/cuda.h>
#include <torch/csrc/api/include/torch/version.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <future>
#include <mutex>
#include <opencv2/core/utility.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <thread>

namespace sightline::settings {
namespace {

/// A function of the BLAS that libblas.so.3 stands for today, or null: it is chosen by
/// update-alternatives, not by our linker.
template <typename Function>
Function* blas_function(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name));
}

std::string version(int major, int minor, int patch) {
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
}

std::string blas_name() {
  if (auto* config = blas_function<char*()>("openblas_get_config")) {
    std::string name = config();
    if (auto* core = blas_function<char*()>("openblas_get_corename")) {
      name += std::string(", core ") + core();
    }
    return name;
  }
  Dl_info info{};
  void* sgemm = dlsym(RTLD_DEFAULT, "sgemm_");
  if (sgemm == nullptr || dladdr(sgemm, &info) == 0 || info.dli_fname == nullptr) return "unknown";
  return info.dli_fname;
}

// libgomp lets waiting threads spin for about 3 ms, and OpenBLAS's own threads then fight them for
// the cores; next to another busy process both collapse. With more threads under management than
// there are cores, libgomp spins for 100 rounds only (gomp_managed_threads in its wait.h). The
// pool's team and the main thread make as many as cores, so one parked team of two makes one more,
// for good. docs/decisions/0003-openmp-does-not-spin.md has the figures.
void keep_openmp_from_spinning() {
  std::promise<void> done;
  std::thread([&done] {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);  // signals are for the threads that expect them
#pragma omp parallel num_threads(2)
    (void)omp_get_thread_num();
    done.set_value();
    for (;;) pause();
  }).detach();
  done.get_future().wait();
}

// A forward pass allocates and frees activations of megabytes. By default glibc gives such blocks
// back at once and faults fresh pages in for the next: a third of the time of a small layer.
void keep_freed_activations() {
#if defined(__GLIBC__)
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
#endif
}

}  // namespace

void set_up_process() {
  static std::once_flag once;
  std::call_once(once, [] {
    keep_freed_activations();
    keep_openmp_from_spinning();
  });
  cv::setNumThreads(1);
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  set_up_thread();
}

void set_up_thread() {
  // The lazy set-up has one flag per thread in LibTorch and another in code that inlines
  // at::parallel_for. Both are spent here, so that none resets the counts later.
  at::internal::lazy_init_num_threads();
  (void)at::get_num_threads();
  set_thread_width(1);
}

void set_thread_width(std::size_t num_threads) {
  const int count = static_cast<int>(num_threads);
  omp_set_num_threads(count);
  static auto* const set_blas = blas_function<void(int)>("openblas_set_num_threads");
  if (set_blas != nullptr) set_blas(count);
}

ComputePoolOptions pool_options(std::size_t num_threads) {
  return {num_threads, set_up_thread, set_thread_width};
}

Result<void> check_address_space(std::size_t num_threads) {
  rlimit limit{};
  std::uint64_t pages = 0;
  std::ifstream statm("/proc/self/statm");
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || !(statm >> pages))
    return {};
  // Those of the pool, its wide one, the calling one; models and the store besides.
  constexpr std::uint64_t kBuffer = std::uint64_t{128} << 20, kRest = std::uint64_t{512} << 20;
  const std::uint64_t threads = (num_threads != 0 ? num_threads : usable_cores()) + 2;
  const std::uint64_t wanted =
      pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)) + threads * kBuffer + kRest;
  if (wanted <= limit.rlim_cur) return {};
  return Status{StatusCode::kResourceExhausted,
                "address space is limited to " + std::to_string(limit.rlim_cur >> 10) +
                    " kB (ulimit -v); " + std::to_string(threads - 2) + " threads take at least " +
                    std::to_string(wanted >> 10) + " kB"};
}

std::string cpu_level() {
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512vnni");
  if (avx512) return "avx512";
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? "avx2" : "generic";
}

std::vector<std::pair<std::string, std::string>> library_facts() {
  const auto num_gpus = torch::cuda::is_available() ? torch::cuda::device_count() : 0;
  return {
      {"cpu_level", cpu_level()},
      {"cores", std::to_string(usable_cores())},
      {"libtorch", TORCH_VERSION},
      {"libtorch_mkldnn", at::get_mkldnn_version()},
      {"openmp", at::get_openmp_version()},
      {"openmp_threads_here", std::to_string(omp_get_max_threads())},
      {"blas", blas_name()},
      {"cuda", num_gpus > 0 ? std::to_string(num_gpus) + " device(s)" : "none"},
      {"faiss", version(FAISS_VERSION_MAJOR, FAISS_VERSION_MINOR, FAISS_VERSION_PATCH)},
      {"rocksdb", version(ROCKSDB_MAJOR, ROCKSDB_MINOR, ROCKSDB_PATCH)},
      {"opencv", cv::getVersionString()},
  };
}

}  // namespace sightline::settings
