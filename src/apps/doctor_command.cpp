#include <filesystem>

#include "apps/commands.h"
#include "apps/inputs.h"
#include "apps/text_format.h"
#include "core/compute_pool.h"
#include "settings/library_setup.h"

namespace sightline::apps {
namespace {

/// Loads the model as a search would, for what only loading shows.
OrderedJson model_facts(const CommandContext& context, std::vector<std::string>& problems) {
  const std::string& name = context.settings().model;
  OrderedJson facts = {{"name", name}};
  const auto encoder = load_model(context);
  if (!encoder) {
    facts["error"] = encoder.error().message;
    problems.push_back("model: " + encoder.error().message);
    return facts;
  }
  const encoders::EncoderInfo& info = (*encoder)->info();
  facts["path"] = info.path.string();
  facts["architecture"] = info.architecture;
  facts["dim"] = info.dim;
  facts["image_size"] = info.image_size;
  facts["num_parameters"] = info.num_parameters;
  facts["checksum"] = info.checksum;
  facts["precision"] = encoders::precision_name(info.precision);
  facts["device"] = info.device == encoders::Device::kCuda ? "cuda" : "cpu";
  return facts;
}

OrderedJson data_facts(CommandContext& context, std::vector<std::string>& problems) {
  const std::filesystem::path& path = context.settings().data_dir;
  OrderedJson facts = {{"path", path.string()}};
  std::error_code error;
  facts["exists"] = std::filesystem::exists(path, error);
  std::filesystem::path existing = path;
  while (!std::filesystem::exists(existing, error) && existing.has_relative_path()) {
    existing = existing.parent_path();
  }
  const auto space = std::filesystem::space(existing, error);
  if (!error) facts["free_bytes"] = space.available;
  if (!facts["exists"].get<bool>()) return facts;
  const auto folder = open_data_folder(context, pipeline::Access::kRead);
  const auto names =
      folder ? (*folder)->list_collections() : Result<std::vector<std::string>>(folder.error());
  if (names) {
    facts["collections"] = *names;
  } else {
    facts["error"] = names.error().message;
    problems.push_back("data folder: " + names.error().message);
  }
  return facts;
}

void print_group(std::string& out, const std::string& title, const OrderedJson& group) {
  out += title + "\n";
  for (const auto& [key, value] : group.items()) {
    std::string text;
    if (value.is_array()) {
      for (const auto& item : value) text += (text.empty() ? "" : ", ") + item.get<std::string>();
      if (value.empty()) text = "none";
    } else if (key.ends_with("_bytes") && value.is_number_unsigned()) {
      text = format_bytes(value.get<std::uint64_t>());
    } else {
      text = value.is_string() ? value.get<std::string>() : value.dump();
    }
    out += "  " + key + std::string(18 - std::min<std::size_t>(key.size(), 17), ' ') +
           escape_line(text) + "\n";
  }
}

Result<int> run_doctor(CommandContext& context) {
  std::vector<std::string> problems;
  OrderedJson report;
  report["version"] = SIGHTLINE_VERSION;
  report["cpu"] = {{"level", settings::cpu_level()},
                   {"cores", usable_cores()},
                   {"threads", context.pool().num_threads()},
                   {"memory_bytes", settings::usable_memory_bytes()}};
  OrderedJson libraries = OrderedJson::object();
  for (const auto& [name, value] : settings::library_facts()) {
    if (name != "cpu_level" && name != "cores") libraries[name] = value;
  }
  if (libraries.contains("blas") && libraries["blas"].is_string() &&
      !libraries["blas"].get_ref<const std::string&>().starts_with("OpenBLAS")) {
    problems.push_back("blas: " + libraries["blas"].get<std::string>() +
                       " is in use; OpenBLAS is about ten times faster (scripts/setup)");
  }
  report["libraries"] = std::move(libraries);
  report["model"] = model_facts(context, problems);
  report["data"] = data_facts(context, problems);
  report["config_file"] = context.loaded().config_file
                              ? OrderedJson(context.loaded().config_file->string())
                              : OrderedJson();
  report["problems"] = problems;
  if (context.json()) {
    context.print(report);
    return kExitOk;
  }
  context.out += "sightline " SIGHTLINE_VERSION "\n";
  for (const char* group : {"cpu", "libraries", "model", "data"}) {
    print_group(context.out, group, report[group]);
  }
  context.out += problems.empty() ? "no problems found\n" : "problems\n";
  for (const std::string& problem : problems) context.out += "  " + escape_line(problem) + "\n";
  return kExitOk;
}

}  // namespace

void add_doctor_command(CommandLine& line) {
  CLI::App& command = line.add_command(
      {"doctor", "Look at this machine, the libraries, the model and the data folder.",
       "  sightline doctor\n"
       "  sightline doctor --model ~/models/clip-vit-base-patch32\n"
       "  sightline doctor --json | jq .problems"},
      run_doctor);
  line.add_model_flags(command);
}

}  // namespace sightline::apps
