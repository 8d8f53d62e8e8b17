// What it measures: requests per second, median and 99th percentile of calls over HTTP, on 1 and on
// 64 connections, next to the same calls made directly on src/pipeline by as many threads: a vector
// query with ten hits, a text query that the cache of texts answers and one that it does not, a
// query by a posted picture, an upsert of 100 points. Rounds over HTTP and directly take turns, so
// that both see the same machine; "added by HTTP" is the median over rounds of the difference of
// the medians of two rounds that follow each other. wrk repeats the vector query, and says what the
// transport alone takes. Server, client and direct calls are in one process and share its cores;
// the access log is on.
// Data: 20,000 clustered rows of 512 numbers, and as many of the embedded model's size; JPEGs of
// 1280 x 960 pixels made on the spot.
//
//   http_load [--json FILE] [--points N] [--rounds N] [--round-seconds S] [--case TEXT] [--quick]
#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "benchmarks/http/load_callers.h"
#include "benchmarks/http/load_cases.h"
#include "benchmarks/http/load_report.h"
#include "benchmarks/http/load_service.h"
#include "benchmarks/http/wrk.h"
#include "settings/library_setup.h"

namespace sightline::benchmarks {
namespace {

constexpr const char* kReference = "same calls on src/pipeline";
constexpr std::size_t kChecked = 8;  // calls whose answers are compared before the first round

struct LoadOptions {
  std::filesystem::path json;
  std::size_t num_points = 20'000;
  std::size_t num_rounds = 30;  ///< On one connection; on many a fifth of it.
  double round_seconds = 0.1;
  std::size_t num_warm_up = 40;  ///< Calls of either kind, at least.
  std::string name_part;         ///< Of the cases that run; empty: all.
  std::size_t wrk_seconds = 3;
  std::vector<std::size_t> num_connections{1, 64};
};

LoadOptions parse(int argc, char** argv) {
  LoadOptions options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--quick") {  // that it works, not how fast
      options.num_points = 500;
      options.num_rounds = 1;
      options.round_seconds = 0.02;
      options.num_warm_up = 4;
      options.wrk_seconds = 0;
      options.num_connections = {1, 4};
      continue;
    }
    if (i + 1 == argc) throw std::runtime_error(std::string(name) + " is unknown or lacks a value");
    const std::string value = argv[++i];
    if (name == "--json") {
      options.json = value;
    } else if (name == "--points") {
      options.num_points = std::stoul(value);
    } else if (name == "--rounds") {
      options.num_rounds = std::stoul(value);
    } else if (name == "--round-seconds") {
      options.round_seconds = std::stod(value);
    } else if (name == "--case") {
      options.name_part = value;
    } else {
      throw std::runtime_error("unknown option " + std::string(name));
    }
  }
  return options;
}

std::string on(std::size_t num_connections) {
  return ", " + std::to_string(num_connections) +
         (num_connections == 1 ? " connection" : " connections");
}

/// The rounds of one kind of call.
struct Rounds {
  std::vector<double> latency_ms, medians_ms;
  double seconds = 0;

  void add(const RoundTimes& round) {
    seconds += round.seconds;
    latency_ms.insert(latency_ms.end(), round.latency_ms.begin(), round.latency_ms.end());
    medians_ms.push_back(percentile(round.latency_ms, 0.5));
  }
  double rate() const { return static_cast<double>(latency_ms.size()) / seconds; }
};

/// Runs a case on some connections.
class CaseRun {
 public:
  CaseRun(const LoadOptions& options, const LoadCase& load_case, std::size_t num_connections,
          int port)
      : options_(options),
        case_(load_case),
        num_connections_(num_connections),
        http_callers_(port, num_connections),
        direct_callers_(num_connections, load_case.direct) {}

  void run() {
    prepare();
    compare_answers();
    const std::size_t num_warm_up = std::max(options_.num_warm_up, 2 * num_connections_);
    http_round(num_warm_up);
    const RoundTimes trial = direct_round(num_warm_up);
    const auto wanted = static_cast<std::size_t>(trial.rate() * options_.round_seconds);
    const std::size_t count =
        std::min(std::max<std::size_t>(wanted, 2 * num_connections_), case_.max_round_calls);
    const std::size_t num_rounds =
        num_connections_ == 1 ? options_.num_rounds : (options_.num_rounds + 4) / 5;
    for (std::size_t i = 0; i < num_rounds; ++i) {
      if (i % 2 == 0) direct_.add(direct_round(count));
      http_.add(http_round(count));
      if (i % 2 == 1) direct_.add(direct_round(count));
    }
  }

  void report(std::vector<ReportRow>& rows) const {
    const auto add = [&](const std::string& what, double ours, double reference, const char* unit) {
      rows.push_back({name() + ": " + what, ours, unit, reference, kReference, {}});
    };
    add("rate", http_.rate(), direct_.rate(), "requests/s");
    add("p50", percentile(http_.latency_ms, 0.5), percentile(direct_.latency_ms, 0.5), "ms");
    add("p99", percentile(http_.latency_ms, 0.99), percentile(direct_.latency_ms, 0.99), "ms");
    if (num_connections_ > 1) return;
    std::vector<double> added;
    for (std::size_t i = 0; i < http_.medians_ms.size(); ++i) {
      added.push_back(http_.medians_ms[i] - direct_.medians_ms[i]);
    }
    rows.push_back({name() + ": added by HTTP at the median", percentile(added, 0.5), "ms",
                    percentile(direct_.latency_ms, 0.5), kReference, case_.max_added_ms});
  }

  std::string name() const { return case_.name + on(num_connections_); }
  double direct_rate() const { return direct_.rate(); }

 private:
  void prepare() const {
    if (case_.before_round) case_.before_round();
  }
  RoundTimes http_round(std::size_t count) {
    prepare();
    std::vector<std::string> requests;
    for (std::size_t i = 0; i < count; ++i) requests.push_back(case_.request(next_call_++));
    return http_callers_.run(requests);
  }
  RoundTimes direct_round(std::size_t count) {
    prepare();
    const std::size_t first = next_call_;
    next_call_ += count;
    return direct_callers_.run(first, count);
  }
  void compare_answers() {
    for (std::size_t i = 0; i < kChecked; ++i) {
      const std::size_t call = next_call_++;
      const std::string answer = http_callers_.call(case_.request(call));
      const std::string ours = case_.ids_of(Json::parse(answer)), reference = case_.direct(call);
      if (ours == reference) continue;
      throw std::runtime_error(name() + ": HTTP finds " + ours + "; directly: " + reference);
    }
  }

  const LoadOptions& options_;
  const LoadCase& case_;
  const std::size_t num_connections_;
  HttpCallers http_callers_;
  DirectCallers direct_callers_;
  std::size_t next_call_ = 0;
  Rounds http_, direct_;
};

void add_wrk_rows(std::vector<ReportRow>& rows, const std::string& name, const WrkFigures& figures,
                  std::optional<double> direct_rate) {
  rows.push_back({name + ", wrk: rate",
                  figures.requests_per_s,
                  "requests/s",
                  direct_rate,
                  direct_rate ? kReference : "",
                  {}});
  rows.push_back({name + ", wrk: p50", figures.p50_ms, "ms", {}, "", {}});
  rows.push_back({name + ", wrk: p99", figures.p99_ms, "ms", {}, "", {}});
}

int run(const LoadOptions& options) {
  LoadService service(options.num_points);
  const std::vector<LoadCase> cases = load_cases(service);
  std::vector<ReportRow> rows;
  const auto wrk = [&](const std::string& name, const std::string& request, std::size_t connections,
                       std::optional<double> direct_rate) {
    if (options.wrk_seconds == 0) return;
    const auto figures = run_wrk(service.port(), request, connections, options.wrk_seconds);
    if (figures) add_wrk_rows(rows, name, *figures, direct_rate);
  };
  for (const std::size_t connections : options.num_connections) {
    for (const LoadCase& load_case : cases) {
      if (load_case.name.find(options.name_part) == std::string::npos) continue;
      CaseRun run(options, load_case, connections, service.port());
      std::fprintf(stderr, "http_load: %s\n", run.name().c_str());
      run.run();
      run.report(rows);
      if (load_case.max_added_ms)
        wrk(run.name(), load_case.request(0), connections, run.direct_rate());
    }
    wrk("GET /livez" + on(connections), get_request("/livez"), connections, {});
  }
  const Json setup = service.describe();
  std::printf("%s\n\n%s", setup.dump().c_str(), to_table(rows).c_str());
  if (!options.json.empty()) write_json(options.json, setup, rows);
  return 0;
}

}  // namespace
}  // namespace sightline::benchmarks

int main(int argc, char** argv) {
  using namespace sightline;
  settings::set_up_process();
  try {
    return benchmarks::run(benchmarks::parse(argc, argv));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "http_load: %s\n", e.what());
    return 2;
  }
}
