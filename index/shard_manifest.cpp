#include "index/internal/shard_manifest.h"

#include <fstream>
#include <utility>

#include "core/json.h"

namespace sightline::index {
namespace {

constexpr std::size_t kMaxManifestBytes = std::size_t{1} << 20;

std::string_view distance_name(Distance distance) {
  switch (distance) {
    case Distance::kInnerProduct:
      return "inner_product";
    case Distance::kL2:
      return "l2";
    case Distance::kL1:
      return "l1";
  }
  return "";
}

std::optional<Distance> distance_named(std::string_view name) {
  for (const auto distance : {Distance::kInnerProduct, Distance::kL2, Distance::kL1}) {
    if (distance_name(distance) == name) return distance;
  }
  return std::nullopt;
}

Json to_json(const FileRegion& region) {
  return {{"bytes", region.size}, {"xxh3_128", region.checksum}};
}

FileRegion region_from(const Json& json) {
  return {json.at("bytes").get<std::uint64_t>(), json.at("xxh3_128").get<std::string>()};
}

Json to_json(const ShardManifest& manifest) {
  Json files = Json::object();
  for (const auto& [name, file] : manifest.files) {
    files[name] = {{"head", to_json(file.head)}, {"bulk", to_json(file.bulk)}};
  }
  Json json = {{"format", 1},
               {"spec", to_string(manifest.spec)},
               {"dim", manifest.dim},
               {"distance", distance_name(manifest.distance)},
               {"num_rows", manifest.num_rows},
               {"nprobe", manifest.nprobe},
               {"ef_search", manifest.ef_search},
               {"refine", manifest.refine},
               {"recall", manifest.recall},
               {"files", std::move(files)}};
  if (manifest.spec.half_vectors) {
    json["format"] = kShardFormat;
    json["vectors"] = manifest.half_vectors ? "fp16" : "fp32";
    if (manifest.half_vectors) json["max_shift"] = manifest.max_shift;
  }
  return json;
}

/// Throws nlohmann's exceptions where a field is missing or of another type.
Result<ShardManifest> manifest_from(const Json& json) {
  ShardManifest manifest;
  SIGHTLINE_TRY(manifest.spec, parse_shard_spec(json.at("spec").get<std::string>()));
  manifest.dim = json.at("dim").get<std::size_t>();
  const auto distance = distance_named(json.at("distance").get<std::string>());
  if (!distance) return invalid_argument("distance " + json.at("distance").dump());
  manifest.distance = *distance;
  manifest.num_rows = json.at("num_rows").get<std::uint64_t>();
  manifest.nprobe = json.at("nprobe").get<std::size_t>();
  manifest.ef_search = json.at("ef_search").get<std::size_t>();
  manifest.refine = json.at("refine").get<std::size_t>();
  manifest.recall = json.at("recall").get<double>();
  if (manifest.spec.half_vectors) {
    const auto vectors = json.at("vectors").get<std::string>();
    if (vectors != "fp16" && vectors != "fp32") return invalid_argument("vectors " + vectors);
    manifest.half_vectors = vectors == "fp16";
    if (manifest.half_vectors) manifest.max_shift = json.at("max_shift").get<double>();
    if (!(manifest.max_shift >= 0)) return invalid_argument("max_shift below 0");
  }
  for (const auto& [name, file] : json.at("files").items()) {
    manifest.files[name] = {region_from(file.at("head")), region_from(file.at("bulk"))};
  }
  if (manifest.spec.automatic) return invalid_argument("its spec is \"auto\"");
  SIGHTLINE_TRY_DO(check_shard_spec(manifest.spec, manifest.dim, manifest.distance));
  return manifest;
}

std::string checksum_of(const Json& shard) {
  const std::string text = shard.dump();
  return region_of(std::as_bytes(std::span(text.data(), text.size()))).checksum;
}

Result<std::string> read_text(const std::filesystem::path& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error == std::errc::no_such_file_or_directory) {
    return corruption(path.string() + " is missing");
  }
  if (error) return file_error(error.value(), path, "read");
  if (size > kMaxManifestBytes) {
    return corruption(path.string() + " is damaged: it has " + std::to_string(size) + " bytes");
  }
  std::string text(static_cast<std::size_t>(size), '\0');
  std::ifstream file(path, std::ios::binary);
  if (!file.read(text.data(), static_cast<std::streamsize>(size))) {
    return io_error("cannot read " + path.string());
  }
  return text;
}

}  // namespace

Result<ShardManifest> read_shard_manifest(const std::filesystem::path& folder) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored)) {
    return not_found("there is no shard " + folder.string());
  }
  const auto path = folder / kManifestFile;
  SIGHTLINE_TRY(const std::string text, read_text(path));
  const auto damaged = [&](const std::string& how) {
    return corruption(path.string() + " is damaged: " + how);
  };
  const auto json = parse_json(text, path.string());
  if (!json) return damaged(json.error().message);
  try {
    const Json& shard = json->at("shard");
    if (checksum_of(shard) != json->at("checksum").get<std::string>()) {
      return damaged("its checksum does not match");
    }
    const auto format = shard.at("format").get<std::int64_t>();
    if (format > kShardFormat) {
      return failed_precondition("shard " + folder.string() + " has format " +
                                 std::to_string(format) + "; this program reads up to " +
                                 std::to_string(kShardFormat));
    }
    auto manifest = manifest_from(shard);
    if (!manifest) return damaged(manifest.error().message);
    return manifest;
  } catch (const Json::exception& e) {
    return damaged(e.what());
  }
}

Result<void> write_shard_manifest(const std::filesystem::path& folder,
                                  const ShardManifest& manifest, FileCalls& calls) {
  const Json shard = to_json(manifest);
  const std::string text = Json{{"checksum", checksum_of(shard)}, {"shard", shard}}.dump(2) + "\n";
  SIGHTLINE_TRY(auto file, FileWriter::create(folder / kManifestFile, calls));
  SIGHTLINE_TRY_DO(file->append(text));
  return file->finish();
}

std::string sidecar_source(const ShardManifest::File& index_file) {
  const std::string both = index_file.head.checksum + index_file.bulk.checksum;
  return region_of(std::as_bytes(std::span(both.data(), both.size()))).checksum;
}

}  // namespace sightline::index
