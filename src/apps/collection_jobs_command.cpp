#include <chrono>
#include <cmath>
#include <filesystem>
#include <memory>

#include "apps/collection_commands.h"
#include "apps/inputs.h"
#include "apps/interrupt.h"
#include "apps/progress_bar.h"
#include "apps/text_format.h"
#include "core/indexed_value.h"
#include "pipeline/vector_export.h"
#include "pipeline/vector_import.h"

namespace sightline::apps {
namespace {

/// A long job: Ctrl-C stops it, the bar shows how far it is.
class Job {
 public:
  Job(CommandContext& context, const std::string& notice)
      : context_(context), interrupt_("interrupted: " + notice), bar_(context.quiet()) {}

  Deadline deadline() const { return Deadline::never().with_stop(interrupt_.token()); }
  void show(const pipeline::JobProgress& progress) { bar_.update(progress); }
  pipeline::ReportJob report() {
    return [this](const pipeline::JobProgress& progress) { show(progress); };
  }
  std::function<void(double)> report_share(std::string_view stage) {
    return [this, stage](double share) { show({stage, share, 0, 0}); };
  }
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
  }
  /// What the command returns for `error`.
  Result<int> failed(Status error) {
    bar_.clear();
    if (error.code != StatusCode::kCancelled || !interrupt_.interrupted()) return error;
    context_.note("interrupted: " + error.message);
    return kExitInterrupted;
  }
  void done() { bar_.clear(); }

 private:
  CommandContext& context_;
  InterruptWatch interrupt_;
  ProgressBar bar_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

std::string quoted(const std::string& name) { return "\"" + escape_line(name) + "\""; }

struct OptimizeFlags {
  std::string name;
  IndexSpecFlags index;
  bool force = false;
};

Result<int> run_optimize(CommandContext& context, const OptimizeFlags& flags) {
  Job job(context, "stopping; shards built until now stay (again: stop at once)");
  SIGHTLINE_TRY(const auto folder, open_data_folder(context, pipeline::Access::kWrite));
  SIGHTLINE_TRY(const auto store, folder->open_collection(flags.name));
  if (flags.index.spec || flags.index.target_recall) {
    SIGHTLINE_TRY(const pipeline::CollectionInfo info, store->info());
    for (const auto& [vector, config] : info.config.vectors) {
      if (config.kind != pipeline::VectorKind::kDense) continue;
      SIGHTLINE_TRY_DO(store->set_index(vector, flags.index.spec.value_or(config.index),
                                        flags.index.target_recall.value_or(config.target_recall)));
    }
  }
  pipeline::OptimizeOptions options;
  options.force = flags.force;
  options.progress = [&](double share, std::string_view stage) { job.show({stage, share, 0, 0}); };
  const auto done = store->optimize(options, job.deadline());
  if (!done) return job.failed(done.error());
  job.done();
  SIGHTLINE_TRY(const pipeline::CollectionInfo info, store->info());
  if (context.json()) {
    OrderedJson shards = OrderedJson::array();
    for (const auto& shard : info.shards) shards.push_back(pipeline::to_json(shard));
    context.print(OrderedJson{{"collection", flags.name},
                              {"built", done->num_built},
                              {"removed", done->num_removed},
                              {"rows", done->num_rows},
                              {"moved", done->num_moved},
                              {"seconds", job.seconds()},
                              {"index", std::move(shards)}});
    return kExitOk;
  }
  context.out += "collection " + quoted(flags.name) + ": " + format_count(done->num_built) +
                 " shards built of " + format_count(done->num_rows) + " rows, " +
                 format_count(done->num_removed) + " removed, in " +
                 format_duration(job.seconds()) + "\n" + shard_table(info.shards);
  return kExitOk;
}

struct FieldFlags {
  std::string name, field, type;
  bool drop = false;
};

Result<int> list_fields(CommandContext& context, const FieldFlags& flags) {
  SIGHTLINE_TRY(const auto folder, open_data_folder(context, pipeline::Access::kRead));
  SIGHTLINE_TRY(const auto store, folder->open_collection(flags.name));
  SIGHTLINE_TRY(const pipeline::CollectionInfo info, store->info());
  OrderedJson json = OrderedJson::object();
  TextTable table({{"field", Align::kLeft}, {"type", Align::kLeft}});
  for (const auto& [field, index] : info.payload_indexes) {
    json[field] = field_type_name(index.type);
    table.add_row({field, std::string(field_type_name(index.type))});
  }
  if (context.json()) {
    context.print(OrderedJson{{"collection", flags.name}, {"payload_indexes", std::move(json)}});
  } else {
    context.out += info.payload_indexes.empty()
                       ? "collection " + quoted(flags.name) + " has no payload indexes\n"
                       : table.render();
  }
  return kExitOk;
}

Result<int> run_field(CommandContext& context, const FieldFlags& flags) {
  if (flags.drop && !flags.type.empty()) {
    return context.usage_error("--type makes an index and --drop removes one: give one of them");
  }
  const bool changes = flags.drop || !flags.type.empty();
  if (flags.field.empty()) {
    if (changes) return context.usage_error("which FIELD is meant?");
    return list_fields(context, flags);
  }
  if (!changes) {
    return context.usage_error("give --type TYPE to index field \"" + flags.field +
                               "\", or --drop to remove its index");
  }
  SIGHTLINE_TRY(const auto folder, open_data_folder(context, pipeline::Access::kWrite));
  SIGHTLINE_TRY(const auto store, folder->open_collection(flags.name));
  OrderedJson json = {{"collection", flags.name}, {"field", flags.field}};
  if (flags.drop) {
    SIGHTLINE_TRY(const bool dropped, store->drop_payload_index(flags.field));
    if (!dropped) {
      return not_found("collection \"" + flags.name + "\" has no index on field \"" + flags.field +
                       "\"");
    }
    json["dropped"] = true;
  } else {
    SIGHTLINE_TRY(const FieldType type, parse_field_type(flags.type));
    SIGHTLINE_TRY_DO(store->create_payload_index(flags.field, type));
    json["type"] = flags.type;
  }
  if (context.json()) {
    context.print(json);
  } else {
    context.out += "field " + quoted(flags.field) + " of collection " + quoted(flags.name) +
                   (flags.drop ? ": index removed\n" : ": indexed as " + flags.type + "\n");
  }
  return kExitOk;
}

struct FileFlags {
  std::string name, file;
};

Result<int> run_export(CommandContext& context, const FileFlags& flags) {
  Job job(context, "stopping; without its manifest the folder is no export");
  SIGHTLINE_TRY(const auto folder, open_data_folder(context, pipeline::Access::kRead));
  SIGHTLINE_TRY(const auto store, folder->open_collection(flags.name));
  SIGHTLINE_TRY_DO(store->catch_up());
  const auto report = pipeline::export_collection(*store, flags.file, job.report(), job.deadline());
  if (!report) return job.failed(report.error());
  job.done();
  if (context.json()) {
    context.print(pipeline::to_json(*report));
  } else {
    context.out += format_count(report->num_points) + " points exported to " +
                   escape_line(report->folder.string()) + " (" + format_bytes(report->num_bytes) +
                   ") in " + format_duration(report->seconds) + "\n";
  }
  return kExitOk;
}

Result<int> run_snapshot(CommandContext& context, const FileFlags& flags) {
  Job job(context, "stopping; nothing is left of the snapshot");
  SIGHTLINE_TRY(const auto folder, open_data_folder(context, pipeline::Access::kWrite));
  const auto manifest = folder->snapshot_collection(flags.name, flags.file,
                                                    job.report_share("snapshot"), job.deadline());
  if (!manifest) return job.failed(manifest.error());
  job.done();
  std::error_code ignored;
  const auto bytes = std::filesystem::file_size(flags.file, ignored);
  if (context.json()) {
    context.print(OrderedJson{{"collection", flags.name},
                              {"file", flags.file},
                              {"bytes", bytes},
                              {"seconds", job.seconds()},
                              {"manifest", *manifest}});
  } else {
    context.out += "snapshot of collection " + quoted(flags.name) + " written to " +
                   escape_line(flags.file) + " (" + format_bytes(bytes) + ") in " +
                   format_duration(job.seconds()) + "\n";
  }
  return kExitOk;
}

Result<int> run_restore(CommandContext& context, const FileFlags& flags) {
  std::error_code ignored;
  if (!std::filesystem::exists(flags.file, ignored)) {  // before a data folder is made
    return not_found(flags.file + ": no such file");
  }
  Job job(context, "stopping; nothing is left of the collection");
  SIGHTLINE_TRY(const auto folder, open_data_folder(context, pipeline::Access::kWrite));
  const auto manifest = folder->restore_collection(flags.name, flags.file,
                                                   job.report_share("restoring"), job.deadline());
  if (!manifest) return job.failed(manifest.error());
  job.done();
  SIGHTLINE_TRY(const auto store, folder->open_collection(flags.name));
  SIGHTLINE_TRY(const pipeline::CollectionInfo info, store->info());
  if (context.json()) {
    context.print(OrderedJson{{"collection", flags.name},
                              {"num_points", info.num_points},
                              {"seconds", job.seconds()},
                              {"manifest", *manifest}});
  } else {
    context.out += "collection " + quoted(flags.name) + " restored with " +
                   format_count(info.num_points) + " points in " + format_duration(job.seconds()) +
                   "\n";
  }
  return kExitOk;
}

Result<int> run_verify(CommandContext& context, const std::string& name) {
  Job job(context, "stopping");
  SIGHTLINE_TRY(const auto folder, open_data_folder(context, pipeline::Access::kRead));
  const auto damage = folder->verify_collection(name, job.deadline());
  if (!damage) return job.failed(damage.error());
  job.done();
  if (context.json()) {
    context.print(OrderedJson{{"collection", name},
                              {"sound", damage->empty()},
                              {"damage", *damage},
                              {"seconds", job.seconds()}});
  } else {
    for (const std::string& line : *damage) context.out += escape_line(line) + "\n";
    if (damage->empty()) {
      context.out += "collection " + quoted(name) + " is sound: every byte was read, in " +
                     format_duration(job.seconds()) + "\n";
    }
  }
  if (!damage->empty()) {
    context.complaint = "collection \"" + name + "\" is damaged in " +
                        format_count(damage->size()) + " places; \"sightline collection repair " +
                        name + "\" makes it usable again and lists what is lost";
  }
  return kExitOk;
}

/// What repair took away of shards is built again.
Result<void> rebuild(pipeline::DataFolder& folder, const std::string& name, Job& job) {
  SIGHTLINE_TRY(const auto store, folder.open_collection(name));
  pipeline::OptimizeOptions options;
  options.progress = [&](double share, std::string_view stage) { job.show({stage, share, 0, 0}); };
  SIGHTLINE_TRY_DO(store->optimize(options, job.deadline()));
  return {};
}

Result<int> run_repair(CommandContext& context, const std::string& name) {
  Job job(context, "stopping; what is lost was listed, shards are built by the next optimize");
  SIGHTLINE_TRY(const auto folder, open_data_folder(context, pipeline::Access::kWrite));
  SIGHTLINE_TRY(const auto lines, folder->repair_collection(name));
  std::vector<std::string> lost, rebuilt;
  for (const std::string& line : lines) {
    (line.starts_with("shards/") ? rebuilt : lost).push_back(line);
  }
  const auto built = rebuild(*folder, name, job);
  job.done();
  if (context.json()) {
    context.print(OrderedJson{{"collection", name}, {"lost", lost}, {"rebuilt", rebuilt}});
  } else {
    for (const std::string& line : lines) context.out += escape_line(line) + "\n";
    context.out += "collection " + quoted(name) + " is repaired; " +
                   (lost.empty() ? "no point was lost"
                                 : format_count(lost.size()) +
                                       " of the lines above tell what is "
                                       "lost") +
                   "\n";
  }
  if (!built) context.complaint = "its shards were not built anew: " + built.error().message;
  return kExitOk;
}

void add_name(CLI::App& command, std::string& target, const std::string& description) {
  add_text(command, "NAME", target, description)->required()->type_name("");
}

void add_optimize(CommandLine& line, CLI::App& group) {
  auto flags = std::make_shared<OptimizeFlags>();
  CLI::App& command = line.add_command(
      {"optimize", "Build, merge and compact the shards until they are as they should be.",
       "  sightline collection optimize films\n"
       "  sightline collection optimize films --index \"IVF4096,PQ64\" --target-recall 0.9\n"
       "  sightline collection optimize films --force\n"
       "\n"
       "--index and --target-recall stay with the collection. Ctrl-C keeps what was built."},
      [flags](CommandContext& context) { return run_optimize(context, *flags); }, &group);
  add_name(command, flags->name, "The collection.");
  add_index_flags(command, flags->index, " from now on");
  command.add_flag("--force", flags->force, "Make anew what is good already.");
}

void add_field_index(CommandLine& line, CLI::App& group) {
  auto flags = std::make_shared<FieldFlags>();
  CLI::App& command = line.add_command(
      {"index", "Payload indexes, which filters use: make, remove or list them.",
       "  sightline collection index films genre --type keyword\n"
       "  sightline collection index films \"cast[].born\" --type integer\n"
       "  sightline collection index films genre --drop\n"
       "  sightline collection index films                       list them\n"
       "\n"
       "A filter on a field without an index reads payloads, and the answer's plan warns of it."},
      [flags](CommandContext& context) { return run_field(context, *flags); }, &group);
  add_name(command, flags->name, "The collection.");
  add_text(command, "FIELD", flags->field, "Path of the field: year, _image.width, cast[].born.")
      ->type_name("");
  const std::vector<std::string> types = {"keyword",  "integer", "float", "bool",
                                          "datetime", "geo",     "uuid",  "text"};
  add_text(command, "--type", flags->type, "What the field holds.")
      ->type_name("keyword|integer|float|bool|datetime|geo|uuid|text")
      ->check(CLI::IsMember(types).description(""));
  command.add_flag("--drop", flags->drop, "Remove the field's index.");
}

/// A command of a collection and a file.
void add_file_command(CommandLine& line, CLI::App& group,
                      const CommandLine::Description& description, const std::string& name_text,
                      const std::string& file, const std::string& file_text,
                      Result<int> (*run)(CommandContext&, const FileFlags&)) {
  auto flags = std::make_shared<FileFlags>();
  CLI::App& command = line.add_command(
      description, [flags, run](CommandContext& context) { return run(context, *flags); }, &group);
  add_name(command, flags->name, name_text);
  add_text(command, file, flags->file, file_text)->required()->type_name("");
}

void add_name_command(CommandLine& line, CLI::App& group,
                      const CommandLine::Description& description,
                      Result<int> (*run)(CommandContext&, const std::string&)) {
  auto name = std::make_shared<std::string>();
  CLI::App& command = line.add_command(
      description, [name, run](CommandContext& context) { return run(context, *name); }, &group);
  add_name(command, *name, "The collection.");
}

}  // namespace

std::string shard_table(const std::vector<pipeline::ShardInfo>& shards) {
  if (shards.empty()) return "";
  TextTable table({{"shard", Align::kLeft},
                   {"vector", Align::kLeft},
                   {"rows", Align::kRight},
                   {"deleted", Align::kRight},
                   {"in memory", Align::kRight},
                   {"mapped", Align::kRight},
                   {"bytes a row", Align::kRight},
                   {"searched by", Align::kLeft}});
  for (const pipeline::ShardInfo& shard : shards) {
    const std::string how = shard.nprobe > 0      ? "nprobe " + std::to_string(shard.nprobe)
                            : shard.ef_search > 0 ? "ef " + std::to_string(shard.ef_search)
                                                  : "exact scan";
    table.add_row(
        {shard.type, shard.vector_name.empty() ? "-" : shard.vector_name,
         format_count(shard.num_rows), format_count(shard.num_rows - shard.num_live),
         format_bytes(shard.memory_bytes), format_bytes(shard.mapped_bytes),
         format_count(static_cast<std::uint64_t>(std::llround(pipeline::bytes_per_row(shard)))),
         how});
  }
  return table.render();
}

void add_collection_jobs(CommandLine& line, CLI::App& group) {
  add_optimize(line, group);
  add_field_index(line, group);
  add_file_command(line, group,
                   {"export", "Write a collection as .npy, JSON lines and a manifest.",
                    "  sightline collection export films ./films-export\n"
                    "  sightline import films2 ./films-export\n"
                    "\n"
                    "For other programs, and for moving points; \"snapshot\" keeps everything."},
                   "The collection.", "DIR", "A new folder.", run_export);
  add_file_command(line, group,
                   {"snapshot", "Copy a collection, as it is, into a tar file.",
                    "  sightline collection snapshot films films.tar"},
                   "The collection.", "FILE", "The new tar file.", run_snapshot);
  add_file_command(line, group,
                   {"restore", "Make a collection from a snapshot.",
                    "  sightline collection restore films films.tar\n"
                    "  sightline collection restore films-of-may films.tar --data /mnt/other"},
                   "The new collection.", "FILE", "The snapshot.", run_restore);
  add_name_command(line, group,
                   {"verify", "Read every byte of a collection and name what is damaged.",
                    "  sightline collection verify films\n"
                    "  sightline collection verify films --json\n"
                    "\n"
                    "One line per damage, and exit code 1 if there is any."},
                   run_verify);
  add_name_command(line, group,
                   {"repair", "Make a damaged collection usable again; list the ids that are lost.",
                    "  sightline collection repair films"},
                   run_repair);
}

}  // namespace sightline::apps
