#include "http/api_jobs.h"

#include <utility>

#include "http/api_json.h"
#include "http/api_scope.h"
#include "http/errors.h"
#include "http/json_reader.h"
#include "pipeline/job_board.h"

namespace sightline::http {
namespace {

using pipeline::JobRequest;
using pipeline::JobStatus;

Result<JobRequest> parse_job(const Json& body) {
  JobRequest job;
  SIGHTLINE_TRY(Fields fields, Fields::of(body));
  SIGHTLINE_TRY(const auto collection, fields.text("collection"));
  job.collection = collection.value_or("");
  SIGHTLINE_TRY(job.paths, fields.texts("paths"));
  if (job.paths.empty()) return fields.invalid("paths", "must be a list of at least one path");
  for (std::size_t i = 0; i < job.paths.size(); ++i) {
    if (!job.paths[i].starts_with('/')) {
      return validation_error("paths[" + std::to_string(i) + "]", job.paths[i],
                              "must be an absolute path of the server");
    }
  }
  SIGHTLINE_TRY(job.exclude, fields.texts("exclude"));
  SIGHTLINE_TRY(job.prune, fields.flag("prune", false));
  SIGHTLINE_TRY(job.follow_symlinks, fields.flag("follow_symlinks", false));
  SIGHTLINE_TRY(job.hidden, fields.flag("hidden", false));
  SIGHTLINE_TRY(const auto model, fields.text("model"));
  job.model = model.value_or("");
  SIGHTLINE_TRY_DO(fields.all_known());
  return job;
}

/// The job, if the key may know of it: one of another collection is not there.
Result<JobStatus> find_job(const Services& services, const Request& request) {
  SIGHTLINE_TRY(JobStatus job, services.jobs.find(request.param("id")));
  if (!request.principal.may(Right::kAdmin, job.request.collection)) {
    return not_found("there is no job " + request.param("id"));
  }
  return job;
}

Result<Response> start_job(const Services& services, const Request& request) {
  SIGHTLINE_TRY(const Json body, read_json(request.body));
  SIGHTLINE_TRY(JobRequest job, parse_job(body));
  job.collection = collection_or_default(services, job.collection);
  SIGHTLINE_TRY_DO(check_right(request.principal, Right::kAdmin, job.collection));
  SIGHTLINE_TRY(const JobStatus started, services.jobs.start(std::move(job)));
  Response response = json_response(pipeline::to_json(started), 202);
  response.headers.add("Location", "/v1/jobs/" + started.id);
  return response;
}

Result<Response> list_jobs(const Services& services, const Request& request) {
  Json list = Json::array();
  for (const JobStatus& job : services.jobs.list()) {
    if (!request.principal.may(Right::kAdmin, job.request.collection)) continue;
    list.push_back(pipeline::to_json(job));
  }
  return json_response(Json{{"jobs", std::move(list)}});
}

Result<Response> get_job(const Services& services, const Request& request) {
  SIGHTLINE_TRY(const JobStatus job, find_job(services, request));
  return json_response(pipeline::to_json(job));
}

Result<Response> stop_job(const Services& services, const Request& request) {
  SIGHTLINE_TRY(const JobStatus found, find_job(services, request));
  SIGHTLINE_TRY(const JobStatus job, services.jobs.stop(found.id));
  return json_response(pipeline::to_json(job));
}

}  // namespace

void add_job_routes(RouteTable& table, const Services& services) {
  using Answer = Result<Response> (*)(const Services&, const Request&);
  const auto add = [&](Method method, std::string pattern, BodyRule body, std::string summary,
                       Answer answer) {
    Route route;
    route.method = method;
    route.pattern = std::move(pattern);
    route.right = Right::kAdmin;
    route.body = body;
    route.summary = std::move(summary);
    route.handle = [&services, answer](Request& request) { return answer(services, request); };
    table.add(std::move(route));
  };
  add(Method::kPost, "/v1/jobs", {.json = true, .required = true},
      "Starts indexing of folders and files of the server.", start_job);
  add(Method::kGet, "/v1/jobs", {}, "Lists the jobs, newest first.", list_jobs);
  add(Method::kGet, "/v1/jobs/{id}", {}, "A job with its progress.", get_job);
  add(Method::kDelete, "/v1/jobs/{id}", {}, "Stops a job in good order.", stop_job);
}

}  // namespace sightline::http
