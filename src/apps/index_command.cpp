#include <algorithm>
#include <chrono>
#include <filesystem>

#include "apps/collection_commands.h"
#include "apps/commands.h"
#include "apps/inputs.h"
#include "apps/interrupt.h"
#include "apps/progress_bar.h"
#include "apps/remote.h"
#include "apps/remote_work.h"
#include "apps/text_format.h"
#include "core/log.h"
#include "index/shard_spec.h"
#include "pipeline/ingest.h"

namespace sightline::apps {
namespace {

struct IndexFlags {
  std::vector<std::string> paths;
  std::vector<std::string> exclude;
  bool prune = false, follow_symlinks = false, hidden = false;
  IndexSpecFlags index;
  RemoteFlags remote;
};

/// The information of `name`, or nothing if there is no such collection yet.
Result<std::optional<pipeline::CollectionInfo>> find_collection(pipeline::DataFolder& folder,
                                                                const std::string& name) {
  auto store = folder.open_collection(name);
  if (!store && store.error().code == StatusCode::kNotFound) {
    return std::optional<pipeline::CollectionInfo>();
  }
  if (!store) return std::move(store).error();
  SIGHTLINE_TRY(pipeline::CollectionInfo info, (*store)->info());
  return std::optional(std::move(info));
}

std::string summary(const CommandContext& context, const pipeline::IngestReport& report,
                    double seconds, const std::filesystem::path& skipped_file,
                    const std::string& server = "") {
  std::uint64_t num_skipped = 0;
  std::string reasons;
  for (const auto& [reason, count] : report.skipped) {
    num_skipped += count;
    reasons += (reasons.empty() ? "" : ", ") + format_count(count) + " " + reason;
  }
  std::string text = format_count(report.indexed) + " pictures indexed, " +
                     format_count(report.unchanged) + " unchanged, " + format_count(num_skipped) +
                     " skipped";
  if (report.pruned > 0) text += ", " + format_count(report.pruned) + " pruned";
  text += " in " + format_duration(seconds);
  if (report.indexed > 0) text += " (" + format_fixed(report.images_per_second, 1) + " pictures/s)";
  text += "\n";
  if (num_skipped > 0) {
    text += "Skipped: " + reasons;
    if (!skipped_file.empty()) {
      text += "; each with its reason in " + escape_line(skipped_file.string());
    }
    text += "\n";
  }
  if (report.interrupted) {
    text += "Interrupted: everything counted above is kept; run the same command to go on.\n";
  } else if (report.indexed > 0) {
    const std::string& collection = context.settings().collection;
    text += "Now ask: sightline search \"a red kangaroo\"";
    if (context.was_flagged("collection")) text += " --collection " + escape_line(collection);
    if (context.was_flagged("data_dir")) {
      text += " --data " + escape_line(context.settings().data_dir.string());
    }
    if (!server.empty()) text += " --server " + escape_line(server);
    text += "\n";
  }
  return text;
}

/// --index and --target-recall are for a collection in which there is nothing yet.
Result<void> apply_index_flags(pipeline::CollectionStore& store, const IndexSpecFlags& flags) {
  if (!flags.spec && !flags.target_recall) return {};
  SIGHTLINE_TRY(const pipeline::CollectionInfo info, store.info());
  const pipeline::VectorConfig& config = info.config.vectors.at("");
  const std::string spec = flags.spec.value_or(config.index);
  const double recall = flags.target_recall.value_or(config.target_recall);
  if (spec == config.index && recall == config.target_recall) return {};
  if (info.num_points > 0) {
    return failed_precondition("collection \"" + info.name + "\" has index " + config.index +
                               " with target recall " + format_fixed(config.target_recall, 2) +
                               "; \"sightline collection optimize " + info.name +
                               " --index SPEC --target-recall R\" changes that");
  }
  return store.set_index("", spec, recall);
}

/// Whether more is growing than opening the collection again loads quickly, or anything where the
/// structure of sealed shards was chosen.
bool asks_for_optimize(const pipeline::CollectionInfo& info) {
  const pipeline::SealingOptions policy;
  return std::ranges::any_of(info.shards, [&](const pipeline::ShardInfo& shard) {
    if (shard.type != "growing" || shard.num_rows == 0) return false;
    const auto vector = info.config.vectors.find(shard.vector_name);
    return shard.num_rows > policy.small_rows || shard.memory_bytes > policy.small_bytes ||
           (vector != info.config.vectors.end() && vector->second.index != "auto");
  });
}

/// Seals what the run has brought where that is worth it.
Result<void> optimize(pipeline::CollectionStore& store, pipeline::IngestReport& report,
                      ProgressBar& bar, const InterruptWatch& interrupt) {
  if (report.interrupted) return {};
  SIGHTLINE_TRY(const pipeline::CollectionInfo info, store.info());
  if (!asks_for_optimize(info)) return {};
  const auto started = std::chrono::steady_clock::now();
  pipeline::OptimizeOptions options;
  options.progress = [&](double share, std::string_view stage) {
    bar.update({stage, share, 0, 0});
  };
  const auto done = store.optimize(options, Deadline::never().with_stop(interrupt.token()));
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - started;
  report.stages["optimize_s"] = elapsed.count();
  if (!done && done.error().code == StatusCode::kCancelled && interrupt.interrupted()) {
    report.interrupted = true;
    return {};
  }
  if (!done) return done.error();
  return {};
}

Result<int> finish(CommandContext& context, const pipeline::IngestReport& report,
                   const std::string& summary) {
  if (context.json()) {
    context.print(pipeline::to_json(report));
  } else {
    context.out += summary;
  }
  if (!report.interrupted) return kExitOk;
  if (context.json()) {
    context.note("interrupted: what was counted is kept; run the same command to go on");
  }
  return kExitInterrupted;
}

/// As a job of the server, whose folders the paths are in.
Result<int> index_there(CommandContext& context, const IndexFlags& flags, RemoteServer& server) {
  const auto started = std::chrono::steady_clock::now();
  for (const char* key : {"data_dir", "image.alpha", "precision", "device"}) {
    if (context.was_flagged(key)) {
      return context.usage_error(
          std::string("--server chooses for itself: leave out the flag for ") + key);
    }
  }
  if (flags.index.spec || flags.index.target_recall) {
    return context.usage_error("--index and --target-recall do not go with --server");
  }
  RemoteIndexing indexing;
  indexing.collection = context.settings().collection;
  for (const std::string& path : flags.paths) {
    if (path.empty()) return invalid_argument("PATH \"\" is empty; it must name a file or folder");
    indexing.paths.push_back(std::filesystem::absolute(path).lexically_normal().string());
  }
  indexing.exclude = flags.exclude;
  indexing.prune = flags.prune;
  indexing.follow_symlinks = flags.follow_symlinks;
  indexing.hidden = flags.hidden;
  if (context.was_flagged("model")) indexing.model = context.settings().model;

  InterruptWatch interrupt("interrupted: the server finishes the batch in flight");
  ProgressBar bar(context.quiet());
  const auto report = index_remotely(
      server, indexing, [&](const pipeline::IngestProgress& progress) { bar.update(progress); },
      interrupt.token());
  bar.clear();
  if (!report) return report.error();
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - started;
  return finish(context, *report, summary(context, *report, elapsed.count(), {}, server.url()));
}

/// A collection that this run has made and into which nothing came would bind whoever tries again
/// to its model.
void remove_if_empty(pipeline::DataFolder& folder, const pipeline::CollectionStore& store) {
  const auto info = store.info();
  if (!info || info->num_points > 0 || info->num_sources > 0) return;
  if (const auto removed = folder.delete_collection(info->name); !removed) {
    log_warning("index", removed.error().message);
  }
}

/// Seals what came in and reports.
Result<pipeline::IngestReport> fill(CommandContext& context, const IndexSpecFlags& index,
                                    pipeline::CollectionStore& store,
                                    const encoders::Encoder& encoder,
                                    const pipeline::IngestOptions& options,
                                    const InterruptWatch& interrupt) {
  SIGHTLINE_TRY_DO(apply_index_flags(store, index));
  ProgressBar bar(context.quiet());
  auto report = pipeline::ingest(
      store, encoder, context.pool(), options,
      [&](const pipeline::IngestProgress& progress) { bar.update(progress); }, interrupt.token());
  if (!report) return report;
  SIGHTLINE_TRY_DO(store.flush());
  SIGHTLINE_TRY_DO(optimize(store, *report, bar, interrupt));
  bar.clear();
  return report;
}

Result<int> index_here(CommandContext& context, const IndexFlags& flags) {
  const auto started = std::chrono::steady_clock::now();
  SIGHTLINE_TRY_DO(pipeline::check_paths(flags.paths));
  const settings::Settings& settings = context.settings();
  const std::string& name = settings.collection;
  SIGHTLINE_TRY_DO(pipeline::validate_collection_name(name));
  if (flags.index.spec) SIGHTLINE_TRY_DO(index::parse_shard_spec(*flags.index.spec));

  InterruptWatch interrupt(
      "interrupted: finishing the batch in flight (again: stop at once, nothing stored is lost)");
  std::unique_ptr<encoders::Encoder> encoder;
  std::error_code error;
  if (!std::filesystem::exists(settings.data_dir, error)) {  // none is made for a mistyped model
    SIGHTLINE_TRY(encoder, load_model(context));
  }
  SIGHTLINE_TRY(const auto folder, open_data_folder(context, pipeline::Access::kWrite));
  SIGHTLINE_TRY(const auto known, find_collection(*folder, name));

  pipeline::IngestOptions options;
  if (known) {
    SIGHTLINE_TRY(encoder, load_model_of(context, *known));
    SIGHTLINE_TRY(options.decode, decode_options_of(context, *known));
  } else {
    if (!encoder) {
      SIGHTLINE_TRY(encoder, load_model(context));
    }
    SIGHTLINE_TRY(options.decode, decode_options(settings));
  }
  options.paths = flags.paths;
  options.exclude = flags.exclude;
  options.prune = flags.prune;
  options.follow_symlinks = flags.follow_symlinks;
  options.hidden = flags.hidden;
  options.batch_size = static_cast<std::size_t>(settings.ingest.batch_size);
  options.decode_bytes = settings.image.decode_bytes;
  options.thumbnail_edge = static_cast<std::size_t>(settings.image.thumbnail_edge);
  SIGHTLINE_TRY(const auto store,
                pipeline::open_or_create_for(*folder, name, encoder->info(), options.decode.alpha));
  SIGHTLINE_TRY(const std::string own_name, folder->resolve_collection(name));
  options.skipped_file = folder->collection_folder(own_name) / "skipped.jsonl";

  const auto report = fill(context, flags.index, *store, *encoder, options, interrupt);
  if (!report) {
    if (!known) remove_if_empty(*folder, *store);
    return report.error();
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - started;
  return finish(context, *report, summary(context, *report, elapsed.count(), options.skipped_file));
}

Result<int> run_index(CommandContext& context, const IndexFlags& flags) {
  auto server = RemoteServer::chosen(flags.remote);
  if (!server) return context.usage_error(std::move(server).error().message);
  return *server ? index_there(context, flags, **server) : index_here(context, flags);
}

}  // namespace

void add_index_command(CommandLine& line) {
  auto flags = std::make_shared<IndexFlags>();
  CLI::App& command = line.add_command(
      {"index", "Index pictures: folders, files, manifests and tar files.",
       "  sightline index ~/Pictures\n"
       "  sightline index ~/Pictures /mnt/camera --collection holidays --exclude '*.tiff'\n"
       "  sightline index ~/Pictures --prune         forget pictures that are gone\n"
       "  sightline index shop.csv --collection shop --model ~/models/clip-vit-base-patch32\n"
       "  sightline index train-00{0..9}.tar         WebDataset shards\n"
       "  sightline index ~/Pictures --server http://127.0.0.1:6333\n"
       "\n"
       "A PATH is a folder (walked down), a picture, a .jsonl or .csv manifest (column \"image\",\n"
       "optional \"id\", the rest is payload) or a .tar. Running again handles new and changed\n"
       "files only. Ctrl-C stops in good order; so does running again after it. A collection\n"
       "remembers its model: --model is needed at the first run only."},
      [flags](CommandContext& context) { return run_index(context, *flags); });
  add_texts(command, "PATH", flags->paths, "What to index.")->required()->type_name("");
  line.add_collection_flag(command);
  line.add_model_flags(command);
  line.add_alpha_flag(command);
  add_texts(command, "--exclude", flags->exclude,
            "Leave out files and folders that match; may be repeated.")
      ->type_name("GLOB");
  command.add_flag("--prune", flags->prune, "Remove points whose files below PATH have vanished.");
  command.add_flag("--follow-symlinks", flags->follow_symlinks, "Follow symbolic links.");
  command.add_flag("--hidden", flags->hidden, "Walk hidden folders and files too.");
  add_index_flags(command, flags->index, " of a new collection");
  add_remote_flags(command, flags->remote);
}

}  // namespace sightline::apps
