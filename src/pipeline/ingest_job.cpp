#include "pipeline/internal/ingest_job.h"

#include <algorithm>
#include <exception>
#include <string>
#include <thread>
#include <utility>

#include "core/log.h"
#include "pipeline/internal/pruning.h"

namespace sightline::pipeline {
namespace {

constexpr std::size_t kMaxQueued = 32'768;    // sources the scout is ahead
constexpr std::size_t kMaxPerCommit = 1'024;  // outcomes
constexpr std::size_t kSmallOutcomes = 256;   // that make a commit worth its while
constexpr std::size_t kEncodedPerCommit = 64;
constexpr std::chrono::milliseconds kCommitDelay{200};
constexpr std::chrono::milliseconds kTick{250};
constexpr std::uint64_t kSpareShare = 8;  // of the memory for decodes may idle between two

// On one core, 8 pictures per forward pass are the best for widths of 192 and of 768 alike (weights
// are read once per batch, activations still fit the caches); slow models get fewer. A GPU wants
// batches as large as the length of a wide unit allows (core/compute_pool.h).
constexpr std::size_t kCpuBatch = 8;
constexpr double kCpuSeconds = 0.5;
constexpr std::size_t kGpuBatch = 128;
constexpr double kGpuSeconds = 0.1;

bool on_gpu(const encoders::EncoderInfo& encoder) {
  return encoder.device == encoders::Device::kCuda;
}

std::size_t first_batch_size(const IngestOptions& options, const encoders::EncoderInfo& encoder) {
  const std::size_t wanted = options.batch_size != 0 ? options.batch_size : kCpuBatch;
  return std::clamp<std::size_t>(wanted, 1, encoder.max_batch);
}

}  // namespace

IngestJob::IngestJob(CollectionStore& store, const encoders::Encoder& encoder, ComputePool& pool,
                     const IngestOptions& options, std::unique_ptr<SkipLog> skip_log)
    : store_(store),
      encoder_(encoder),
      pool_(pool),
      options_(options),
      budget_(options.decode_bytes),
      spare_pictures_(options.decode_bytes / kSpareShare),
      ledger_(std::move(skip_log)),
      context_{store,           encoder.info(),
               options,         budget_,
               spare_pictures_, times_,
               *this,           Deadline::never().with_stop(stop_work_.get_token())},
      batch_size_(first_batch_size(options, encoder.info())),
      meter_(Clock::system().now()),
      start_(Clock::system().now()) {}

Result<IngestReport> IngestJob::run(const std::vector<InputPath>& inputs,
                                    const std::function<void(const IngestProgress&)>& progress,
                                    std::stop_token stop) {
  const std::stop_callback on_stop(stop, [this] { request_stop(); });
  SourceScout scout(store_, options_, ledger_, stopping_,
                    [this](WorkPtr work) { return queue_work(std::move(work)); });
  {
    std::jthread ticker([&] { tick_loop(progress); });
    std::jthread writer([this] { write_loop(); });
    std::jthread scouting([&] { scout_loop(scout, inputs); });
    dispatch_loop();
    scouting.join();
    {
      std::lock_guard lock(mutex_);
      writer_done_ = true;
    }
    writer_wake_.notify_all();
    writer.join();
    {
      std::lock_guard lock(mutex_);
      ticker_done_ = true;
    }
    ticker_wake_.notify_all();
  }
  {
    std::lock_guard lock(mutex_);
    if (failure_) return *failure_;
  }

  IngestReport report;
  if (options_.prune && !stopping_) {
    WallTimer timer(times_, Stage::kPrune);
    SIGHTLINE_TRY(report.pruned,
                  prune(store_, inputs, scout.findings(), [this] { return stopping_.load(); }));
  }
  SIGHTLINE_TRY_DO(store_.flush());
  ledger_.flush_log();
  ledger_.fill(report);
  const std::chrono::duration<double> elapsed = Clock::system().now() - start_;
  report.images_per_second = static_cast<double>(report.indexed) / std::max(elapsed.count(), 1e-9);
  report.stages = times_.seconds();
  report.stages["total_s"] = elapsed.count();
  report.interrupted = stopping_;
  if (progress) progress(current_progress());
  return report;
}

void IngestJob::request_stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_work_.request_stop();
  room_.notify_all();
  dispatch_wake_.notify_all();
  writer_wake_.notify_all();
}

void IngestJob::fail(Status status) {
  {
    std::lock_guard lock(mutex_);
    if (!failure_) failure_ = std::move(status);
  }
  request_stop();
}

// --- finding and handing out ---------------------------------------------------------------------

void IngestJob::scout_loop(SourceScout& scout, const std::vector<InputPath>& inputs) {
  try {
    CpuTimer timer(times_, Stage::kScan);
    if (auto scouted = scout.run(inputs); !scouted) fail(scouted.error());
  } catch (const std::exception& e) {
    fail(internal_error(std::string("looking for sources: ") + e.what()));
  }
  ledger_.walk_done();
  std::lock_guard lock(mutex_);
  walk_done_ = true;
  dispatch_wake_.notify_all();
}

bool IngestJob::queue_work(WorkPtr work) {
  std::unique_lock lock(mutex_);
  room_.wait(lock, [&] { return stopping_ || queue_.size() < kMaxQueued; });
  if (stopping_) return false;
  queue_.push_back(std::move(work));
  if (queue_.size() == 1) dispatch_wake_.notify_all();
  return true;
}

std::size_t IngestJob::max_in_flight() const {
  // Batches being encoded, one that fills, one on its way; and three commits' worth to be written.
  const std::size_t batches = (on_gpu(encoder_.info()) ? 1 : pool_.num_threads()) + 2;
  return 2 * pool_.num_threads() + batches * batch_size_ + 3 * kEncodedPerCommit;
}

bool IngestJob::can_dispatch() const {
  // Few short tasks ahead: batches to encode queue up behind them.
  return !stopping_ && num_in_flight_ < max_in_flight() && num_working_ < 2 * pool_.num_threads() &&
         !(queue_.empty() && retries_.empty());
}

bool IngestJob::can_flush() const { return num_working_ == 0 && filling_ != nullptr; }

bool IngestJob::is_finished() const {
  return num_in_flight_ == 0 && (stopping_ || (walk_done_ && queue_.empty() && retries_.empty()));
}

void IngestJob::dispatch_loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    dispatch_wake_.wait(lock, [&] { return can_dispatch() || can_flush() || is_finished(); });
    if (is_finished()) return;
    if (!can_dispatch()) {
      auto batch = take_partial_batch();
      lock.unlock();
      submit_encode(std::move(batch));
      lock.lock();
      continue;
    }
    auto& from = retries_.empty() ? queue_ : retries_;
    WorkPtr work = std::move(from.front());
    from.pop_front();
    room_.notify_all();
    ++num_in_flight_;
    if (work->payload_only) {
      outcomes_.push_back(payload_outcome(*work));
      writer_wake_.notify_all();
      continue;
    }
    ++num_working_;
    lock.unlock();
    pool_.submit(Priority::kDecode, [self = shared_from_this(), work] { self->work_on(work); });
    lock.lock();
  }
}

void IngestJob::leave_flight(std::size_t n) {
  num_in_flight_ -= n;
  dispatch_wake_.notify_all();
  writer_wake_.notify_all();  // what is left may be urgent now
}

// --- short tasks ---------------------------------------------------------------------------------

void IngestJob::work_on(const WorkPtr& work) {
  WorkResult result;
  try {
    auto done = do_picture_work(context_, work);
    if (done) {
      result = *std::move(done);
    } else {
      fail(done.error());
      result.kind = WorkResult::Kind::kDropped;
    }
  } catch (const std::exception& e) {
    result.outcome.tally = Tally::kSkipped;
    result.outcome.uri = work->source.uri;
    result.outcome.path = work->source.path;
    result.outcome.reason = skip::kFailed;
    result.outcome.message = work->source.path + ": " + e.what();
  }

  std::shared_ptr<EncodeBatch> full;
  {
    std::lock_guard lock(mutex_);
    --num_working_;
    switch (result.kind) {
      case WorkResult::Kind::kDone:
        outcomes_.push_back(std::move(result.outcome));
        writer_wake_.notify_all();
        break;
      case WorkResult::Kind::kRow: {
        EncodeBatch& batch = *result.row.batch;
        batch.outcomes[result.row.index] = std::move(result.outcome);
        if (++batch.num_ready == batch.pixels.size()) full = std::move(result.row.batch);
        break;
      }
      case WorkResult::Kind::kParked:
        leave_flight(1);
        break;
      case WorkResult::Kind::kDropped:
        release_claim(result.outcome.claimed_content);
        leave_flight(1);
        break;
    }
    dispatch_wake_.notify_all();
  }
  if (full) submit_encode(std::move(full));
}

bool IngestJob::claim_content(const std::string& content_hash, const WorkPtr& work) {
  std::lock_guard lock(mutex_);
  const auto [claim, is_first] = claims_.try_emplace(content_hash);
  if (!is_first) claim->second.push_back(work);
  return is_first;
}

void IngestJob::release_claim(const std::string& content_hash) {
  if (content_hash.empty()) return;
  const auto claim = claims_.find(content_hash);
  if (claim == claims_.end()) return;
  for (WorkPtr& work : claim->second) retries_.push_back(std::move(work));
  claims_.erase(claim);
}

// --- batches -------------------------------------------------------------------------------------

BatchRow IngestJob::reserve_row() {
  std::lock_guard lock(mutex_);
  if (!filling_) {
    const image::PreprocessSpec& spec = encoder_.info().preprocess;
    const auto spare = std::find_if(spare_pixels_.begin(), spare_pixels_.end(),
                                    [&](const auto& p) { return p.size() == batch_size_; });
    if (spare != spare_pixels_.end()) {
      filling_ = std::make_shared<EncodeBatch>(std::move(*spare));
      spare_pixels_.erase(spare);
    } else {
      spare_pixels_.clear();  // of an earlier size
      filling_ = std::make_shared<EncodeBatch>(
          image::PixelBatch(batch_size_, spec.output_height(), spec.output_width()));
    }
  }
  BatchRow row{filling_, filling_->num_reserved++};
  if (filling_->num_reserved == filling_->pixels.size()) filling_.reset();
  return row;
}

std::shared_ptr<EncodeBatch> IngestJob::take_partial_batch() {
  const auto whole = std::exchange(filling_, nullptr);
  const std::size_t n = whole->num_reserved;
  auto part = std::make_shared<EncodeBatch>(
      image::PixelBatch(n, whole->pixels.height(), whole->pixels.width()));
  for (std::size_t i = 0; i < n; ++i) {
    const auto row = std::as_const(whole->pixels).row(i);
    std::copy(row.begin(), row.end(), part->pixels.row(i).begin());
    part->outcomes[i] = std::move(whole->outcomes[i]);
  }
  return part;
}

void IngestJob::submit_encode(std::shared_ptr<EncodeBatch> batch) {
  auto task = [self = shared_from_this(), batch = std::move(batch)] { self->encode(batch); };
  // Many batches go through faster one per core than one after the other on all of them.
  if (on_gpu(encoder_.info())) {
    pool_.submit_wide(Priority::kDecode, std::move(task));
  } else {
    pool_.submit(Priority::kDecode, std::move(task));
  }
}

void IngestJob::encode(const std::shared_ptr<EncodeBatch>& batch) {
  const std::size_t n = batch->outcomes.size();
  std::optional<Status> failure;
  // CPU time: a machine that others use, too, must not look like a slow model.
  const auto clock = on_gpu(encoder_.info()) ? wall_time : thread_cpu_time;
  const auto start = clock();
  std::chrono::nanoseconds time{0};
  try {
    const auto embeddings = encoder_.encode_pixels(batch->pixels, Deadline::never());
    time = clock() - start;
    times_.add(Stage::kEncode, time);
    if (!embeddings) failure = embeddings.error().with_context("encoding a batch");
    for (std::size_t i = 0; i < n && embeddings; ++i) {
      Outcome& outcome = batch->outcomes[i];
      if (outcome.upsert_at < 0) continue;
      const auto row = embeddings->row(i);
      std::get<UpsertPoint>(outcome.ops[static_cast<std::size_t>(outcome.upsert_at)])
          .vectors.push_back(NamedVector{"", {row.begin(), row.end()}});
    }
  } catch (const std::exception& e) {
    failure = internal_error(std::string("encoding a batch: ") + e.what());
  }
  if (failure) fail(*failure);

  std::lock_guard lock(mutex_);
  if (!failure) adapt_batch_size(n, time);
  if (spare_pixels_.size() < 4) spare_pixels_.push_back(std::move(batch->pixels));
  for (Outcome& outcome : batch->outcomes) {
    if (outcome.upsert_at >= 0) ++num_encoded_waiting_;
    outcomes_.push_back(std::move(outcome));
  }
  writer_wake_.notify_all();
}

void IngestJob::adapt_batch_size(std::size_t n, std::chrono::duration<double> time) {
  if (options_.batch_size != 0) return;
  const double seconds = time.count() / static_cast<double>(n);
  // The first batch also warms up caches and thread pools.
  seconds_per_picture_ =
      seconds_per_picture_ == 0 ? seconds / 2 : 0.8 * seconds_per_picture_ + 0.2 * seconds;
  const bool gpu = on_gpu(encoder_.info());
  const double fit = (gpu ? kGpuSeconds : kCpuSeconds) / std::max(seconds_per_picture_, 1e-6);
  // Powers of two: batches of few sizes, whose memory is used again.
  const std::size_t largest = std::min(gpu ? kGpuBatch : kCpuBatch, encoder_.info().max_batch);
  batch_size_ = 1;
  while (batch_size_ * 2 <= largest && static_cast<double>(batch_size_ * 2) <= fit) {
    batch_size_ *= 2;
  }
}

// --- writing -------------------------------------------------------------------------------------

bool IngestJob::is_urgent() const {
  return num_encoded_waiting_ >= kEncodedPerCommit || outcomes_.size() >= kSmallOutcomes ||
         writer_done_ || stopping_ || outcomes_.size() == num_in_flight_;
}

void IngestJob::write_loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    writer_wake_.wait(lock, [&] { return !outcomes_.empty() || writer_done_; });
    if (outcomes_.empty()) return;
    writer_wake_.wait_for(lock, kCommitDelay, [&] { return is_urgent(); });

    std::vector<Outcome> group;
    while (!outcomes_.empty() && group.size() < kMaxPerCommit) {
      if (outcomes_.front().upsert_at >= 0) --num_encoded_waiting_;
      group.push_back(std::move(outcomes_.front()));
      outcomes_.pop_front();
    }
    const bool give_up = failure_.has_value();
    lock.unlock();
    if (!give_up) commit(group);
    lock.lock();
    for (const Outcome& outcome : group) release_claim(outcome.claimed_content);
    leave_flight(group.size());
  }
}

void IngestJob::commit(std::vector<Outcome>& outcomes) {
  try {
    WallTimer timer(times_, Stage::kStore);
    std::vector<WriteOp> ops;
    for (Outcome& outcome : outcomes) {
      ops.insert(ops.end(), std::make_move_iterator(outcome.ops.begin()),
                 std::make_move_iterator(outcome.ops.end()));
    }
    if (!ops.empty()) {
      if (auto written = store_.write(std::move(ops)); !written) return fail(written.error());
    }
    for (const Outcome& outcome : outcomes) ledger_.settle(outcome, true);
  } catch (const std::exception& e) {
    fail(internal_error(std::string("storing a batch: ") + e.what()));
  }
}

// --- progress ------------------------------------------------------------------------------------

IngestProgress IngestJob::current_progress() const {
  IngestProgress progress = ledger_.progress();
  progress.images_per_second = meter_.recent_rate();
  progress.elapsed = Clock::system().now() - start_;
  progress.eta = meter_.eta();
  return progress;
}

void IngestJob::tick_loop(const std::function<void(const IngestProgress&)>& progress) {
  std::unique_lock lock(mutex_);
  while (!ticker_wake_.wait_for(lock, kTick, [&] { return ticker_done_; })) {
    lock.unlock();
    try {
      ledger_.flush_log();
      meter_.update(Clock::system().now(), ledger_.work());
      if (progress) progress(current_progress());
    } catch (const std::exception& e) {
      log_warning("ingest", std::string("reporting progress: ") + e.what());
    }
    lock.lock();
  }
}

}  // namespace sightline::pipeline
