// pipeline/internal/skip_log.h: skipped.jsonl, one line per source that the current run skipped.
#pragma once

#include <cstdio>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "core/result.h"

namespace sightline::pipeline {

/// Thread-safety: all methods may be called from any thread.
class SkipLog {
 public:
  /// Empties the file; an empty path writes nothing. errors  kIoError names the path.
  static Result<std::unique_ptr<SkipLog>> open(const std::filesystem::path& path);

  /// {"uri", "path", "reason", "message"}
  void add(const std::string& uri, const std::string& path, std::string_view reason,
           const std::string& message);
  void flush();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::mutex mutex_;
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace sightline::pipeline
