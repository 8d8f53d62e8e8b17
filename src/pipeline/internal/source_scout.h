// pipeline/internal/source_scout.h: goes ahead of a job, finds its sources and settles those that
// need no reading.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "pipeline/collection_store.h"
#include "pipeline/ingest.h"
#include "pipeline/internal/ingest_ledger.h"
#include "pipeline/internal/manifest_reader.h"
#include "pipeline/internal/sources.h"

namespace sightline::pipeline {

/// One PATH of the command line.
struct InputPath {
  enum class Kind { kFolder, kPicture, kTar, kJsonLines, kCsv };
  std::string path;  ///< Absolute and resolved.
  Kind kind = Kind::kPicture;
};

/// Resolves all paths and checks manifests, before anything is written.
/// errors  kNotFound, kPermissionDenied, kIoError, kInvalidArgument: names the path and the rule.
Result<std::vector<InputPath>> resolve_inputs(const std::vector<std::string>& paths);

/// A source that needs more than a look into `sources`.
struct Work {
  Source source;
  std::optional<SourceRecord> record;  ///< What is known from earlier runs.
  bool payload_only = false;           ///< The picture is as it was; its columns changed.
  std::string content_hash;            ///< Known if it waited for a picture of the same bytes.
};
using WorkPtr = std::shared_ptr<Work>;

/// What a run learns about what is there, for pruning.
struct ScoutFindings {
  std::vector<std::string> unreadable_folders;
  /// Checksums of the URIs of members present in the tars named as PATHs.
  std::unordered_set<std::uint64_t> present_members;
  std::vector<std::string> whole_tars;    ///< PATHs read to their end.
  std::vector<std::string> missing_rows;  ///< URIs of manifest rows whose file is not there.
};

/// Thread-safety: run() on one thread; findings() after it.
class SourceScout final : private SourceSink {
 public:
  /// `queue` takes work (it may wait); false: stop. Borrowed things outlive the scout.
  SourceScout(const CollectionStore& store, const IngestOptions& options, IngestLedger& ledger,
              const std::atomic<bool>& stopping, std::function<bool(WorkPtr)> queue)
      : store_(store),
        options_(options),
        ledger_(ledger),
        stopping_(stopping),
        queue_(std::move(queue)) {}

  /// errors  of manifests that become unreadable, of the store.
  Result<void> run(const std::vector<InputPath>& inputs);
  const ScoutFindings& findings() const { return findings_; }

 private:
  bool wants_more() const override { return !stopping_ && !failure_; }
  bool add(Source source) override;
  void unreadable_folder(const std::string& path, const std::string& message) override;
  void present(const std::string& uri) override;

  Result<void> visit(const InputPath& input);
  bool settle(Tally tally, const Source& source, std::string_view reason, std::string message);
  /// Whether a source skipped before deserves another look though it did not change.
  bool worth_retrying(const SourceRecord& record) const;

  const CollectionStore& store_;
  const IngestOptions& options_;
  IngestLedger& ledger_;
  const std::atomic<bool>& stopping_;
  std::function<bool(WorkPtr)> queue_;
  std::unordered_set<PointId> ids_;  // one per URI, or given
  ScoutFindings findings_;
  std::optional<Status> failure_;
};

}  // namespace sightline::pipeline
