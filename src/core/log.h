// core/log.h: what the program says to its operator. The sink (text or JSON lines) is set by
// `settings`; until then messages go to stderr as plain text.
#pragma once

#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace sightline {

enum class LogLevel { kTrace, kDebug, kInfo, kWarning, kError, kOff };

struct LogField {
  std::string_view key;
  std::string value;
};

/// Receives every message at or above the level. Called from many threads at once.
using LogSink = std::function<void(LogLevel level, std::string_view component,
                                   std::string_view message, std::span<const LogField> fields)>;

/// Replaces the sink. Call once, before threads start.
void set_log_sink(LogSink sink, LogLevel level);
LogLevel log_level();

/// `component` is the module: "ingest", "storage". Thread-safe.
void log(LogLevel level, std::string_view component, std::string_view message,
         std::initializer_list<LogField> fields = {});

inline void log_info(std::string_view component, std::string_view message,
                     std::initializer_list<LogField> fields = {}) {
  log(LogLevel::kInfo, component, message, fields);
}
inline void log_warning(std::string_view component, std::string_view message,
                        std::initializer_list<LogField> fields = {}) {
  log(LogLevel::kWarning, component, message, fields);
}

}  // namespace sightline
