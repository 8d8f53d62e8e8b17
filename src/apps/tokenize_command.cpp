#include <algorithm>

#include "apps/commands.h"
#include "apps/text_format.h"
#include "apps/vector_search.h"
#include "encoders/encoder.h"
#include "encoders/tokenizer.h"

namespace sightline::apps {
namespace {

struct TokenizeFlags {
  std::vector<std::string> texts;
  std::string input;
  std::optional<std::size_t> max_length;
  bool pad = false;
};

Result<std::vector<std::string>> read_texts(const std::string& file) {
  const std::string what = file == "-" ? "stdin" : file;
  Json json;
  if (file == "-") {
    SIGHTLINE_TRY(const std::string text, read_text(file));
    SIGHTLINE_TRY(json, parse_json(text, what));
  } else {
    SIGHTLINE_TRY(json, read_json_file(file));
  }
  if (!json.is_array()) return invalid_argument(what + ": must hold a JSON list of strings");
  std::vector<std::string> texts;
  for (const Json& text : json) {
    if (!text.is_string()) {
      return invalid_argument(what + ": item " + std::to_string(texts.size()) + " is " +
                              dump_json(text) + "; it must be a string");
    }
    texts.push_back(text.get<std::string>());
  }
  return texts;
}

Result<int> run_tokenize(CommandContext& context, const TokenizeFlags& flags) {
  if (flags.texts.empty() == flags.input.empty()) {
    return context.usage_error(flags.input.empty() ? "no texts: give TEXT or --input FILE"
                                                   : "give TEXT or --input FILE, not both");
  }
  std::vector<std::string> texts = flags.texts;
  if (!flags.input.empty()) {
    SIGHTLINE_TRY(texts, read_texts(flags.input));
  }
  SIGHTLINE_TRY(const auto folder, encoders::resolve_model_folder(context.settings().model));
  SIGHTLINE_TRY(const auto tokenizer, encoders::load_tokenizer(folder));

  std::vector<std::vector<std::int32_t>> rows;
  std::size_t longest = 0;
  for (const std::string& text : texts) {
    rows.push_back(tokenizer->encode(text, flags.max_length));
    longest = std::max(longest, rows.back().size());
  }
  if (flags.pad) {
    const std::size_t length = flags.max_length.value_or(longest);
    for (auto& ids : rows) ids.resize(std::max(ids.size(), length), tokenizer->pad_id());
  }
  if (context.json()) {
    Json list = Json::array();
    for (const auto& ids : rows) list.push_back(Json{{"ids", ids}});
    context.print(list);
    return kExitOk;
  }
  for (const auto& ids : rows) {
    std::string line;
    for (const std::int32_t id : ids) line += (line.empty() ? "" : " ") + std::to_string(id);
    context.out += line + "\n";
  }
  return kExitOk;
}

}  // namespace

void add_tokenize_command(CommandLine& line) {
  auto flags = std::make_shared<TokenizeFlags>();
  CLI::App& command = line.add_command(
      {"tokenize", "Texts to token ids, as the model's folder says.",
       "  sightline tokenize \"a photo of a cat\" \"two dogs\"\n"
       "  sightline tokenize --model ~/models/clip --input texts.json --json\n"
       "  sightline tokenize --max-length 77 --pad \"a photo of a cat\"\n"
       "\n"
       "Nothing is cut without --max-length; a cut text keeps its end token. --pad fills up to\n"
       "--max-length, or to the longest text. A folder with tokenizer files alone will do."},
      [flags](CommandContext& context) { return run_tokenize(context, *flags); });
  add_texts(command, "TEXT", flags->texts, "Texts, one line of ids each.")->type_name("");
  add_text(command, "--input", flags->input, "A JSON list of strings; - is stdin.")
      ->type_name("FILE.json");
  command
      .add_option_function<std::size_t>(
          "--max-length", [flags](std::size_t length) { flags->max_length = length; },
          "Cut to N ids, 2..100000.")
      ->type_name("N")
      ->check(whole_number(2, 100000));
  command.add_flag("--pad", flags->pad, "Fill up with the padding token.");
  line.add_setting(command, "--model", "model", "Folder with tokenizer files, or \"embedded\".")
      ->type_name("DIR|embedded");
}

}  // namespace sightline::apps
