// train/kernels/kernels.h: the kernels of this machine.
#pragma once

#include <span>

#include "train/kernels/kernel_table.h"

namespace sightline::train {

/// Runnable here, best first.
std::span<const KernelTable* const> supported_kernels();

/// The best, or the one SIGHTLINE_CPU names ("generic", "avx2", "avx512") if it runs here; chosen
/// once.
const KernelTable& kernels();

}  // namespace sightline::train
