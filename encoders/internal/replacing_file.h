// encoders/internal/replacing_file.h: a file that is written beside its goal and takes its place
// once it is whole.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

#include "core/result.h"

namespace sightline::encoders {

/// Thread-safety: one thread. Every method: kIoError names the goal and the reason.
class ReplacingFile {
 public:
  explicit ReplacingFile(std::filesystem::path goal);
  ~ReplacingFile();  ///< Removes what finish() did not put in place.
  ReplacingFile(const ReplacingFile&) = delete;
  ReplacingFile& operator=(const ReplacingFile&) = delete;

  Result<void> open();
  Result<void> write(std::span<const std::byte> bytes);
  Result<void> write(std::string_view text);
  Result<void> finish();  ///< Syncs, renames, syncs the folder.

 private:
  Status failed(const char* action) const;

  std::filesystem::path goal_, temporary_;
  int descriptor_ = -1;
  bool done_ = false;
};

}  // namespace sightline::encoders
