// http/metrics.h: what the service counts, for /metrics (Prometheus) and /metrics-summary.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace sightline::http {

/// Thread-safety: all methods may be called from any thread; reading a count takes no lock that
/// requests wait for.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  /// One answered request. `route` is the pattern, so that its number of values is bounded.
  void count_request(std::string_view method, std::string_view route, int status, double seconds,
                     std::uint64_t bytes_in, std::uint64_t bytes_out);
  /// Time that a stage of the work took ("encode", "search"): Response::timings_ms come here.
  void count_stage(std::string_view stage, double seconds);

  enum class Kind { kCounter, kGauge };
  using Labels = std::map<std::string, std::string>;
  /// A value that is asked for when somebody looks: what encoders, jobs and lanes count themselves.
  /// `read` must be cheap, not throw, and live as long as this. `name` without "sightline_".
  void add_value(Kind kind, std::string_view name, std::string_view help, Labels labels,
                 std::function<double()> read);

  std::string prometheus_text() const;  ///< Text format 0.0.4.
  /// Lines of stage, calls, mean and share of the whole time, most costly first.
  std::string summary_text() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sightline::http
