#include <string>

#include "apps/commands.h"
#include "apps/fine_tune_command.h"
#include "apps/interrupt.h"
#include "apps/text_format.h"
#include "train/held_out_manifests.h"
#include "train/trainer.h"

namespace sightline::apps {
namespace {

struct TrainFlags {
  std::string config;
  bool prepare_only = false, evaluate_only = false, languages = false, pictures = false;
  std::string manifests;
  FineTuneFlags tune;  // --minutes and --restart are of both
  const CLI::App* command = nullptr;
};

std::string recall_text(const train::HeldOutRecall& r) {
  return r.source + ": R@1 " + format_fixed(r.at_1, 3) + "  R@5 " + format_fixed(r.at_5, 3) +
         "  R@10 " + format_fixed(r.at_10, 3) + "  (" + format_count(r.num_pictures) +
         " held-out pictures)";
}

/// Flags of one way to train that were given for the other, or "".
std::string misplaced(const CLI::App& command, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (command.get_option(name)->count() > 0) return name;
  }
  return "";
}

Result<int> run_train(CommandContext& context, const TrainFlags& flags) {
  train::TrainOptions options;
  SIGHTLINE_TRY(options.config, train::load_train_config(flags.config));
  options.restart = flags.tune.restart;
  options.stage = flags.languages  ? train::TrainStage::kLanguages
                  : flags.pictures ? train::TrainStage::kPictures
                                   : train::TrainStage::kBoth;
  if (flags.tune.minutes > 0) {
    train::TrainConfig& config = options.config;
    const auto set = [&](auto& stage) {
      stage.minutes = flags.tune.minutes;
      stage.steps = 0;
    };
    if (flags.languages) {
      set(config.languages);
    } else if (flags.pictures) {
      set(config.pictures);
    } else {
      set(config);
    }
  }
  options.prepare_only = flags.prepare_only;
  options.evaluate_only = flags.evaluate_only;
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

/// --init goes on with a model, --config begins with none.
Result<int> run_either(CommandContext& context, const TrainFlags& flags) {
  const bool goes_on = !flags.tune.model.empty();
  const std::string wrong =
      goes_on
          ? misplaced(*flags.command, {"--config", "--prepare", "--evaluate", "--languages",
                                       "--pictures", "--manifests"})
          : misplaced(*flags.command, {"--data", "--out", "--freeze", "--lr", "--epochs", "--batch",
                                       "--held-out", "--weight-decay", "--seed", "--work"});
  if (!wrong.empty()) {
    return context.usage_error(wrong + (goes_on ? " is not for --init" : " needs --init MODEL"));
  }
  if (goes_on && (flags.tune.data.empty() || flags.tune.out.empty())) {
    return context.usage_error("--init needs --data FILE and --out DIR");
  }
  if (goes_on && flags.tune.minutes > 0 && flags.command->get_option("--epochs")->count() > 0) {
    return context.usage_error("--minutes and --epochs both say how long: give one");
  }
  if (!goes_on && flags.config.empty()) {
    return context.usage_error("give --config FILE to train from scratch, or --init MODEL");
  }
  return goes_on ? run_fine_tune(context, flags.tune) : run_train(context, flags);
}

}  // namespace

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

void add_train_command(CommandLine& line) {
  auto flags = std::make_shared<TrainFlags>();
  CLI::App& command = line.add_command(
      {"train", "Train the embedded model from scratch, or go on with a model on your pictures.",
       "  scripts/training-data                                   fetch the pictures, once\n"
       "  sightline train --config config/train-embedded.toml     train, or go on\n"
       "  sightline train --config config/train-embedded.toml --languages   then other languages\n"
       "  sightline train --config config/train-embedded.toml --pictures    then pictures again\n"
       "  sightline train --config config/train-embedded.toml --evaluate\n"
       "  sightline train --config config/train-embedded.toml --manifests held-out   for eval "
       "encoder\n"
       "  sightline train --init ~/models/clip --data catalogue.csv --out ~/models/mine\n"
       "\n"
       "--init: a list with the columns \"image\" and \"caption\" (as of 'eval encoder'); a part "
       "of\n"
       "the captions is held out, measured before, during and after, and the best moment is kept.\n"
       "Nothing is written if none is better than the start (exit code 1).\n"
       "Ctrl-C writes a checkpoint; the same command goes on from it. With --json progress is one\n"
       "JSON value a line on stderr. Give it the machine alone: a second job that computes slows\n"
       "training down many times over."},
      [flags](CommandContext& context) { return run_either(context, *flags); });
  flags->command = &command;
  FineTuneFlags& tune = flags->tune;
  // Here --config is the recipe, not the program's settings, and --data what is trained on.
  command.remove_option(command.get_option("--config"));
  command.remove_option(command.get_option("--data"));
  add_text(command, "--config", flags->config, "The recipe (TOML) of a training from scratch.")
      ->type_name("FILE");
  command.add_flag("--restart", tune.restart, "Forget the checkpoint and begin anew.");
  command.add_flag("--languages", flags->languages,
                   "The second stage: teach the text tower other languages, by texts alone.");
  command
      .add_flag("--pictures", flags->pictures,
                "The third stage: the image tower goes on; the words stay as they are.")
      ->excludes("--languages");
  add_text(command, "--manifests", flags->manifests,
           "Only write manifests (image, caption) of the pictures that nothing is trained on.")
      ->type_name("DIR");
  command.add_flag("--prepare", flags->prepare_only, "Only prepare the pictures.");
  command.add_flag("--evaluate", flags->evaluate_only,
                   "Only measure the model that an earlier run wrote.");
  command
      .add_option("--minutes", tune.minutes, "How long to train; the schedule fits itself to it.")
      ->type_name("M")
      ->check(number_in(0.001, 100000.0));
  add_text(command, "--init", tune.model, "Go on with this model (a folder, or \"embedded\").")
      ->type_name("DIR|embedded");
  add_text(command, "--data", tune.data, "Captioned pictures (.jsonl, .ndjson or .csv).")
      ->type_name("FILE");
  add_text(command, "--out", tune.out, "New folder for the model.")->type_name("DIR");
  add_text(command, "--freeze", tune.freeze, "Tower that stays as it is: none, text, image.")
      ->type_name("TOWER");
  command
      .add_option("--lr", tune.learning_rate,
                  "Learning rate; 1e-5 if not given, 1e-4 for small models.")
      ->type_name("R")
      ->check(number_in(1e-12, 1.0));
  command.add_option("--epochs", tune.epochs, "Rounds over the pictures; 5 if not given.")
      ->type_name("N")
      ->check(number_in(1e-6, 100000.0));
  command.add_option("--batch", tune.batch, "Pairs in a step; 64 if not given.")
      ->type_name("N")
      ->check(whole_number(2, 8192));
  command
      .add_option("--held-out", tune.held_out,
                  "Share of the captions that is held out; 0.1 if not given, 0 for none.")
      ->type_name("S")
      ->check(number_in(0.0, 0.9));
  command.add_option("--weight-decay", tune.weight_decay, "Of matrices; 0.1 if not given.")
      ->type_name("D")
      ->check(number_in(0.0, 10.0));
  command.add_option("--seed", tune.seed, "Of the order of the pictures.")->type_name("N");
  add_text(command, "--work", tune.work_folder, "Where checkpoints, log and curves go.")
      ->type_name("DIR");
}

}  // namespace sightline::apps
