// pipeline/internal/ingest_ledger.h: the counts of a run.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "pipeline/collection_store.h"
#include "pipeline/ingest.h"
#include "pipeline/internal/progress_meter.h"
#include "pipeline/internal/skip_log.h"
#include "pipeline/internal/sources.h"

namespace sightline::pipeline {

enum class Tally { kIndexed, kUnchanged, kSkipped };

/// What became of one source, and what has to be written for it.
struct Outcome {
  Tally tally = Tally::kUnchanged;
  std::string uri, path;        ///< For skipped.jsonl.
  std::string reason, message;  ///< Of a skipped source.
  std::vector<WriteOp> ops;
  /// Position in `ops` of the UpsertPoint that waits for its vector; -1 without.
  std::ptrdiff_t upsert_at = -1;
  std::string claimed_content;  ///< Content hash that this source holds a claim on; may be empty.
};

/// Thread-safety: all methods may be called from any thread; a source is found before it is
/// settled.
class IngestLedger {
 public:
  explicit IngestLedger(std::unique_ptr<SkipLog> log) : log_(std::move(log)) {}

  void found();
  void work_found();  ///< One of the found ones must be read.
  void walk_done();
  /// `was_work`: it was counted by work_found().
  void settle(const Outcome& outcome, bool was_work);
  void unreadable_folder();
  void flush_log() { log_->flush(); }

  WorkDone work() const;
  IngestProgress progress() const;        ///< Without rates and times.
  void fill(IngestReport& report) const;  ///< Its counts.

 private:
  mutable std::mutex mutex_;
  std::unique_ptr<SkipLog> log_;
  IngestProgress counts_;
  WorkDone work_;
  std::map<std::string, std::uint64_t> reasons_;
  std::uint64_t unreadable_folders_ = 0;
};

}  // namespace sightline::pipeline
