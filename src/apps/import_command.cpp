#include <filesystem>
#include <memory>

#include "apps/collection_commands.h"
#include "apps/commands.h"
#include "apps/inputs.h"
#include "apps/interrupt.h"
#include "apps/progress_bar.h"
#include "apps/text_format.h"
#include "pipeline/vector_import.h"

namespace sightline::apps {
namespace {

struct ImportFlags {
  std::string name, folder, vectors, payload, ids, faiss, metric;
  IndexSpecFlags index;
};

Result<pipeline::ImportOptions> import_options(CommandContext& context, const ImportFlags& flags) {
  pipeline::ImportOptions options;
  options.folder = flags.folder;
  options.vectors = flags.vectors;
  options.payload = flags.payload;
  options.ids = flags.ids;
  options.faiss = flags.faiss;
  const bool has_files = !flags.vectors.empty() || !flags.faiss.empty();
  if (!has_files && flags.folder.empty()) {
    return context.usage_error(
        "nothing to import: give --vectors FILE.npy, --faiss FILE or the folder of an export");
  }
  if (!flags.folder.empty() &&
      (has_files || !flags.payload.empty() || !flags.ids.empty() || !flags.metric.empty())) {
    return context.usage_error(
        "the folder of an export stands alone: it brings vectors, payloads, ids and metric");
  }
  if (!flags.metric.empty()) {
    SIGHTLINE_TRY(options.metric, pipeline::parse_metric(flags.metric));
  }
  options.index = flags.index.spec;
  options.target_recall = flags.index.target_recall;
  return options;
}

std::string summary(const CommandContext& context, const pipeline::ImportReport& report) {
  std::uint64_t num_skipped = 0;
  std::string reasons;
  for (const auto& [reason, count] : report.skipped) {
    num_skipped += count;
    reasons += (reasons.empty() ? "" : ", ") + format_count(count) + " " + reason;
  }
  std::string text =
      "collection \"" + escape_line(report.collection) + "\": " + format_count(report.num_points) +
      " points, " + format_count(num_skipped) + " rows skipped; loaded in " +
      format_duration(report.load_seconds) + " (" + format_fixed(report.points_per_second, 0) +
      " points/s), index built in " + format_duration(report.build_seconds) + "\n";
  if (num_skipped > 0) {
    text += "Skipped: " + reasons + "; each with its row in " +
            escape_line(report.skipped_file.string()) + "\n";
  }
  if (report.interrupted) {
    return text + "Interrupted after " + format_count(report.num_done) + " of " +
           format_count(report.num_rows) + " rows; run the same command to go on.\n";
  }
  text += "Now ask: sightline search --vectors QUERIES.npy --collection " +
          escape_line(report.collection);
  if (context.was_flagged("data_dir")) {
    text += " --data " + escape_line(context.settings().data_dir.string());
  }
  return text + "\n";
}

Result<int> run_import(CommandContext& context, const ImportFlags& flags) {
  SIGHTLINE_TRY(const pipeline::ImportOptions options, import_options(context, flags));
  for (const auto* file : {&options.folder, &options.vectors, &options.payload, &options.ids,
                           &options.faiss}) {  // before a data folder is made
    std::error_code error;
    if (!file->empty() && !std::filesystem::exists(*file, error)) {
      return not_found(file->string() + ": no such file or folder");
    }
  }
  SIGHTLINE_TRY_DO(pipeline::validate_collection_name(flags.name));
  InterruptWatch interrupt(
      "interrupted: finishing the batch in flight (again: stop at once, nothing stored is lost)");
  SIGHTLINE_TRY(const auto folder, open_data_folder(context, pipeline::Access::kWrite));
  ProgressBar bar(context.quiet(), "import");
  const auto report = pipeline::import_vectors(
      *folder, flags.name, options, context.pool(),
      [&](const pipeline::JobProgress& progress) { bar.update(progress); }, interrupt.token());
  bar.clear();
  if (!report && interrupt.interrupted() && report.error().code == StatusCode::kCancelled) {
    context.note("interrupted: nothing was written");
    return kExitInterrupted;
  }
  if (!report) return report.error();
  if (context.json()) {
    context.print(pipeline::to_json(*report));
  } else {
    context.out += summary(context, *report);
  }
  if (!report->interrupted) return kExitOk;
  context.note("interrupted after " + format_count(report->num_done) + " of " +
               format_count(report->num_rows) + " rows; run the same command to go on");
  return kExitInterrupted;
}

}  // namespace

void add_index_flags(CLI::App& command, IndexSpecFlags& flags, const std::string& when) {
  command
      .add_option_function<std::string>(
          "--index", [&flags](const std::string& spec) { flags.spec = plain(spec); },
          "Structure of sealed shards" + when +
              ": auto, or FAISS's factory grammar (Flat, IVF4096,Flat, IVF4096,SQ8, IVF4096,PQ64, "
              "HNSW32). With \",Refine(SQfp16)\" behind auto, SQ8 or PQ full vectors are kept as "
              "fp16.")
      ->type_name("SPEC");
  command
      .add_option_function<double>(
          "--target-recall", [&flags](double recall) { flags.target_recall = recall; },
          "Recall@10 that searches of sealed shards are calibrated to, 0.5..1; 0.95 if not given.")
      ->type_name("R")
      ->check(number_in(0.5, 1.0));
}

void add_import_command(CommandLine& line, CLI::App* parent) {
  auto flags = std::make_shared<ImportFlags>();
  const std::string call = parent ? "  sightline collection import " : "  sightline import ";
  CLI::App& command = line.add_command(
      {"import", "Make a collection from vectors, from a FAISS index or from an export.",
       call + "films --vectors films.npy --payload films.jsonl\n" + call +
           "films --vectors films.npy --ids ids.txt --metric dot --index \"IVF4096,PQ64\"\n" +
           call + "films --faiss films.index\n" + call +
           "films ./films-export/                  what collection export wrote\n" +
           "\n"
           "Vectors are rows of float16, float32 or float64; without --ids row i gets id i. "
           "Payload\n"
           "line i, a JSON object, belongs to row i. Rows that cannot be used are skipped and "
           "listed.\n"
           "The command returns when the index is built; interrupted, the same command goes on."},
      [flags](CommandContext& context) { return run_import(context, *flags); }, parent);
  add_text(command, "NAME", flags->name, "The new collection.")->required()->type_name("");
  add_text(command, "DIR", flags->folder, "Folder that \"collection export\" wrote.")
      ->type_name("");
  add_text(command, "--vectors", flags->vectors, "Array of shape (n, dim).")->type_name("FILE.npy");
  add_text(command, "--payload", flags->payload, "A JSON object a line, one line a row.")
      ->type_name("FILE.jsonl");
  add_text(command, "--ids", flags->ids,
           "Array of whole numbers, or text: a number or UUID a line.")
      ->type_name("FILE.npy|FILE.txt");
  add_text(command, "--faiss", flags->faiss,
           "FAISS index; with lossy codes (PQ, SQ) --vectors is needed too.")
      ->type_name("FILE");
  add_text(command, "--metric", flags->metric,
           "How vectors are compared; cosine, or as the FAISS index does, if not given.")
      ->type_name("cosine|dot|euclid|manhattan")
      ->check(CLI::IsMember({"cosine", "dot", "euclid", "manhattan"}).description(""));
  add_index_flags(command, flags->index, "");
}

}  // namespace sightline::apps
