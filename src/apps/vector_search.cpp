#include "apps/vector_search.h"

#include <algorithm>
#include <chrono>
#include <iostream>
#include <sstream>
#include <utility>

#include "apps/inputs.h"
#include "apps/text_format.h"
#include "codecs/facts.h"
#include "pipeline/query.h"
#include "pipeline/vector_import.h"

namespace sightline::apps {
namespace {

constexpr std::size_t kPayloadWidth = 80;  // of a table's cell

using Answers = std::vector<pipeline::SearchAnswer>;

class Stopwatch {
 public:
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    return std::chrono::duration<double, std::milli>(now - std::exchange(last_, now)).count();
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

/// The name that is meant, and that the queries fit it.
Result<std::string> check_vector(const pipeline::CollectionInfo& info, const VectorSearch& search,
                                 std::size_t dim) {
  const auto& vectors = info.config.vectors;
  const bool only_one = search.vector_name.empty() && vectors.size() == 1;
  const auto vector = only_one ? vectors.begin() : vectors.find(search.vector_name);
  if (vector == vectors.end()) {
    std::string names;
    for (const auto& [name, config] : vectors) {
      names += (names.empty() ? "\"" : ", \"") + name + "\"";
    }
    return invalid_argument("collection \"" + info.name + "\" has no vector \"" +
                            search.vector_name + "\"; --using must be one of " + names);
  }
  if (vector->second.kind == pipeline::VectorKind::kSparse) {
    return invalid_argument("vector \"" + vector->first + "\" of collection \"" + info.name +
                            "\" is sparse; the queries are dense");
  }
  if (vector->second.dim != dim) {
    return invalid_argument(search.file + ": has vectors of " + std::to_string(dim) +
                            " dimensions; those of collection \"" + info.name + "\" have " +
                            std::to_string(vector->second.dim));
  }
  return vector->first;
}

Result<Answers> ask(const pipeline::CollectionStore& store, const QueryVectors& queries,
                    const pipeline::SearchRequest& request) {
  std::vector<pipeline::SearchRequest> requests(queries.count(), request);
  for (std::size_t i = 0; i < queries.count(); ++i) {
    SIGHTLINE_TRY(requests[i].vector, queries.row(i));
  }
  return store.search_batch(requests, Deadline::never());
}

/// Of all queries together: the filter's numbers are one query's, the work is summed.
pipeline::SearchPlan sum_plans(const Answers& answers) {
  pipeline::SearchPlan sum;
  if (answers.empty()) return sum;
  sum = answers[0].plan;
  for (std::size_t i = 1; i < answers.size(); ++i) {
    const pipeline::SearchPlan& plan = answers[i].plan;
    if (plan.strategy != sum.strategy) sum.strategy = "mixed";
    sum.num_scanned += plan.num_scanned;
    sum.num_refined += plan.num_refined;
    sum.num_lists += plan.num_lists;
    sum.num_payloads_read += plan.num_payloads_read;
    sum.num_widened += plan.num_widened;
    for (const std::string& warning : plan.warnings) {
      if (std::ranges::find(sum.warnings, warning) == sum.warnings.end()) {
        sum.warnings.push_back(warning);
      }
    }
  }
  return sum;
}

Json hits_json(const pipeline::SearchAnswer& answer, std::size_t offset) {
  Json hits = Json::array();
  for (const pipeline::ScoredPoint& point : answer.hits) {
    hits.push_back(Json{{"rank", offset + hits.size() + 1},
                        {"id", point.id.to_json()},
                        {"score", point.score},
                        {"payload", point.payload}});
  }
  return hits;
}

std::string table(const Answers& answers, std::size_t offset) {
  std::string text;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (answers.size() > 1) text += (i > 0 ? "\nquery " : "query ") + std::to_string(i) + "\n";
    TextTable rows({{"rank", Align::kRight},
                    {"score", Align::kRight},
                    {"id", Align::kLeft},
                    {"payload", Align::kLeft}});
    std::size_t rank = offset;
    for (const pipeline::ScoredPoint& point : answers[i].hits) {
      std::string payload = point.payload.empty() ? "" : dump_json(point.payload);
      if (payload.size() > kPayloadWidth)
        payload.replace(kPayloadWidth - 3, std::string::npos, "...");
      rows.add_row(
          {std::to_string(++rank), format_fixed(point.score, 4), point.id.to_string(), payload});
    }
    text += answers[i].hits.empty() ? "nothing found\n" : rows.render();
  }
  return text;
}

}  // namespace

Result<QueryVectors> QueryVectors::open(const std::string& path) {
  SIGHTLINE_TRY(NpyFile file, NpyFile::open(path));
  const std::size_t axes = file.shape().size();
  if (axes > 2 || !file.holds_floats()) {
    return invalid_argument(path + ": holds an array of shape " + file.shape_text() + " and type " +
                            file.type() + "; queries are rows of floats: shape (n, dim) or (dim,)");
  }
  const std::size_t count = axes == 1 ? 1 : file.num_rows();
  const std::size_t dim = axes == 1 ? file.num_rows() : file.row_size();
  return QueryVectors(std::move(file), count, dim);
}

Result<std::vector<float>> QueryVectors::row(std::size_t i) const {
  std::vector<float> values(dim_);
  SIGHTLINE_TRY_DO(file_.read_floats(i, values));  // one dimension: from its first number on
  return values;
}

Result<std::string> read_text(const std::string& file) {
  std::ostringstream text;
  if (file == "-") {
    text << std::cin.rdbuf();
    return text.str();
  }
  SIGHTLINE_TRY(const auto bytes, codecs::read_file(file));
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

Result<std::shared_ptr<const Filter>> read_filter(const std::optional<std::string>& option) {
  if (!option) return std::shared_ptr<const Filter>();
  const std::string& given = *option;
  if (given.empty()) return invalid_argument("--filter: is empty; leave it out to find among all");
  std::string text = given;
  std::string what = "--filter";
  if (given.starts_with('@')) {
    what = given.substr(1);
    if (what.empty()) return invalid_argument("--filter @: the name of a file is missing");
    SIGHTLINE_TRY(text, read_text(what));
  }
  SIGHTLINE_TRY(const Json json, parse_json(text, what));
  auto filter = parse_filter(json);
  if (!filter) return filter.error().with_context(what);
  return std::shared_ptr<const Filter>(std::make_shared<Filter>(*std::move(filter)));
}

void note_warnings(CommandContext& context, const std::set<std::string>& warnings) {
  for (const std::string& warning : warnings) context.note(warning);
}

Result<void> note_state(CommandContext& context, const pipeline::CollectionStore& store,
                        const pipeline::CollectionInfo& info) {
  if (info.num_points == 0) context.note("collection \"" + info.name + "\" is empty");
  SIGHTLINE_TRY(const auto unfinished, pipeline::unfinished_import(store));
  if (unfinished) {
    context.note("collection \"" + info.name + "\" is not whole: its import has dealt with " +
                 format_count(unfinished->num_done) + " of " + format_count(unfinished->num_rows) +
                 " rows");
  }
  return {};
}

Result<int> run_vector_search(CommandContext& context, const VectorSearch& search) {
  Stopwatch watch, total;
  SIGHTLINE_TRY(const QueryVectors queries, QueryVectors::open(search.file));
  SIGHTLINE_TRY(const auto folder, open_data_folder(context, pipeline::Access::kRead));
  SIGHTLINE_TRY(const auto store, folder->open_collection(context.settings().collection));
  SIGHTLINE_TRY_DO(store->catch_up());
  SIGHTLINE_TRY(const pipeline::CollectionInfo info, store->info());
  pipeline::SearchRequest request;
  SIGHTLINE_TRY(request.vector_name, check_vector(info, search, queries.dim()));
  request.top_k = search.top_k;
  request.offset = search.offset;
  request.score_threshold = search.min_score;
  request.filter = search.filter;
  request.exact = search.exact;
  request.nprobe = search.nprobe;
  request.ef_search = search.ef_search;
  const double open_ms = watch.lap();
  // Given as Qdrant gives them.
  const bool are_distances =
      pipeline::is_distance(info.config.vectors.at(request.vector_name).metric);
  if (are_distances && request.score_threshold) request.score_threshold = -*request.score_threshold;
  auto found = ask(*store, queries, request);
  if (!found) {
    // What is wrong with the queries is said of their file; the rest is not their fault.
    Status told = found.error();
    if (told.code == StatusCode::kInvalidArgument) return told.with_context(search.file);
    if (told.code == StatusCode::kCorruption) {
      told.message += "; \"sightline collection repair " + context.settings().collection +
                      "\" keeps what can be read and lists what is lost";
    }
    return told;
  }
  Answers answers = *std::move(found);
  const double search_ms = watch.lap();
  for (auto& answer : answers) {
    for (pipeline::ScoredPoint& point : answer.hits)
      if (are_distances) point.score = 0.0F - point.score;
  }
  SIGHTLINE_TRY_DO(note_state(context, *store, info));

  const pipeline::SearchPlan plan = sum_plans(answers);
  note_warnings(context, {plan.warnings.begin(), plan.warnings.end()});
  if (!context.json()) {
    context.out += table(answers, search.offset);
    return kExitOk;
  }
  Json results = Json::array();
  for (const auto& answer : answers) {
    results.push_back(Json{{"hits", hits_json(answer, search.offset)}});
  }
  Json plan_json = pipeline::to_json(plan);
  plan_json["num_queries"] = answers.size();
  context.print(
      Json{{"results", std::move(results)},
           {"timings_ms", {{"open", open_ms}, {"search", search_ms}, {"total", total.lap()}}},
           {"plan", std::move(plan_json)}});
  return kExitOk;
}

}  // namespace sightline::apps
