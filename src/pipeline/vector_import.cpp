#include "pipeline/vector_import.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <future>
#include <memory>
#include <unordered_set>
#include <utility>

#include "core/log.h"
#include "pipeline/internal/collection_config.h"
#include "pipeline/internal/row_source.h"

namespace sightline::pipeline {
namespace {

using Seconds = std::chrono::duration<double>;
using SteadyClock = std::chrono::steady_clock;

constexpr std::string_view kImportUri = "sightline:import";
constexpr std::string_view kImporting = "importing";
constexpr std::size_t kMaxWarnings = 10;  // rows named in the log

/// What is stored with every batch.
struct ImportState {
  Json origin;
  std::string from;
  std::uint64_t num_rows = 0, next_row = 0;
  std::map<std::string, std::uint64_t> skipped;
};

SourceRecord to_record(const ImportState& state) {
  SourceRecord record;
  record.uri = kImportUri;
  record.skip_reason = kImporting;
  record.skip_message = dump_json(Json{{"origin", state.origin},
                                       {"from", state.from},
                                       {"num_rows", state.num_rows},
                                       {"next_row", state.next_row},
                                       {"skipped", state.skipped}});
  return record;
}

Result<std::optional<ImportState>> read_state(const CollectionStore& store) {
  SIGHTLINE_TRY(const auto record, store.find_source(kImportUri));
  if (!record) return std::optional<ImportState>();
  SIGHTLINE_TRY(const Json json, parse_json(record->skip_message, "the record of an import"));
  try {
    ImportState state;
    state.origin = json.at("origin");
    state.from = json.at("from").get<std::string>();
    state.num_rows = json.at("num_rows").get<std::uint64_t>();
    state.next_row = json.at("next_row").get<std::uint64_t>();
    state.skipped = json.at("skipped").get<std::map<std::string, std::uint64_t>>();
    return std::optional(std::move(state));
  } catch (const Json::exception& e) {
    return corruption(std::string("the record of an import is damaged: ") + e.what());
  }
}

/// The rows left out, a JSON object a line. Thread-safety: one thread.
class SkippedRows {
 public:
  explicit SkippedRows(std::filesystem::path file) : path_(std::move(file)) {}

  const std::filesystem::path& path() const { return path_; }

  Result<void> add(const std::vector<SkippedRow>& rows) {
    if (rows.empty()) return {};
    if (!file_) file_.reset(std::fopen(path_.c_str(), "abe"));
    if (!file_) return failed();
    for (const SkippedRow& row : rows) {
      const std::string line =
          dump_json(Json{{"row", row.row}, {"reason", row.reason}, {"message", row.message}}) +
          "\n";
      if (std::fwrite(line.data(), 1, line.size(), file_.get()) != line.size()) return failed();
      warn(row);
    }
    if (std::fflush(file_.get()) != 0) return failed();
    return {};
  }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  Status failed() const {
    const std::string message = path_.string() + ": cannot be written: " + std::strerror(errno);
    return {errno == ENOSPC ? StatusCode::kResourceExhausted : StatusCode::kIoError, message};
  }

  void warn(const SkippedRow& row) {
    ++num_warned_;
    if (num_warned_ > kMaxWarnings + 1) return;
    if (num_warned_ == kMaxWarnings + 1) {
      log_warning("import", "further rows left out are listed in " + path_.string() + " alone");
    } else {
      log_warning("import", "row " + std::to_string(row.row) + " is left out (" +
                                std::string(row.reason) + "): " + row.message);
    }
  }

  std::filesystem::path path_;
  std::unique_ptr<std::FILE, Close> file_;
  std::size_t num_warned_ = 0;
};

/// Reads the next batch beside the writing of the one before. Thread-safety: one thread.
class ReadAhead {
 public:
  ReadAhead(RowSource& source, ComputePool& pool) : source_(source), pool_(pool) {}
  ~ReadAhead() {
    if (future_.valid()) future_.wait();  // it works on source_
  }
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  void start() {
    future_ = pool_.submit(Priority::kDecode, [this] { return source_.next(); });
  }
  Result<RowBatch> get() { return future_.get(); }

 private:
  RowSource& source_;
  ComputePool& pool_;
  std::future<Result<RowBatch>> future_;
};

class ImportJob {
 public:
  ImportJob(DataFolder& folder, std::string_view name, ComputePool& pool, const ReportJob& progress,
            std::stop_token stop)
      : folder_(folder),
        name_(name),
        pool_(pool),
        progress_(progress),
        deadline_(Deadline::never().with_stop(stop)),
        skipped_rows_(folder.collection_folder(name) / "skipped.jsonl") {}

  /// Before the files are looked at: whether the name is free, or was left by an import.
  Result<void> look() {
    SIGHTLINE_TRY_DO(validate_collection_name(name_));
    auto opened = folder_.open_collection(name_);
    if (!opened && opened.error().code == StatusCode::kNotFound) return {};
    SIGHTLINE_TRY(store_, std::move(opened));
    SIGHTLINE_TRY(state_, read_state(*store_));
    if (state_) return {};
    // An import that was killed between its first two steps leaves what nobody has written to.
    SIGHTLINE_TRY(const CollectionInfo info, store_->info());
    if (info.commit_number > 0) return exists("");
    return {};
  }

  Result<ImportReport> run(RowSource& source) {
    SIGHTLINE_TRY_DO(begin(source));
    auto done = finish(source);
    if (!done && done.error().code != StatusCode::kCancelled) {
      return Status{done.error().code, done.error().message + how_to_go_on()};
    }
    return report(source, !done);
  }

 private:
  Status exists(const std::string& more) const {
    return {StatusCode::kAlreadyExists,
            "collection \"" + name_ + "\" exists already" + more +
                "; take another name, or remove it with \"sightline collection delete " + name_ +
                "\""};
  }

  std::string how_to_go_on() const {
    return "; collection \"" + name_ + "\" holds " + std::to_string(state_->next_row) + " of " +
           std::to_string(state_->num_rows) +
           " rows: the same import goes on from there, \"sightline collection delete " + name_ +
           "\" removes it";
  }

  /// Makes the collection, or takes up the one that an import of the same files left.
  Result<void> begin(const RowSource& source) {
    if (store_ && state_) {
      if (state_->origin == source.origin()) return {};
      return exists(", with " + std::to_string(state_->next_row) + " of " +
                    std::to_string(state_->num_rows) + " rows of an unfinished import of " +
                    state_->from + " (in another state, or with other options)");
    }
    if (store_) {
      SIGHTLINE_TRY(const CollectionInfo info, store_->info());
      if (config_to_json(info.config) != config_to_json(source.config())) return exists("");
    } else {
      SIGHTLINE_TRY(store_, folder_.create_collection(name_, source.config()));
    }
    state_ = ImportState{source.origin(), source.shown_name(), source.num_rows(), 0, {}};
    std::vector<WriteOp> ops;
    ops.emplace_back(PutSource{to_record(*state_)});
    SIGHTLINE_TRY_DO(store_->write(std::move(ops)));
    return {};
  }

  Result<void> finish(RowSource& source) {
    const auto started = SteadyClock::now();
    const std::uint64_t first_row = state_->next_row;
    const auto loaded = load(source);
    load_seconds_ = Seconds(SteadyClock::now() - started).count();
    num_loaded_ = state_->next_row - first_row;
    SIGHTLINE_TRY_DO(loaded);

    const auto building = SteadyClock::now();
    const auto built = build(source);
    build_seconds_ = Seconds(SteadyClock::now() - building).count();
    SIGHTLINE_TRY_DO(built);
    std::vector<WriteOp> ops;
    ops.emplace_back(DeleteSource{std::string(kImportUri)});
    SIGHTLINE_TRY_DO(store_->write(std::move(ops)));
    return store_->flush();
  }

  Result<void> load(RowSource& source) {
    SIGHTLINE_TRY_DO(source.seek(state_->next_row));
    ReadAhead ahead(source, pool_);
    JobProgress job{"loading", 0, state_->next_row, state_->num_rows};
    if (state_->next_row < state_->num_rows) ahead.start();
    while (state_->next_row < state_->num_rows) {
      SIGHTLINE_TRY_DO(deadline_.check("importing"));
      SIGHTLINE_TRY(RowBatch batch, ahead.get());
      if (batch.end_row < state_->num_rows) ahead.start();
      SIGHTLINE_TRY_DO(write(std::move(batch), source.ids_are_rows()));
      job.done = state_->next_row;
      job.share = static_cast<double>(job.done) / static_cast<double>(job.total);
      if (progress_) progress_(job);
    }
    return store_->flush();
  }

  /// The points and how far the import is with them, in one commit.
  Result<void> write(RowBatch batch, bool ids_are_new) {
    if (!ids_are_new) SIGHTLINE_TRY_DO(leave_out_duplicates(batch));
    ImportState next = *state_;
    next.next_row = batch.end_row;
    for (const SkippedRow& row : batch.skipped) ++next.skipped[std::string(row.reason)];
    SIGHTLINE_TRY_DO(skipped_rows_.add(batch.skipped));
    std::vector<WriteOp> ops;
    ops.reserve(batch.points.size() + 1);
    for (UpsertPoint& point : batch.points) ops.emplace_back(std::move(point));
    ops.emplace_back(PutSource{to_record(next)});
    SIGHTLINE_TRY_DO(store_->write(std::move(ops)));
    state_ = std::move(next);
    return {};
  }

  /// Ids that came before, in this batch or in an earlier one.
  Result<void> leave_out_duplicates(RowBatch& batch) {
    std::vector<PointId> ids;
    for (const UpsertPoint& point : batch.points) ids.push_back(point.id);
    SIGHTLINE_TRY(const auto stored, store_->get(ids, {false, false}));
    std::unordered_set<PointId> seen;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (stored[i] || !seen.insert(ids[i]).second) {
        batch.skipped.push_back(
            {batch.rows[i], skip_row::kDuplicate, "id " + ids[i].to_string() + " came before"});
        continue;
      }
      if (kept != i) batch.points[kept] = std::move(batch.points[i]);
      ++kept;
    }
    batch.points.resize(kept);
    return {};
  }

  Result<void> build(const RowSource& source) {
    JobProgress job{"indexing payloads", 0, 0, source.payload_indexes().size()};
    for (const auto& [field, type] : source.payload_indexes()) {
      SIGHTLINE_TRY_DO(deadline_.check("indexing payloads"));
      if (progress_) progress_(job);
      SIGHTLINE_TRY_DO(store_->create_payload_index(field, type));
      ++job.done;
      job.share = static_cast<double>(job.done) / static_cast<double>(job.total);
    }
    OptimizeOptions options;
    options.progress = [&](double share, std::string_view stage) {
      if (progress_) progress_({stage, share, 0, 0});
    };
    SIGHTLINE_TRY_DO(store_->optimize(options, deadline_));
    return {};
  }

  Result<ImportReport> report(const RowSource& source, bool interrupted) const {
    SIGHTLINE_TRY(CollectionInfo info, store_->info());
    ImportReport report;
    report.collection = name_;
    report.num_points = info.num_points;
    report.skipped = state_->skipped;
    report.num_rows = source.num_rows();
    report.num_done = state_->next_row;
    report.config = std::move(info.config);
    report.shards = std::move(info.shards);
    report.load_seconds = load_seconds_;
    report.build_seconds = build_seconds_;
    report.points_per_second = static_cast<double>(num_loaded_) / std::max(load_seconds_, 1e-9);
    if (!report.skipped.empty()) report.skipped_file = skipped_rows_.path();
    report.interrupted = interrupted;
    return report;
  }

  DataFolder& folder_;
  const std::string name_;
  ComputePool& pool_;
  const ReportJob& progress_;
  const Deadline deadline_;
  SkippedRows skipped_rows_;
  std::shared_ptr<CollectionStore> store_;
  std::optional<ImportState> state_;
  std::uint64_t num_loaded_ = 0;
  double load_seconds_ = 0, build_seconds_ = 0;
};

}  // namespace

OrderedJson to_json(const ShardInfo& shard) {
  OrderedJson json = {{"vector", shard.vector_name},
                      {"type", shard.type},
                      {"rows", shard.num_rows},
                      {"live", shard.num_live},
                      {"memory_bytes", shard.memory_bytes},
                      {"mapped_bytes", shard.mapped_bytes},
                      {"bytes_per_row", bytes_per_row(shard)}};
  if (shard.nprobe > 0) json["nprobe"] = shard.nprobe;
  if (shard.ef_search > 0) json["ef_search"] = shard.ef_search;
  return json;
}

double bytes_per_row(const ShardInfo& shard) {
  return static_cast<double>(shard.memory_bytes + shard.mapped_bytes) /
         static_cast<double>(std::max<std::uint64_t>(1, shard.num_rows));
}

OrderedJson to_json(const ImportReport& report) {
  OrderedJson json = {{"collection", report.collection}, {"points", report.num_points}};
  json["skipped"] = OrderedJson::object();
  for (const auto& [reason, count] : report.skipped) json["skipped"][reason] = count;
  json["rows"] = report.num_rows;
  json["rows_done"] = report.num_done;
  const auto vector = report.config.vectors.begin();  // the default one, if there is one
  if (vector != report.config.vectors.end()) {
    json["dim"] = vector->second.dim;
    json["metric"] = metric_name(vector->second.metric);
  }
  json["index"] = OrderedJson::array();
  for (const ShardInfo& shard : report.shards) json["index"].push_back(to_json(shard));
  json["seconds"] = {{"load", report.load_seconds}, {"build", report.build_seconds}};
  json["points_per_second"] = report.points_per_second;
  if (!report.skipped_file.empty()) json["skipped_file"] = report.skipped_file.string();
  json["interrupted"] = report.interrupted;
  return json;
}

Result<ImportReport> import_vectors(DataFolder& folder, std::string_view name,
                                    const ImportOptions& options, ComputePool& pool,
                                    const ReportJob& progress, std::stop_token stop) {
  try {
    ImportJob job(folder, name, pool, progress, stop);
    SIGHTLINE_TRY_DO(job.look());
    SIGHTLINE_TRY(const auto source,
                  RowSource::open(options, progress, Deadline::never().with_stop(stop)));
    return job.run(*source);
  } catch (const std::exception& e) {
    return internal_error(std::string("import: ") + e.what());
  }
}

Result<std::optional<UnfinishedImport>> unfinished_import(const CollectionStore& store) {
  SIGHTLINE_TRY(const auto state, read_state(store));
  if (!state) return std::optional<UnfinishedImport>();
  return std::optional(UnfinishedImport{state->from, state->num_rows, state->next_row});
}

}  // namespace sightline::pipeline
