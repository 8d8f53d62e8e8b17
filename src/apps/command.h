// apps/command.h: the frame that every command of the program hangs in.
//
// A command is one function `add_X_command(CommandLine&)` in X_command.cpp (commands.h lists them):
// it declares its arguments and hands over a function that does the work. The frame parses, loads
// the settings, prints what the command has left in `out`, and turns failures into messages.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/compute_pool.h"
#include "core/json.h"
#include "core/result.h"
#include "settings/settings.h"

namespace sightline::apps {

inline constexpr int kExitOk = 0;
inline constexpr int kExitInput = 1;          ///< Something given or stored is not as it must be.
inline constexpr int kExitUsage = 2;          ///< The command line itself is wrong.
inline constexpr int kExitInterrupted = 130;  ///< SIGINT or SIGTERM ended the job in good order.

/// What the flags that every command takes have said.
struct CommonFlags {
  std::optional<std::filesystem::path> config_file;
  std::map<std::string, settings::FlagValue> settings;  ///< By key of the setting.
  bool json = false;
  bool quiet = false;
};

/// What a command works with. Thread-safety: one thread.
class CommandContext {
 public:
  CommandContext(CommonFlags flags, settings::LoadedSettings loaded, std::string command_line)
      : flags_(std::move(flags)),
        loaded_(std::move(loaded)),
        command_line_(std::move(command_line)) {}

  bool json() const { return flags_.json; }
  bool quiet() const { return flags_.quiet; }
  const settings::Settings& settings() const { return loaded_.values; }
  const settings::LoadedSettings& loaded() const { return loaded_; }
  /// A file, variable or flag has set `key`: it is not the default.
  bool was_set(std::string_view key) const;
  /// A flag of this command line has.
  bool was_flagged(const std::string& key) const { return flags_.settings.contains(key); }
  /// The command as it was typed, on one line.
  const std::string& command_line() const { return command_line_; }

  /// Started at the first call.
  ComputePool& pool();

  /// A line on stderr for people; nothing with --quiet.
  void note(std::string_view line) const;

  /// Appends `value` on a line of its own to `out`.
  void print(const Json& value);
  void print(const OrderedJson& value);

  /// Goes to stdout when the command has succeeded, and only then.
  std::string out;

  /// The command line is wrong in a way that only the command could see: return what this returns.
  Status usage_error(std::string message);
  bool has_usage_error() const { return has_usage_error_; }

  /// Ends the command with code 1 and this message, though `out` is printed: for reports about
  /// something that is not in order.
  std::optional<std::string> complaint;

 private:
  CommonFlags flags_;
  settings::LoadedSettings loaded_;
  std::string command_line_;
  std::unique_ptr<ComputePool> pool_;
  bool has_usage_error_ = false;
};

/// Returns the exit code.
using RunCommand = std::function<Result<int>(CommandContext&)>;

/// The parser and its commands. Thread-safety: one thread.
class CommandLine {
 public:
  struct Description {
    std::string name;
    std::string summary;   ///< One sentence.
    std::string examples;  ///< Lines shown at the end of --help.
  };

  CommandLine();

  /// A command below the program, or below `parent` (add_group()).
  CLI::App& add_command(const Description& description, RunCommand run, CLI::App* parent = nullptr);
  /// A word that only has commands below it: "collection".
  CLI::App& add_group(const std::string& name, const std::string& summary);

  /// Flags that set a setting. `choices`: what the value must be one of, or empty.
  CLI::Option* add_setting(CLI::App& command, const std::string& flag, const std::string& key,
                           const std::string& description,
                           const std::vector<std::string>& choices = {});
  /// A flag without a value that sets a setting to true.
  CLI::Option* add_setting_switch(CLI::App& command, const std::string& flag,
                                  const std::string& key, const std::string& description);
  /// --model; --alpha; --precision and --device.
  void add_model_flags(CLI::App& command);
  void add_alpha_flag(CLI::App& command);
  void add_collection_flag(CLI::App& command);

  /// Parses, runs, prints. Returns the exit code; never throws.
  int run(int argc, const char* const* argv);

 private:
  int parse_and_run(std::vector<std::string> arguments);
  int execute(const std::string& command_line);
  void add_common_flags(CLI::App& command);

  CLI::App app_;
  CommonFlags flags_;
  RunCommand chosen_;
};

/// Options with texts from the user go through these: CLI11 takes "[a,b]" for a list and "{}" for
/// an empty one, so the frame marks such arguments before parsing and plain() takes the mark off.
std::string plain(const std::string& argument);
CLI::Option* add_text(CLI::App& command, const std::string& names, std::string& target,
                      const std::string& description);
/// An option that may be repeated, one value each time; or, for a name without dashes, all the
/// words that belong to no option.
CLI::Option* add_texts(CLI::App& command, const std::string& names,
                       std::vector<std::string>& target, const std::string& description);

/// For check(): what the value of an option must be. CLI11's own checks let "nan" pass and name no
/// rule where there is no number. Said as `--top-k: "ten" is not a whole number in 1..10000`.
CLI::Validator whole_number(std::int64_t low, std::int64_t high);
CLI::Validator number_in(double low, double high);
/// `rule` completes "is not ...".
CLI::Validator number_that(std::function<bool(double)> holds, const std::string& rule);

/// One value of one option, where it stood.
struct OrderedValue {
  std::string option;  ///< As first declared: "--text", or "words" for what has no flag.
  std::string value;
};
/// Everything `command` was given, in the order of the command line.
std::vector<OrderedValue> values_in_order(const CLI::App& command);

/// "sightline: error: MESSAGE" on stderr, on one line whatever the message holds.
void print_error(std::string_view message);

/// Writes `text` to stdout. kIoError with an empty message: nobody reads it any more.
Result<void> write_stdout(std::string_view text);

}  // namespace sightline::apps
