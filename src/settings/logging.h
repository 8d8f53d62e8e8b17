// settings/logging.h: where log() of core/log.h goes: lines on stderr, through spdlog.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "core/log.h"
#include "core/result.h"
#include "settings/settings.h"

namespace sightline::settings {

/// "info" -> kInfo. kInvalidArgument lists the names.
Result<LogLevel> parse_log_level(std::string_view name);

/// One line as text: "component: message key=value"; control characters are escaped, values with
/// spaces quoted, so that a message stays on its line whatever a file is called.
std::string format_text_line(std::string_view component, std::string_view message,
                             std::span<const LogField> fields);

/// One line as JSON: {"time", "level", "component", "message", KEY: text, ...}. `time` is RFC 3339.
std::string format_json_line(std::string_view time, LogLevel level, std::string_view component,
                             std::string_view message, std::span<const LogField> fields);

/// Sends log() to stderr in the given level and format. Call once, before threads start.
/// errors  kInvalidArgument: unknown level.
Result<void> install_log_sink(const Settings::Log& log);

}  // namespace sightline::settings
