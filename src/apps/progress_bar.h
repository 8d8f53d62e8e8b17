// apps/progress_bar.h: how far a job is, on stderr.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "pipeline/ingest.h"
#include "pipeline/job_progress.h"

namespace sightline::apps {

/// "indexing  [=====>    ]  45 %  1,234 of 5,000  210/s  0:18 left  3 skipped", at most `width`
/// columns. While the walk still finds pictures there is no bar and no percentage.
std::string progress_line(const pipeline::IngestProgress& progress, std::size_t width);

/// What a stage of a job has cost until now.
struct StagePace {
  double seconds = 0;      ///< Since the stage began.
  double first_share = 0;  ///< With which it began.
  std::uint64_t first_done = 0;
};
/// "loading  [=====>    ]  45 %  450,000 of 1,000,000  12,345/s  0:18 left", at most `width`
/// columns. Rate and time left come from the pace, once two seconds and some work have passed.
std::string progress_line(const pipeline::JobProgress& progress, const StagePace& pace,
                          std::size_t width);

/// On a terminal: one line that is redrawn, and cleared at the end. Elsewhere: a line in the log
/// every half minute. Nothing when quiet.
/// Thread-safety: one thread at a time.
class ProgressBar {
 public:
  /// `component`: of the lines in the log.
  explicit ProgressBar(bool quiet, std::string component = "index");
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void update(const pipeline::IngestProgress& progress);
  /// May be called far more often than anybody can look.
  void update(const pipeline::JobProgress& progress);
  void clear();

 private:
  using Time = std::chrono::steady_clock::time_point;

  void draw(std::string_view line);
  bool log_is_due(Time now);

  bool quiet_;
  bool terminal_;
  std::string component_;
  bool drawn_ = false;
  Time last_logged_, last_drawn_{};
  std::string stage_;
  Time stage_start_{};
  StagePace pace_;
};

}  // namespace sightline::apps
