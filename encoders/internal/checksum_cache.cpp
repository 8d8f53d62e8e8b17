#include "encoders/internal/checksum_cache.h"

#include <chrono>
#include <cstdlib>

#include "core/json.h"
#include "encoders/internal/replacing_file.h"

namespace sightline::encoders {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFormat = "1";  // another way to compute checksums needs another number
constexpr std::size_t kMaxFolders = 1000;

fs::path cache_path() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache == '/')
    return fs::path(cache) / "sightline" / "checksums.json";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/')
    return fs::path(home) / ".cache" / "sightline" / "checksums.json";
  return {};
}

Json read_cache() {
  const fs::path path = cache_path();
  if (path.empty()) return Json::object();
  const auto json = read_json_file(path);
  const bool known = json && json->is_object() && json->value("format", "") == kFormat &&
                     json->contains("folders") && (*json)["folders"].is_object();
  return known ? (*json)["folders"] : Json::object();
}

}  // namespace

std::string file_stamp(const std::vector<fs::path>& files) {
  std::string stamp;
  for (const fs::path& file : files) {
    std::error_code error;
    const auto size = fs::file_size(file, error);
    if (error) return "";
    const auto time = fs::last_write_time(file, error);
    if (error) return "";
    stamp += file.filename().string() + " " + std::to_string(size) + " " +
             std::to_string(time.time_since_epoch().count()) + "\n";
  }
  return stamp;
}

std::optional<std::string> cached_checksum(const fs::path& folder, const std::string& stamp) {
  if (stamp.empty()) return std::nullopt;
  try {
    const Json folders = read_cache();
    const auto entry = folders.find(folder.string());
    if (entry == folders.end() || entry->value("stamp", "") != stamp) return std::nullopt;
    std::string checksum = entry->value("checksum", "");
    constexpr std::size_t kHexDigits = 32;
    if (checksum.size() != kHexDigits) return std::nullopt;
    return checksum;
  } catch (const std::exception&) {  // a value of another type than we write
    return std::nullopt;
  }
}

void store_checksum(const fs::path& folder, const std::string& stamp,
                    const std::vector<fs::path>& files, const std::string& checksum) {
  const fs::path path = cache_path();
  if (stamp.empty() || path.empty()) return;
  std::error_code error;
  for (const fs::path& file : files) {
    const auto age = fs::file_time_type::clock::now() - fs::last_write_time(file, error);
    if (error || age < std::chrono::seconds(2)) return;
  }
  try {
    Json folders = read_cache();
    if (folders.size() >= kMaxFolders) folders = Json::object();
    folders[folder.string()] = {{"stamp", stamp}, {"checksum", checksum}};
    fs::create_directories(path.parent_path(), error);
    ReplacingFile file(path);
    const Json json = {{"format", kFormat}, {"folders", std::move(folders)}};
    // A cache that cannot be written is no fault of the model's.
    if (file.open() && file.write(dump_json(json))) (void)file.finish().has_value();
  } catch (const std::exception&) {
    return;
  }
}

}  // namespace sightline::encoders
