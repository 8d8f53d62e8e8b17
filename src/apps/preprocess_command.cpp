#include <array>

#include "apps/commands.h"
#include "apps/inputs.h"
#include "apps/output_file.h"
#include "core/npy.h"
#include "image/preprocess.h"

namespace sightline::apps {
namespace {

struct PreprocessFlags {
  std::string picture, out_file;
};

Result<int> run_preprocess(CommandContext& context, const PreprocessFlags& flags) {
  if (flags.out_file == "-" && context.json()) {
    return context.usage_error("--out - and --json both want stdout");
  }
  SIGHTLINE_TRY(const auto folder, encoders::resolve_model_folder(context.settings().model));
  SIGHTLINE_TRY(const image::PreprocessSpec spec, image::load_preprocess_spec(folder));
  SIGHTLINE_TRY(const codecs::DecodeOptions decode, decode_options(context.settings()));
  SIGHTLINE_TRY(const image::Image picture, read_picture(flags.picture, decode));

  const std::array<std::size_t, 3> shape = {3, spec.output_height(), spec.output_width()};
  std::vector<float> values(shape[0] * shape[1] * shape[2]);
  SIGHTLINE_TRY_DO(image::preprocess(picture.view(), spec, values));
  const std::string bytes = npy_bytes(shape, values);
  if (flags.out_file == "-") {
    context.out += bytes;
    return kExitOk;
  }
  SIGHTLINE_TRY_DO(write_file(flags.out_file, bytes));
  if (context.json()) {
    context.print(OrderedJson{{"out", flags.out_file},
                              {"dtype", "<f4"},
                              {"shape", shape},
                              {"width", picture.width},
                              {"height", picture.height}});
  } else {
    context.note(flags.out_file + ": float32 [3, " + std::to_string(shape[1]) + ", " +
                 std::to_string(shape[2]) + "] from " + std::to_string(picture.width) + "x" +
                 std::to_string(picture.height));
  }
  return kExitOk;
}

}  // namespace

void add_preprocess_command(CommandLine& line) {
  auto flags = std::make_shared<PreprocessFlags>();
  CLI::App& command = line.add_command(
      {"preprocess", "A picture to the numbers that the image tower eats.",
       "  sightline preprocess --model ~/models/clip photo.jpg --out photo.npy\n"
       "  sightline preprocess --alpha drop logo.png --out logo.npy\n"
       "\n"
       "The file is NumPy's: little-endian float32 [3, height, width]. A folder with\n"
       "preprocessor_config.json alone will do."},
      [flags](CommandContext& context) { return run_preprocess(context, *flags); });
  add_text(command, "IMAGE", flags->picture, "The picture.")->required()->type_name("");
  add_text(command, "--out", flags->out_file, "Where to write; - is stdout.")
      ->required()
      ->type_name("FILE.npy");
  line.add_setting(command, "--model", "model",
                   "Folder with preprocessor_config.json, or \"embedded\".")
      ->type_name("DIR|embedded");
  line.add_alpha_flag(command);
}

}  // namespace sightline::apps
