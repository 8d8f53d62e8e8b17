// pipeline/vector_export.h: a collection as files that any program reads: .npy, JSONL, a manifest.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/deadline.h"
#include "core/json.h"
#include "core/result.h"
#include "pipeline/collection_store.h"
#include "pipeline/job_progress.h"

namespace sightline::pipeline {

struct ExportReport {
  std::string collection;
  std::filesystem::path folder;  ///< Absolute.
  std::uint64_t num_points = 0;
  std::map<std::string, std::string> files;  ///< Vector name -> name of its file in `folder`.
  std::uint64_t num_bytes = 0;               ///< Of all files but the manifest.
  double seconds = 0;
};
/// The contract of `collection export --json`.
OrderedJson to_json(const ExportReport& report);

/// Writes the points into `folder`, in order of id (docs/import-export.md); import_vectors() takes
/// it. A handle opened for reading gives one moment of the collection.
///
/// folder    new, empty, or left by an export that ended early: the manifest is written last, and
///           without it the folder is no export.
/// errors    kAlreadyExists: something else is in `folder`; kFailedPrecondition: points came or
///           went meanwhile; kResourceExhausted: disk full; kIoError, kCancelled.
Result<ExportReport> export_collection(const CollectionStore& store,
                                       const std::filesystem::path& folder,
                                       const ReportJob& progress, const Deadline& deadline);

}  // namespace sightline::pipeline
