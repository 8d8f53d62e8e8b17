#include <algorithm>
#include <array>
#include <charconv>

#include "apps/commands.h"
#include "apps/inputs.h"
#include "apps/output_file.h"
#include "apps/text_format.h"
#include "core/npy.h"

namespace sightline::apps {
namespace {

struct EmbedFlags {
  std::vector<std::string> texts, images;
  bool raw = false;
  std::string out_file;
  const CLI::App* command = nullptr;
};

/// Which rows of which kind, in the order of the command line.
struct Inputs {
  std::vector<OrderedValue> all;  ///< option "--text" or "--image"
  std::vector<std::string> texts, images;
};

Inputs inputs_of(const CLI::App& command) {
  Inputs inputs;
  for (OrderedValue& value : values_in_order(command)) {
    if (value.option == "--text") {
      inputs.texts.push_back(value.value);
    } else if (value.option == "--image") {
      inputs.images.push_back(value.value);
    } else {
      continue;
    }
    inputs.all.push_back(std::move(value));
  }
  return inputs;
}

Result<encoders::EmbeddingBatch> encode(CommandContext& context, const encoders::Encoder& encoder,
                                        const Inputs& inputs, encoders::Normalize normalize) {
  SIGHTLINE_TRY(const codecs::DecodeOptions decode, decode_options(context.settings()));
  SIGHTLINE_TRY(const auto images,
                encode_files(encoder, inputs.images, decode, normalize, context.pool()));
  SIGHTLINE_TRY(const auto texts, encode_texts(encoder, inputs.texts, normalize, context.pool()));
  encoders::EmbeddingBatch rows(inputs.all.size(), encoder.info().dim);
  std::size_t next_text = 0, next_image = 0;
  for (std::size_t i = 0; i < inputs.all.size(); ++i) {
    const auto row =
        inputs.all[i].option == "--text" ? texts.row(next_text++) : images.row(next_image++);
    std::ranges::copy(row, rows.row(i).begin());
  }
  return rows;
}

/// The shortest text that reads back as the same float.
std::string float_text(float value) {
  std::array<char, 32> buffer{};
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return std::string(buffer.data(), end);
}

Result<int> run_embed(CommandContext& context, const EmbedFlags& flags) {
  const Inputs inputs = inputs_of(*flags.command);
  if (inputs.all.empty()) return context.usage_error("nothing to embed: give --text or --image");
  if (flags.out_file == "-" && context.json()) {
    return context.usage_error("--out - and --json both want stdout");
  }
  SIGHTLINE_TRY(const auto encoder, load_model(context));
  SIGHTLINE_TRY(const auto rows,
                encode(context, *encoder, inputs,
                       flags.raw ? encoders::Normalize::kNo : encoders::Normalize::kYes));
  const std::array<std::size_t, 2> shape = {rows.size(), rows.dim()};
  if (flags.out_file == "-") {
    context.out += npy_bytes(shape, rows.values());
    return kExitOk;
  }
  if (!flags.out_file.empty()) {
    SIGHTLINE_TRY_DO(write_file(flags.out_file, npy_bytes(shape, rows.values())));
  }
  if (context.json()) {
    OrderedJson answer = {{"model", encoder->info().name},
                          {"checksum", encoder->info().checksum},
                          {"normalized", !flags.raw},
                          {"shape", shape}};
    if (!flags.out_file.empty()) {
      answer["out"] = flags.out_file;
    } else {
      OrderedJson list = OrderedJson::array();
      for (std::size_t i = 0; i < rows.size(); ++i) {
        list.push_back({{inputs.all[i].option.substr(2), inputs.all[i].value},
                        {"embedding", std::vector<float>(rows.row(i).begin(), rows.row(i).end())}});
      }
      answer["embeddings"] = std::move(list);
    }
    context.print(answer);
    return kExitOk;
  }
  if (!flags.out_file.empty()) {
    context.note(flags.out_file + ": float32 [" + std::to_string(shape[0]) + ", " +
                 std::to_string(shape[1]) + "]");
    return kExitOk;
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::string line;
    for (const float value : rows.row(i)) line += (line.empty() ? "" : " ") + float_text(value);
    context.out += line + "\n";
  }
  return kExitOk;
}

}  // namespace

void add_embed_command(CommandLine& line) {
  auto flags = std::make_shared<EmbedFlags>();
  CLI::App& command = line.add_command(
      {"embed", "Texts and pictures to embeddings, in the order they are given.",
       "  sightline embed --text \"a cat\" --image cat.jpg --out rows.npy\n"
       "  sightline embed --model ~/models/clip --image cat.jpg --raw --json\n"
       "\n"
       "The file is NumPy's: little-endian float32 [n, dim]. --raw: before normalising. Without\n"
       "--out, a line of numbers for each input."},
      [flags](CommandContext& context) { return run_embed(context, *flags); });
  flags->command = &command;
  add_texts(command, "--text", flags->texts, "A text; may be repeated.")->type_name("TEXT");
  add_texts(command, "--image", flags->images, "A picture; may be repeated.")->type_name("FILE");
  command.add_flag("--raw", flags->raw, "Projected features, before normalising.");
  add_text(command, "--out", flags->out_file, "Where to write; - is stdout.")
      ->type_name("FILE.npy");
  line.add_model_flags(command);
  line.add_alpha_flag(command);
}

}  // namespace sightline::apps
