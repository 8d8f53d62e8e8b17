#include "pipeline/internal/ingest_ledger.h"

namespace sightline::pipeline {

void IngestLedger::found() {
  std::lock_guard lock(mutex_);
  ++counts_.found;
}

void IngestLedger::work_found() {
  std::lock_guard lock(mutex_);
  ++work_.known;
}

void IngestLedger::walk_done() {
  std::lock_guard lock(mutex_);
  counts_.walk_done = true;
}

void IngestLedger::settle(const Outcome& outcome, bool was_work) {
  if (outcome.tally == Tally::kSkipped) {
    log_->add(outcome.uri, outcome.path, outcome.reason, outcome.message);
  }
  std::lock_guard lock(mutex_);
  ++counts_.seen;
  if (was_work) ++work_.done;
  switch (outcome.tally) {
    case Tally::kIndexed:
      ++counts_.indexed;
      break;
    case Tally::kUnchanged:
      ++counts_.unchanged;
      break;
    case Tally::kSkipped:
      ++counts_.skipped;
      ++reasons_[outcome.reason];
      break;
  }
}

void IngestLedger::unreadable_folder() {
  std::lock_guard lock(mutex_);
  ++unreadable_folders_;
}

WorkDone IngestLedger::work() const {
  std::lock_guard lock(mutex_);
  return work_;
}

IngestProgress IngestLedger::progress() const {
  std::lock_guard lock(mutex_);
  return counts_;
}

void IngestLedger::fill(IngestReport& report) const {
  std::lock_guard lock(mutex_);
  report.seen = counts_.seen;
  report.indexed = counts_.indexed;
  report.unchanged = counts_.unchanged;
  report.skipped = reasons_;
  report.unreadable_folders = unreadable_folders_;
}

}  // namespace sightline::pipeline
