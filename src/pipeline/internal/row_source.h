// pipeline/internal/row_source.h: the files of an import as points, batch by batch.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/deadline.h"
#include "core/json.h"
#include "index/faiss_import.h"
#include "pipeline/collection_store.h"
#include "pipeline/internal/line_file.h"
#include "pipeline/job_progress.h"
#include "pipeline/vector_import.h"

namespace sightline::pipeline {

/// Rows of floats. Thread-safety: one thread.
class VectorRows {
 public:
  virtual ~VectorRows() = default;
  virtual std::uint64_t num_rows() const = 0;
  virtual std::uint64_t dim() const = 0;
  /// Rows from `first` on, as many as fit into `out`.
  virtual Result<void> read(std::uint64_t first, std::span<float> out) = 0;
};

/// One id a row, in order. Thread-safety: one thread.
class RowIds {
 public:
  virtual ~RowIds() = default;
  virtual Result<void> seek(std::uint64_t row) = 0;
  /// kInvalidArgument in the place of what is no id.
  virtual Result<std::vector<Result<PointId>>> next(std::size_t count) = 0;
};

struct SkippedRow {
  std::uint64_t row = 0;
  std::string_view reason;  ///< skip_row::k...
  std::string message;
};

struct RowBatch {
  std::uint64_t end_row = 0;  ///< The row after it.
  std::vector<UpsertPoint> points;
  std::vector<std::uint64_t> rows;  ///< Of each point.
  std::vector<SkippedRow> skipped;
};

/// Thread-safety: one thread at a time.
class RowSource {
 public:
  /// Opens and checks everything that can be told without reading each row: shapes, numbers of
  /// lines, of an export the checksums. errors  as import_vectors().
  static Result<std::unique_ptr<RowSource>> open(const ImportOptions& options,
                                                 const ReportJob& progress,
                                                 const Deadline& deadline);

  const CollectionConfig& config() const { return config_; }
  const std::map<std::string, FieldType>& payload_indexes() const { return payload_indexes_; }
  std::uint64_t num_rows() const { return num_rows_; }
  /// Which files these are, in which state, with which options: equal for the same import.
  const Json& origin() const { return origin_; }
  const std::string& shown_name() const { return shown_name_; }
  bool ids_are_rows() const { return !ids_ && !lines_hold_ids_; }
  /// Rows that make a batch: 4,000, fewer where they are long.
  std::size_t batch_rows() const;

  Result<void> seek(std::uint64_t row);
  /// The next rows, at most batch_rows(). Empty at the end.
  Result<RowBatch> next();

 private:
  struct Column {
    std::string name;
    Metric metric = Metric::kCosine;
    std::unique_ptr<VectorRows> rows;
  };
  struct Line {
    std::optional<PointId> id;
    Json payload = Json::object();
    std::string problem;  ///< Of the payload; empty: none.
  };

  Result<void> open_files(const ImportOptions& options, const Deadline& deadline);
  Result<void> open_faiss(const ImportOptions& options, std::unique_ptr<index::ForeignIndex> index);
  Result<void> open_lossy_faiss(const ImportOptions& options, const index::ForeignIndex& index);
  Result<void> open_vectors(const ImportOptions& options);
  Result<void> open_export(const ImportOptions& options, const ReportJob& progress,
                           const Deadline& deadline);
  Result<void> add_column(std::string name, VectorConfig config, std::unique_ptr<VectorRows> rows,
                          const std::string& file);
  Result<void> open_payload(const std::filesystem::path& path, const Deadline& deadline);
  Result<void> open_ids(const std::filesystem::path& path, const Deadline& deadline);
  Result<std::string> next_text(const std::optional<PointId>& id);
  Result<Line> next_line(std::uint64_t row, std::optional<PointId> id);
  Result<std::vector<std::vector<float>>> read_columns(std::size_t count);
  void add_row(std::uint64_t row, Line line, const std::vector<std::vector<float>>& columns,
               std::size_t at, RowBatch& batch) const;

  CollectionConfig config_;
  std::map<std::string, FieldType> payload_indexes_;
  Json origin_ = Json::object();
  std::string shown_name_;
  std::uint64_t num_rows_ = 0;
  std::vector<Column> columns_;
  bool may_lack_vectors_ = false;  ///< A row of NaN is a point without this vector.
  std::unique_ptr<RowIds> ids_;
  std::filesystem::path lines_path_;
  std::optional<LineFile> lines_;
  bool lines_hold_ids_ = false;  ///< {"id": ..., "payload": {...}} rather than the payload alone.
  /// Of a FAISS index whose rows lie list by list: the line of a row is that of its id.
  bool lines_are_by_id_ = false;
  std::optional<LineTable> line_table_;
  std::uint64_t next_row_ = 0;
};

/// "/abs/F.npy", size and mtime of a file. kNotFound, kIoError.
Result<Json> file_state(const std::filesystem::path& path);

}  // namespace sightline::pipeline
