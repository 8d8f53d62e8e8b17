#include "eval/write_report.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <future>
#include <random>
#include <set>
#include <utility>

#include "eval/internal/timing.h"

namespace sightline::eval {
namespace {

using pipeline::CollectionInfo;
using pipeline::CollectionStore;
using pipeline::SearchRequest;
using pipeline::WriteOp;

// Writes after which the last row is looked for: finding it may mean a scan of all before it.
constexpr std::size_t kMostProbes = 50;
constexpr double kMostBuildSeconds = 60;
// Length of the noise of a repeated row, of its own length.
constexpr double kNoise = 0.05;

Latency latency_of(const std::vector<double>& times_ms) {
  Latency latency;
  if (times_ms.empty()) return latency;
  latency.count = times_ms.size();
  latency.p50_ms = percentile(times_ms, 0.5);
  latency.p99_ms = percentile(times_ms, 0.99);
  latency.max_ms = *std::max_element(times_ms.begin(), times_ms.end());
  return latency;
}

class Meter {
 public:
  Meter(CollectionStore& store, std::span<const std::vector<float>> samples,
        std::span<const std::vector<float>> queries, const WriteReportOptions& options,
        const Deadline& deadline)
      : store_(store),
        samples_(samples),
        queries_(queries),
        options_(options),
        deadline_(deadline),
        random_(options.seed) {}

  Result<WriteReport> run();

 private:
  Result<void> check();
  Result<void> load();
  Result<void> build(double share, std::string_view stage, bool beside_searches);
  Result<void> search_quietly();
  Result<void> search_beside_builds();
  Result<void> search(std::vector<double>& times_ms);
  /// How long a search takes to find point `id`, whose vector it asks with.
  Result<double> find(std::uint64_t id, const std::vector<float>& vector) const;
  std::vector<float> row(std::size_t i);
  Result<std::vector<std::string>> shard_types() const;
  void tell(double share, std::string_view stage) const {
    if (options_.progress) options_.progress(share, stage);
  }

  CollectionStore& store_;
  const std::span<const std::vector<float>> samples_, queries_;
  const WriteReportOptions& options_;
  const Deadline& deadline_;
  std::mt19937_64 random_;
  std::size_t next_query_ = 0;
  WriteReport report_;
};

Result<void> Meter::check() {
  SIGHTLINE_TRY(const CollectionInfo info, store_.info());
  const auto vector = info.config.vectors.find("");
  if (vector == info.config.vectors.end())
    return failed_precondition("collection \"" + info.name + "\" has no default vector");
  if (info.num_points != 0)
    return failed_precondition("collection \"" + info.name + "\" is not empty");
  if (samples_.empty() || queries_.empty())
    return invalid_argument("writes cannot be measured without samples and queries");
  if (options_.num_rows == 0 || options_.rows_per_write == 0)
    return invalid_argument("rows to write are 0; there must be at least 1");
  report_.dim = vector->second.dim;
  const auto fits = [&](const auto& values) { return values.size() == report_.dim; };
  if (!std::ranges::all_of(samples_, fits) || !std::ranges::all_of(queries_, fits)) {
    return invalid_argument("samples and queries must have " + std::to_string(report_.dim) +
                            " dimensions");
  }
  report_.index = vector->second.index;
  report_.num_rows = options_.num_rows;
  report_.rows_per_write = options_.rows_per_write;
  return {};
}

std::vector<float> Meter::row(std::size_t i) {
  std::vector<float> values = samples_[i % samples_.size()];
  if (i < samples_.size()) return values;
  double squares = 0;
  for (const float x : values) squares += double{x} * x;
  const double deviation = kNoise * std::sqrt(squares / static_cast<double>(values.size()));
  std::normal_distribution<double> noise(0, deviation);
  for (float& x : values) x += static_cast<float>(noise(random_));
  return values;
}

Result<double> Meter::find(std::uint64_t id, const std::vector<float>& vector) const {
  SearchRequest request;
  request.vector = vector;
  request.top_k = 100;  // the same picture may be there more often than once
  request.with_payload = false;
  request.exact = true;
  const Stopwatch watch;
  SIGHTLINE_TRY(const auto answer, store_.search(request, deadline_));
  const double ms = watch.milliseconds();
  const auto is_it = [&](const auto& hit) { return hit.id == PointId(id); };
  if (std::ranges::any_of(answer.hits, is_it)) return ms;
  // Many equal rows, or the product that prefers longer ones.
  SIGHTLINE_TRY(const auto points, store_.get({{PointId(id)}}, {}));
  if (points.at(0)) return ms;
  return internal_error("point " + std::to_string(id) + " was acknowledged and is not there");
}

Result<void> Meter::load() {
  const std::size_t num_writes =
      (options_.num_rows + options_.rows_per_write - 1) / options_.rows_per_write;
  const std::size_t probe_every = (num_writes + kMostProbes - 1) / kMostProbes;
  std::vector<double> write_ms, searchable_ms;
  double search_seconds = 0;  // of the probes
  for (std::size_t i = 0; i < num_writes; ++i) {
    SIGHTLINE_TRY_DO(deadline_.check("measuring writes"));
    tell(0.4 * static_cast<double>(i) / static_cast<double>(num_writes), "writing");
    std::vector<WriteOp> ops;
    std::vector<float> last;
    const std::size_t end = std::min(options_.num_rows, (i + 1) * options_.rows_per_write);
    for (std::size_t id = i * options_.rows_per_write; id < end; ++id) {
      pipeline::UpsertPoint upsert;
      upsert.id = PointId(id);
      last = row(id);
      upsert.vectors.push_back({"", last});
      ops.emplace_back(std::move(upsert));
    }
    const Stopwatch watch;
    SIGHTLINE_TRY_DO(store_.write(std::move(ops)));
    write_ms.push_back(watch.milliseconds());
    report_.load_seconds += watch.seconds();
    if (i % probe_every != 0 && i + 1 != num_writes) continue;
    SIGHTLINE_TRY(const double ms, find(end - 1, last));
    searchable_ms.push_back(ms);
    search_seconds = ms / 1000;
  }
  SIGHTLINE_TRY_DO(store_.flush());
  report_.searchable_seconds = report_.load_seconds + search_seconds;
  report_.rows_per_second = static_cast<double>(options_.num_rows) / report_.load_seconds;
  report_.megabytes_per_second =
      report_.rows_per_second * static_cast<double>(report_.dim * sizeof(float)) / 1e6;
  report_.write = latency_of(write_ms);
  report_.searchable = latency_of(searchable_ms);
  return {};
}

Result<void> Meter::search(std::vector<double>& times_ms) {
  SearchRequest request;
  request.vector = queries_[next_query_++ % queries_.size()];
  request.top_k = options_.k;
  request.with_payload = false;
  const Stopwatch watch;
  SIGHTLINE_TRY_DO(store_.search(request, deadline_));
  times_ms.push_back(watch.milliseconds());
  return {};
}

Result<void> Meter::search_quietly() {
  tell(0.65, "searching the quiet index");
  std::vector<double> times_ms;
  for (std::size_t i = 0; i < queries_.size(); ++i)  // pages come in
    SIGHTLINE_TRY_DO(search(times_ms));
  times_ms.clear();
  while (times_ms.size() < options_.num_searches) SIGHTLINE_TRY_DO(search(times_ms));
  report_.quiet = latency_of(times_ms);
  return {};
}

Result<void> Meter::search_beside_builds() {
  std::vector<double> times_ms;
  std::size_t num_builds = 0;
  while (times_ms.size() < options_.num_searches && report_.build_seconds < kMostBuildSeconds) {
    tell(0.7, "searching while the index is built");
    const Stopwatch watch;
    std::atomic<bool> is_built{false};
    auto building = std::async(std::launch::async, [&]() -> Result<void> {
      pipeline::OptimizeOptions options;
      options.force = true;
      options.beside_searches = true;
      auto built = store_.optimize(options, deadline_);
      is_built = true;
      if (!built) return std::move(built).error();
      return {};
    });
    Result<void> searched;
    while (!is_built && searched) searched = search(times_ms);
    SIGHTLINE_TRY_DO(building.get());
    SIGHTLINE_TRY_DO(searched);
    report_.build_seconds += watch.seconds();
    ++num_builds;
  }
  if (num_builds > 0) report_.build_seconds /= static_cast<double>(num_builds);
  report_.during_build = latency_of(times_ms);
  if (!times_ms.empty() && report_.quiet.p99_ms > 0)
    report_.p99_ratio = report_.during_build.p99_ms / report_.quiet.p99_ms;
  return {};
}

Result<std::vector<std::string>> Meter::shard_types() const {
  SIGHTLINE_TRY(const CollectionInfo info, store_.info());
  std::set<std::string> types;
  for (const pipeline::ShardInfo& shard : info.shards) types.insert(shard.type);
  return std::vector<std::string>(types.begin(), types.end());
}

Result<WriteReport> Meter::run() {
  SIGHTLINE_TRY_DO(check());
  SIGHTLINE_TRY_DO(load());
  const Stopwatch watch;
  pipeline::OptimizeOptions building;
  building.progress = [&](double share, std::string_view) {
    tell(0.4 + 0.2 * share, "building the index");
  };
  SIGHTLINE_TRY_DO(store_.optimize(building, deadline_));
  report_.indexed_seconds = report_.load_seconds + watch.seconds();
  SIGHTLINE_TRY(report_.shard_types, shard_types());
  SIGHTLINE_TRY_DO(search_quietly());
  SIGHTLINE_TRY_DO(search_beside_builds());
  tell(1, "done");
  return std::move(report_);
}

Json to_json(const Latency& latency) {
  return {{"count", latency.count},
          {"p50_ms", latency.p50_ms},
          {"p99_ms", latency.p99_ms},
          {"max_ms", latency.max_ms}};
}

}  // namespace

Result<WriteReport> measure_writes(CollectionStore& store,
                                   std::span<const std::vector<float>> samples,
                                   std::span<const std::vector<float>> queries,
                                   const WriteReportOptions& options, const Deadline& deadline) {
  return Meter(store, samples, queries, options, deadline).run();
}

Json to_json(const WriteReport& report) {
  return {{"num_rows", report.num_rows},
          {"rows_per_write", report.rows_per_write},
          {"dim", report.dim},
          {"index", report.index},
          {"shard_types", report.shard_types},
          {"rows_per_second", report.rows_per_second},
          {"megabytes_per_second", report.megabytes_per_second},
          {"write", to_json(report.write)},
          {"searchable", to_json(report.searchable)},
          {"load_seconds", report.load_seconds},
          {"searchable_seconds", report.searchable_seconds},
          {"indexed_seconds", report.indexed_seconds},
          {"build_seconds", report.build_seconds},
          {"quiet", to_json(report.quiet)},
          {"during_build", to_json(report.during_build)},
          {"p99_ratio", report.p99_ratio ? Json(*report.p99_ratio) : Json()}};
}

}  // namespace sightline::eval
