// index/kernels/kernels.h: which CPU levels run here, and which one is used.
#pragma once

#include <span>
#include <string_view>

#include "core/result.h"
#include "index/kernels/kernel_table.h"

namespace sightline::index {

/// Runnable on this CPU, best first; the last one is always "generic".
std::span<const KernelTable* const> supported_kernels();

/// The best level, or the one that `wanted` names ("" and "auto": the best).
/// errors  kInvalidArgument: unknown, or not supported by this CPU; lists the valid names.
Result<const KernelTable*> choose_kernels(std::string_view wanted);

/// choose_kernels() with the environment variable SIGHTLINE_CPU, chosen once. Programs call it at
/// start to report a wrong name.
Result<const KernelTable*> kernels_from_environment();

/// The chosen level; a wrong SIGHTLINE_CPU ends the process here. Fetch once, outside the loop.
const KernelTable& kernels();

}  // namespace sightline::index
