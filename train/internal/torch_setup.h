// train/internal/torch_setup.h: what every training run asks of the process and of LibTorch.
#pragma once

#include <cstddef>
#include <string>

#include "core/result.h"
#include "encoders/nn/torch_compat.h"

namespace sightline::train {

/// A step allocates and frees hundreds of megabytes. By default glibc gives each large block back
/// to the system and gets fresh, zeroed pages for the next: a third of a step.
void keep_freed_memory();

/// Threads of LibTorch's products on the calling thread; 0: one per core.
void set_training_threads(std::size_t num_threads);

/// "auto", "cpu" or "cuda". errors  kFailedPrecondition: cuda is wanted and there is none.
Result<torch::Device> choose_device(const std::string& wanted);

}  // namespace sightline::train
