#include "http/metrics.h"

#include <dirent.h>
#include <prometheus/collectable.h>
#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <vector>

#include "core/mutex.h"

namespace sightline::http {
namespace {

const prometheus::Histogram::BucketBoundaries kSecondBuckets = {
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
    0.1,    0.25,    0.5,    1,     2.5,    5,     10,   30,    60};

struct AskedValue {
  Metrics::Kind kind;
  std::string name, help;
  Metrics::Labels labels;
  std::function<double()> read;
};

double resident_bytes() {
  std::ifstream file("/proc/self/statm");
  double total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double open_descriptors() {
  DIR* folder = opendir("/proc/self/fd");
  if (folder == nullptr) return 0;
  double count = 0;
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  return count - 3;  // ".", ".." and the one that reads
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

struct Metrics::Impl {
  struct Route {
    prometheus::Histogram* seconds = nullptr;
    std::map<int, prometheus::Counter*> requests;  // by status
  };
  struct Stage {
    prometheus::Counter* calls = nullptr;
    prometheus::Counter* seconds = nullptr;
  };

  Impl()
      : requests(prometheus::BuildCounter()
                     .Name("sightline_http_requests_total")
                     .Help("Requests answered.")
                     .Register(registry)),
        request_seconds(prometheus::BuildHistogram()
                            .Name("sightline_http_request_seconds")
                            .Help("From a request's header to the last byte of its answer.")
                            .Register(registry)),
        stage_calls(prometheus::BuildCounter()
                        .Name("sightline_stage_calls_total")
                        .Help("Times that a stage of the work ran.")
                        .Register(registry)),
        stage_seconds(prometheus::BuildCounter()
                          .Name("sightline_stage_seconds_total")
                          .Help("Time that a stage of the work took.")
                          .Register(registry)),
        bytes_in(prometheus::BuildCounter()
                     .Name("sightline_http_received_bytes_total")
                     .Help("Bytes of requests' bodies.")
                     .Register(registry)
                     .Add({})),
        bytes_out(prometheus::BuildCounter()
                      .Name("sightline_http_sent_bytes_total")
                      .Help("Bytes of answers.")
                      .Register(registry)
                      .Add({})) {}

  std::vector<prometheus::MetricFamily> collect_values() const {
    std::vector<prometheus::MetricFamily> families;
    MutexLock lock(mutex);
    for (const AskedValue& value : values) {
      auto family = std::ranges::find(families, value.name, &prometheus::MetricFamily::name);
      if (family == families.end()) {
        const auto type = value.kind == Kind::kCounter ? prometheus::MetricType::Counter
                                                       : prometheus::MetricType::Gauge;
        family = families.insert(families.end(), {value.name, value.help, type, {}});
      }
      prometheus::ClientMetric metric;
      for (const auto& [name, text] : value.labels) metric.label.push_back({name, text});
      (value.kind == Kind::kCounter ? metric.counter.value : metric.gauge.value) = value.read();
      family->metric.push_back(std::move(metric));
    }
    return families;
  }

  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& requests;
  prometheus::Family<prometheus::Histogram>& request_seconds;
  prometheus::Family<prometheus::Counter>& stage_calls;
  prometheus::Family<prometheus::Counter>& stage_seconds;
  prometheus::Counter& bytes_in;
  prometheus::Counter& bytes_out;

  mutable Mutex mutex;
  std::map<std::pair<std::string, std::string>, Route, std::less<>> routes GUARDED_BY(mutex);
  std::map<std::string, Stage, std::less<>> stages GUARDED_BY(mutex);
  std::vector<AskedValue> values GUARDED_BY(mutex);
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {
  using namespace std::chrono;
  const double start = duration<double>(system_clock::now().time_since_epoch()).count();
  add_value(Kind::kGauge, "process_start_time_seconds", "Start of the server, as Unix time.", {},
            [start] { return start; });
  add_value(Kind::kCounter, "process_cpu_seconds_total", "Processor time, user and system.", {},
            cpu_seconds);
  add_value(Kind::kGauge, "process_resident_memory_bytes", "Resident memory.", {}, resident_bytes);
  add_value(Kind::kGauge, "process_open_fds", "Open file descriptors.", {}, open_descriptors);
}

Metrics::~Metrics() = default;

void Metrics::count_request(std::string_view method, std::string_view route, int status,
                            double seconds, std::uint64_t bytes_in, std::uint64_t bytes_out) {
  prometheus::Histogram* histogram = nullptr;
  prometheus::Counter* counter = nullptr;
  {
    MutexLock lock(impl_->mutex);
    Impl::Route& entry = impl_->routes[{std::string(method), std::string(route)}];
    if (entry.seconds == nullptr) {
      entry.seconds = &impl_->request_seconds.Add(
          {{"method", std::string(method)}, {"route", std::string(route)}}, kSecondBuckets);
    }
    prometheus::Counter*& by_status = entry.requests[status];
    if (by_status == nullptr) {
      by_status = &impl_->requests.Add({{"method", std::string(method)},
                                        {"route", std::string(route)},
                                        {"status", std::to_string(status)}});
    }
    histogram = entry.seconds;
    counter = by_status;
  }
  counter->Increment();
  histogram->Observe(seconds);
  impl_->bytes_in.Increment(static_cast<double>(bytes_in));
  impl_->bytes_out.Increment(static_cast<double>(bytes_out));
}

void Metrics::count_stage(std::string_view name, double seconds) {
  Impl::Stage stage;
  {
    MutexLock lock(impl_->mutex);
    auto found = impl_->stages.find(name);
    if (found == impl_->stages.end()) {
      const prometheus::Labels labels = {{"stage", std::string(name)}};
      found = impl_->stages
                  .emplace(name, Impl::Stage{&impl_->stage_calls.Add(labels),
                                             &impl_->stage_seconds.Add(labels)})
                  .first;
    }
    stage = found->second;
  }
  stage.calls->Increment();
  stage.seconds->Increment(seconds);
}

void Metrics::add_value(Kind kind, std::string_view name, std::string_view help, Labels labels,
                        std::function<double()> read) {
  const std::string prefix = name.starts_with("process_") ? "" : "sightline_";
  MutexLock lock(impl_->mutex);
  impl_->values.push_back(
      {kind, prefix + std::string(name), std::string(help), std::move(labels), std::move(read)});
}

std::string Metrics::prometheus_text() const {
  auto families = impl_->registry.Collect();
  std::ranges::move(impl_->collect_values(), std::back_inserter(families));
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, families);
  return std::move(out).str();
}

std::string Metrics::summary_text() const {
  struct Row {
    std::string name;
    double calls, seconds;
  };
  std::vector<Row> rows;
  double total = 0;
  {
    MutexLock lock(impl_->mutex);
    for (const auto& [name, stage] : impl_->stages) {
      rows.push_back({name, stage.calls->Value(), stage.seconds->Value()});
      total += rows.back().seconds;
    }
  }
  std::ranges::sort(rows, std::greater(), &Row::seconds);
  char line[160];
  std::snprintf(line, sizeof line, "%-20s %12s %12s %8s\n", "stage", "calls", "mean ms", "share");
  std::string text = line;
  for (const Row& row : rows) {
    std::snprintf(line, sizeof line, "%-20.60s %12.0f %12.3f %7.1f%%\n", row.name.c_str(),
                  row.calls, row.calls > 0 ? 1000 * row.seconds / row.calls : 0,
                  total > 0 ? 100 * row.seconds / total : 0);
    text += line;
  }
  return text;
}

}  // namespace sightline::http
