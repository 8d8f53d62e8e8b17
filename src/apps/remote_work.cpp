#include "apps/remote_work.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>
#include <variant>

#include "core/filter.h"

namespace sightline::apps {
namespace {

using pipeline::IngestProgress;
using pipeline::IngestReport;
using pipeline::QueryAnswer;
using pipeline::QueryHit;

constexpr std::size_t kMostHits = 1000;  // of one answer
// Short jobs are not waited for long, long ones not asked about all the time.
constexpr std::chrono::milliseconds kFirstPoll{10}, kLongestPoll{250};

/// Member `key` of `object`, if it is there and of the kind of `fallback`.
template <typename T>
T value_or(const Json& object, const char* key, T fallback) {
  const auto found = object.find(key);
  if (found == object.end()) return fallback;
  if constexpr (std::is_same_v<T, bool>) {
    return found->is_boolean() ? found->get<T>() : fallback;
  } else if constexpr (std::is_arithmetic_v<T>) {
    return found->is_number() ? found->get<T>() : fallback;
  } else {
    return found->is_string() ? found->get<T>() : fallback;
  }
}

Json member(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? Json() : *found;
}

std::map<std::string, double> numbers(const Json& object) {
  std::map<std::string, double> map;
  for (const auto& [key, value] : object.items()) {
    if (value.is_number()) map[key] = value.get<double>();
  }
  return map;
}

pipeline::SearchPlan plan_of(const Json& json) {
  pipeline::SearchPlan plan;
  if (!json.is_object()) return plan;
  plan.strategy = value_or(json, "strategy", plan.strategy);
  plan.num_points = value_or(json, "num_points", plan.num_points);
  plan.num_estimated = value_or(json, "num_estimated", plan.num_estimated);
  plan.num_allowed = value_or(json, "num_allowed", plan.num_allowed);
  plan.num_scanned = value_or(json, "num_scanned", plan.num_scanned);
  plan.num_refined = value_or(json, "num_refined", plan.num_refined);
  plan.num_lists = value_or(json, "num_lists", plan.num_lists);
  plan.num_payloads_read = value_or(json, "num_payloads_read", plan.num_payloads_read);
  plan.num_shards = value_or(json, "num_shards", plan.num_shards);
  plan.num_widened = value_or(json, "num_widened", plan.num_widened);
  for (const Json& warning : member(json, "warnings")) {
    if (warning.is_string()) plan.warnings.push_back(warning.get<std::string>());
  }
  return plan;
}

Result<QueryHit> hit_of(const Json& json) {
  if (!json.is_object()) return internal_error("a hit is no object");
  QueryHit hit;
  SIGHTLINE_TRY(hit.id, PointId::from_json(member(json, "id")));
  hit.rank = value_or(json, "rank", hit.rank);
  hit.score = value_or(json, "score", hit.score);
  hit.path = value_or(json, "path", hit.path);
  hit.width = value_or(json, "width", hit.width);
  hit.height = value_or(json, "height", hit.height);
  hit.payload = member(json, "payload");
  return hit;
}

/// The operands as JSON; the files that are to go along.
Json operands_json(const std::vector<pipeline::QueryOperand>& operands,
                   std::vector<RemoteServer::FilePart>& files) {
  Json list = Json::array();
  for (const pipeline::QueryOperand& operand : operands) {
    Json one{{"weight", operand.weight}};
    if (const auto* text = std::get_if<pipeline::TextOperand>(&operand.what)) {
      one["text"] = text->text;
    } else if (const auto* image = std::get_if<pipeline::ImageOperand>(&operand.what)) {
      const std::string name = "file" + std::to_string(files.size());
      files.push_back({name, image->file});
      one["part"] = name;
    } else {
      one["id"] = std::get<pipeline::PointOperand>(operand.what).id.to_json();
    }
    list.push_back(std::move(one));
  }
  return list;
}

/// A picture that cannot be read is a clear message, not curl's.
Result<void> check_files(const std::vector<RemoteServer::FilePart>& files) {
  for (const RemoteServer::FilePart& file : files) {
    std::error_code error;
    if (!std::filesystem::exists(file.file, error)) {
      return not_found(file.file.string() + ": no such file");
    }
    if (!std::filesystem::is_regular_file(file.file, error)) {
      return invalid_argument(file.file.string() + ": is not a file");
    }
  }
  return {};
}

Result<void> add_page(const Json& json, QueryAnswer& answer) {
  if (!json.is_object() || !member(json, "hits").is_array()) {
    return internal_error("the answer has no hits: is it sightline?");
  }
  for (const Json& hit : json["hits"]) {
    SIGHTLINE_TRY(answer.hits.emplace_back(), hit_of(hit));
  }
  for (const auto& [stage, ms] : numbers(member(json, "timings_ms"))) {
    answer.timings_ms[stage] += ms;
  }
  if (answer.plan.strategy.empty()) answer.plan = plan_of(member(json, "plan"));
  return {};
}

IngestProgress progress_of(const Json& json) {
  IngestProgress progress;
  if (!json.is_object()) return progress;
  progress.seen = value_or(json, "seen", progress.seen);
  progress.indexed = value_or(json, "indexed", progress.indexed);
  progress.unchanged = value_or(json, "unchanged", progress.unchanged);
  progress.skipped = value_or(json, "skipped", progress.skipped);
  progress.found = value_or(json, "found", progress.found);
  progress.walk_done = value_or(json, "walk_done", progress.walk_done);
  progress.images_per_second = value_or(json, "images_per_second", progress.images_per_second);
  progress.elapsed = std::chrono::duration<double>(value_or(json, "elapsed_s", 0.0));
  progress.eta = std::chrono::duration<double>(value_or(json, "eta_s", -1.0));
  return progress;
}

IngestReport report_of(const Json& json) {
  IngestReport report;
  if (!json.is_object()) return report;
  report.seen = value_or(json, "seen", report.seen);
  report.indexed = value_or(json, "indexed", report.indexed);
  report.unchanged = value_or(json, "unchanged", report.unchanged);
  for (const auto& [reason, count] : numbers(member(json, "skipped"))) {
    report.skipped[reason] = static_cast<std::uint64_t>(count);
  }
  report.pruned = value_or(json, "pruned", report.pruned);
  report.images_per_second = value_or(json, "images_per_second", report.images_per_second);
  report.stages = numbers(member(json, "stages"));
  report.unreadable_folders = value_or(json, "unreadable_folders", report.unreadable_folders);
  report.interrupted = value_or(json, "interrupted", report.interrupted);
  return report;
}

bool is_over(const std::string& state) { return state != "queued" && state != "running"; }

}  // namespace

Result<RemoteAnswer> search_remotely(RemoteServer& server, const std::string& collection,
                                     const pipeline::Query& query) {
  std::vector<RemoteServer::FilePart> files;
  Json body{{"collection", collection}, {"query", operands_json(query.operands, files)}};
  SIGHTLINE_TRY_DO(check_files(files));
  if (query.filter) body["filter"] = filter_to_json(*query.filter);
  if (query.score_threshold) body["score_threshold"] = *query.score_threshold;
  if (query.exact) body["exact"] = true;
  if (query.nprobe > 0) body["nprobe"] = query.nprobe;
  if (query.ef_search > 0) body["ef_search"] = query.ef_search;
  RemoteAnswer found;
  QueryAnswer& answer = found.answer;
  while (answer.hits.size() < query.top_k) {
    const std::size_t before = answer.hits.size();
    body["limit"] = std::min(kMostHits, query.top_k - before);
    body["offset"] = query.offset + before;
    SIGHTLINE_TRY(const Json json, files.empty() ? server.post("/v1/search", body)
                                                 : server.post_form("/v1/search", body, files));
    if (auto added = add_page(json, answer); !added) {
      return std::move(added).error().with_context(server.url());
    }
    found.model = value_or(json, "model", std::string());
    const bool is_last = member(json, "next_cursor").is_null();
    if (is_last || answer.hits.size() == before) break;
  }
  return found;
}

std::string remote_thumbnail(RemoteServer& server, const std::string& collection,
                             const PointId& id) {
  auto jpeg = server.download("/v1/images/" + encode_segment(collection) + "/" + id.to_string() +
                              "/thumbnail");
  return jpeg ? *std::move(jpeg) : std::string();
}

Result<IngestReport> index_remotely(RemoteServer& server, const RemoteIndexing& indexing,
                                    const std::function<void(const IngestProgress&)>& progress,
                                    std::stop_token stop) {
  Json body{{"collection", indexing.collection},
            {"paths", indexing.paths},
            {"exclude", indexing.exclude},
            {"prune", indexing.prune},
            {"follow_symlinks", indexing.follow_symlinks},
            {"hidden", indexing.hidden}};
  if (!indexing.model.empty()) body["model"] = indexing.model;
  SIGHTLINE_TRY(Json job, server.post("/v1/jobs", body));
  const std::string path = "/v1/jobs/" + encode_segment(value_or(job, "id", std::string()));
  auto pause = kFirstPoll;
  bool asked_to_stop = false;
  while (!is_over(value_or(job, "state", std::string()))) {
    if (stop.stop_requested() && !asked_to_stop) {
      SIGHTLINE_TRY(job, server.remove(path));
      asked_to_stop = true;
      continue;
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, kLongestPoll);
    SIGHTLINE_TRY(job, server.get(path));
    progress(progress_of(member(job, "progress")));
  }
  const std::string state = value_or(job, "state", std::string());
  if (state == "failed") {
    return internal_error(value_or(job, "error", std::string("the job failed")))
        .with_context(server.url());
  }
  IngestReport report = report_of(member(job, "report"));
  if (state == "stopped") report.interrupted = true;
  return report;
}

}  // namespace sightline::apps
