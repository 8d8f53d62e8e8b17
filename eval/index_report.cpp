#include "eval/index_report.h"

#include <algorithm>
#include <charconv>
#include <random>
#include <set>

#include "core/compute_pool.h"
#include "eval/internal/timing.h"
#include "eval/recall.h"

namespace sightline::eval {
namespace {

using pipeline::CollectionInfo;
using pipeline::CollectionStore;
using pipeline::ScoredPoint;
using pipeline::SearchRequest;

constexpr double kFullRecall = 0.9999;
constexpr std::size_t kMaxEfSearch = 4096;
constexpr std::size_t kScrollPage = 10'000;
constexpr double kLatencySeconds = 20;
constexpr std::size_t kLeastLatencies = 20;

/// Lists of a shard type ("IVF4096,Flat"); 0 if it has none.
std::size_t num_lists(std::string_view type) {
  std::size_t lists = 0;
  if (type.starts_with("IVF")) std::from_chars(type.data() + 3, type.data() + type.size(), lists);
  return lists;
}

/// Facts about the shards of one vector name.
struct ShardFacts {
  std::set<std::string> types;
  std::uint64_t num_live = 0, memory_bytes = 0, mapped_bytes = 0;
  std::uint64_t rows_in_lists = 0, rows_in_graphs = 0;
  std::size_t most_lists = 0;

  ShardFacts(const CollectionInfo& info, std::string_view vector_name) {
    for (const pipeline::ShardInfo& shard : info.shards) {
      if (shard.vector_name != vector_name) continue;
      types.insert(shard.type);
      num_live += shard.num_live;
      memory_bytes += shard.memory_bytes;
      mapped_bytes += shard.mapped_bytes;
      if (shard.type.starts_with("IVF")) rows_in_lists += shard.num_rows;
      if (shard.type.starts_with("HNSW")) rows_in_graphs += shard.num_rows;
      most_lists = std::max(most_lists, num_lists(shard.type));
    }
  }

  /// What the shards with most rows are steered by.
  Setting setting() const {
    if (rows_in_lists == 0 && rows_in_graphs == 0) return Setting::kNone;
    return rows_in_lists >= rows_in_graphs ? Setting::kNprobe : Setting::kEfSearch;
  }
};

class Meter {
 public:
  Meter(const CollectionStore& store, std::span<const ReportQuery> queries,
        const IndexReportOptions& options, const Deadline& deadline)
      : store_(store), queries_(queries), options_(options), deadline_(deadline) {}

  Result<IndexReport> run();

 private:
  using Answers = std::vector<std::vector<ScoredPoint>>;

  Result<RecallCurve> measure_curve(const ReportFilter* filter);
  /// Queries one by one, then all as a batch. `truth` may be null: recall is 1.
  Result<Measurement> measure(const SearchRequest& request, const Answers* truth, Answers* answers);
  Result<std::vector<double>> latencies(const SearchRequest& request) const;
  SearchRequest request_for(const SearchRequest& base, const ReportQuery& query) const;
  /// `request` with a setting, measured and put in its place among the others.
  Result<double> measure_setting(std::size_t setting, SearchRequest request, const Answers& truth,
                                 RecallCurve& curve);
  /// Between two of the sweep, one of which does not reach the target recall.
  Result<void> find_smallest(const SearchRequest& request, const Answers& truth,
                             RecallCurve& curve);
  bool sweep_goes_on(const std::vector<Measurement>& sweep) const;
  std::size_t next_setting(const std::vector<Measurement>& sweep) const;
  std::size_t most_useful() const;
  void tell(std::string_view stage) const;

  const CollectionStore& store_;
  const std::span<const ReportQuery> queries_;
  const IndexReportOptions& options_;
  const Deadline& deadline_;
  IndexReport report_;
  std::size_t most_lists_ = 0;
  std::size_t num_done_ = 0;  // curves
};

SearchRequest Meter::request_for(const SearchRequest& base, const ReportQuery& query) const {
  SearchRequest request = base;
  request.vector = query.vector;
  if (query.self) {
    request.exclude = {*query.self};
    request.is_stand_in = true;
  }
  return request;
}

void Meter::tell(std::string_view stage) const {
  if (!options_.progress) return;
  options_.progress(
      static_cast<double>(num_done_) / static_cast<double>(options_.filters.size() + 1), stage);
}

Result<std::vector<double>> Meter::latencies(const SearchRequest& request) const {
  std::vector<double> times;
  const Stopwatch all;
  for (const ReportQuery& query : queries_) {
    const SearchRequest asked = request_for(request, query);
    const Stopwatch one;
    SIGHTLINE_TRY_DO(store_.search(asked, deadline_));
    times.push_back(one.milliseconds());
    if (times.size() >= kLeastLatencies && all.seconds() > kLatencySeconds) break;
  }
  return times;
}

Result<Measurement> Meter::measure(const SearchRequest& request, const Answers* truth,
                                   Answers* answers) {
  Measurement measured;
  SIGHTLINE_TRY(auto times, latencies(request));
  measured.p50_ms = percentile(times, 0.5);
  measured.p99_ms = percentile(std::move(times), 0.99);

  std::vector<SearchRequest> batch;
  for (const ReportQuery& query : queries_) batch.push_back(request_for(request, query));
  const Stopwatch watch;
  SIGHTLINE_TRY(auto found, store_.search_batch(batch, deadline_));
  const auto num_queries = static_cast<double>(queries_.size());
  measured.queries_per_second = num_queries / watch.seconds();
  for (std::size_t i = 0; i < found.size(); ++i) {
    measured.recall += truth == nullptr ? 1 : recall_at_k((*truth)[i], found[i].hits, options_.k);
    measured.num_scanned += static_cast<double>(found[i].plan.num_scanned);
    if (answers != nullptr) answers->push_back(std::move(found[i].hits));
  }
  measured.recall /= num_queries;
  measured.num_scanned /= num_queries;
  return measured;
}

bool Meter::sweep_goes_on(const std::vector<Measurement>& sweep) const {
  if (report_.setting == Setting::kNone) return false;
  if (!options_.settings.empty()) return sweep.size() < options_.settings.size();
  if (sweep.empty()) return true;
  return sweep.back().recall < kFullRecall && sweep.back().setting < most_useful();
}

std::size_t Meter::most_useful() const {
  return report_.setting == Setting::kNprobe ? most_lists_ : kMaxEfSearch;
}

std::size_t Meter::next_setting(const std::vector<Measurement>& sweep) const {
  if (!options_.settings.empty()) return options_.settings[sweep.size()];
  if (!sweep.empty()) return std::min(2 * sweep.back().setting, most_useful());
  std::size_t first = 1;
  while (report_.setting == Setting::kEfSearch && first < options_.k) first *= 2;
  return first;
}

Result<RecallCurve> Meter::measure_curve(const ReportFilter* filter) {
  RecallCurve curve;
  SearchRequest request;
  request.vector_name = options_.vector_name;
  request.with_payload = false;
  if (filter != nullptr) {
    curve.filter = filter->name;
    request.filter = filter->filter;
    SIGHTLINE_TRY(const std::uint64_t all, store_.count());
    SIGHTLINE_TRY(const std::uint64_t allowed, store_.count(filter->filter));
    curve.selectivity = all == 0 ? 0 : static_cast<double>(allowed) / static_cast<double>(all);
  }
  const std::string suffix = curve.filter.empty() ? "" : " under \"" + curve.filter + "\"";
  tell("exact search" + suffix);
  Answers truth;
  request.exact = true;
  request.top_k = 2 * options_.k;  // shows who is as near as the k-th
  SIGHTLINE_TRY(curve.exact, measure(request, nullptr, &truth));
  request.exact = false;
  request.top_k = options_.k;
  tell("calibrated search" + suffix);
  SIGHTLINE_TRY(curve.calibrated, measure(request, &truth, nullptr));
  while (sweep_goes_on(curve.sweep)) {
    SIGHTLINE_TRY_DO(measure_setting(next_setting(curve.sweep), request, truth, curve));
  }
  SIGHTLINE_TRY_DO(find_smallest(request, truth, curve));
  ++num_done_;
  return curve;
}

Result<double> Meter::measure_setting(std::size_t setting, SearchRequest request,
                                      const Answers& truth, RecallCurve& curve) {
  const std::string suffix = curve.filter.empty() ? "" : " under \"" + curve.filter + "\"";
  tell(std::string(setting_name(report_.setting)) + " " + std::to_string(setting) + suffix);
  (report_.setting == Setting::kNprobe ? request.nprobe : request.ef_search) = setting;
  SIGHTLINE_TRY(Measurement measured, measure(request, &truth, nullptr));
  measured.setting = setting;
  const auto place = std::ranges::lower_bound(curve.sweep, setting, {}, &Measurement::setting);
  curve.sweep.insert(place, measured);
  return measured.recall;
}

Result<void> Meter::find_smallest(const SearchRequest& request, const Answers& truth,
                                  RecallCurve& curve) {
  const auto reaches = [this](const Measurement& m) { return m.recall >= options_.target_recall; };
  const auto first = std::ranges::find_if(curve.sweep, reaches);
  if (first == curve.sweep.end()) return {};
  std::size_t enough = first->setting;
  if (options_.settings.empty()) {
    // The sweep begins with the least that makes sense.
    std::size_t too_few = first == curve.sweep.begin() ? enough - 1 : std::prev(first)->setting;
    while (enough - too_few > 1) {
      const std::size_t middle = too_few + (enough - too_few) / 2;
      SIGHTLINE_TRY(const double recall, measure_setting(middle, request, truth, curve));
      (recall >= options_.target_recall ? enough : too_few) = middle;
    }
  }
  curve.smallest_setting = enough;
  return {};
}

Result<IndexReport> Meter::run() {
  SIGHTLINE_TRY(const CollectionInfo info, store_.info());
  const ShardFacts facts(info, options_.vector_name);
  most_lists_ = facts.most_lists;
  report_.vector_name = options_.vector_name;
  report_.shard_types.assign(facts.types.begin(), facts.types.end());
  report_.setting = facts.setting();
  report_.k = options_.k;
  report_.num_queries = queries_.size();
  report_.num_threads = options_.num_threads != 0 ? options_.num_threads : usable_cores();
  report_.num_points = info.num_points;
  report_.target_recall = options_.target_recall;
  const double rows = std::max(1.0, static_cast<double>(facts.num_live));
  report_.memory_bytes_per_point = static_cast<double>(facts.memory_bytes) / rows;
  report_.mapped_bytes_per_point = static_cast<double>(facts.mapped_bytes) / rows;
  SIGHTLINE_TRY(RecallCurve plain, measure_curve(nullptr));
  report_.curves.push_back(std::move(plain));
  for (const ReportFilter& filter : options_.filters) {
    SIGHTLINE_TRY(RecallCurve curve, measure_curve(&filter));
    report_.curves.push_back(std::move(curve));
  }
  tell("done");
  return std::move(report_);
}

Json to_json(const Measurement& measured) {
  return {{"recall", measured.recall},
          {"p50_ms", measured.p50_ms},
          {"p99_ms", measured.p99_ms},
          {"queries_per_second", measured.queries_per_second},
          {"num_scanned", measured.num_scanned}};
}

}  // namespace

std::string_view setting_name(Setting setting) {
  switch (setting) {
    case Setting::kNone:
      return "none";
    case Setting::kNprobe:
      return "nprobe";
    case Setting::kEfSearch:
      return "ef_search";
  }
  return "";
}

Result<std::vector<ReportQuery>> sample_queries(const CollectionStore& store,
                                                std::string_view vector_name, std::size_t count,
                                                std::uint64_t seed, const Deadline& deadline) {
  // Reservoir sampling (Vitter 1985) over all ids, then the vectors of those that stayed.
  std::mt19937_64 random(seed);
  std::vector<PointId> chosen;
  std::optional<PointId> from;
  std::uint64_t num_seen = 0;
  for (bool more = count > 0; more;) {
    SIGHTLINE_TRY_DO(deadline.check("sampling queries"));
    SIGHTLINE_TRY(const auto page,
                  store.scroll(from, kScrollPage, {.with_payload = false, .with_vectors = false}));
    more = page.size() == kScrollPage;
    // Every page after the first begins with the last point of the one before.
    for (std::size_t i = from ? 1 : 0; i < page.size(); ++i, ++num_seen) {
      if (chosen.size() < count) {
        chosen.push_back(page[i].id);
        continue;
      }
      const auto at = std::uniform_int_distribution<std::uint64_t>(0, num_seen)(random);
      if (at < count) chosen[at] = page[i].id;
    }
    if (!page.empty()) from = page.back().id;
  }
  SIGHTLINE_TRY(auto points, store.get(chosen, {.with_payload = false, .with_vectors = true}));
  std::vector<ReportQuery> queries;
  for (auto& point : points) {
    if (!point) continue;  // deleted meanwhile
    for (pipeline::NamedVector& vector : point->vectors) {
      if (vector.name == vector_name) queries.push_back({std::move(vector.values), point->id});
    }
  }
  return queries;
}

Result<IndexReport> measure_index(const CollectionStore& store,
                                  std::span<const ReportQuery> queries,
                                  const IndexReportOptions& options, const Deadline& deadline) {
  if (queries.empty()) return invalid_argument("there are no queries; it takes at least one");
  if (options.k < 1 || options.k > 5000) {
    return invalid_argument("k is " + std::to_string(options.k) + "; it must be 1..5000");
  }
  if (!(options.target_recall >= 0 && options.target_recall <= 1)) {
    return invalid_argument("target recall is " + std::to_string(options.target_recall) +
                            "; it must be 0..1");
  }
  for (std::size_t i = 0; i < options.settings.size(); ++i) {
    if (options.settings[i] <= (i == 0 ? 0 : options.settings[i - 1]))
      return invalid_argument("settings must ascend from 1");
  }
  return Meter(store, queries, options, deadline).run();
}

Json to_json(const IndexReport& report) {
  const std::string setting(setting_name(report.setting));
  Json curves = Json::array();
  for (const RecallCurve& curve : report.curves) {
    Json sweep = Json::array();
    for (const Measurement& measured : curve.sweep) {
      sweep.push_back(to_json(measured));
      sweep.back()[setting] = measured.setting;
    }
    curves.push_back(
        {{"filter", curve.filter.empty() ? Json() : Json(curve.filter)},
         {"selectivity", curve.selectivity},
         {"exact", to_json(curve.exact)},
         {"calibrated", to_json(curve.calibrated)},
         {"sweep", std::move(sweep)},
         {"smallest_setting", curve.smallest_setting ? Json(*curve.smallest_setting) : Json()}});
  }
  return {{"vector", report.vector_name},
          {"index", report.shard_types},
          {"setting", setting},
          {"k", report.k},
          {"num_queries", report.num_queries},
          {"num_threads", report.num_threads},
          {"num_points", report.num_points},
          {"memory_bytes_per_point", report.memory_bytes_per_point},
          {"mapped_bytes_per_point", report.mapped_bytes_per_point},
          {"target_recall", report.target_recall},
          {"curves", std::move(curves)}};
}

}  // namespace sightline::eval
