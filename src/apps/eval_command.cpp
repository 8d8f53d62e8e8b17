#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>
#include <tuple>

#include "apps/commands.h"
#include "apps/inputs.h"
#include "apps/interrupt.h"
#include "apps/progress_bar.h"
#include "apps/text_format.h"
#include "apps/vector_search.h"
#include "eval/index_report.h"
#include "eval/write_report.h"

namespace sightline::apps {
namespace {

constexpr std::uint64_t kSampleSeed = 1;
// Rows to write beyond these are these again, with noise.
constexpr std::uint64_t kMostSampleBytes = std::uint64_t{256} << 20;

struct EvalFlags {
  std::string name, queries_file, vector_name, plot_file, scratch_folder;
  std::vector<std::string> filters;
  std::size_t k = 10, num_queries = 200;
  std::size_t num_writes = 0;  ///< Rows; 0: writes are not measured
  double target = 0;           ///< 0: the collection's own
  bool set = false;
};

/// The name of the vector that is meant, with its configuration.
Result<std::pair<std::string, pipeline::VectorConfig>> vector_of(
    const pipeline::CollectionInfo& info, const std::string& name) {
  const auto& vectors = info.config.vectors;
  const auto found = name.empty() && vectors.size() == 1 ? vectors.begin() : vectors.find(name);
  if (found != vectors.end() && found->second.kind != pipeline::VectorKind::kDense) {
    return invalid_argument("vector \"" + found->first + "\" of collection \"" + info.name +
                            "\" is " + std::string(pipeline::vector_kind_name(found->second.kind)) +
                            ", which has no index to measure");
  }
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
  if (file.count() == 0) return invalid_argument(flags.queries_file + ": holds no query");
  std::vector<eval::ReportQuery> queries;
  for (std::size_t i = 0; i < std::min(file.count(), flags.num_queries); ++i) {
    SIGHTLINE_TRY(auto row, file.row(i));
    if (!std::ranges::all_of(row, [](float value) { return std::isfinite(value); })) {
      return invalid_argument(flags.queries_file + ": query " + std::to_string(i) +
                              " holds a value that is not finite");
    }
    queries.push_back({std::move(row), std::nullopt});
  }
  return queries;
}

/// A new folder, removed with all it holds.
class ScratchFolder {
 public:
  static Result<ScratchFolder> make(const std::filesystem::path& below) {
    std::string name = (below / "scratch-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) {
      return io_error("cannot make a folder below " + below.string() + ": " + std::strerror(errno) +
                      " (--scratch names another place)");
    }
    return ScratchFolder(name);
  }
  ~ScratchFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(ScratchFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ScratchFolder& operator=(ScratchFolder&&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  explicit ScratchFolder(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

/// What measure_writes() takes of the collection.
struct WriteInputs {
  pipeline::VectorConfig config;
  std::vector<std::vector<float>> samples, queries;
};

std::vector<std::vector<float>> vectors_of(std::span<const eval::ReportQuery> queries) {
  std::vector<std::vector<float>> vectors;
  for (const eval::ReportQuery& query : queries) vectors.push_back(query.vector);
  return vectors;
}

Result<WriteInputs> write_inputs(const pipeline::CollectionStore& store, const EvalFlags& flags,
                                 const std::string& vector_name,
                                 const pipeline::VectorConfig& config,
                                 std::span<const eval::ReportQuery> queries,
                                 const Deadline& deadline) {
  WriteInputs inputs;
  inputs.config = config;
  inputs.queries = vectors_of(queries);
  const std::size_t most = std::max<std::size_t>(
      1, static_cast<std::size_t>(kMostSampleBytes / (config.dim * sizeof(float))));
  SIGHTLINE_TRY(const auto samples,
                eval::sample_queries(store, vector_name, std::min(most, flags.num_writes),
                                     kSampleSeed, deadline));
  inputs.samples = vectors_of(samples);
  if (inputs.samples.empty()) {
    return failed_precondition("collection \"" + flags.name +
                               "\" has no vectors to write somewhere else");
  }
  return inputs;
}

/// In a data folder of its own, with a collection configured alike.
Result<eval::WriteReport> measure_writes(CommandContext& context, const EvalFlags& flags,
                                         const WriteInputs& inputs, ProgressBar& bar,
                                         const Deadline& deadline) {
  SIGHTLINE_TRY(const ScratchFolder scratch,
                ScratchFolder::make(flags.scratch_folder.empty()
                                        ? context.settings().data_dir
                                        : std::filesystem::path(flags.scratch_folder)));
  SIGHTLINE_TRY(const auto folder,
                open_data_folder_at(context, scratch.path(), pipeline::Access::kWrite));
  pipeline::CollectionConfig config;
  config.vectors[""] = inputs.config;
  SIGHTLINE_TRY(const auto store, folder->create_collection("scratch", config));
  eval::WriteReportOptions options;
  options.num_rows = flags.num_writes;
  options.k = flags.k;
  options.progress = [&](double share, std::string_view stage) {
    bar.update({stage, share, 0, 0});
  };
  return eval::measure_writes(*store, inputs.samples, inputs.queries, options, deadline);
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
                   : "No setting that was measured reaches recall " + target +
                         " (--set calibrates for it how many candidates are refined, too)\n");
}

std::string writes_summary(const eval::WriteReport& report) {
  std::string types;
  for (const std::string& type : report.shard_types) types += (types.empty() ? "" : " + ") + type;
  TextTable table({{"", Align::kLeft},
                   {"count", Align::kRight},
                   {"p50 ms", Align::kRight},
                   {"p99 ms", Align::kRight},
                   {"most ms", Align::kRight}});
  const auto add = [&](const std::string& name, const eval::Latency& latency) {
    table.add_row({name, format_count(latency.count), format_fixed(latency.p50_ms, 3),
                   format_fixed(latency.p99_ms, 3), format_fixed(latency.max_ms, 3)});
  };
  add("write of " + format_count(report.rows_per_write), report.write);
  add("then until found", report.searchable);
  add("search, quiet", report.quiet);
  add("search during a build", report.during_build);
  std::string text = "\nwrites of " + format_count(report.num_rows) + " rows, built as " + types +
                     ": " + format_fixed(report.rows_per_second, 0) + " rows/s, " +
                     format_fixed(report.megabytes_per_second, 1) + " MB/s; all searchable after " +
                     format_fixed(report.searchable_seconds, 1) + " s, indexed after " +
                     format_fixed(report.indexed_seconds, 1) + " s\n" + table.render();
  if (report.p99_ratio) {
    text += "During a build (" + format_fixed(report.build_seconds, 1) +
            " s) the p99 of a search is " + format_fixed(*report.p99_ratio, 2) +
            " times the quiet one\n";
  }
  return text;
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

/// What is read of the collection.
struct Measured {
  std::string vector_name;
  pipeline::VectorConfig config;
  eval::IndexReport report;
  WriteInputs inputs;  // if writes are to be measured
};

Result<Measured> measure_collection(CommandContext& context, const EvalFlags& flags,
                                    ProgressBar& bar, const Deadline& deadline) {
  SIGHTLINE_TRY(auto filters, filters_of(flags));
  SIGHTLINE_TRY(const auto folder, open_data_folder(context, pipeline::Access::kRead));
  SIGHTLINE_TRY(const auto store, folder->open_collection(flags.name));
  SIGHTLINE_TRY_DO(store->catch_up());
  SIGHTLINE_TRY(const pipeline::CollectionInfo info, store->info());
  Measured measured;
  SIGHTLINE_TRY(const auto vector, vector_of(info, flags.vector_name));
  std::tie(measured.vector_name, measured.config) = vector;
  SIGHTLINE_TRY(const auto queries,
                queries_of(*store, flags, measured.vector_name, measured.config.dim, deadline));
  if (flags.num_writes > 0) {
    SIGHTLINE_TRY(measured.inputs, write_inputs(*store, flags, measured.vector_name,
                                                measured.config, queries, deadline));
  }
  eval::IndexReportOptions options;
  options.vector_name = measured.vector_name;
  options.k = flags.k;
  options.filters = std::move(filters);
  options.target_recall = flags.target == 0 ? measured.config.target_recall : flags.target;
  options.num_threads = context.pool().num_threads();
  options.progress = [&](double share, std::string_view stage) {
    bar.update({stage, share, 0, 0});
  };
  SIGHTLINE_TRY(measured.report, eval::measure_index(*store, queries, options, deadline));
  return measured;
}

Result<int> run_eval_index(CommandContext& context, const EvalFlags& flags) {
  if (flags.set && flags.target == 0) {
    return context.usage_error("--set stores a target recall: give it with --target");
  }
  if (!flags.scratch_folder.empty() && flags.num_writes == 0) {
    return context.usage_error("--scratch says where --writes writes: give that too");
  }
  if (!flags.plot_file.empty()) {
    // Measuring takes long: what cannot be written is said before.
    const auto folder = std::filesystem::absolute(flags.plot_file).parent_path();
    std::error_code error;
    if (!std::filesystem::is_directory(folder, error))
      return not_found("--plot " + flags.plot_file + ": there is no folder " + folder.string());
  }
  InterruptWatch interrupt("interrupted: stopping");
  const Deadline deadline = Deadline::never().with_stop(interrupt.token());
  ProgressBar bar(context.quiet(), "eval");
  SIGHTLINE_TRY(const Measured measured, measure_collection(context, flags, bar, deadline));
  if (!flags.plot_file.empty()) {
    SIGHTLINE_TRY_DO(eval::draw_recall(measured.report, flags.plot_file));
  }
  std::optional<eval::WriteReport> writes;
  if (flags.num_writes > 0) {
    SIGHTLINE_TRY(writes, measure_writes(context, flags, measured.inputs, bar, deadline));
  }
  if (flags.set) {  // the reader is gone
    SIGHTLINE_TRY_DO(set_target(context, flags, measured.vector_name, measured.config.index,
                                flags.target, bar, deadline));
  }
  bar.clear();
  if (context.json()) {
    Json json = eval::to_json(measured.report);
    json["collection"] = flags.name;
    json["stored_target_recall"] = flags.set ? Json(flags.target) : Json();
    if (writes) json["writes"] = eval::to_json(*writes);
    context.print(json);
  } else {
    context.out += summary(flags, measured.report);
    if (writes) context.out += writes_summary(*writes);
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
       "  sightline eval index films --writes 100000\n"
       "\n"
       "The truth is the exact search of the same collection. Queries are rows of the array, or\n"
       "points of the collection (left out of their own answers). Settings are tried until "
       "nearly\n"
       "all is found. --set stores the target and builds the shards anew, calibrated to it.\n"
       "--writes fills and builds a collection like this one, in a folder that is removed "
       "afterwards."},
      [flags](CommandContext& context) { return run_interruptible(context, *flags); }, &group);
  add_text(command, "NAME", flags->name, "The collection.")->required()->type_name("");
  add_text(command, "--queries", flags->queries_file, "Array of shape (n, dim).")
      ->type_name("FILE.npy");
  command.add_option("--k", flags->k, "Neighbours that count, 1..5000; 10 if not given.")
      ->type_name("N")
      ->check(whole_number(1, 5000));
  command.add_option("--num-queries", flags->num_queries, "Queries at most; 200 if not given.")
      ->type_name("N")
      ->check(whole_number(1, 1000000));
  add_texts(command, "--filter", flags->filters,
            "Measure under this filter too (Qdrant's JSON, or @FILE); may be repeated.")
      ->type_name("JSON|@FILE");
  add_text(command, "--using", flags->vector_name, "The name of the vector.")->type_name("NAME");
  command
      .add_option("--target", flags->target, "Recall to look for; the collection's if not given.")
      ->type_name("R")
      ->check(number_in(0.5, 1.0));
  command.add_flag("--set", flags->set, "Store --target with the collection and apply it.");
  command
      .add_option("--writes", flags->num_writes,
                  "Also measure writing so many rows, and searches while they are indexed.")
      ->type_name("ROWS")
      ->check(whole_number(1, 100'000'000));
  add_text(command, "--scratch", flags->scratch_folder,
           "Where --writes writes; below the data folder if not given.")
      ->type_name("DIR");
  add_text(command, "--plot", flags->plot_file, "Draw recall over latency.")->type_name("FILE.png");
  add_eval_encoder_command(line, group);
}

}  // namespace sightline::apps
