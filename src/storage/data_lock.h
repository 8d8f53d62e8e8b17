// storage/data_lock.h: one process writes to a data folder.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "core/result.h"

namespace sightline::storage {

/// Holds `folder`/LOCK (flock) while it lives; the file's text says who that is. The lock dies with
/// the process, so a text that was left behind locks nobody out.
class DataLock {
 public:
  /// errors  kFailedPrecondition: another process holds it (names pid, host, command, since when);
  ///         kPermissionDenied, kIoError.
  static Result<std::unique_ptr<DataLock>> acquire(const std::filesystem::path& folder,
                                                   const std::string& owner);
  ~DataLock();
  DataLock(const DataLock&) = delete;
  DataLock& operator=(const DataLock&) = delete;

 private:
  explicit DataLock(int file) : file_(file) {}
  int file_;
};

/// kPermissionDenied, kResourceExhausted (no space), kNotFound or kIoError by `error` (an errno).
Status system_error(int error, const std::filesystem::path& path, std::string_view action);

}  // namespace sightline::storage
