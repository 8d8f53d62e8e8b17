#include <unistd.h>

#include <iostream>

#include "apps/commands.h"
#include "apps/inputs.h"
#include "apps/text_format.h"

namespace sightline::apps {
namespace {

OrderedJson to_json(const pipeline::CollectionInfo& info) {
  OrderedJson vectors = OrderedJson::object();
  for (const auto& [name, config] : info.config.vectors) {
    vectors[name] = {{"dim", config.dim},
                     {"metric", pipeline::metric_name(config.metric)},
                     {"model",
                      {{"name", config.model.name},
                       {"checksum", config.model.checksum},
                       {"alpha", config.model.alpha},
                       {"precision", config.model.precision},
                       {"path", config.model.path_hint}}}};
  }
  return {{"name", info.name},
          {"num_points", info.num_points},
          {"num_sources", info.num_sources},
          {"commit_number", info.commit_number},
          {"disk_bytes", info.disk_bytes},
          {"memory_bytes", info.memory_bytes},
          {"vectors", std::move(vectors)}};
}

Result<pipeline::CollectionInfo> info_of(pipeline::DataFolder& folder, const std::string& name) {
  SIGHTLINE_TRY(const auto store, folder.open_collection(name));
  SIGHTLINE_TRY_DO(store->catch_up());
  return store->info();
}

std::string model_name(const pipeline::CollectionInfo& info) {
  const auto vector = info.config.vectors.find("");
  return vector == info.config.vectors.end() ? "-" : vector->second.model.name;
}

Result<int> run_list(CommandContext& context) {
  SIGHTLINE_TRY(const auto folder, open_data_folder(context, pipeline::Access::kRead));
  SIGHTLINE_TRY(const auto names, folder->list_collections());
  OrderedJson list = OrderedJson::array();
  TextTable table({{"collection", Align::kLeft},
                   {"pictures", Align::kRight},
                   {"on disk", Align::kRight},
                   {"model", Align::kLeft}});
  for (const std::string& name : names) {
    SIGHTLINE_TRY(const pipeline::CollectionInfo info, info_of(*folder, name));
    list.push_back(to_json(info));
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

Result<int> run_info(CommandContext& context, const std::string& given_name) {
  const std::string& name = given_name.empty() ? context.settings().collection : given_name;
  SIGHTLINE_TRY(const auto folder, open_data_folder(context, pipeline::Access::kRead));
  SIGHTLINE_TRY(const pipeline::CollectionInfo info, info_of(*folder, name));
  if (context.json()) {
    context.print(to_json(info));
    return kExitOk;
  }
  const auto add = [&](const std::string& key, const std::string& value) {
    context.out += key + std::string(12 - std::min<std::size_t>(key.size(), 11), ' ') +
                   escape_line(value) + "\n";
  };
  add("collection", info.name);
  add("folder", folder->collection_folder(name).string());
  add("pictures", format_count(info.num_points));
  add("sources", format_count(info.num_sources) + " (skipped ones included)");
  add("commits", format_count(info.commit_number));
  add("on disk", format_bytes(info.disk_bytes));
  add("in memory", format_bytes(info.memory_bytes));
  for (const auto& [vector, config] : info.config.vectors) {
    add(vector.empty() ? "vector" : "vector " + vector,
        std::to_string(config.dim) + " floats, " + std::string(metric_name(config.metric)));
    add("model", config.model.name + ", checksum " + config.model.checksum);
    add("", "transparency: " + config.model.alpha + ", computed in " + config.model.precision +
                ", found at " + config.model.path_hint);
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
    SIGHTLINE_TRY(const pipeline::CollectionInfo info, info_of(*folder, name));
    if (!yes && !confirmed("Delete collection \"" + escape_line(name) + "\" with " +
                           format_count(info.num_points) + " pictures' embeddings?")) {
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
  CLI::App& group = line.add_group("collection", "List, describe or delete collections.");
  line.add_command({"list", "All collections of the data folder.",
                    "  sightline collection list\n"
                    "  sightline collection list --json --data /mnt/index"},
                   run_list, &group);

  auto name = std::make_shared<std::string>();
  CLI::App& info = line.add_command(
      {"info", "One collection: counts, sizes, model.",
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
}

}  // namespace sightline::apps
