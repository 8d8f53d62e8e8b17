#include "pipeline/internal/export_format.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/checksum.h"
#include "pipeline/internal/collection_config.h"

namespace sightline::pipeline {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

bool is_plain_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == name.npos &&
         name.find('\0') == name.npos;
}

Result<std::uint64_t> count_of(const Json& json) {
  if (json.is_number_unsigned()) return json.get<std::uint64_t>();
  return invalid_argument("\"" + dump_json(json) + "\" is no count");
}

Result<ExportManifest> manifest_from_json(const Json& json) {
  ExportManifest manifest;
  manifest.collection = json.at("collection").get<std::string>();
  SIGHTLINE_TRY(manifest.num_points, count_of(json.at("num_points")));
  SIGHTLINE_TRY(manifest.config, config_from_json(json));
  SIGHTLINE_TRY_DO(validate_config(manifest.config));
  for (const auto& [name, vector] : json.at("vectors").items()) {
    SIGHTLINE_TRY(manifest.num_vectors[name], count_of(vector.at("num_vectors")));
  }
  for (const auto& [field, type] : json.at("payload_indexes").items()) {
    SIGHTLINE_TRY(manifest.payload_indexes[field], parse_field_type(type.get<std::string>()));
  }
  for (const Json& entry : json.at("files")) {
    ExportedFile file;
    file.name = entry.at("name").get<std::string>();
    if (!is_plain_name(file.name)) {
      return invalid_argument("file name " + dump_json(entry.at("name")) +
                              " is not that of a file in the folder");
    }
    SIGHTLINE_TRY(file.bytes, count_of(entry.at("bytes")));
    file.xxh3 = entry.at("xxh3").get<std::string>();
    manifest.files.push_back(std::move(file));
  }
  return manifest;
}

}  // namespace

std::string export_vectors_name(std::string_view vector_name) {
  if (vector_name.empty()) return "vectors.npy";
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : vector_name) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                       c == '-' || c == '_';
    if (plain) {
      encoded += c;
    } else {
      encoded += '%';
      encoded += digits[byte >> 4];
      encoded += digits[byte & 15];
    }
  }
  return "vectors." + encoded + ".npy";
}

OrderedJson manifest_to_json(const ExportManifest& manifest) {
  OrderedJson json = {{"format", kExportFormat},
                      {"collection", manifest.collection},
                      {"num_points", manifest.num_points}};
  const auto first = manifest.config.vectors.begin();
  if (first != manifest.config.vectors.end()) {  // for people; "vectors" is what counts
    json["dim"] = first->second.dim;
    json["metric"] = metric_name(first->second.metric);
    json["index"] = first->second.index;
  }
  Json vectors = config_to_json(manifest.config)["vectors"];
  for (const auto& [name, count] : manifest.num_vectors) {
    vectors[name]["file"] = export_vectors_name(name);
    vectors[name]["num_vectors"] = count;
  }
  json["vectors"] = std::move(vectors);
  json["points"] = kExportPoints;
  json["payload_indexes"] = OrderedJson::object();
  for (const auto& [field, type] : manifest.payload_indexes) {
    json["payload_indexes"][field] = field_type_name(type);
  }
  json["files"] = OrderedJson::array();
  for (const ExportedFile& file : manifest.files) {
    json["files"].push_back({{"name", file.name}, {"bytes", file.bytes}, {"xxh3", file.xxh3}});
  }
  return json;
}

Result<ExportManifest> read_manifest(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / kExportManifest;
  SIGHTLINE_TRY(const Json json, read_json_file(path));
  const std::string rule = path.string() + ": is not the manifest of an exported collection: ";
  try {
    const auto format = json.at("format").get<std::uint64_t>();
    if (format > kExportFormat) {
      return failed_precondition(path.string() + ": has format " + std::to_string(format) +
                                 ", which is newer than this program (" +
                                 std::to_string(kExportFormat) + ")");
    }
    auto manifest = manifest_from_json(json);
    if (!manifest) return invalid_argument(rule + manifest.error().message);
    return manifest;
  } catch (const Json::exception& e) {
    return invalid_argument(rule + e.what());
  }
}

Result<ExportedFile> checksum_file(const std::filesystem::path& path,
                                   const std::function<void(std::uint64_t bytes)>& seen,
                                   const Deadline& deadline) {
  const int number = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (number < 0) {
    const std::string message = path.string() + ": cannot be opened: " + std::strerror(errno);
    return errno == ENOENT ? not_found(message) : io_error(message);
  }
  struct Close {
    int number;
    ~Close() { ::close(number); }
  } const close_at_end{number};
  ExportedFile file;
  file.name = path.filename().string();
  Checksum128 checksum;
  std::vector<std::byte> piece(kPieceBytes);
  for (;;) {
    SIGHTLINE_TRY_DO(deadline.check("reading " + path.string()));
    const ssize_t got = ::read(number, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return io_error(path.string() + ": cannot be read: " + std::strerror(errno));
    if (got == 0) break;
    checksum.update(std::span(piece).first(static_cast<std::size_t>(got)));
    file.bytes += static_cast<std::uint64_t>(got);
    if (seen) seen(static_cast<std::uint64_t>(got));
  }
  file.xxh3 = checksum.hex();
  return file;
}

}  // namespace sightline::pipeline
