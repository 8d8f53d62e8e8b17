// eval/index_report.h: recall against latency of one vector name of a collection.
//
// Truth is the exact search of the same store. What is asked as a sweep: `nprobe` where shards have
// inverted lists, `ef_search` where they have links. Recall and throughput are of all queries as
// one batch, which evaluates a filter once. Latencies are of one search at a time, its filter
// included, over as many queries as 20 seconds take (at least 20). Both without payloads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/deadline.h"
#include "core/filter.h"
#include "core/json.h"
#include "core/point_id.h"
#include "core/result.h"
#include "pipeline/collection_store.h"

namespace sightline::eval {

struct ReportQuery {
  std::vector<float> vector;
  /// A stored point asked about itself, which would be found at once: left out of the answers.
  std::optional<PointId> self;
};
struct ReportFilter {
  std::string name;  ///< How the report calls it.
  std::shared_ptr<const Filter> filter;
};

struct IndexReportOptions {
  std::string vector_name;
  std::size_t k = 10;  ///< 1..5,000
  /// Settings to measure, ascending; empty: 1, 2, 4, ... (ef_search: from k) until all is found,
  /// and those that lead to the smallest one with the target recall.
  std::vector<std::size_t> settings;
  std::vector<ReportFilter> filters;  ///< Measured beside the search without a filter.
  double target_recall = 0.95;        ///< 0..1
  std::size_t num_threads = 0;        ///< That batches run on; 0: one per usable core.
  /// 0 <= share <= 1, and what is being measured.
  std::function<void(double share, std::string_view stage)> progress;
};

enum class Setting { kNone, kNprobe, kEfSearch };
std::string_view setting_name(Setting setting);  ///< "none", "nprobe", "ef_search"

struct Measurement {
  std::size_t setting = 0;  ///< 0: as calibrated (or exact)
  double recall = 0;        ///< Mean over the queries.
  double p50_ms = 0, p99_ms = 0;
  double queries_per_second = 0;
  double num_scanned = 0;  ///< Rows or codes compared, mean over the queries.
};

/// The search under one filter.
struct RecallCurve {
  std::string filter;      ///< ReportFilter::name; empty: none
  double selectivity = 1;  ///< Share of the points that the filter allows.
  Measurement exact, calibrated;
  std::vector<Measurement> sweep;  ///< By setting.
  /// First of `sweep` with the target recall; without IndexReportOptions::settings the one before
  /// has less.
  std::optional<std::size_t> smallest_setting;
};

struct IndexReport {
  std::string vector_name;
  std::vector<std::string> shard_types;  ///< Different ones, sorted.
  Setting setting = Setting::kNone;
  std::size_t k = 0, num_queries = 0, num_threads = 0;
  std::uint64_t num_points = 0;
  double memory_bytes_per_point = 0, mapped_bytes_per_point = 0;  ///< Shards, by live row.
  double target_recall = 0;
  std::vector<RecallCurve> curves;  ///< Without a filter first.
};

/// Up to `count` stored points, chosen evenly by `seed`, as queries.
Result<std::vector<ReportQuery>> sample_queries(const pipeline::CollectionStore& store,
                                                std::string_view vector_name, std::size_t count,
                                                std::uint64_t seed, const Deadline& deadline);

/// errors  kInvalidArgument: no queries, k or target out of range, settings not ascending; those of
///         CollectionStore::search().
Result<IndexReport> measure_index(const pipeline::CollectionStore& store,
                                  std::span<const ReportQuery> queries,
                                  const IndexReportOptions& options, const Deadline& deadline);

Json to_json(const IndexReport& report);

/// PNG: recall over p50 latency, a line per filter, the calibrated settings as rings, the target as
/// a dashed line. errors  kIoError.
Result<void> draw_recall(const IndexReport& report, const std::filesystem::path& path);

}  // namespace sightline::eval
