// storage/internal/log_check.h: whether a file in RocksDB's log format (*.log, MANIFEST-*) is
// whole.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace sightline::storage {

/// CRC-32C (Castagnoli), as RocksDB's logs have it, unmasked.
std::uint32_t crc32c(std::string_view bytes);

/// The byte where the first damaged record begins that a whole one follows. RocksDB stops reading
/// a log there, as at a write that a power loss cut short; but nothing follows such a one. (A page
/// of zeros within the record is one that the power loss kept from the disk, and no damage.)
///
/// `is_closed`: a record that is all there and damaged counts though nothing follows it.
/// returns  nullopt: none. errors  kIoError.
Result<std::optional<std::uint64_t>> find_log_damage(const std::filesystem::path& path,
                                                     bool is_closed);

struct LogDamage {
  std::filesystem::path path;
  std::uint64_t at = 0;  ///< byte
  bool operator==(const LogDamage&) const = default;
};
/// Damages of the logs (*.log) in a database's folder; one that a later one follows is closed.
/// Files that cannot be read are left out: RocksDB says why.
std::vector<LogDamage> damaged_logs(const std::filesystem::path& folder);

/// Calls `visit` for each whole record up to the first damage or the end.
/// errors  kIoError.
Result<void> visit_log(const std::filesystem::path& path,
                       const std::function<void(std::string_view record)>& visit);

}  // namespace sightline::storage
