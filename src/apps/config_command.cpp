#include "apps/commands.h"

namespace sightline::apps {

void add_config_command(CommandLine& line) {
  CLI::App& group = line.add_group("config", "Settings: what they are and where they come from.");
  line.add_command(
      {"show", "All settings, each with the place that set it.",
       "  sightline config show\n"
       "  SIGHTLINE_IMAGE_ALPHA=drop sightline config show --json\n"
       "\n"
       "Defaults < configuration file < environment SIGHTLINE_* < flags. The text is\n"
       "itself a valid configuration file."},
      [](CommandContext& context) -> Result<int> {
        if (context.json()) {
          context.print(settings::describe_json(context.loaded()));
        } else {
          context.out += settings::describe_text(context.loaded());
        }
        return kExitOk;
      },
      &group);
}

}  // namespace sightline::apps
