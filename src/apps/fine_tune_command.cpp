#include "apps/fine_tune_command.h"

#include <filesystem>
#include <optional>

#include "apps/encoder_recall.h"
#include "apps/inputs.h"
#include "apps/interrupt.h"
#include "apps/output_file.h"
#include "apps/text_format.h"
#include "core/checksum.h"
#include "train/train_config.h"

namespace sightline::apps {
namespace {

namespace fs = std::filesystem;

/// Recall before and after, on pictures that were not trained on.
struct Outcome {
  train::FineTuneReport report;
  std::optional<MeasuredEncoder> before, after;
  std::string base_name, base_checksum;

  bool has_gain() const { return before && after && after->recall.mean() > before->recall.mean(); }
};

train::Catalogue catalogue_of(const pipeline::CaptionedManifest& manifest,
                              const codecs::DecodeOptions& decode) {
  train::Catalogue catalogue;
  catalogue.captions.assign(manifest.captions().begin(), manifest.captions().end());
  for (std::size_t i = 0; i < manifest.num_pictures(); ++i) {
    catalogue.names.push_back(manifest.name(i));
    const auto captions = manifest.captions_of(i);
    catalogue.captions_of.emplace_back(captions.begin(), captions.end());
  }
  catalogue.load = [&manifest, decode](std::size_t i) { return manifest.load(i, decode); };
  return catalogue;
}

std::vector<std::size_t> held_out_places(const train::Catalogue& catalogue, double share) {
  const auto held_out = train::held_out_pictures(catalogue, share);
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < held_out.size(); ++i) {
    if (held_out[i]) places.push_back(i);
  }
  return places;
}

/// The work folder of a run that names none: by where the model goes.
fs::path work_folder_of(const fs::path& out) {
  std::error_code error;
  const std::string place = fs::weakly_canonical(fs::absolute(out, error), error).string();
  const std::string hash = std::to_string(checksum64(place) % 1'000'000'000);
  return train::training_cache() / "train" /
         ("fine-tune-" + fs::path(place).filename().string() + "-" + hash);
}

Result<std::vector<train::HeldOutRecall>> measure(
    const encoders::EmbeddingBatch& pictures, const encoders::EmbeddingBatch& captions,
    const std::vector<std::vector<std::uint32_t>>& captions_of) {
  SIGHTLINE_TRY(const auto recall,
                eval::caption_recall({pictures, captions, captions_of}, 0, {}, Deadline::never()));
  const auto entry = [&](const char* way, const eval::RecallAtRanks& ranks) {
    return train::HeldOutRecall{way, recall.num_pictures, ranks.at_1, ranks.at_5, ranks.at_10};
  };
  return std::vector{entry("text to image", recall.text_to_image),
                     entry("image to text", recall.image_to_text)};
}

Result<std::unique_ptr<encoders::Encoder>> load_to_measure(const std::string& model) {
  encoders::EncoderOptions options;
  options.model = model;
  return encoders::load_encoder(options);
}

std::string table_row(const char* name, const eval::RecallAtRanks& ranks) {
  return std::string("| ") + name + " | " + format_fixed(ranks.at_1, 3) + " | " +
         format_fixed(ranks.at_5, 3) + " | " + format_fixed(ranks.at_10, 3) + " |\n";
}

std::string card(const Outcome& outcome) {
  const train::FineTuneReport& report = outcome.report;
  std::string text = "# " + report.folder.filename().string() + "\n\n\"" + outcome.base_name +
                     "\" (checksum " + outcome.base_checksum + "), trained on with " +
                     format_count(report.num_trained) + " captioned pictures by `sightline train" +
                     " --init`: step " + std::to_string(report.best_step) + " of " +
                     std::to_string(report.steps) + ".\n";
  if (!outcome.before || !outcome.after) return text + "\nNothing was held out and measured.\n";
  return text + "\nRecall on " + format_count(outcome.before->recall.num_pictures) +
         " held-out pictures with " + format_count(outcome.before->recall.num_captions) +
         " captions, which also chose the step:\n\n| | R@1 | R@5 | R@10 |\n|---|---|---|---|\n" +
         table_row("text to image, before", outcome.before->recall.text_to_image) +
         table_row("text to image, after", outcome.after->recall.text_to_image) +
         table_row("image to text, before", outcome.before->recall.image_to_text) +
         table_row("image to text, after", outcome.after->recall.image_to_text);
}

Json to_json(const Outcome& outcome, const fs::path& work_folder) {
  const train::FineTuneReport& report = outcome.report;
  Json skipped = Json::array();
  for (const auto& [image, reason] : report.skipped) {
    skipped.push_back({{"image", image}, {"reason", reason}});
  }
  return {{"folder", report.best_step > 0 ? Json(report.folder.string()) : Json()},
          {"work_folder", work_folder.string()},
          {"base", outcome.base_name},
          {"base_checksum", outcome.base_checksum},
          {"trained", report.num_trained},
          {"held_out", report.num_held_out},
          {"steps", report.steps},
          {"best_step", report.best_step},
          {"learning_rate", report.learning_rate},
          {"pictures_seen", report.pictures_seen},
          {"active_seconds", report.active_seconds},
          {"before", outcome.before ? eval::to_json(outcome.before->recall) : Json()},
          {"after", outcome.after ? eval::to_json(outcome.after->recall) : Json()},
          {"gain", outcome.has_gain()},
          {"skipped", std::move(skipped)}};
}

std::string summary(const Outcome& outcome) {
  const train::FineTuneReport& report = outcome.report;
  std::string text = format_count(report.num_trained) + " pictures trained on, " +
                     format_count(report.num_held_out) + " held out; " +
                     format_count(report.steps) + " steps of learning rate " +
                     Json(report.learning_rate).dump() + " in " +
                     format_duration(report.active_seconds) + "\n";
  if (outcome.before) text += "before\n" + recall_table(outcome.before->recall);
  if (outcome.after) text += "after\n" + recall_table(outcome.after->recall);
  if (report.best_step > 0) {
    text += report.folder.string() + ": the model as it was at step " +
            std::to_string(report.best_step) + "\n";
  }
  return text;
}

train::FineTuneOptions options_of(const CommandContext& context, const FineTuneFlags& flags,
                                  const fs::path& work_folder, train::Freeze freeze) {
  train::FineTuneOptions options;
  options.model = flags.model;
  options.output_folder = flags.out;
  options.work_folder = work_folder;
  options.freeze = freeze;
  options.learning_rate = flags.learning_rate;
  options.minutes = flags.minutes;
  options.epochs = flags.epochs;
  options.batch = flags.batch;
  options.held_out = flags.held_out;
  options.weight_decay = flags.weight_decay;
  options.seed = flags.seed;
  options.restart = flags.restart;
  options.device = context.settings().device;
  if (context.was_flagged("threads")) {
    options.threads = static_cast<std::size_t>(context.settings().threads);
  }
  return options;
}

Result<Outcome> fine_tune(CommandContext& context, const FineTuneFlags& flags,
                          const fs::path& work_folder, std::stop_token stop) {
  const Deadline deadline = Deadline::never().with_stop(stop);
  SIGHTLINE_TRY(const train::Freeze freeze, train::parse_freeze(flags.freeze));
  SIGHTLINE_TRY(const auto manifest, pipeline::CaptionedManifest::read(flags.data));
  SIGHTLINE_TRY(const auto decode, decode_options(context.settings()));
  const train::Catalogue catalogue = catalogue_of(manifest, decode);
  const auto held_out = held_out_places(catalogue, flags.held_out);
  ProgressBar bar(context.quiet(), "train");
  Outcome outcome;
  SIGHTLINE_TRY(outcome.report,
                train::fine_tune(
                    options_of(context, flags, work_folder, freeze), catalogue, measure,
                    [&](const train::TrainProgress& p) {
                      context.note(context.json() ? dump_json(p.to_json()) : progress_text(p));
                    },
                    stop));
  SIGHTLINE_TRY(auto encoder, load_to_measure(flags.model));
  outcome.base_name = encoder->info().name;
  outcome.base_checksum = encoder->info().checksum;
  if (!held_out.empty()) {
    SIGHTLINE_TRY(outcome.before,
                  measure_encoder(context, *encoder, manifest, held_out, decode, 0, bar, deadline));
  }
  encoder.reset();
  if (outcome.report.best_step == 0) return outcome;
  if (!held_out.empty()) {
    SIGHTLINE_TRY(encoder, load_to_measure(outcome.report.folder.string()));
    SIGHTLINE_TRY(outcome.after,
                  measure_encoder(context, *encoder, manifest, held_out, decode, 0, bar, deadline));
  }
  SIGHTLINE_TRY_DO(write_file(outcome.report.folder / "README.md", card(outcome)));
  return outcome;
}

}  // namespace

Result<int> run_fine_tune(CommandContext& context, const FineTuneFlags& flags) {
  const fs::path work_folder =
      flags.work_folder.empty() ? work_folder_of(flags.out) : fs::path(flags.work_folder);
  InterruptWatch interrupt("interrupted: writing a checkpoint");
  const auto outcome = fine_tune(context, flags, work_folder, interrupt.token());
  if (!outcome) {
    if (outcome.error().code != StatusCode::kCancelled) return outcome.error();
    context.note(outcome.error().message);
    return kExitInterrupted;
  }
  if (context.json()) {
    context.print(to_json(*outcome, work_folder));
  } else {
    for (const auto& [image, reason] : outcome->report.skipped) {
      context.note("left out " + escape_line(reason));
    }
    context.out += summary(*outcome);
  }
  if (outcome->report.best_step == 0) {
    context.complaint =
        "no gain: no step found more of the held-out part than the model it began"
        " with; nothing was written";
  } else if (outcome->before && !outcome->has_gain()) {
    context.note("no gain: the new model finds no more of the held-out part than the old one");
  }
  return kExitOk;
}

}  // namespace sightline::apps
