#include <chrono>
#include <memory>
#include <numeric>

#include "apps/commands.h"
#include "apps/encoder_recall.h"
#include "apps/inputs.h"
#include "apps/interrupt.h"
#include "apps/text_format.h"
#include "encoders/model_settings.h"
#include "eval/caption_examples.h"

namespace sightline::apps {
namespace {

constexpr std::size_t kMostListed = 10;  // of the skipped pictures, for people

std::string summary(const encoders::EncoderInfo& model, const MeasuredEncoder& measured) {
  const eval::CaptionRecall& recall = measured.recall;
  return "model " + escape_line(model.name) + " over " + format_count(recall.num_pictures) +
         " pictures with " + format_count(recall.num_captions) + " captions\n" +
         recall_table(recall) +
         (measured.threshold ? '\n' + threshold_table(*measured.threshold) : std::string());
}

void note_skipped(const CommandContext& context, std::span<const SkippedPicture> skipped) {
  if (skipped.empty()) return;
  context.note(format_count(skipped.size()) + " pictures could not be read:");
  for (std::size_t i = 0; i < std::min(kMostListed, skipped.size()); ++i) {
    context.note("  " + escape_line(skipped[i].reason));
  }
  if (skipped.size() > kMostListed) {
    context.note("  and " + format_count(skipped.size() - kMostListed) + " more (--json has all)");
  }
}

constexpr std::size_t kExamples = 10;  // of hits, and of misses

struct EvalEncoderFlags {
  std::string data, examples;
  bool save_threshold = false;
};

/// Draws hits and misses to `file`.
Result<void> draw_examples(const pipeline::CaptionedManifest& manifest,
                           const MeasuredEncoder& measured, const codecs::DecodeOptions& decode,
                           const std::string& file) {
  const auto load =
      [&](const std::vector<FoundCaption>& found) -> Result<std::vector<eval::ExamplePicture>> {
    std::vector<eval::ExamplePicture> pictures;
    for (const FoundCaption& one : found) {
      eval::ExamplePicture picture{one.caption, {}, {}};
      SIGHTLINE_TRY(picture.wanted, manifest.load(one.wanted, decode));
      SIGHTLINE_TRY(picture.found, manifest.load(one.found, decode));
      pictures.push_back(std::move(picture));
    }
    return pictures;
  };
  SIGHTLINE_TRY(const auto hits, load(measured.hits));
  SIGHTLINE_TRY(const auto misses, load(measured.misses));
  return eval::draw_caption_examples(hits, misses, file);
}

/// Into the model's folder.
Result<void> save_threshold(CommandContext& context, const encoders::EncoderInfo& model,
                            const MeasuredEncoder& measured) {
  if (!measured.threshold || !(measured.threshold->best.f1 > 0)) {
    return failed_precondition("no threshold can be fitted on " +
                               format_count(measured.recall.num_pictures) + " pictures");
  }
  SIGHTLINE_TRY(auto settings, encoders::read_model_settings(model.path));
  settings.strong_spreads = measured.threshold->best.spreads;
  SIGHTLINE_TRY_DO(encoders::write_model_settings(model.path, settings));
  context.note("matches of " + model.path.string() + " are strong from " +
               format_fixed(*settings.strong_spreads, 2) + " spreads now");
  return {};
}

Result<int> run_eval_encoder(CommandContext& context, const EvalEncoderFlags& flags) {
  const std::string& data = flags.data;
  const auto start = std::chrono::steady_clock::now();
  if (!flags.examples.empty() && !eval::is_example_file(flags.examples)) {
    return context.usage_error("--examples " + flags.examples +
                               ": the name must end in .png, .jpg or .jpeg");
  }
  InterruptWatch interrupt("interrupted: stopping");
  const Deadline deadline = Deadline::never().with_stop(interrupt.token());
  SIGHTLINE_TRY(const auto manifest, pipeline::CaptionedManifest::read(data));
  SIGHTLINE_TRY(const auto decode, decode_options(context.settings()));
  SIGHTLINE_TRY(const auto encoder, load_model(context));
  std::vector<std::size_t> all(manifest.num_pictures());
  std::iota(all.begin(), all.end(), std::size_t{0});
  ProgressBar bar(context.quiet(), "eval");
  auto measured = measure_encoder(context, *encoder, manifest, all, decode,
                                  flags.examples.empty() ? 0 : kExamples, bar, deadline);
  bar.clear();
  if (!measured) return measured.error();
  if (!flags.examples.empty()) {
    SIGHTLINE_TRY_DO(draw_examples(manifest, *measured, decode, flags.examples));
    context.note("examples drawn to " + flags.examples);
  }
  if (flags.save_threshold) SIGHTLINE_TRY_DO(save_threshold(context, encoder->info(), *measured));
  if (context.json()) {
    Json json = eval::to_json(measured->recall);
    json["model"] = encoder->info().name;
    json["checksum"] = encoder->info().checksum;
    json["data"] = data;
    json["threshold"] = nullptr;
    if (const auto& threshold = measured->threshold) {
      json["threshold"] = {{"used", eval::to_json(threshold->used)},
                           {"best", eval::to_json(threshold->best)}};
    }
    json["skipped"] = to_json(measured->skipped);
    json["seconds"] =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    context.print(json);
  } else {
    context.out += summary(encoder->info(), *measured);
    note_skipped(context, measured->skipped);
  }
  return kExitOk;
}

/// Ctrl-C ends a measurement without an answer.
Result<int> run_interruptible(CommandContext& context, const EvalEncoderFlags& flags) {
  auto result = run_eval_encoder(context, flags);
  if (result || result.error().code != StatusCode::kCancelled) return result;
  context.note("interrupted: " + result.error().message);
  return kExitInterrupted;
}

}  // namespace

void add_eval_encoder_command(CommandLine& line, CLI::App& group) {
  auto flags = std::make_shared<EvalEncoderFlags>();
  CLI::App& command = line.add_command(
      {"encoder", "How well a model finds pictures by their captions, and captions by pictures.",
       "  sightline eval encoder --data captions.csv\n"
       "  sightline eval encoder --model ~/models/clip --data captions.jsonl --json\n"
       "\n"
       "The list has the columns \"image\" (a path, relative to the list's folder) and "
       "\"caption\".\n"
       "Every distinct caption asks once, and any picture that has it is right; every picture "
       "asks\n"
       "once, and any caption of its own is right. What scores alike counts with the share of the\n"
       "orders in which it is found. Pictures that cannot be read are skipped and listed.\n"
       "\n"
       "The second table tells which pictures count as strong matches: those that score so many\n"
       "spreads above the background of all pictures. --save-threshold writes the best threshold\n"
       "(largest F1) into the model's folder (sightline.json), where searches find it.\n"
       "--json: {\"pictures\", \"captions\", \"text_to_image\": {\"recall_at_1\", "
       "\"recall_at_5\",\n"
       "\"recall_at_10\"}, \"image_to_text\": {...}, \"model\", \"checksum\", \"data\", "
       "\"threshold\":\n"
       "{\"used\": {\"strong_spreads\", \"precision\", \"recall\", \"f1\", "
       "\"pictures_per_query\",\n"
       "\"queries_without\"}, \"best\": {...}}, \"skipped\": [{\"image\", \"reason\"}], "
       "\"seconds\"}"},
      [flags](CommandContext& context) { return run_interruptible(context, *flags); }, &group);
  // Here --data is what is measured on; no collection is opened.
  command.remove_option(command.get_option("--data"));
  add_text(command, "--data", flags->data, "Captioned pictures (.jsonl, .ndjson or .csv).")
      ->required()
      ->type_name("FILE");
  add_text(command, "--examples", flags->examples,
           "Draw ten captions that find their picture and ten that do not.")
      ->type_name("FILE.png");
  command.add_flag("--save-threshold", flags->save_threshold,
                   "Keep the best threshold of strong matches in the model's folder.");
  line.add_model_flags(command);
  line.add_alpha_flag(command);
}

}  // namespace sightline::apps
