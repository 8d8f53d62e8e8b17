// pipeline/job_progress.h: how far a long job is.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace sightline::pipeline {

struct JobProgress {
  std::string_view stage;             ///< "loading"; a stage does not come back.
  double share = 0;                   ///< Of the stage, 0..1.
  std::uint64_t done = 0, total = 0;  ///< Rows, points or bytes; 0: not counted.
};
/// Called often, from one thread at a time: the callee draws when it likes.
using ReportJob = std::function<void(const JobProgress&)>;

}  // namespace sightline::pipeline
