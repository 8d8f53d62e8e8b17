// image/kernels/kernels.h: picks the resampling loops for this CPU.
#pragma once

#include <span>

#include "image/kernels/kernel_table.h"

namespace sightline::image {

/// Runnable here, best first; the generic one is last and is the reference.
std::span<const KernelTable* const> supported_kernels();
/// The best, or the one that the environment variable SIGHTLINE_CPU names; chosen once. A level
/// that has no loops here for this CPU ("avx512" wants BW, VL and VNNI) takes the best one.
const KernelTable& kernels();

}  // namespace sightline::image
