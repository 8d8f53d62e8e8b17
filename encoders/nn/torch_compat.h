// encoders/nn/torch_compat.h: LibTorch's headers, and the names that differ between 1.13 and 2.x.
//
// Included by nn headers and .cpp files only; each costs seconds to compile, so CMake makes this
// one the precompiled header.
#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>
#include <torch/utils.h>
#include <torch/version.h>

#define SIGHTLINE_TORCH_AT_LEAST(major, minor) \
  (TORCH_VERSION_MAJOR > (major) ||            \
   (TORCH_VERSION_MAJOR == (major) && TORCH_VERSION_MINOR >= (minor)))
