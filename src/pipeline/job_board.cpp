#include "pipeline/job_board.h"

#include <algorithm>
#include <ctime>
#include <deque>
#include <exception>
#include <list>
#include <thread>
#include <utility>

#include "core/log.h"
#include "core/mutex.h"
#include "pipeline/image_source.h"
#include "pipeline/query.h"

namespace sightline::pipeline {
namespace {

using SystemTime = std::chrono::system_clock::time_point;

std::string rfc3339(SystemTime time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  const std::size_t n = std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return std::string(text, n);
}

Json time_or_null(const std::optional<SystemTime>& time) {
  return time ? Json(rfc3339(*time)) : Json();
}

/// Whether `model` is a name of the one that the vectors were made with, wherever that lies.
bool is_own_model(const VectorConfig& vector, std::string_view model) {
  return model == vector.model.name || model == vector.model.path_hint ||
         model == vector.parameters.value("model", "");
}

bool is_finished(JobState state) {
  return state == JobState::kDone || state == JobState::kFailed || state == JobState::kStopped;
}

}  // namespace

std::string_view job_state_name(JobState state) {
  switch (state) {
    case JobState::kQueued:
      return "queued";
    case JobState::kRunning:
      return "running";
    case JobState::kDone:
      return "done";
    case JobState::kFailed:
      return "failed";
    case JobState::kStopped:
      return "stopped";
  }
  return "unknown";
}

Json to_json(const JobStatus& job) {
  const IngestProgress& progress = job.progress;
  return Json{{"id", job.id},
              {"kind", "index"},
              {"collection", job.request.collection},
              {"paths", job.request.paths},
              {"state", job_state_name(job.state)},
              {"created_at", rfc3339(job.created)},
              {"started_at", time_or_null(job.started)},
              {"finished_at", time_or_null(job.finished)},
              {"progress",
               {{"seen", progress.seen},
                {"indexed", progress.indexed},
                {"unchanged", progress.unchanged},
                {"skipped", progress.skipped},
                {"found", progress.found},
                {"walk_done", progress.walk_done},
                {"images_per_second", progress.images_per_second},
                {"elapsed_s", progress.elapsed.count()},
                {"eta_s", progress.eta.count() < 0 ? Json() : Json(progress.eta.count())}}},
              {"report", job.report ? to_json(*job.report) : Json()},
              {"error", job.error ? Json(job.error->message) : Json()}};
}

struct JobBoard::Impl {
  struct Job {
    JobStatus status;
    std::stop_source stop;
  };
  using JobPtr = std::shared_ptr<Job>;

  Impl(DataFolder& f, EncoderHost& e, ComputePool& p, JobBoardOptions o)
      : folder(f), encoders(e), pool(p), options(std::move(o)) {}

  void work();
  void run(const JobPtr& job, const JobRequest& request);
  Result<IngestReport> index(const JobPtr& job, const JobRequest& request);
  /// What can be told before the job begins, without loading a model.
  Result<void> check_model(const JobRequest& request) const;
  void finish(Job& job, JobState state) REQUIRES(mutex);
  Result<JobPtr> find(std::string_view id) const REQUIRES(mutex);

  DataFolder& folder;
  EncoderHost& encoders;
  ComputePool& pool;
  const JobBoardOptions options;

  mutable Mutex mutex;
  CondVar wake;
  std::deque<JobPtr> queue GUARDED_BY(mutex);
  std::list<JobPtr> jobs GUARDED_BY(mutex);  // newest first
  std::uint64_t next_id GUARDED_BY(mutex) = 1;
  bool closing GUARDED_BY(mutex) = false;
  std::vector<std::thread> threads GUARDED_BY(mutex);  // started with the first jobs
};

// --- running -------------------------------------------------------------------------------------

void JobBoard::Impl::work() {
  for (;;) {
    JobPtr job;
    JobRequest request;
    {
      const MutexLock lock(mutex);
      while (queue.empty() && !closing) wake.wait(mutex);
      if (closing) return;
      job = queue.front();
      queue.pop_front();
      job->status.state = JobState::kRunning;
      job->status.started = std::chrono::system_clock::now();
      request = job->status.request;
    }
    run(job, request);
  }
}

void JobBoard::Impl::run(const JobPtr& job, const JobRequest& request) {
  Result<IngestReport> report = internal_error("the job did not end");
  try {
    report = index(job, request);
  } catch (const std::exception& e) {
    report = internal_error(std::string("indexing: ") + e.what());
  }
  const MutexLock lock(mutex);
  if (report) {
    IngestProgress& progress = job->status.progress;
    progress.seen = progress.found = report->seen;
    progress.indexed = report->indexed;
    progress.unchanged = report->unchanged;
    progress.skipped = report->seen - report->indexed - report->unchanged;
    progress.walk_done = !report->interrupted;
    progress.eta = std::chrono::duration<double>(report->interrupted ? -1 : 0);
    job->status.report = *report;
    finish(*job, report->interrupted ? JobState::kStopped : JobState::kDone);
  } else {
    log_warning("jobs", "job " + job->status.id + " failed: " + report.error().message);
    job->status.error = report.error();
    finish(*job, job->stop.stop_requested() ? JobState::kStopped : JobState::kFailed);
  }
}

Result<IngestReport> JobBoard::Impl::index(const JobPtr& job, const JobRequest& request) {
  IngestOptions ingest_options;
  for (const std::string& path : request.paths) {  // again: it may have changed while it waited
    SIGHTLINE_TRY(const auto resolved, resolve_under(path, options.roots));
    ingest_options.paths.push_back(resolved.string());
  }
  ingest_options.exclude = request.exclude;
  ingest_options.prune = request.prune;
  ingest_options.follow_symlinks = request.follow_symlinks;
  ingest_options.hidden = request.hidden;
  ingest_options.decode_bytes = options.decode_bytes;
  ingest_options.thumbnail_edge = options.thumbnail_edge;
  ingest_options.decode = encoders.options().decode;

  HostedModel model;
  auto store = folder.open_collection(request.collection);
  if (store) {
    SIGHTLINE_TRY(const CollectionInfo info, (*store)->info());
    SIGHTLINE_TRY(model, encoders.find(info, ""));
    ingest_options.decode.alpha = alpha_of(info.config.vectors.at("").model);
    if (!request.model.empty() && !is_own_model(info.config.vectors.at(""), request.model)) {
      SIGHTLINE_TRY(const HostedModel named, encoders.find(std::string_view(request.model)));
      SIGHTLINE_TRY_DO(check_same_model(info, named->info(), ingest_options.decode.alpha));
    }
  } else if (store.error().code == StatusCode::kNotFound) {
    SIGHTLINE_TRY_DO(check_paths(ingest_options.paths));
    SIGHTLINE_TRY(model, encoders.find(std::string_view(request.model)));
    store =
        open_or_create_for(folder, request.collection, model->info(), ingest_options.decode.alpha);
  }
  if (!store) return store.error();
  SIGHTLINE_TRY(const std::string own_name, folder.resolve_collection(request.collection));
  ingest_options.skipped_file = folder.collection_folder(own_name) / "skipped.jsonl";
  return ingest(
      **store, model->encoder(), pool, ingest_options,
      [&](const IngestProgress& progress) {
        const MutexLock lock(mutex);
        job->status.progress = progress;
      },
      job->stop.get_token());
}

Result<void> JobBoard::Impl::check_model(const JobRequest& request) const {
  const auto store = folder.open_collection(request.collection);
  if (store) {
    SIGHTLINE_TRY(const auto config, (*store)->config());
    const auto vector = config->vectors.find("");
    if (vector == config->vectors.end() || vector->second.model.checksum.empty()) {
      return failed_precondition("collection \"" + request.collection +
                                 "\" has no default vector that a model makes");
    }
    if (request.model.empty() || is_own_model(vector->second, request.model)) return {};
  } else if (store.error().code != StatusCode::kNotFound) {
    return store.error();
  }
  auto model = encoders.locate(request.model);
  if (model) return {};
  if (request.model.empty()) return std::move(model).error();
  return model.error().with_context("model: " + request.model);
}

void JobBoard::Impl::finish(Job& job, JobState state) {
  job.status.state = state;
  job.status.finished = std::chrono::system_clock::now();
  std::size_t num_finished = 0;
  for (auto at = jobs.begin(); at != jobs.end();) {
    const bool is_old = is_finished((*at)->status.state) && ++num_finished > options.max_finished;
    at = is_old ? jobs.erase(at) : std::next(at);
  }
}

// --- asking --------------------------------------------------------------------------------------

JobBoard::JobBoard(DataFolder& folder, EncoderHost& encoders, ComputePool& pool,
                   JobBoardOptions options)
    : impl_(std::make_unique<Impl>(folder, encoders, pool, std::move(options))) {}

JobBoard::~JobBoard() { shut_down(); }

Result<JobStatus> JobBoard::start(JobRequest request) {
  SIGHTLINE_TRY_DO(validate_collection_name(request.collection));
  if (request.paths.empty()) return invalid_argument("paths is empty; it must name one at least");
  for (const std::string& path : request.paths) {
    if (auto resolved = resolve_under(path, impl_->options.roots); !resolved)
      return resolved.error().with_context("paths: " + path);
  }
  SIGHTLINE_TRY_DO(impl_->check_model(request));
  const MutexLock lock(impl_->mutex);
  if (impl_->closing) return Status{StatusCode::kCancelled, "the server is stopping"};
  if (impl_->queue.size() >= impl_->options.max_queued) {
    return Status{StatusCode::kOverloaded, std::to_string(impl_->queue.size()) +
                                               " jobs wait already; the limit is " +
                                               std::to_string(impl_->options.max_queued)};
  }
  auto job = std::make_shared<Impl::Job>();
  job->status.id = std::to_string(impl_->next_id++);
  job->status.request = std::move(request);
  job->status.created = std::chrono::system_clock::now();
  impl_->jobs.push_front(job);
  impl_->queue.push_back(job);
  if (impl_->threads.size() < std::max<std::size_t>(impl_->options.num_parallel, 1))
    impl_->threads.emplace_back([impl = impl_.get()] { impl->work(); });
  impl_->wake.notify_one();
  return job->status;
}

std::vector<JobStatus> JobBoard::list() const {
  const MutexLock lock(impl_->mutex);
  std::vector<JobStatus> result;
  for (const auto& job : impl_->jobs) result.push_back(job->status);
  return result;
}

Result<JobBoard::Impl::JobPtr> JobBoard::Impl::find(std::string_view id) const {
  for (const JobPtr& job : jobs)
    if (job->status.id == id) return job;
  return not_found("there is no job " + std::string(id));
}

Result<JobStatus> JobBoard::find(std::string_view id) const {
  const MutexLock lock(impl_->mutex);
  SIGHTLINE_TRY(const auto job, impl_->find(id));
  return job->status;
}

Result<JobStatus> JobBoard::stop(std::string_view id) {
  const MutexLock lock(impl_->mutex);
  SIGHTLINE_TRY(const auto job, impl_->find(id));
  job->stop.request_stop();
  if (job->status.state == JobState::kQueued) {
    std::erase(impl_->queue, job);
    impl_->finish(*job, JobState::kStopped);
  }
  return job->status;
}

void JobBoard::shut_down() {
  std::vector<std::thread> threads;
  {
    const MutexLock lock(impl_->mutex);
    impl_->closing = true;
    for (const auto& job : impl_->jobs) job->stop.request_stop();
    for (const auto& job : std::exchange(impl_->queue, {})) impl_->finish(*job, JobState::kStopped);
    threads = std::move(impl_->threads);
    impl_->threads.clear();
    impl_->wake.notify_all();
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace sightline::pipeline
