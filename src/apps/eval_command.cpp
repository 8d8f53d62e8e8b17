#include <filesystem>
#include <memory>

#include "apps/commands.h"
#include "apps/inputs.h"
#include "apps/interrupt.h"
#include "apps/progress_bar.h"
#include "apps/text_format.h"
#include "apps/vector_search.h"
#include "eval/index_report.h"

namespace sightline::apps {
namespace {

constexpr std::uint64_t kSampleSeed = 1;

struct EvalFlags {
  std::string name, queries_file, vector_name, plot_file;
  std::vector<std::string> filters;
  std::size_t k = 10, num_queries = 200;
  double target = 0;  ///< 0: the collection's own
  bool set = false;
};

/// The name of the vector that is meant, with its configuration.
Result<std::pair<std::string, pipeline::VectorConfig>> vector_of(
    const pipeline::CollectionInfo& info, const std::string& name) {
  const auto& vectors = info.config.vectors;
  const auto found = name.empty() && vectors.size() == 1 ? vectors.begin() : vectors.find(name);
  if (found != vectors.end()) return std::pair(found->first, found->second);
  return invalid_argument("collection \"" + info.name + "\" has no vector \"" + name +
                          "\"; name one with --using");
}

Result<std::vector<eval::ReportQuery>> queries_of(const pipeline::CollectionStore& store,
                                                  const EvalFlags& flags,
                                                  const std::string& vector_name, std::size_t dim,
                                                  const Deadline& deadline) {
  if (flags.queries_file.empty()) {
    SIGHTLINE_TRY(auto queries, eval::sample_queries(store, vector_name, flags.num_queries,
                                                     kSampleSeed, deadline));
    if (queries.empty()) {
      return failed_precondition("collection \"" + flags.name +
                                 "\" has no vectors to take queries from");
    }
    return queries;
  }
  SIGHTLINE_TRY(const QueryVectors file, QueryVectors::open(flags.queries_file));
  if (file.dim() != dim) {
    return invalid_argument(flags.queries_file + ": has vectors of " + std::to_string(file.dim()) +
                            " dimensions; those of collection \"" + flags.name + "\" have " +
                            std::to_string(dim));
  }
  std::vector<eval::ReportQuery> queries;
  for (std::size_t i = 0; i < std::min(file.count(), flags.num_queries); ++i) {
    SIGHTLINE_TRY(auto row, file.row(i));
    queries.push_back({std::move(row), std::nullopt});
  }
  return queries;
}

std::string curve_table(const eval::IndexReport& report, const eval::RecallCurve& curve) {
  const std::string setting(eval::setting_name(report.setting));
  TextTable table({{setting, Align::kLeft},
                   {"recall@" + std::to_string(report.k), Align::kRight},
                   {"p50 ms", Align::kRight},
                   {"p99 ms", Align::kRight},
                   {"queries/s", Align::kRight},
                   {"compared", Align::kRight}});
  const auto add = [&](const std::string& name, const eval::Measurement& measured) {
    table.add_row({name, format_fixed(measured.recall, 4), format_fixed(measured.p50_ms, 3),
                   format_fixed(measured.p99_ms, 3), format_fixed(measured.queries_per_second, 0),
                   format_fixed(measured.num_scanned, 0)});
  };
  add("exact", curve.exact);
  add("calibrated", curve.calibrated);
  for (const eval::Measurement& measured : curve.sweep) {
    add(std::to_string(measured.setting), measured);
  }
  const std::string title = curve.filter.empty() ? "without a filter" : curve.filter;
  return "\n" + escape_line(title) + ", " + format_fixed(100 * curve.selectivity, 2) +
         " % of the points\n" + table.render();
}

std::string summary(const EvalFlags& flags, const eval::IndexReport& report) {
  std::string types;
  for (const std::string& type : report.shard_types) types += (types.empty() ? "" : " + ") + type;
  std::string text = "collection \"" + escape_line(flags.name) +
                     "\": " + format_count(report.num_points) + " points in " + types + ", " +
                     format_fixed(report.memory_bytes_per_point, 1) + " bytes a point in memory, " +
                     format_fixed(report.mapped_bytes_per_point, 1) + " mapped; " +
                     format_count(report.num_queries) + " queries\n";
  for (const eval::RecallCurve& curve : report.curves) text += curve_table(report, curve);
  if (report.setting == eval::Setting::kNone || report.curves.empty()) return text;
  const std::string target = format_fixed(report.target_recall, 3);
  const auto& smallest = report.curves[0].smallest_setting;
  return text + "\n" +
         (smallest ? "Smallest " + std::string(eval::setting_name(report.setting)) +
                         " with recall " + target + ": " + std::to_string(*smallest) + "\n"
                   : "No setting that was measured reaches recall " + target + "\n");
}

/// Stores the target and builds the shards anew, calibrated to it.
Result<void> set_target(CommandContext& context, const EvalFlags& flags,
                        const std::string& vector_name, const std::string& spec, double target,
                        ProgressBar& bar, const Deadline& deadline) {
  SIGHTLINE_TRY(const auto folder, open_data_folder(context, pipeline::Access::kWrite));
  SIGHTLINE_TRY(const auto store, folder->open_collection(flags.name));
  SIGHTLINE_TRY_DO(store->set_index(vector_name, spec, target));
  pipeline::OptimizeOptions options;
  options.force = true;
  options.progress = [&](double share, std::string_view stage) {
    bar.update({stage, share, 0, 0});
  };
  SIGHTLINE_TRY_DO(store->optimize(options, deadline));
  return {};
}

Result<std::vector<eval::ReportFilter>> filters_of(const EvalFlags& flags) {
  std::vector<eval::ReportFilter> filters;
  for (const std::string& text : flags.filters) {
    SIGHTLINE_TRY(auto filter, read_filter(text));
    filters.push_back({text, std::move(filter)});
  }
  return filters;
}

Result<int> run_eval_index(CommandContext& context, const EvalFlags& flags) {
  if (flags.set && flags.target == 0) {
    return context.usage_error("--set stores a target recall: give it with --target");
  }
  SIGHTLINE_TRY(auto filters, filters_of(flags));
  InterruptWatch interrupt("interrupted: stopping");
  const Deadline deadline = Deadline::never().with_stop(interrupt.token());
  ProgressBar bar(context.quiet(), "eval");
  std::string vector_name, spec;
  Result<eval::IndexReport> report = internal_error("not measured");
  {  // the reader is gone before a writer comes
    SIGHTLINE_TRY(const auto folder, open_data_folder(context, pipeline::Access::kRead));
    SIGHTLINE_TRY(const auto store, folder->open_collection(flags.name));
    SIGHTLINE_TRY_DO(store->catch_up());
    SIGHTLINE_TRY(const pipeline::CollectionInfo info, store->info());
    SIGHTLINE_TRY(const auto vector, vector_of(info, flags.vector_name));
    vector_name = vector.first;
    spec = vector.second.index;
    SIGHTLINE_TRY(const auto queries,
                  queries_of(*store, flags, vector_name, vector.second.dim, deadline));
    eval::IndexReportOptions options;
    options.vector_name = vector_name;
    options.k = flags.k;
    options.filters = std::move(filters);
    options.target_recall = flags.target == 0 ? vector.second.target_recall : flags.target;
    options.num_threads = context.pool().num_threads();
    options.progress = [&](double share, std::string_view stage) {
      bar.update({stage, share, 0, 0});
    };
    report = eval::measure_index(*store, queries, options, deadline);
  }
  if (!report) return std::move(report).error();
  if (!flags.plot_file.empty()) SIGHTLINE_TRY_DO(eval::draw_recall(*report, flags.plot_file));
  if (flags.set) {
    SIGHTLINE_TRY_DO(set_target(context, flags, vector_name, spec, flags.target, bar, deadline));
  }
  bar.clear();
  if (context.json()) {
    Json json = eval::to_json(*report);
    json["collection"] = flags.name;
    json["stored_target_recall"] = flags.set ? Json(flags.target) : Json();
    context.print(json);
  } else {
    context.out += summary(flags, *report);
    if (flags.set) {
      context.out += "The target is stored, and the shards are built anew with it.\n";
    }
  }
  if (!flags.plot_file.empty()) context.note("curve drawn to " + flags.plot_file);
  return kExitOk;
}

/// Ctrl-C ends a measurement without an answer.
Result<int> run_interruptible(CommandContext& context, const EvalFlags& flags) {
  auto result = run_eval_index(context, flags);
  if (result || result.error().code != StatusCode::kCancelled) return result;
  context.note("interrupted: " + result.error().message);
  return kExitInterrupted;
}

}  // namespace

void add_eval_command(CommandLine& line) {
  CLI::App& group = line.add_group("eval", "Measure what is found, and how fast.");
  auto flags = std::make_shared<EvalFlags>();
  CLI::App& command = line.add_command(
      {"index", "Recall, latency, throughput and bytes of a collection's index.",
       "  sightline eval index films\n"
       "  sightline eval index films --queries queries.npy --k 10 --plot films.png\n"
       "  sightline eval index films --filter '{\"must\": [{\"key\": \"genre\", \"match\": "
       "{\"value\": \"noir\"}}]}'\n"
       "  sightline eval index films --target 0.98 --set\n"
       "\n"
       "The truth is the exact search of the same collection. Queries are rows of the array, or\n"
       "points of the collection (left out of their own answers). Settings are tried until "
       "nearly\n"
       "all is found. --set stores the target and builds the shards anew, calibrated to it."},
      [flags](CommandContext& context) { return run_interruptible(context, *flags); }, &group);
  add_text(command, "NAME", flags->name, "The collection.")->required()->type_name("");
  add_text(command, "--queries", flags->queries_file, "Array of shape (n, dim).")
      ->type_name("FILE.npy");
  command.add_option("--k", flags->k, "Neighbours that count, 1..5000; 10 if not given.")
      ->type_name("N")
      ->check(CLI::Range(1, 5000).description(""));
  command.add_option("--num-queries", flags->num_queries, "Queries at most; 200 if not given.")
      ->type_name("N")
      ->check(CLI::Range(1, 1000000).description(""));
  add_texts(command, "--filter", flags->filters,
            "Measure under this filter too (Qdrant's JSON, or @FILE); may be repeated.")
      ->type_name("JSON|@FILE");
  add_text(command, "--using", flags->vector_name, "The name of the vector.")->type_name("NAME");
  command
      .add_option("--target", flags->target, "Recall to look for; the collection's if not given.")
      ->type_name("R")
      ->check(CLI::Range(0.5, 1.0).description(""));
  command.add_flag("--set", flags->set, "Store --target with the collection and apply it.");
  add_text(command, "--plot", flags->plot_file, "Draw recall over latency.")->type_name("FILE.png");
}

}  // namespace sightline::apps
