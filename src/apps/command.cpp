#include "apps/command.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <exception>
#include <new>
#include <sstream>
#include <system_error>

#include "apps/text_format.h"
#include "settings/library_setup.h"
#include "settings/logging.h"

namespace sightline::apps {
namespace {

constexpr char kMark = '\x01';
constexpr std::array<const char*, 2> kAlphaRules = {"white", "drop"};

/// "--text=" followed by nothing would make CLI11 take the next argument for the value.
bool is_empty_assignment(const std::string& argument) {
  return argument.size() > 3 && argument.starts_with("--") &&
         argument.find('=') == argument.size() - 1;
}

/// Marks what CLI11 would not take as it is. What follows "--" is marked too and the "--" left out:
/// CLI11 hands words behind it to the parent once a command has its first word.
std::vector<std::string> protect(const std::vector<std::string>& arguments) {
  std::vector<std::string> out;
  bool only_words = false;
  for (const std::string& argument : arguments) {
    if (only_words) {
      out.push_back(kMark + argument);
    } else if (argument == "--") {
      only_words = true;
    } else if (is_empty_assignment(argument)) {
      out.push_back(argument.substr(0, argument.size() - 1));
      out.emplace_back();
    } else {
      const bool special = !argument.empty() && (std::strchr("[{%", argument.front()) != nullptr ||
                                                 argument.front() == kMark || argument == "++");
      out.push_back(special ? kMark + argument : argument);
    }
  }
  return out;
}

std::vector<const CLI::App*> commands_below(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

std::string names_below(const CLI::App& app) {
  std::string names;
  for (const CLI::App* command : commands_below(app))
    names += (names.empty() ? "" : ", ") + command->get_name();
  return names;
}

std::string no_such_command(const CLI::App& below, const std::string& word) {
  return "there is no command \"" + word + "\"; it must be one of " + names_below(below);
}

/// "sightline help search" is "sightline search --help". errors  kInvalidArgument: a word that is
/// no command.
Result<void> rewrite_help(const CLI::App& app, std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments.front() != "help") return {};
  arguments.erase(arguments.begin());
  const CLI::App* at = &app;
  for (const std::string& word : arguments) {
    if (word.starts_with('-')) break;
    const auto commands = commands_below(*at);
    const auto next = std::ranges::find(commands, word, &CLI::App::get_name);
    if (next == commands.end() && commands.empty()) {
      return invalid_argument("there is nothing below the command \"" + at->get_name() +
                              "\": leave out \"" + word + "\"");
    }
    if (next == commands.end()) return invalid_argument(no_such_command(*at, word));
    at = *next;
  }
  arguments.emplace_back("--help");
  return {};
}

/// What is wrong with the command line, in words of ours where CLI11's do not help.
std::string usage_message(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  if (dynamic_cast<const CLI::RequiredError*>(&error) == nullptr || commands_below(*at).empty()) {
    std::string message = error.what();
    std::erase(message, kMark);
    while (message.ends_with('\n')) message.pop_back();
    return message;
  }
  const auto left = app.remaining(true);
  if (left.empty()) return "a command is missing: one of " + names_below(*at);
  if (!left.front().starts_with('-')) return no_such_command(*at, plain(left.front()));
  return left.front() + " is not known here, and a command is missing: one of " + names_below(*at);
}

std::string join(const std::vector<std::string>& words) {
  std::string line = "sightline";
  for (const std::string& word : words) line += " " + word;
  return escape_line(line);
}

void write_stderr(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return;  // nowhere left to complain
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

void print_error(std::string_view message) {
  write_stderr("sightline: error: " + escape_line(message) + "\n");
}

Result<void> write_stdout(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EPIPE) return io_error("");
    if (written < 0) {
      return io_error(std::string("the answer cannot be written to stdout: ") +
                      std::strerror(errno));
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

bool CommandContext::was_set(std::string_view key) const {
  return std::ranges::any_of(loaded_.described, [&](const settings::Described& setting) {
    return setting.key == key && setting.source != "default";
  });
}

ComputePool& CommandContext::pool() {
  if (!pool_) {
    if (auto room = settings::check_address_space(static_cast<std::size_t>(settings().threads));
        !room) {
      throw std::system_error(ENOMEM, std::generic_category(), room.error().message);
    }
    pool_ = std::make_unique<ComputePool>(
        settings::pool_options(static_cast<std::size_t>(settings().threads)));
  }
  return *pool_;
}

void CommandContext::note(std::string_view line) const {
  if (!quiet()) write_stderr("sightline: " + escape_line(line) + "\n");
}

void CommandContext::print(const Json& value) { out += dump_json(value) + "\n"; }

void CommandContext::print(const OrderedJson& value) {
  out += value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

Status CommandContext::usage_error(std::string message) {
  has_usage_error_ = true;
  return invalid_argument(std::move(message));
}

std::string plain(const std::string& argument) {
  return !argument.empty() && argument.front() == kMark ? argument.substr(1) : argument;
}

CLI::Option* add_text(CLI::App& command, const std::string& names, std::string& target,
                      const std::string& description) {
  return command.add_option_function<std::string>(
      names, [&target](const std::string& value) { target = plain(value); }, description);
}

CLI::Option* add_texts(CLI::App& command, const std::string& names,
                       std::vector<std::string>& target, const std::string& description) {
  CLI::Option* option = command.add_option_function<std::vector<std::string>>(
      names,
      [&target](const std::vector<std::string>& values) {
        target.clear();
        for (const std::string& value : values) target.push_back(plain(value));
      },
      description);
  if (!option->get_positional()) option->allow_extra_args(false);
  return option;
}

CLI::Validator whole_number(std::int64_t low, std::int64_t high) {
  const std::string rule =
      " is not a whole number in " + std::to_string(low) + ".." + std::to_string(high);
  return {[low, high, rule](std::string& text) {
            std::int64_t value = 0;
            const char* end = text.data() + text.size();
            const auto read = std::from_chars(text.data(), end, value);
            const bool fits =
                read.ec == std::errc() && read.ptr == end && value >= low && value <= high;
            return fits ? std::string() : "\"" + text + "\"" + rule;
          },
          ""};
}

CLI::Validator number_that(std::function<bool(double)> holds, const std::string& rule) {
  return {[holds = std::move(holds), rule](std::string& text) {
            double value = 0;
            const char* end = text.data() + text.size();
            const auto read = std::from_chars(text.data(), end, value);
            const bool fits = read.ec == std::errc() && read.ptr == end && std::isfinite(value);
            return fits && holds(value) ? std::string() : "\"" + text + "\" is not " + rule;
          },
          ""};
}

CLI::Validator number_in(double low, double high) {
  return number_that([low, high](double value) { return value >= low && value <= high; },
                     "a number in " + Json(low).dump() + ".." + Json(high).dump());
}

std::vector<OrderedValue> values_in_order(const CLI::App& command) {
  std::vector<OrderedValue> values;
  std::map<const CLI::Option*, std::size_t> taken;
  for (const CLI::Option* option : command.parse_order()) {
    const std::size_t i = taken[option]++;
    const auto& results = option->results();
    if (i < results.size()) values.push_back({option->get_name(), plain(results[i])});
  }
  return values;
}

CommandLine::CommandLine()
    : app_("A search engine for pictures: index a folder, then ask it by words or by picture.",
           "sightline") {
  app_.require_subcommand(1);
  app_.set_help_flag("-h,--help", "Show this help and exit.");
  app_.set_version_flag("--version", std::string("sightline ") + SIGHTLINE_VERSION,
                        "Show the version and exit.");
  app_.get_formatter()->column_width(30);
  app_.footer(
      "Start here:\n"
      "  sightline index ~/Pictures\n"
      "  sightline search \"a red kangaroo\"\n"
      "\n"
      "'sightline help COMMAND' explains one command. Exit codes: 0 done, 1 something given is\n"
      "not as it must be, 2 wrong usage, 130 interrupted; the last line on stderr says why.");
  add_common_flags(app_);
}

void CommandLine::add_common_flags(CLI::App& command) {
  constexpr const char* group = "Options of every command";
  command
      .add_flag("--json", flags_.json, "Print one JSON value on stdout, and nothing else there.")
      ->group(group);
  command.add_flag("-q,--quiet", flags_.quiet, "No progress and no remarks on stderr.")
      ->group(group);
  add_setting(command, "--data", "data_dir", "Folder that holds the collections.")
      ->type_name("DIR")
      ->group(group);
  command
      .add_option_function<std::string>(
          "--config", [this](const std::string& file) { flags_.config_file = plain(file); },
          "Configuration file (TOML).")
      ->type_name("FILE")
      ->group(group);
  add_setting(command, "--threads", "threads", "Threads that compute; 0 takes all cores.")
      ->type_name("N")
      ->check(whole_number(0, 1024))
      ->group(group);
  add_setting(command, "--log-level", "log.level", "Least serious message to show.",
              {"trace", "debug", "info", "warning", "error", "off"})
      ->group(group);
}

CLI::App& CommandLine::add_command(const Description& description, RunCommand run,
                                   CLI::App* parent) {
  CLI::App* command =
      (parent ? *parent : app_).add_subcommand(description.name, description.summary);
  command->footer("Examples:\n" + description.examples);
  if (parent) parent->footer(parent->get_footer() + "\n" + description.examples);
  command->callback([this, run = std::move(run)] { chosen_ = run; });
  add_common_flags(*command);
  return *command;
}

CLI::App& CommandLine::add_group(const std::string& name, const std::string& summary) {
  CLI::App* group = app_.add_subcommand(name, summary);
  group->require_subcommand(1);
  group->footer("Examples:");  // add_command() adds those of each command
  add_common_flags(*group);
  return *group;
}

CLI::Option* CommandLine::add_setting(CLI::App& command, const std::string& flag,
                                      const std::string& key, const std::string& description,
                                      const std::vector<std::string>& choices) {
  CLI::Option* option = command.add_option_function<std::string>(
      flag,
      [this, flag, key](const std::string& value) {
        flags_.settings[key] = {plain(value), flag};
      },
      description);
  if (!choices.empty()) {
    std::string names;
    for (const std::string& choice : choices) names += (names.empty() ? "" : "|") + choice;
    option->type_name(names)->check(CLI::Validator(
        [choices, names](std::string& value) {
          return std::ranges::find(choices, value) != choices.end()
                     ? std::string()
                     : "\"" + value + "\" is not one of " + names;
        },
        ""));
  }
  return option;
}

CLI::Option* CommandLine::add_setting_switch(CLI::App& command, const std::string& flag,
                                             const std::string& key,
                                             const std::string& description) {
  return command.add_flag_callback(
      flag,
      [this, flag, key] {
        flags_.settings[key] = {"true", flag};
      },
      description);
}

void CommandLine::add_model_flags(CLI::App& command) {
  add_setting(command, "--model", "model",
              "Hugging Face folder of a CLIP model, or \"embedded\" for the one that ships.")
      ->type_name("DIR|embedded");
  add_setting(command, "--precision", "precision", "Number format of the forward pass.",
              {"fp32", "bf16", "fp16"});
  add_setting(command, "--device", "device", "Where the model runs.", {"auto", "cpu", "cuda"});
}

void CommandLine::add_alpha_flag(CLI::App& command) {
  add_setting(command, "--alpha", "image.alpha",
              "Transparent pictures: put them on white, or drop the channel.",
              {kAlphaRules.begin(), kAlphaRules.end()});
}

void CommandLine::add_collection_flag(CLI::App& command) {
  add_setting(command, "--collection", "collection", "Collection to work on.")->type_name("NAME");
}

int CommandLine::run(int argc, const char* const* argv) {
  try {
    return parse_and_run({argv + std::min(argc, 1), argv + argc});
  } catch (const std::bad_alloc&) {
    print_error("out of memory");
  } catch (const std::system_error& e) {  // no threads, most of all
    print_error(e.what());
  } catch (const std::exception& e) {
    print_error(std::string("internal error: ") + e.what());
  } catch (...) {
    print_error("internal error of unknown kind");
  }
  return kExitInput;
}

int CommandLine::parse_and_run(std::vector<std::string> arguments) {
  const std::string command_line = join(arguments);
  constexpr const char* hint = " ('--help' shows how it is used)";
  if (const auto helped = rewrite_help(app_, arguments); !helped) {
    print_error(helped.error().message + hint);
    return kExitUsage;
  }
  arguments = protect(arguments);
  std::ranges::reverse(arguments);  // CLI11 takes them from the back
  try {
    app_.parse(std::move(arguments));
  } catch (const CLI::Success& request) {  // --help, --version
    std::ostringstream out, ignored;
    if (dynamic_cast<const CLI::CallForVersion*>(&request) != nullptr && app_.count("--json") > 0) {
      out << dump_json(Json{{"version", SIGHTLINE_VERSION}}) << "\n";
    } else {
      app_.exit(request, out, ignored);
    }
    const Result<void> written = write_stdout(out.str());
    if (written) return kExitOk;
    if (!written.error().message.empty()) print_error(written.error().message);
    return kExitInput;
  } catch (const CLI::ParseError& e) {
    print_error(usage_message(app_, e) + hint);
    return kExitUsage;
  }
  return execute(command_line);
}

int CommandLine::execute(const std::string& command_line) {
  settings::LoadOptions options;
  options.config_file = flags_.config_file;
  options.flags = flags_.settings;
  auto loaded = settings::load_settings(options);
  if (!loaded) {
    print_error(loaded.error().message);
    return kExitInput;
  }
  settings::Settings::Log log = loaded->values.log;
  if (flags_.quiet && !flags_.settings.contains("log.level") && log.level == "info") {
    log.level = "warning";
  }
  if (const auto installed = settings::install_log_sink(log); !installed) {
    print_error(installed.error().message);
    return kExitInput;
  }

  int code = kExitOk;
  std::string message, out;
  {
    // Threads and databases end with the context, so that nothing is said after the error.
    CommandContext context(flags_, std::move(*loaded), command_line);
    const Result<int> result = chosen_(context);
    if (result) {
      code = *result;
      out = std::move(context.out);
      if (context.complaint) {
        code = kExitInput;
        message = *context.complaint;
      }
    } else {
      code = context.has_usage_error() ? kExitUsage : kExitInput;
      message = result.error().message;
      if (message.empty()) message = std::string(status_code_name(result.error().code));
    }
  }
  if (const auto written = write_stdout(out); !written) {
    // A reader that went away wants no message.
    if (!written.error().message.empty()) print_error(written.error().message);
    return kExitInput;
  }
  if (!message.empty()) print_error(message);
  return code;
}

}  // namespace sightline::apps
