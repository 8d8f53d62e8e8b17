#include "index/shard_builder.h"

#include <algorithm>
#include <exception>
#include <limits>
#include <new>
#include <string>
#include <utility>

#include "core/log.h"
#include "index/internal/calibrate.h"
#include "index/internal/faiss_layout.h"
#include "index/internal/half_rows.h"
#include "index/internal/hnsw_builder.h"
#include "index/internal/ivf_builder.h"
#include "index/internal/shard_manifest.h"
#include "index/kernels/kernels.h"
#include "index/sidecar.h"

namespace sightline::index {
namespace {

constexpr std::size_t kRowsBetweenChecks = 1024;

/// Writes one shard. The order of what is done is the order of the methods.
class ShardBuild {
 public:
  ShardBuild(const std::filesystem::path& folder, std::span<const RowRef> rows,
             const BuildOptions& options, ComputePool* pool, const Deadline& deadline)
      : folder_(folder),
        rows_(rows),
        options_(options),
        pool_(pool),
        deadline_(deadline),
        calls_(options.files != nullptr ? *options.files : FileCalls::system()) {}

  Result<void> run() {
    SIGHTLINE_TRY_DO(check());
    SIGHTLINE_TRY(const auto writer, FolderWriter::create(folder_, calls_));
    describe();
    SIGHTLINE_TRY_DO(write_index(writer->temporary()));
    SIGHTLINE_TRY_DO(write_rows(writer->temporary()));
    if (has_lossy_codes(manifest_.spec)) SIGHTLINE_TRY_DO(write_vectors(writer->temporary()));
    if (manifest_.spec.type != ShardType::kFlat) {
      SIGHTLINE_TRY_DO(calibrate(writer->temporary()));
    }
    SIGHTLINE_TRY_DO(write_shard_manifest(writer->temporary(), manifest_, calls_));
    SIGHTLINE_TRY_DO(writer->publish());
    progress(1, "done");
    return {};
  }

 private:
  Result<void> check() const;
  void describe();
  Result<void> write_index(const std::filesystem::path& folder);
  Result<void> write_flat(FileWriter& file);
  Result<void> write_graph(FileWriter& file);
  Result<void> write_lists(FileWriter& file);
  Result<void> write_rows(const std::filesystem::path& folder);
  Result<void> write_vectors(const std::filesystem::path& folder);
  Result<void> write_full_vectors(const std::filesystem::path& folder);
  Result<std::string> write_half_vectors(const std::filesystem::path& folder);
  Result<void> keep_full_vectors(const std::filesystem::path& folder, const std::string& why);
  Result<void> calibrate(const std::filesystem::path& folder);

  template <typename Append>
  Result<void> append_values(Append append, double from, double to);
  void progress(double share, const char* stage) const {
    if (options_.progress) options_.progress(share, stage);
  }
  /// The part of the work from `from` to `to`.
  std::function<void(double)> part(double from, double to, const char* stage) const {
    return [this, from, to, stage](double share) { progress(from + (to - from) * share, stage); };
  }

  const std::filesystem::path& folder_;
  const std::span<const RowRef> rows_;
  const BuildOptions& options_;
  ComputePool* const pool_;
  const Deadline& deadline_;
  FileCalls& calls_;
  ShardManifest manifest_;
  FileRegion head_;        // of index.faiss
  double mean_shift_ = 0;  // of rows rounded to fp16
};

Result<void> ShardBuild::check() const {
  if (options_.spec.automatic) {
    return invalid_argument("index spec auto must be chosen before a shard is built");
  }
  SIGHTLINE_TRY_DO(check_shard_spec(options_.spec, options_.dim, options_.distance));
  if (rows_.empty() || rows_.size() >= std::numeric_limits<std::uint32_t>::max()) {
    return invalid_argument("a shard holds 1 to 2^32 - 2 rows, not " +
                            std::to_string(rows_.size()));
  }
  const auto at = std::ranges::adjacent_find(
      rows_, [](const RowRef& a, const RowRef& b) { return a.slot >= b.slot; });
  if (std::ranges::any_of(rows_, [](const RowRef& row) { return row.values == nullptr; })) {
    return invalid_argument("a shard is not made of rows that another one holds rounded");
  }
  if (at != rows_.end()) {
    return invalid_argument("rows of a shard must ascend by slot: slot " +
                            std::to_string(at->slot) + " is followed by slot " +
                            std::to_string((at + 1)->slot));
  }
  return deadline_.check("building a shard");
}

void ShardBuild::describe() {
  manifest_.spec = options_.spec;
  manifest_.dim = options_.dim;
  manifest_.distance = options_.distance;
  manifest_.num_rows = rows_.size();
  if (manifest_.spec.type == ShardType::kFlat || manifest_.spec.type == ShardType::kHnsw) return;
  if (manifest_.spec.nlist == 0) manifest_.spec.nlist = default_nlist(rows_.size());
  manifest_.spec.nlist = std::min(manifest_.spec.nlist, rows_.size());
}

Result<void> ShardBuild::write_index(const std::filesystem::path& folder) {
  SIGHTLINE_TRY(const auto file, FileWriter::create(folder / kIndexFile, calls_));
  switch (manifest_.spec.type) {
    case ShardType::kFlat:
      SIGHTLINE_TRY_DO(write_flat(*file));
      break;
    case ShardType::kHnsw:
      SIGHTLINE_TRY_DO(write_graph(*file));
      break;
    case ShardType::kIvfFlat:
    case ShardType::kIvfSq8:
    case ShardType::kIvfPq:
      SIGHTLINE_TRY_DO(write_lists(*file));
      break;
  }
  manifest_.files[std::string(kIndexFile)] = {head_, file->end_region()};
  return file->finish();
}

/// All rows in order.
template <typename Append>
Result<void> ShardBuild::append_values(Append append, double from, double to) {
  const std::size_t row_bytes = options_.dim * sizeof(float);
  const auto report = part(from, to, "writing rows");
  for (std::size_t row = 0; row < rows_.size(); ++row) {
    if (row % kRowsBetweenChecks == 0) {
      SIGHTLINE_TRY_DO(deadline_.check("writing rows"));
      report(static_cast<double>(row) / static_cast<double>(rows_.size()));
    }
    SIGHTLINE_TRY_DO(append(std::span(rows_[row].values, row_bytes)));
  }
  return {};
}

Result<void> ShardBuild::write_flat(FileWriter& file) {
  SIGHTLINE_TRY_DO(file.append(faiss_flat_head(options_.distance, options_.dim, rows_.size())));
  head_ = file.end_region();
  return append_values([&](std::span<const std::byte> row) { return file.append(row); }, 0, 0.95);
}

Result<void> ShardBuild::write_graph(FileWriter& file) {
  const auto report = part(0, 0.85, "linking rows");
  SIGHTLINE_TRY(const BuiltGraph graph, build_hnsw(rows_, options_.dim, options_.distance,
                                                   manifest_.spec, kernels(), deadline_, report));
  const FaissGraph& links = graph.links;
  SIGHTLINE_TRY_DO(file.append(faiss_graph_head(options_.distance, options_.dim, links)));
  SIGHTLINE_TRY_DO(file.append(links.neighbours));
  SIGHTLINE_TRY_DO(file.append(faiss_graph_tail(options_.distance, options_.dim, links)));
  head_ = file.end_region();
  return append_values([&](std::span<const std::byte> row) { return file.append(row); }, 0.85, 0.9);
}

Result<void> ShardBuild::write_lists(FileWriter& file) {
  IvfBuilder builder(rows_, options_, manifest_.spec, pool_, deadline_);
  SIGHTLINE_TRY_DO(builder.train(part(0, 0.4, "training")));
  SIGHTLINE_TRY_DO(builder.assign(part(0.4, 0.6, "assigning rows")));
  SIGHTLINE_TRY_DO(builder.write(file, part(0.6, 0.85, "writing lists")));
  head_ = builder.head();
  return {};
}

Result<void> ShardBuild::write_rows(const std::filesystem::path& folder) {
  const std::string source = sidecar_source(manifest_.files.find(kIndexFile)->second);
  SIGHTLINE_TRY(const auto file,
                SidecarWriter::create(folder / kRowsFile, kRowsKind, source, calls_));
  for (const RowRef& row : rows_) {
    SIGHTLINE_TRY_DO(file->append(std::as_bytes(std::span(&row.version, 1))));
  }
  for (const RowRef& row : rows_) {
    SIGHTLINE_TRY_DO(file->append(std::as_bytes(std::span(&row.slot, 1))));
  }
  SIGHTLINE_TRY(const auto written, file->finish());
  manifest_.files[std::string(kRowsFile)] = {written.header, written.payload};
  return {};
}

Result<void> ShardBuild::write_vectors(const std::filesystem::path& folder) {
  if (!manifest_.spec.half_vectors) return write_full_vectors(folder);
  SIGHTLINE_TRY(const std::string problem, write_half_vectors(folder));
  return problem.empty() ? Result<void>() : keep_full_vectors(folder, problem);
}

Result<void> ShardBuild::write_full_vectors(const std::filesystem::path& folder) {
  const std::string source = sidecar_source(manifest_.files.find(kIndexFile)->second);
  SIGHTLINE_TRY(const auto file,
                SidecarWriter::create(folder / kVectorsFile, kVectorsKind, source, calls_));
  SIGHTLINE_TRY_DO(
      append_values([&](std::span<const std::byte> row) { return file->append(row); }, 0.85, 0.9));
  SIGHTLINE_TRY(const auto written, file->finish());
  manifest_.files[std::string(kVectorsFile)] = {written.header, written.payload};
  return {};
}

/// returns  why rows cannot be held so; empty: they were written.
Result<std::string> ShardBuild::write_half_vectors(const std::filesystem::path& folder) {
  const std::string source = sidecar_source(manifest_.files.find(kIndexFile)->second);
  SIGHTLINE_TRY(const auto file,
                SidecarWriter::create(folder / kVectorsFile, kHalfVectorsKind, source, calls_));
  HalfRounder rounder(options_.dim);
  std::size_t num_written = 0;
  const auto appended = append_values(
      [&](std::span<const std::byte> row) -> Result<void> {
        const auto rounded = rounder.round(row.data());
        if (rounded.empty()) return invalid_argument(rounder.problem());
        ++num_written;
        return file->append(rounded);
      },
      0.85, 0.9);
  if (!appended && !rounder.problem().empty()) {
    return "slot " + std::to_string(rows_[num_written].slot) + ": " + rounder.problem();
  }
  SIGHTLINE_TRY_DO(appended);
  SIGHTLINE_TRY(const auto written, file->finish());
  manifest_.files[std::string(kVectorsFile)] = {written.header, written.payload};
  manifest_.half_vectors = true;
  manifest_.max_shift = rounder.max_shift();
  mean_shift_ = rounder.mean_shift();
  return std::string();
}

/// Instead of those that were written, whole or in part, as fp16.
Result<void> ShardBuild::keep_full_vectors(const std::filesystem::path& folder,
                                           const std::string& why) {
  log_info("index", "shard " + folder_.string() + " keeps its vectors as fp32: " + why);
  if (const int removed = calls_.remove_all(folder / kVectorsFile); removed < 0) {
    return file_error(-removed, folder / kVectorsFile, "remove");
  }
  manifest_.half_vectors = false;
  return write_full_vectors(folder);
}

Result<void> ShardBuild::calibrate(const std::filesystem::path& folder) {
  // Neighbours nearer to each other than this times what rounding moves them change places.
  constexpr int kLeastDistance = 32;
  progress(0.9, "calibrating");
  SIGHTLINE_TRY(const auto data, open_shard_data(folder, manifest_, false));
  SIGHTLINE_TRY(const Calibration found, calibrate_shard(*data, kernels(), options_.target_recall,
                                                         options_.seed, pool_, deadline_));
  if (manifest_.half_vectors && found.neighbour_distance < kLeastDistance * mean_shift_) {
    SIGHTLINE_TRY_DO(keep_full_vectors(folder, "their neighbours are less than " +
                                                   std::to_string(kLeastDistance) +
                                                   " times as far apart as fp16 moves them"));
    return calibrate(folder);
  }
  manifest_.nprobe = found.nprobe;
  manifest_.ef_search = found.ef_search;
  manifest_.refine = found.refine;
  manifest_.recall = found.recall;
  return {};
}

}  // namespace

Result<void> build_shard(const std::filesystem::path& folder, std::span<const RowRef> rows,
                         const BuildOptions& options, ComputePool* pool, const Deadline& deadline) {
  try {
    return ShardBuild(folder, rows, options, pool, deadline).run();
  } catch (const std::bad_alloc&) {
    return Status{StatusCode::kResourceExhausted, "no memory to build shard " + folder.string()};
  } catch (const std::exception& e) {
    return internal_error("building shard " + folder.string() + ": " + e.what());
  }
}

}  // namespace sightline::index
