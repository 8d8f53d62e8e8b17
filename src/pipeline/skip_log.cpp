#include "pipeline/internal/skip_log.h"

#include <cerrno>
#include <cstring>

#include "core/json.h"

namespace sightline::pipeline {

Result<std::unique_ptr<SkipLog>> SkipLog::open(const std::filesystem::path& path) {
  auto log = std::make_unique<SkipLog>();
  if (path.empty()) return log;
  log->file_.reset(std::fopen(path.c_str(), "wbe"));
  if (!log->file_) {
    return io_error(path.string() + ": cannot be written: " + std::strerror(errno));
  }
  return log;
}

void SkipLog::add(const std::string& uri, const std::string& path, std::string_view reason,
                  const std::string& message) {
  if (!file_) return;
  const std::string line =
      dump_json(Json{{"uri", uri}, {"path", path}, {"reason", reason}, {"message", message}}) +
      "\n";
  std::lock_guard lock(mutex_);
  std::fwrite(line.data(), 1, line.size(), file_.get());
}

void SkipLog::flush() {
  if (!file_) return;
  std::lock_guard lock(mutex_);
  std::fflush(file_.get());
}

}  // namespace sightline::pipeline
