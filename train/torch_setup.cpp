#include "train/internal/torch_setup.h"

#include <malloc.h>
#include <torch/cuda.h>

#include <ATen/Parallel.h>

#include <algorithm>
#include <limits>
#include <thread>

namespace sightline::train {

void keep_freed_memory() {
#if defined(__GLIBC__)
  mallopt(M_MMAP_THRESHOLD, std::numeric_limits<int>::max());
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  mallopt(M_TOP_PAD, 64 << 20);
#endif
}

void set_training_threads(std::size_t num_threads) {
  const std::size_t cores = std::max(1u, std::thread::hardware_concurrency());
  at::set_num_threads(static_cast<int>(num_threads == 0 ? cores : num_threads));
}

Result<torch::Device> choose_device(const std::string& wanted) {
  const bool cuda = torch::cuda::is_available();
  if (wanted == "cuda" && !cuda) {
    return failed_precondition("device cuda is wanted to train on; there is none here");
  }
  return torch::Device(cuda && wanted != "cpu" ? torch::kCUDA : torch::kCPU);
}

}  // namespace sightline::train
