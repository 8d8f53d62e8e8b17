#include <chrono>
#include <memory>
#include <numeric>

#include "apps/commands.h"
#include "apps/encoder_recall.h"
#include "apps/inputs.h"
#include "apps/interrupt.h"
#include "apps/text_format.h"

namespace sightline::apps {
namespace {

constexpr std::size_t kMostListed = 10;  // of the skipped pictures, for people

std::string summary(const encoders::EncoderInfo& model, const MeasuredEncoder& measured) {
  const eval::CaptionRecall& recall = measured.recall;
  return "model " + escape_line(model.name) + " over " + format_count(recall.num_pictures) +
         " pictures with " + format_count(recall.num_captions) + " captions\n" +
         recall_table(recall);
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

Result<int> run_eval_encoder(CommandContext& context, const std::string& data) {
  const auto start = std::chrono::steady_clock::now();
  InterruptWatch interrupt("interrupted: stopping");
  const Deadline deadline = Deadline::never().with_stop(interrupt.token());
  SIGHTLINE_TRY(const auto manifest, pipeline::CaptionedManifest::read(data));
  SIGHTLINE_TRY(const auto decode, decode_options(context.settings()));
  SIGHTLINE_TRY(const auto encoder, load_model(context));
  std::vector<std::size_t> all(manifest.num_pictures());
  std::iota(all.begin(), all.end(), std::size_t{0});
  ProgressBar bar(context.quiet(), "eval");
  auto measured = measure_encoder(context, *encoder, manifest, all, decode, bar, deadline);
  bar.clear();
  if (!measured) return measured.error();
  if (context.json()) {
    Json json = eval::to_json(measured->recall);
    json["model"] = encoder->info().name;
    json["checksum"] = encoder->info().checksum;
    json["data"] = data;
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
Result<int> run_interruptible(CommandContext& context, const std::string& data) {
  auto result = run_eval_encoder(context, data);
  if (result || result.error().code != StatusCode::kCancelled) return result;
  context.note("interrupted: " + result.error().message);
  return kExitInterrupted;
}

}  // namespace

void add_eval_encoder_command(CommandLine& line, CLI::App& group) {
  auto data = std::make_shared<std::string>();
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
       "--json: {\"pictures\", \"captions\", \"text_to_image\": {\"recall_at_1\", "
       "\"recall_at_5\",\n"
       "\"recall_at_10\"}, \"image_to_text\": {...}, \"model\", \"checksum\", \"data\", "
       "\"skipped\":\n"
       "[{\"image\", \"reason\"}], \"seconds\"}"},
      [data](CommandContext& context) { return run_interruptible(context, *data); }, &group);
  // Here --data is what is measured on; no collection is opened.
  command.remove_option(command.get_option("--data"));
  add_text(command, "--data", *data, "Captioned pictures (.jsonl, .ndjson or .csv).")
      ->required()
      ->type_name("FILE");
  line.add_model_flags(command);
  line.add_alpha_flag(command);
}

}  // namespace sightline::apps
