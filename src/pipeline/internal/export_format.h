// pipeline/internal/export_format.h: the names and the manifest of an exported collection
// (docs/import-export.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/deadline.h"
#include "core/json.h"
#include "core/result.h"
#include "pipeline/collection_store.h"

namespace sightline::pipeline {

inline constexpr std::string_view kExportManifest = "manifest.json";
inline constexpr std::string_view kExportPoints = "points.jsonl";
inline constexpr std::uint64_t kExportFormat = 1;

/// "vectors.npy", or "vectors.NAME.npy" with every byte but letters, digits, "-" and "_"
/// percent-encoded.
std::string export_vectors_name(std::string_view vector_name);

struct ExportedFile {
  std::string name;
  std::uint64_t bytes = 0;
  std::string xxh3;  ///< 32 hex digits.
};

struct ExportManifest {
  std::string collection;
  std::uint64_t num_points = 0;
  CollectionConfig config;
  std::map<std::string, std::uint64_t> num_vectors;  ///< Vector name -> points that have it.
  std::map<std::string, FieldType> payload_indexes;
  std::vector<ExportedFile> files;
};

OrderedJson manifest_to_json(const ExportManifest& manifest);
/// errors  kNotFound: no manifest in `folder`; kInvalidArgument: not of an export, or it names a
///         file outside of `folder`; kFailedPrecondition: a newer format.
Result<ExportManifest> read_manifest(const std::filesystem::path& folder);

/// XXH3-128 and size of a file. `seen` is told how many bytes were read, piece by piece.
Result<ExportedFile> checksum_file(const std::filesystem::path& path,
                                   const std::function<void(std::uint64_t bytes)>& seen,
                                   const Deadline& deadline);

}  // namespace sightline::pipeline
