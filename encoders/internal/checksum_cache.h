// encoders/internal/checksum_cache.h: remembers the checksums of model folders, so that gigabytes
// are hashed once.
//
// One JSON file, $XDG_CACHE_HOME/sightline/checksums.json (~/.cache without the variable). Whatever
// goes wrong with it is a cache miss, never an error.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace sightline::encoders {

/// Size and time of change of every file in `files`, which must exist; empty when one does not.
std::string file_stamp(const std::vector<std::filesystem::path>& files);

/// The checksum stored for `folder`, if it was stored with the same stamp.
std::optional<std::string> cached_checksum(const std::filesystem::path& folder,
                                           const std::string& stamp);

/// Stores it, unless one of `files` changed within the last two seconds: a further change could
/// then leave the same stamp.
void store_checksum(const std::filesystem::path& folder, const std::string& stamp,
                    const std::vector<std::filesystem::path>& files, const std::string& checksum);

}  // namespace sightline::encoders
