// pipeline/vector_import.h: vectors made elsewhere, or exported, become a new collection whose
// index is built.
//
// Rows go into the collection in order, in batches; with each batch goes a record of how far the
// import is (under `sources`, URI "sightline:import"), in one commit. So an import that ended early
// (Ctrl-C, kill -9, a full disk) goes on exactly where it stopped when it is asked for again with
// the same files. Once the index is built the record goes. Formats: docs/import-export.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/compute_pool.h"
#include "core/json.h"
#include "core/result.h"
#include "pipeline/collection_store.h"
#include "pipeline/data_folder.h"
#include "pipeline/job_progress.h"

namespace sightline::pipeline {

struct ImportOptions {
  /// What export_collection() wrote. Then the four files below are empty.
  std::filesystem::path folder;
  std::filesystem::path vectors;  ///< .npy [n, dim] of float16, float32 or float64.
  std::filesystem::path payload;  ///< .jsonl: line i is an object, the payload of row i.
  std::filesystem::path ids;      ///< .npy [n] of whole numbers, or text: a number or UUID a line.
  /// A FAISS index that holds vectors and ids; one of lossy codes needs `vectors` too.
  std::filesystem::path faiss;
  /// Not for a folder. Without it: cosine, or what the FAISS index has (a product of rows of length
  /// 1 is a cosine).
  std::optional<Metric> metric;
  std::optional<std::string> index;     ///< VectorConfig::index of all vectors.
  std::optional<double> target_recall;  ///< VectorConfig::target_recall of all vectors.
};

/// Why a row was left out: short, stable words (docs/import-export.md).
namespace skip_row {
inline constexpr std::string_view kNotFinite = "not_finite";
inline constexpr std::string_view kZeroVector = "zero_vector";
inline constexpr std::string_view kBadPayload = "bad_payload";
inline constexpr std::string_view kBadId = "bad_id";
inline constexpr std::string_view kDuplicate = "duplicate";
}  // namespace skip_row

struct ImportReport {
  std::string collection;
  std::uint64_t num_points = 0;                  ///< Of the collection, now.
  std::map<std::string, std::uint64_t> skipped;  ///< By reason; runs before this one included.
  std::uint64_t num_rows = 0, num_done = 0;      ///< Of the files; of these, dealt with.
  CollectionConfig config;
  std::vector<ShardInfo> shards;
  double load_seconds = 0, build_seconds = 0;  ///< Of this run.
  double points_per_second = 0;                ///< Rows dealt with in this run / load_seconds.
  std::filesystem::path skipped_file;          ///< A JSON line per skipped row; empty: none.
  bool interrupted = false;
};
/// The contract of `import --json`.
OrderedJson to_json(const ImportReport& report);
/// One shard as `import --json` and `collection info --json` show it.
OrderedJson to_json(const ShardInfo& shard);
/// Bytes of memory and mapped files for each of its rows.
double bytes_per_row(const ShardInfo& shard);

/// Makes the collection `name` and returns once its index is built, or when `stop` is requested:
/// then report.interrupted is set and the same call goes on later. Whatever is wrong with the files
/// as a whole is found before anything is written; a row that cannot be used is skipped and listed
/// in `skipped.jsonl` of the collection's folder.
///
/// pool    reads and converts a batch while the one before it is written.
/// errors  kAlreadyExists: the collection is there, or is what an import of other files left;
///         kNotFound, kInvalidArgument, kCorruption: the files; kCancelled: stopped before anything
///         was written; those of the store. After a failure half-way the collection stays as far as
///         it came, and the message says how to go on.
Result<ImportReport> import_vectors(DataFolder& folder, std::string_view name,
                                    const ImportOptions& options, ComputePool& pool,
                                    const ReportJob& progress, std::stop_token stop);

/// An import that ended early.
struct UnfinishedImport {
  std::string from;                          ///< The file or folder, for messages.
  std::uint64_t num_rows = 0, num_done = 0;  ///< As in ImportReport.
};
Result<std::optional<UnfinishedImport>> unfinished_import(const CollectionStore& store);

}  // namespace sightline::pipeline
