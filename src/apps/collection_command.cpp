#include <unistd.h>

#include <iostream>

#include "apps/collection_commands.h"
#include "apps/commands.h"
#include "apps/inputs.h"
#include "apps/text_format.h"
#include "pipeline/vector_import.h"

namespace sightline::apps {
namespace {

OrderedJson to_json(const pipeline::CollectionInfo& info) {
  OrderedJson vectors = OrderedJson::object();
  for (const auto& [name, config] : info.config.vectors) {
    vectors[name] = {{"kind", pipeline::vector_kind_name(config.kind)},
                     {"dim", config.dim},
                     {"metric", pipeline::metric_name(config.metric)},
                     {"index", config.index},
                     {"target_recall", config.target_recall},
                     {"model",
                      {{"name", config.model.name},
                       {"checksum", config.model.checksum},
                       {"alpha", config.model.alpha},
                       {"precision", config.model.precision},
                       {"path", config.model.path_hint}}}};
  }
  OrderedJson shards = OrderedJson::array();
  for (const pipeline::ShardInfo& shard : info.shards) shards.push_back(pipeline::to_json(shard));
  OrderedJson payload_indexes = OrderedJson::object();
  for (const auto& [field, index] : info.payload_indexes) {
    payload_indexes[field] = field_type_name(index.type);
  }
  return {{"name", info.name},
          {"num_points", info.num_points},
          {"num_sources", info.num_sources},
          {"commit_number", info.commit_number},
          {"disk_bytes", info.disk_bytes},
          {"memory_bytes", info.memory_bytes},
          {"mapped_bytes", info.mapped_bytes},
          {"vectors", std::move(vectors)},
          {"shards", std::move(shards)},
          {"payload_indexes", std::move(payload_indexes)}};
}

struct Described {
  pipeline::CollectionInfo info;
  std::optional<pipeline::UnfinishedImport> unfinished;
};

Result<Described> describe(pipeline::DataFolder& folder, const std::string& name) {
  SIGHTLINE_TRY(const auto store, folder.open_collection(name));
  SIGHTLINE_TRY_DO(store->catch_up());
  Described described;
  SIGHTLINE_TRY(described.info, store->info());
  SIGHTLINE_TRY(described.unfinished, pipeline::unfinished_import(*store));
  return described;
}

OrderedJson to_json(const Described& described) {
  OrderedJson json = to_json(described.info);
  if (described.unfinished) {
    json["unfinished_import"] = {{"from", described.unfinished->from},
                                 {"rows", described.unfinished->num_rows},
                                 {"rows_done", described.unfinished->num_done}};
  }
  return json;
}

std::string model_name(const pipeline::CollectionInfo& info) {
  const auto vector = info.config.vectors.find("");
  const bool has_model = vector != info.config.vectors.end() && !vector->second.model.name.empty();
  return has_model ? vector->second.model.name : "-";
}

Result<int> run_list(CommandContext& context) {
  SIGHTLINE_TRY(const auto folder, open_data_folder(context, pipeline::Access::kRead));
  SIGHTLINE_TRY(const auto names, folder->list_collections());
  OrderedJson list = OrderedJson::array();
  TextTable table({{"collection", Align::kLeft},
                   {"points", Align::kRight},
                   {"on disk", Align::kRight},
                   {"model", Align::kLeft}});
  for (const std::string& name : names) {
    SIGHTLINE_TRY(const Described described, describe(*folder, name));
    const pipeline::CollectionInfo& info = described.info;
    list.push_back(to_json(described));
    table.add_row(
        {name, format_count(info.num_points), format_bytes(info.disk_bytes), model_name(info)});
  }
  if (context.json()) {
    context.print(OrderedJson{{"collections", std::move(list)}});
  } else {
    context.out += names.empty()
                       ? "no collections in " + escape_line(folder->path().string()) + "\n"
                       : table.render();
  }
  return kExitOk;
}

void add_fact(std::string& out, const std::string& key, const std::string& value) {
  out += key + std::string(12 - std::min<std::size_t>(key.size(), 11), ' ') + escape_line(value) +
         "\n";
}

void add_vector_facts(std::string& out, const std::string& name,
                      const pipeline::VectorConfig& config) {
  const std::string title = name.empty() ? "vector" : "vector " + name;
  if (config.kind == pipeline::VectorKind::kSparse) return add_fact(out, title, "sparse, dot");
  if (config.kind == pipeline::VectorKind::kMulti) {
    return add_fact(out, title,
                    "rows of " + std::to_string(config.dim) + " floats, " +
                        std::string(metric_name(config.metric)) + ", compared by MaxSim");
  }
  add_fact(out, title,
           std::to_string(config.dim) + " floats, " + std::string(metric_name(config.metric)) +
               ", index " + config.index + " with target recall " +
               format_fixed(config.target_recall, 2));
  if (config.model.checksum.empty()) return add_fact(out, "model", "none: vectors from outside");
  add_fact(out, "model", config.model.name + ", checksum " + config.model.checksum);
  add_fact(out, "",
           "transparency: " + config.model.alpha + ", computed in " + config.model.precision +
               ", found at " + config.model.path_hint);
}

std::string facts(const Described& described, const std::filesystem::path& folder) {
  const pipeline::CollectionInfo& info = described.info;
  std::string out;
  add_fact(out, "collection", info.name);
  add_fact(out, "folder", folder.string());
  add_fact(out, "points", format_count(info.num_points));
  if (info.num_sources > 0) {
    add_fact(out, "sources", format_count(info.num_sources) + " (skipped ones included)");
  }
  add_fact(out, "commits", format_count(info.commit_number));
  add_fact(out, "on disk", format_bytes(info.disk_bytes));
  add_fact(out, "in memory",
           format_bytes(info.memory_bytes) + ", and " + format_bytes(info.mapped_bytes) +
               " of mapped files");
  for (const auto& [name, config] : info.config.vectors) add_vector_facts(out, name, config);
  for (const auto& [field, index] : info.payload_indexes) {
    add_fact(out, "indexed", field + " (" + std::string(field_type_name(index.type)) + ")");
  }
  if (described.unfinished) {
    add_fact(out, "unfinished",
             "import of " + described.unfinished->from + ", " +
                 format_count(described.unfinished->num_done) + " of " +
                 format_count(described.unfinished->num_rows) +
                 " rows: the same import goes on from there");
  }
  return out + shard_table(info.shards);
}

Result<int> run_info(CommandContext& context, const std::string& given_name) {
  const std::string& name = given_name.empty() ? context.settings().collection : given_name;
  SIGHTLINE_TRY(const auto folder, open_data_folder(context, pipeline::Access::kRead));
  SIGHTLINE_TRY(const Described described, describe(*folder, name));
  if (context.json()) {
    context.print(to_json(described));
  } else {
    context.out += facts(described, folder->collection_folder(described.info.name));
  }
  return kExitOk;
}

/// Asks on the terminal. False: the answer was not yes.
bool confirmed(const std::string& question) {
  std::cerr << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

Result<int> run_delete(CommandContext& context, const std::string& name, bool yes) {
  if (!yes && ::isatty(STDIN_FILENO) == 0) {
    return context.usage_error("deleting collection \"" + name +
                               "\" needs --yes where nobody can be asked");
  }
  {  // Looks first, so that a mistyped name makes no folder and asks nothing.
    SIGHTLINE_TRY(const auto folder, open_data_folder(context, pipeline::Access::kRead));
    SIGHTLINE_TRY(const Described described, describe(*folder, name));
    if (!yes && !confirmed("Delete collection \"" + escape_line(name) + "\" with " +
                           format_count(described.info.num_points) + " points?")) {
      return failed_precondition("collection \"" + name + "\" was not deleted");
    }
  }
  SIGHTLINE_TRY(const auto folder, open_data_folder(context, pipeline::Access::kWrite));
  SIGHTLINE_TRY(const bool deleted, folder->delete_collection(name));
  if (context.json()) {
    context.print(OrderedJson{{"name", name}, {"deleted", deleted}});
  } else {
    context.out += "collection \"" + escape_line(name) +
                   "\" deleted; the pictures themselves are "
                   "untouched\n";
  }
  return kExitOk;
}

}  // namespace

void add_collection_command(CommandLine& line) {
  CLI::App& group = line.add_group(
      "collection", "List, describe, rebuild, copy, move, check or delete collections.");
  line.add_command({"list", "All collections of the data folder.",
                    "  sightline collection list\n"
                    "  sightline collection list --json --data /mnt/index"},
                   run_list, &group);

  auto name = std::make_shared<std::string>();
  CLI::App& info = line.add_command(
      {"info", "One collection: counts, sizes, model, shards.",
       "  sightline collection info\n"
       "  sightline collection info holidays --json"},
      [name](CommandContext& context) { return run_info(context, *name); }, &group);
  add_text(info, "NAME", *name, "The collection; the default one if not given.")->type_name("");
  line.add_collection_flag(info);

  auto doomed = std::make_shared<std::string>();
  auto yes = std::make_shared<bool>(false);
  CLI::App& remove = line.add_command(
      {"delete", "Delete a collection; picture files stay as they are.",
       "  sightline collection delete holidays\n"
       "  sightline collection delete holidays --yes"},
      [doomed, yes](CommandContext& context) { return run_delete(context, *doomed, *yes); },
      &group);
  add_text(remove, "NAME", *doomed, "The collection.")->required()->type_name("");
  remove.add_flag("-y,--yes", *yes, "Do not ask.");
  add_import_command(line, &group);
  add_collection_jobs(line, group);
}

}  // namespace sightline::apps
