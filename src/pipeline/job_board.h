// pipeline/job_board.h: bulk indexing in the background of a service.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/compute_pool.h"
#include "core/json.h"
#include "core/result.h"
#include "pipeline/data_folder.h"
#include "pipeline/encoder_host.h"
#include "pipeline/ingest.h"

namespace sightline::pipeline {

struct JobBoardOptions {
  /// Folders under which indexed paths must lie; symlinks are resolved on both sides. Empty: none
  /// may be indexed.
  std::vector<std::filesystem::path> roots;
  std::size_t num_parallel = 1;    ///< Jobs running at once.
  std::size_t max_queued = 100;    ///< Jobs waiting; more are refused.
  std::size_t max_finished = 100;  ///< Finished jobs remembered; the oldest go first.
  std::uint64_t decode_bytes = std::uint64_t{1} << 30;  ///< Of each job.
  std::size_t thumbnail_edge = 256;                     ///< pixels; 0: no thumbnails
};

/// What a job is to do.
struct JobRequest {
  std::string collection;          ///< Made for the model if it does not exist.
  std::vector<std::string> paths;  ///< As IngestOptions::paths, of the server.
  std::vector<std::string> exclude;
  bool prune = false, follow_symlinks = false, hidden = false;
  /// Of a new collection; empty: the default. A collection that exists must have been made by it.
  std::string model;
};

enum class JobState {
  kQueued,
  kRunning,
  kDone,
  kFailed,
  kStopped,  ///< On request or by shutdown: what was indexed stays.
};
std::string_view job_state_name(JobState state);  ///< "queued", "running", ...

/// A job as it stands.
struct JobStatus {
  std::string id;
  JobRequest request;
  JobState state = JobState::kQueued;
  std::chrono::system_clock::time_point created;
  std::optional<std::chrono::system_clock::time_point> started, finished;
  IngestProgress progress;
  std::optional<IngestReport> report;  ///< Of a finished one.
  std::optional<Status> error;         ///< Of a failed one.
};
/// {"id", "kind": "index", "collection", "paths", "state", "created_at", "started_at",
/// "finished_at", "progress": {"seen", "indexed", "unchanged", "skipped", "found", "walk_done",
/// "images_per_second", "elapsed_s", "eta_s"}, "report", "error"}; times in RFC 3339, what is
/// unknown null.
Json to_json(const JobStatus& job);

/// Thread-safety: all methods may be called from any thread.
class JobBoard {
 public:
  /// All outlive the board.
  JobBoard(DataFolder& folder, EncoderHost& encoders, ComputePool& pool, JobBoardOptions options);
  ~JobBoard();  ///< Stops what runs, forgets what waits, joins.
  JobBoard(const JobBoard&) = delete;
  JobBoard& operator=(const JobBoard&) = delete;

  /// Queues a job. errors  kInvalidArgument: no paths, a bad collection name; kPermissionDenied: a
  /// path or a model outside of the roots; kNotFound: it does not exist; kFailedPrecondition: the
  /// collection was not made with a model; kOverloaded: too many wait.
  Result<JobStatus> start(JobRequest request);
  std::vector<JobStatus> list() const;  ///< Newest first.
  /// errors  kNotFound.
  Result<JobStatus> find(std::string_view id) const;
  /// Asks the job to stop and returns at once; what runs finishes its batch first. A finished job
  /// stays as it is. errors  kNotFound.
  Result<JobStatus> stop(std::string_view id);
  /// Stops all and waits; later jobs are refused with kCancelled.
  void shut_down();

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace sightline::pipeline
