#include "http/service_metrics.h"

#include <algorithm>

#include "http/metrics.h"
#include "pipeline/encoder_host.h"
#include "pipeline/job_board.h"

namespace sightline::http {

void register_service_metrics(const Services& services) {
  using Statistics = pipeline::EncoderHostStatistics;
  const auto add = [&](Metrics::Kind kind, std::string_view name, std::string_view help,
                       Metrics::Labels labels, auto value) {
    services.metrics.add_value(kind, name, help, std::move(labels),
                               [&encoders = services.encoders, value] {
                                 return static_cast<double>(value(encoders.statistics()));
                               });
  };
  const auto counter = Metrics::Kind::kCounter, gauge = Metrics::Kind::kGauge;
  add(counter, "text_cache_lookups_total", "Query texts looked up in the cache.",
      {{"result", "hit"}}, [](const Statistics& s) { return s.cache_hits; });
  add(counter, "text_cache_lookups_total", "", {{"result", "miss"}},
      [](const Statistics& s) { return s.cache_misses; });
  add(gauge, "text_cache_entries", "Query texts in the cache.", {},
      [](const Statistics& s) { return s.cache_entries; });
  add(counter, "encoder_batches_total", "Forward passes of encoders.", {{"kind", "text"}},
      [](const Statistics& s) { return s.text_batches; });
  add(counter, "encoder_batches_total", "", {{"kind", "picture"}},
      [](const Statistics& s) { return s.picture_batches; });
  add(counter, "encoder_inputs_total", "Texts and pictures that were encoded.", {{"kind", "text"}},
      [](const Statistics& s) { return s.texts; });
  add(counter, "encoder_inputs_total", "", {{"kind", "picture"}},
      [](const Statistics& s) { return s.pictures; });
  add(counter, "encoder_seconds_total", "Time of forward passes.", {},
      [](const Statistics& s) { return s.encode_seconds; });
  add(gauge, "encoder_waiting", "Texts and pictures that wait for a batch.", {},
      [](const Statistics& s) { return s.waiting; });
  add(counter, "encoder_refused_total", "Requests refused because too many waited.", {},
      [](const Statistics& s) { return s.refused; });
  add(gauge, "encoder_models", "Models loaded.", {},
      [](const Statistics& s) { return s.models_loaded; });
  for (const auto state : {pipeline::JobState::kQueued, pipeline::JobState::kRunning}) {
    services.metrics.add_value(gauge, "jobs", "Indexing jobs.",
                               {{"state", std::string(pipeline::job_state_name(state))}},
                               [&jobs = services.jobs, state] {
                                 return static_cast<double>(std::ranges::count(
                                     jobs.list(), state, &pipeline::JobStatus::state));
                               });
  }
}

}  // namespace sightline::http
