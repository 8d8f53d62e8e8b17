#include <string>

#include "apps/commands.h"
#include "apps/interrupt.h"
#include "apps/text_format.h"
#include "train/language_texts.h"
#include "train/trainer.h"

namespace sightline::apps {
namespace {

struct TrainFlags {
  std::string config;
  bool restart = false, prepare_only = false, evaluate_only = false, languages = false;
  std::string manifests;
};

std::string recall_text(const train::HeldOutRecall& r) {
  return r.source + ": R@1 " + format_fixed(r.at_1, 3) + "  R@5 " + format_fixed(r.at_5, 3) +
         "  R@10 " + format_fixed(r.at_10, 3) + "  (" + format_count(r.num_pictures) +
         " held-out pictures)";
}

std::string progress_text(const train::TrainProgress& p) {
  const std::string percent = format_fixed(100 * p.share, 1) + " %";
  if (p.stage == "prepare") {
    return "preparing  " + percent + "  " + format_count(p.done) + " of " + format_count(p.total) +
           " pictures";
  }
  if (p.stage == "evaluate") {
    std::string text = "text-to-image recall at " + percent;
    for (const auto& recall : p.recall) text += "  " + recall_text(recall);
    return text;
  }
  if (p.stage == "languages") {
    return "learning languages  " + percent + "  step " + format_count(p.done) + "  " +
           format_count(p.pictures_seen) + " texts seen  " +
           format_fixed(p.pictures_per_second, 0) + "/s  loss " + format_fixed(p.loss, 3) + "  " +
           format_duration(p.eta_seconds) + " left";
  }
  return "training  " + percent + "  step " + format_count(p.done) + "  " +
         format_count(p.pictures_seen) + " pictures of " + std::to_string(p.image_size) +
         " px seen  " + format_fixed(p.pictures_per_second, 0) + "/s  loss " +
         format_fixed(p.loss, 3) + "  " + format_duration(p.eta_seconds) + " left";
}

Result<int> run_train(CommandContext& context, const TrainFlags& flags) {
  train::TrainOptions options;
  SIGHTLINE_TRY(options.config, train::load_train_config(flags.config));
  options.restart = flags.restart;
  options.prepare_only = flags.prepare_only;
  options.evaluate_only = flags.evaluate_only;
  options.languages = flags.languages;
  if (!flags.manifests.empty()) {
    SIGHTLINE_TRY(const auto files,
                  train::write_held_out_manifests(options.config.data_folder, flags.manifests));
    for (const auto& file : files) context.out += file.string() + "\n";
    return kExitOk;
  }
  if (context.was_flagged("threads")) {
    options.config.threads = static_cast<std::size_t>(context.settings().threads);
  }
  InterruptWatch interrupt("interrupted: writing a checkpoint");
  const auto report = train::train(
      options,
      [&](const train::TrainProgress& p) {
        context.note(context.json() ? dump_json(p.to_json()) : progress_text(p));
      },
      interrupt.token());
  if (!report) {
    if (report.error().code != StatusCode::kCancelled) return report.error();
    context.note(report.error().message);
    return kExitInterrupted;
  }
  if (context.json()) {
    context.print(report->to_json());
  } else if (flags.prepare_only) {
    context.out += "The pictures are prepared.\n";
  } else {
    context.out += report->folder.string() + ": text-to-image recall\n";
    for (const auto& recall : report->recall) context.out += "  " + recall_text(recall) + "\n";
  }
  return kExitOk;
}

}  // namespace

void add_train_command(CommandLine& line) {
  auto flags = std::make_shared<TrainFlags>();
  CLI::App& command = line.add_command(
      {"train", "Train the embedded model from scratch.",
       "  scripts/training-data                                   fetch the pictures, once\n"
       "  sightline train --config config/train-embedded.toml     train, or go on\n"
       "  sightline train --config config/train-embedded.toml --languages   then other languages\n"
       "  sightline train --config config/train-embedded.toml --evaluate\n"
       "  sightline train --config config/train-embedded.toml --manifests held-out   for eval "
       "encoder\n"
       "\n"
       "Ctrl-C writes a checkpoint; the same command goes on from it. With --json progress is one\n"
       "JSON value a line on stderr. Give it the machine alone: a second job that computes slows\n"
       "training down many times over."},
      [flags](CommandContext& context) { return run_train(context, *flags); });
  // Here --config is the recipe, not the program's settings.
  command.remove_option(command.get_option("--config"));
  add_text(command, "--config", flags->config, "The recipe (TOML).")->required()->type_name("FILE");
  command.add_flag("--restart", flags->restart, "Forget the checkpoint and begin anew.");
  command.add_flag("--languages", flags->languages,
                   "The second stage: teach the text tower other languages, by texts alone.");
  add_text(command, "--manifests", flags->manifests,
           "Only write manifests (image, caption) of the pictures that nothing is trained on.")
      ->type_name("DIR");
  command.add_flag("--prepare", flags->prepare_only, "Only prepare the pictures.");
  command.add_flag("--evaluate", flags->evaluate_only,
                   "Only measure the model that an earlier run wrote.");
}

}  // namespace sightline::apps
