// pipeline/internal/files.h: folders that appear, move and go, and last.
#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>

#include "core/result.h"

namespace sightline::pipeline {

// errors of all  kPermissionDenied, kResourceExhausted, kNotFound, kIoError; they name the path.

/// With its parents.
Result<void> make_folders(const std::filesystem::path& path);
/// Makes a rename or a new entry in `folder` last.
Result<void> sync_folder(const std::filesystem::path& folder);
/// With all it holds; nothing is as good.
Result<void> remove_folder(const std::filesystem::path& path);
/// Lasts once it returns.
Result<void> rename_folder(const std::filesystem::path& from, const std::filesystem::path& to);
/// Names of what lies in `folder`; none if there is no such folder.
Result<std::set<std::string>> names_in(const std::filesystem::path& folder);
/// Sum of the sizes of all files below; 0 if there is no such folder.
std::uint64_t bytes_below(const std::filesystem::path& folder);
/// A copy of all regular files below `from` in the new folder `to`, by hard links where the file
/// system has them: for files that never change.
Result<void> link_folder(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace sightline::pipeline
