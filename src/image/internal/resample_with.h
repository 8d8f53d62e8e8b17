// image/internal/resample_with.h: resample() with loops of the caller's choice, for tests and
// benchmarks.
#pragma once

#include "image/kernels/kernel_table.h"
#include "image/resample.h"

namespace sightline::image {

Result<Image> resample_with(const KernelTable& table, ImageView source, std::size_t width,
                            std::size_t height, Filter filter, Window window);

}  // namespace sightline::image
