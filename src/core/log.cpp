#include "core/log.h"

#include <atomic>
#include <cstdio>
#include <memory>

namespace sightline {
namespace {

const char* level_name(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace:
      return "trace";
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
    case LogLevel::kOff:
      break;
  }
  return "off";
}

void write_plain(LogLevel level, std::string_view component, std::string_view message,
                 std::span<const LogField> fields) {
  std::string line = level_name(level);
  line.append(": ").append(component).append(": ").append(message);
  for (const LogField& field : fields)
    line.append(" ").append(field.key).append("=") += field.value;
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);  // one call: lines of threads do not mix
}

LogSink& sink() {
  static LogSink sink = write_plain;
  return sink;
}

std::atomic<LogLevel> level_now{LogLevel::kInfo};

}  // namespace

void set_log_sink(LogSink new_sink, LogLevel level) {
  sink() = new_sink ? std::move(new_sink) : LogSink(write_plain);
  level_now.store(level);
}

LogLevel log_level() { return level_now.load(std::memory_order_relaxed); }

void log(LogLevel level, std::string_view component, std::string_view message,
         std::initializer_list<LogField> fields) {
  if (level == LogLevel::kOff || level < log_level()) return;
  sink()(level, component, message, {fields.begin(), fields.size()});
}

}  // namespace sightline
