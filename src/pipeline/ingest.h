// pipeline/ingest.h: source -> decode -> encode -> store -> index.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "codecs/decode.h"
#include "core/compute_pool.h"
#include "core/result.h"
#include "encoders/encoder.h"
#include "pipeline/collection_store.h"
#include "pipeline/data_folder.h"

namespace sightline::pipeline {

struct IngestOptions {
  /// Folders, picture files, .jsonl/.ndjson/.csv manifests, .tar files (WebDataset), in any
  /// mixture.
  std::vector<std::string> paths;
  std::vector<std::string> exclude;  ///< Globs over the path below PATH and over the file name.
  bool prune = false;                ///< Remove points of vanished files below `paths`.
  bool follow_symlinks = false;
  bool hidden = false;                                  ///< Walk hidden folders and files too.
  std::size_t batch_size = 0;                           ///< Pictures per forward pass; 0: chosen.
  std::uint64_t decode_bytes = std::uint64_t{1} << 30;  ///< All decodes in flight together.
  codecs::DecodeOptions decode;
  std::size_t thumbnail_edge = 256;    ///< pixels; 0: no thumbnails
  std::filesystem::path skipped_file;  ///< skipped.jsonl; empty: not written
};

struct IngestProgress {
  std::uint64_t seen = 0;  ///< Sources dealt with: indexed + unchanged + skipped.
  std::uint64_t indexed = 0, unchanged = 0, skipped = 0;
  std::uint64_t found = 0;       ///< Sources found so far by the walk.
  bool walk_done = false;        ///< `found` is final.
  double images_per_second = 0;  ///< Over the last seconds.
  std::chrono::duration<double> elapsed{0};
  /// Left, from a smoothed rate; negative while unknown.
  std::chrono::duration<double> eta{-1};
};

struct IngestReport {
  std::uint64_t seen = 0;  ///< indexed + unchanged + skipped
  std::uint64_t indexed = 0;
  std::uint64_t unchanged = 0;
  std::map<std::string, std::uint64_t> skipped;  ///< By reason.
  std::uint64_t pruned = 0;
  double images_per_second = 0;  ///< indexed / wall seconds
  /// Seconds per stage ("decode_s", ...; docs/ingest.md): CPU seconds summed over threads, but wall
  /// seconds for "store_s", "prune_s", "total_s" and, on a GPU, "encode_s".
  std::map<std::string, double> stages;
  std::uint64_t unreadable_folders = 0;  ///< Folders that could not be listed; not sources.
  bool interrupted = false;              ///< The stop token ended the run early.
};
/// The contract of `index --json`.
Json to_json(const IngestReport& report);

/// Opens `name`, or creates it for `encoder` with `alpha`.
/// errors  kFailedPrecondition: it was made by another model or alpha rule; names both.
Result<std::shared_ptr<CollectionStore>> open_or_create_for(DataFolder& folder,
                                                            std::string_view name,
                                                            const encoders::EncoderInfo& encoder,
                                                            codecs::AlphaRule alpha);

/// Whether a job could take `paths`, before anything is made for it.
/// errors  as ingest(): a path that does not exist or is of a kind that is not taken, a manifest
///         that cannot be read, without a column `image` or with one that is reserved or named
///         twice; names the path and the rule.
Result<void> check_paths(const std::vector<std::string>& paths);

/// Runs one job until all sources are dealt with or `stop` is requested (the batch in flight is
/// finished then). `progress` is called about four times a second from one thread at a time.
/// One bad source never ends the job: it is counted, listed and remembered in `sources`.
/// errors  a path that does not exist (kNotFound), an unreadable manifest or a reserved column
///         (kInvalidArgument), the store's own failures (disk full).
Result<IngestReport> ingest(CollectionStore& store, const encoders::Encoder& encoder,
                            ComputePool& pool, const IngestOptions& options,
                            const std::function<void(const IngestProgress&)>& progress,
                            std::stop_token stop);

}  // namespace sightline::pipeline
