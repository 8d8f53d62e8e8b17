#include "apps/commands.h"
#include "apps/text_format.h"
#include "encoders/encoder.h"
#ifdef SIGHTLINE_WITH_TRAIN
#include "train/average.h"
#endif

namespace sightline::apps {
namespace {

std::string value_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return "unknown";
  if (!value.is_array()) return dump_json(value);
  if (value.empty()) return "none";
  std::string text;
  for (const Json& item : value) {
    text +=
        (text.empty() ? "" : ", ") + (item.is_string() ? item.get<std::string>() : dump_json(item));
  }
  return text;
}

Result<int> run_check(CommandContext& context, const std::string& model) {
  SIGHTLINE_TRY(const auto folder, encoders::resolve_model_folder(model));
  const auto checked = encoders::check_model(folder);
  const Json report =
      checked ? *checked : encoders::describe_unreadable_model(folder, checked.error());
  if (context.json()) {
    context.print(report);
  } else {
    for (const auto& [key, value] : report.items()) {
      context.out += key + std::string(18 - std::min<std::size_t>(key.size(), 17), ' ') +
                     escape_line(value_text(value)) + "\n";
    }
  }
  const Json& problems = report.at("problems");
  if (!checked) {
    context.complaint = checked.error().message;
  } else if (!problems.empty()) {
    context.complaint =
        folder.string() + ": cannot be loaded: " + value_text(problems.front()) +
        (problems.size() > 1 ? " (and " + std::to_string(problems.size() - 1) + " more)" : "");
  }
  return kExitOk;
}

#ifdef SIGHTLINE_WITH_TRAIN
struct AverageFlags {
  std::vector<std::string> models;
  std::string out;
};

Result<int> run_average(CommandContext& context, const AverageFlags& flags) {
  SIGHTLINE_TRY_DO(train::average_models(flags.models, flags.out));
  SIGHTLINE_TRY(const Json report, encoders::check_model(flags.out));
  if (context.json()) {
    context.print(
        Json{{"folder", flags.out}, {"models", flags.models}, {"checksum", report.at("checksum")}});
  } else {
    context.out += flags.out + ": the mean of " + std::to_string(flags.models.size()) + " models\n";
  }
  return kExitOk;
}

void add_average_command(CommandLine& line, CLI::App& group) {
  auto flags = std::make_shared<AverageFlags>();
  CLI::App& average = line.add_command(
      {"average", "One model out of several that were trained from the same start.",
       "  sightline model average run1 run2 run3 --out mean\n"
       "\n"
       "The mean of the weights. Architecture, preprocessing and vocabulary must be the same."},
      [flags](CommandContext& context) { return run_average(context, *flags); }, &group);
  add_texts(average, "DIR", flags->models, "Two or more model folders.")->required()->type_name("");
  add_text(average, "--out", flags->out, "New folder for the mean.")->required()->type_name("DIR");
}
#endif

}  // namespace

void add_model_command(CommandLine& line) {
  CLI::App& group = line.add_group("model", "Look at checkpoints.");
  auto model = std::make_shared<std::string>("embedded");
  CLI::App& check = line.add_command(
      {"check", "What a model folder holds, and whether it can be loaded.",
       "  sightline model check ~/models/clip-vit-base-patch32\n"
       "  sightline model check embedded --json\n"
       "\n"
       "Ends with code 1 if the model could not be loaded; the report is printed all the same."},
      [model](CommandContext& context) { return run_check(context, *model); }, &group);
  add_text(check, "DIR", *model, "Hugging Face folder, or \"embedded\".")->type_name("");
#ifdef SIGHTLINE_WITH_TRAIN
  add_average_command(line, group);
#endif
}

}  // namespace sightline::apps
