#include <algorithm>
#include <cmath>

#include "apps/commands.h"
#include "apps/inputs.h"
#include "apps/text_format.h"

namespace sightline::apps {
namespace {

struct SimilarityFlags {
  std::vector<std::string> images, texts, more_texts;
  const CLI::App* command = nullptr;
};

using Matrix = std::vector<std::vector<double>>;  // [image][text]

/// Over the texts of one picture, as the reference implementation's `logits_per_image.softmax`.
std::vector<double> softmax(const std::vector<double>& logits) {
  const double top = *std::ranges::max_element(logits);
  std::vector<double> out;
  double sum = 0;
  for (const double logit : logits) sum += out.emplace_back(std::exp(logit - top));
  for (double& value : out) value /= sum;
  return out;
}

Result<int> run_similarity(CommandContext& context, const SimilarityFlags& flags) {
  std::vector<std::string> texts;
  for (const OrderedValue& value : values_in_order(*flags.command)) {
    if (value.option == "--text" || value.option == "texts") texts.push_back(value.value);
  }
  if (texts.empty()) return context.usage_error("no texts: give --text TEXT");
  SIGHTLINE_TRY(const codecs::DecodeOptions decode, decode_options(context.settings()));
  SIGHTLINE_TRY(const auto encoder, load_model(context));
  const encoders::EncoderInfo& info = encoder->info();
  SIGHTLINE_TRY(const auto image_rows, encode_files(*encoder, flags.images, decode,
                                                    encoders::Normalize::kYes, context.pool()));
  SIGHTLINE_TRY(const auto text_rows,
                encode_texts(*encoder, texts, encoders::Normalize::kYes, context.pool()));

  Matrix cosine, logits, probabilities;
  for (std::size_t i = 0; i < image_rows.size(); ++i) {
    cosine.emplace_back();
    logits.emplace_back();
    for (std::size_t t = 0; t < texts.size(); ++t) {
      double dot = 0;
      for (std::size_t d = 0; d < info.dim; ++d) {
        dot += static_cast<double>(image_rows.row(i)[d]) * text_rows.row(t)[d];
      }
      cosine.back().push_back(dot);
      logits.back().push_back(info.logit_scale * dot + info.logit_bias);
    }
    probabilities.push_back(softmax(logits.back()));
  }
  if (context.json()) {
    context.print(OrderedJson{{"model", info.name},
                              {"images", flags.images},
                              {"texts", texts},
                              {"logit_scale", info.logit_scale},
                              {"logit_bias", info.logit_bias},
                              {"cosine", cosine},
                              {"logits", logits},
                              {"softmax", probabilities}});
    return kExitOk;
  }
  TextTable table({{"cosine", Align::kRight},
                   {"logit", Align::kRight},
                   {"softmax", Align::kRight},
                   {"image", Align::kLeft},
                   {"text", Align::kLeft}});
  for (std::size_t i = 0; i < flags.images.size(); ++i) {
    for (std::size_t t = 0; t < texts.size(); ++t) {
      table.add_row({format_fixed(cosine[i][t], 4), format_fixed(logits[i][t], 3),
                     format_fixed(probabilities[i][t], 4), flags.images[i], texts[t]});
    }
  }
  context.out += table.render();
  return kExitOk;
}

}  // namespace

void add_similarity_command(CommandLine& line) {
  auto flags = std::make_shared<SimilarityFlags>();
  CLI::App& command = line.add_command(
      {"similarity", "How well pictures and texts go together.",
       "  sightline similarity --image cat.jpg --text \"a cat\" \"a dog\" \"a car\"\n"
       "  sightline similarity --image a.jpg --image b.jpg --text \"a cat\" --json\n"
       "\n"
       "cosine of the embeddings; logit = cosine * scale + bias of the model; softmax of the\n"
       "logits over the texts of each picture. In JSON, rows are pictures and columns texts."},
      [flags](CommandContext& context) { return run_similarity(context, *flags); });
  flags->command = &command;
  add_texts(command, "--image", flags->images, "A picture; may be repeated.")
      ->required()
      ->type_name("FILE");
  add_texts(command, "--text", flags->texts, "A text; more may follow it, or --text be repeated.")
      ->type_name("TEXT");
  add_texts(command, "texts", flags->more_texts, "More texts.")->type_name("");
  line.add_model_flags(command);
  line.add_alpha_flag(command);
}

}  // namespace sightline::apps
