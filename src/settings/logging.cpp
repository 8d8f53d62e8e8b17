#include "settings/logging.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <memory>
#include <utility>

#include "core/json.h"

namespace sightline::settings {
namespace {

struct LevelName {
  std::string_view name;
  LogLevel level;
  spdlog::level::level_enum spdlog_level;
};
constexpr std::array<LevelName, 6> kLevels = {{
    {"trace", LogLevel::kTrace, spdlog::level::trace},
    {"debug", LogLevel::kDebug, spdlog::level::debug},
    {"info", LogLevel::kInfo, spdlog::level::info},
    {"warning", LogLevel::kWarning, spdlog::level::warn},
    {"error", LogLevel::kError, spdlog::level::err},
    {"off", LogLevel::kOff, spdlog::level::off},
}};

const LevelName& level_of(LogLevel level) { return kLevels[static_cast<std::size_t>(level)]; }

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      char code[5];
      std::snprintf(code, sizeof code, "\\x%02x", static_cast<unsigned>(byte));
      out += code;
    } else {
      out += c;
    }
  }
  return out;
}

std::string rfc3339_now() {
  using namespace std::chrono;
  const auto now = system_clock::now();
  const std::time_t seconds = system_clock::to_time_t(now);
  const auto millis = duration_cast<milliseconds>(now.time_since_epoch()).count() % 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[40];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text + size, sizeof text - size, ".%03dZ", static_cast<int>(millis));
  return text;
}

}  // namespace

Result<LogLevel> parse_log_level(std::string_view name) {
  std::string names;
  for (const LevelName& level : kLevels) {
    if (level.name == name) return level.level;
    names.append(names.empty() ? "" : ", ").append(level.name);
  }
  return invalid_argument("log level \"" + std::string(name) + "\" is none of " + names);
}

std::string format_text_line(std::string_view component, std::string_view message,
                             std::span<const LogField> fields) {
  std::string line = std::string(component) + ": " + escaped(message);
  for (const LogField& field : fields) {
    const std::string value = escaped(field.value);
    const bool quoted = value.empty() || value.find_first_of(" \"=") != value.npos;
    line.append(" ").append(field.key).append("=");
    line += quoted ? dump_json(Json(field.value)) : value;
  }
  return line;
}

std::string format_json_line(std::string_view time, LogLevel level, std::string_view component,
                             std::string_view message, std::span<const LogField> fields) {
  OrderedJson line = {{"time", std::string(time)},
                      {"level", std::string(level_of(level).name)},
                      {"component", std::string(component)},
                      {"message", std::string(message)}};
  for (const LogField& field : fields) line[std::string(field.key)] = field.value;
  return line.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

Result<void> install_log_sink(const Settings::Log& log) {
  SIGHTLINE_TRY(const LogLevel level, parse_log_level(log.level));
  const bool json = log.format == "json";
  auto logger = std::make_shared<spdlog::logger>(
      "sightline", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  logger->set_level(level_of(level).spdlog_level);
  logger->set_pattern(json ? "%v" : "%H:%M:%S %^%l%$ %v");
  set_log_sink(
      [logger, json](LogLevel at, std::string_view component, std::string_view message,
                     std::span<const LogField> fields) {
        const std::string line =
            json ? format_json_line(rfc3339_now(), at, component, message, fields)
                 : format_text_line(component, message, fields);
        logger->log(level_of(at).spdlog_level, spdlog::string_view_t(line));
      },
      level);
  return {};
}

}  // namespace sightline::settings
