// pipeline/internal/ingest_job.h: one run of ingest: who does what, and in which order.
//
//   scout (thread)      finds sources, settles unchanged ones, queues the rest       bounded queue
//   dispatcher (caller) hands sources to the pool while few enough are in flight
//   pool, short tasks   read, hash, decode, describe, preprocess -> a row of a batch
//   pool                encodes full batches: on CPUs one batch per worker, on a GPU as wide units
//   writer (thread)     commits whole outcomes while the next batch is decoded
//   ticker (thread)     reports progress four times a second
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <vector>

#include "codecs/decode_budget.h"
#include "core/compute_pool.h"
#include "encoders/encoder.h"
#include "pipeline/collection_store.h"
#include "pipeline/ingest.h"
#include "pipeline/internal/ingest_ledger.h"
#include "pipeline/internal/picture_work.h"
#include "pipeline/internal/source_scout.h"
#include "pipeline/internal/spare_pictures.h"
#include "pipeline/internal/stage_times.h"

namespace sightline::pipeline {

/// Shared by the tasks it submits, which may outlive run() by an instant.
/// Thread-safety: run() once; the rest is its own.
class IngestJob final : public std::enable_shared_from_this<IngestJob>, private WorkHost {
 public:
  /// Borrowed things outlive run().
  IngestJob(CollectionStore& store, const encoders::Encoder& encoder, ComputePool& pool,
            const IngestOptions& options, std::unique_ptr<SkipLog> skip_log);

  Result<IngestReport> run(const std::vector<InputPath>& inputs,
                           const std::function<void(const IngestProgress&)>& progress,
                           std::stop_token stop);

 private:
  // Called by workers.
  bool claim_content(const std::string& content_hash, const WorkPtr& work) override;
  BatchRow reserve_row() override;

  void scout_loop(SourceScout& scout, const std::vector<InputPath>& inputs);
  bool queue_work(WorkPtr work);  ///< Waits for room; false once the job stops.
  void dispatch_loop();
  void write_loop();
  void tick_loop(const std::function<void(const IngestProgress&)>& progress);

  void work_on(const WorkPtr& work);                       ///< A short task.
  void encode(const std::shared_ptr<EncodeBatch>& batch);  ///< A task, too; wide on a GPU.
  void commit(std::vector<Outcome>& outcomes);
  void submit_encode(std::shared_ptr<EncodeBatch> batch);
  /// The rows that are there, as a batch of their own.
  std::shared_ptr<EncodeBatch> take_partial_batch();
  IngestProgress current_progress() const;

  // The following want mutex_ held.
  bool can_dispatch() const;
  bool can_flush() const;
  bool is_finished() const;
  bool is_urgent() const;  ///< Whether what waits for the writer should not wait for company.
  std::size_t max_in_flight() const;
  void adapt_batch_size(std::size_t n, std::chrono::duration<double> time);
  void leave_flight(std::size_t n);
  void release_claim(const std::string& content_hash);

  void request_stop();
  void fail(Status status);  ///< Keeps the first one and stops the job.

  CollectionStore& store_;
  const encoders::Encoder& encoder_;
  ComputePool& pool_;
  const IngestOptions& options_;
  codecs::DecodeBudget budget_;
  SparePictures spare_pictures_;
  StageTimes times_;
  IngestLedger ledger_;
  std::atomic<bool> stopping_{false};
  std::stop_source stop_work_;  // calls off waits within tasks
  const WorkContext context_;

  mutable std::mutex mutex_;
  std::condition_variable room_, dispatch_wake_, writer_wake_, ticker_wake_;
  std::deque<WorkPtr> queue_;    // from the scout
  std::deque<WorkPtr> retries_;  // waited for a picture of the same bytes
  bool walk_done_ = false;
  std::size_t num_in_flight_ = 0;  // dispatched, not yet committed
  std::size_t num_working_ = 0;    // of these: in a short task or queued for one
  std::shared_ptr<EncodeBatch> filling_;
  std::vector<image::PixelBatch> spare_pixels_;  // page faults cost as much as preprocessing
  std::size_t batch_size_;
  double seconds_per_picture_ = 0;                                // of encoding, smoothed
  std::unordered_map<std::string, std::vector<WorkPtr>> claims_;  // content hash -> who waits
  std::deque<Outcome> outcomes_;                                  // for the writer
  std::size_t num_encoded_waiting_ = 0;                           // of these: from a batch
  bool writer_done_ = false, ticker_done_ = false;
  std::optional<Status> failure_;

  ProgressMeter meter_;  // of the ticker
  SteadyTime start_;
};

}  // namespace sightline::pipeline
