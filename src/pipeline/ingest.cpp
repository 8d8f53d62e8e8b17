#include "pipeline/ingest.h"

#include <exception>
#include <memory>
#include <utility>

#include "pipeline/internal/ingest_job.h"
#include "pipeline/internal/skip_log.h"
#include "pipeline/internal/source_scout.h"

namespace sightline::pipeline {
namespace {

Result<void> check_options(const IngestOptions& options, const encoders::EncoderInfo& encoder) {
  if (options.batch_size > encoder.max_batch) {
    return invalid_argument("batch_size is " + std::to_string(options.batch_size) +
                            "; it must be 0.." + std::to_string(encoder.max_batch));
  }
  if (options.decode.max_pixels == 0) return invalid_argument("max_pixels is 0; it must be > 0");
  return {};
}

}  // namespace

Json to_json(const IngestReport& report) {
  Json skipped = Json::object();
  for (const auto& [reason, count] : report.skipped) skipped[reason] = count;
  Json stages = Json::object();
  for (const auto& [stage, seconds] : report.stages) stages[stage] = seconds;
  return Json{{"seen", report.seen},
              {"indexed", report.indexed},
              {"unchanged", report.unchanged},
              {"skipped", std::move(skipped)},
              {"pruned", report.pruned},
              {"images_per_second", report.images_per_second},
              {"stages", std::move(stages)},
              {"unreadable_folders", report.unreadable_folders},
              {"interrupted", report.interrupted}};
}

Result<void> check_paths(const std::vector<std::string>& paths) {
  SIGHTLINE_TRY_DO(resolve_inputs(paths));
  return {};
}

Result<IngestReport> ingest(CollectionStore& store, const encoders::Encoder& encoder,
                            ComputePool& pool, const IngestOptions& options,
                            const std::function<void(const IngestProgress&)>& progress,
                            std::stop_token stop) {
  try {
    SIGHTLINE_TRY_DO(check_options(options, encoder.info()));
    SIGHTLINE_TRY(const auto inputs, resolve_inputs(options.paths));
    SIGHTLINE_TRY(auto skip_log, SkipLog::open(options.skipped_file));
    const auto job =
        std::make_shared<IngestJob>(store, encoder, pool, options, std::move(skip_log));
    return job->run(inputs, progress, std::move(stop));
  } catch (const std::exception& e) {
    return internal_error(std::string("ingest: ") + e.what());
  }
}

}  // namespace sightline::pipeline
