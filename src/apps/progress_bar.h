// apps/progress_bar.h: how far an index run is, on stderr.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "pipeline/ingest.h"

namespace sightline::apps {

/// "indexing  [=====>    ]  45 %  1,234 of 5,000  210/s  0:18 left  3 skipped", at most `width`
/// columns. While the walk still finds pictures there is no bar and no percentage.
std::string progress_line(const pipeline::IngestProgress& progress, std::size_t width);

/// On a terminal: one line that is redrawn, and cleared at the end. Elsewhere: a line in the log
/// every half minute. Nothing when quiet.
/// Thread-safety: one thread at a time.
class ProgressBar {
 public:
  explicit ProgressBar(bool quiet);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void update(const pipeline::IngestProgress& progress);
  void clear();

 private:
  bool quiet_;
  bool terminal_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point last_logged_;
};

}  // namespace sightline::apps
