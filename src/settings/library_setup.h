// settings/library_setup.h: what LibTorch, OpenMP, OpenBLAS and OpenCV are told, once per process
// and once per thread.
//
// OpenMP counts threads per calling thread, and LibTorch sets that count lazily on a thread's first
// parallel call: whoever sets it once in main() has set it for nobody else. OpenBLAS (pthread
// build) has one count for the process, so it follows the wide unit, of which one runs at a time.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "core/compute_pool.h"
#include "core/result.h"

namespace sightline::settings {

/// Call first thing in main(), before threads start: OpenCV runs single-threaded and says nothing
/// on stderr, OpenMP's threads sleep while they wait, and the calling thread is set up as
/// set_up_thread() does.
void set_up_process();

/// Sets this thread's LibTorch, OpenMP and OpenBLAS counts to one. ComputePoolOptions::init_thread.
void set_up_thread();

/// How many threads LibTorch, OpenMP and OpenBLAS take for the calling thread's next parallel work.
/// ComputePoolOptions::set_width.
void set_thread_width(std::size_t num_threads);

/// Options for a pool of `num_threads` (0: all cores) whose workers are set up as above.
ComputePoolOptions pool_options(std::size_t num_threads);

/// Whether a limit on address space (ulimit -v) leaves OpenBLAS its buffers of 128 MB for each of
/// `num_threads` (0: all cores): without them it tries again for ever instead of failing.
/// errors  kResourceExhausted: names the limit and what it would have to be.
Result<void> check_address_space(std::size_t num_threads);

/// "avx512" (with VNNI), "avx2" (with FMA) or "generic": the best this processor runs.
std::string cpu_level();

/// {name, value}: versions and configuration of the libraries this process runs with, for
/// `sightline doctor`. "blas" begins with "OpenBLAS" unless another implementation is chosen.
std::vector<std::pair<std::string, std::string>> library_facts();

}  // namespace sightline::settings
