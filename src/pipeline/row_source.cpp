#include "pipeline/internal/row_source.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <utility>

#include "core/npy.h"
#include "index/distance.h"
#include "index/faiss_import.h"
#include "pipeline/internal/collection_config.h"
#include "pipeline/internal/export_format.h"

namespace sightline::pipeline {
namespace {

constexpr std::size_t kMaxBatchRows = 4'000;
constexpr std::uint64_t kMaxBatchBytes = std::uint64_t{32} << 20;
constexpr double kUnitTolerance = 2e-3;  // of the squared length: also of rows that were float16

class NpyRows final : public VectorRows {
 public:
  explicit NpyRows(NpyFile file) : file_(std::move(file)) {}
  std::uint64_t num_rows() const override { return file_.num_rows(); }
  std::uint64_t dim() const override { return file_.row_size(); }
  Result<void> read(std::uint64_t first, std::span<float> out) override {
    return file_.read_floats(first, out);
  }

 private:
  NpyFile file_;
};

class NpyIds final : public RowIds {
 public:
  explicit NpyIds(NpyFile file) : file_(std::move(file)) {}
  Result<void> seek(std::uint64_t row) override {
    row_ = row;
    return {};
  }
  Result<std::vector<Result<PointId>>> next(std::size_t count) override {
    SIGHTLINE_TRY(const auto numbers, file_.read_unsigned(row_, count));
    row_ += count;
    std::vector<Result<PointId>> ids;
    ids.reserve(count);
    for (const auto& number : numbers) {
      if (number) {
        ids.emplace_back(PointId(*number));
      } else {
        ids.emplace_back(invalid_argument("the id is negative"));
      }
    }
    return ids;
  }

 private:
  NpyFile file_;
  std::uint64_t row_ = 0;
};

class TextIds final : public RowIds {
 public:
  static Result<std::unique_ptr<TextIds>> open(const std::filesystem::path& path) {
    auto ids = std::make_unique<TextIds>();
    ids->path_ = path;
    SIGHTLINE_TRY_DO(ids->seek(0));
    return ids;
  }
  Result<void> seek(std::uint64_t row) override {
    SIGHTLINE_TRY(lines_, LineFile::open(path_));
    return lines_->skip(row);
  }
  Result<std::vector<Result<PointId>>> next(std::size_t count) override {
    std::vector<Result<PointId>> ids;
    ids.reserve(count);
    std::string line;
    for (std::size_t i = 0; i < count; ++i) {
      SIGHTLINE_TRY(const bool there, lines_->next(line));
      if (!there) return corruption(path_.string() + ": has become shorter");
      const std::size_t first = line.find_first_not_of(" \t");
      const std::size_t last = line.find_last_not_of(" \t");
      ids.push_back(PointId::parse(first == line.npos ? "" : line.substr(first, last + 1 - first)));
    }
    return ids;
  }

 private:
  std::filesystem::path path_;
  std::optional<LineFile> lines_;
};

/// What a FAISS index holds, read once for both. Thread-safety: one thread.
struct FaissBlock {
  std::unique_ptr<index::ForeignIndex> index;
  std::vector<std::int64_t> ids;  ///< Of the rows read last.
};

class FaissRows final : public VectorRows {
 public:
  explicit FaissRows(std::shared_ptr<FaissBlock> block) : block_(std::move(block)) {}
  std::uint64_t num_rows() const override { return block_->index->num_rows(); }
  std::uint64_t dim() const override { return block_->index->dim(); }
  Result<void> read(std::uint64_t first, std::span<float> out) override {
    block_->ids.resize(out.size() / dim());
    return block_->index->read(first, block_->ids.size(), out.data(), block_->ids.data());
  }

 private:
  std::shared_ptr<FaissBlock> block_;
};

/// Of the rows that FaissRows has just read.
class FaissIds final : public RowIds {
 public:
  explicit FaissIds(std::shared_ptr<FaissBlock> block) : block_(std::move(block)) {}
  Result<void> seek(std::uint64_t) override { return {}; }
  Result<std::vector<Result<PointId>>> next(std::size_t count) override {
    SIGHTLINE_CHECK(count == block_->ids.size());
    std::vector<Result<PointId>> ids;
    ids.reserve(count);
    for (const std::int64_t id : block_->ids) {
      if (id < 0) {
        ids.emplace_back(invalid_argument("id " + std::to_string(id) + " is negative"));
      } else {
        ids.emplace_back(PointId(static_cast<std::uint64_t>(id)));
      }
    }
    return ids;
  }

 private:
  std::shared_ptr<FaissBlock> block_;
};

/// Both numbers, for files that do not belong together.
Status count_differs(const std::filesystem::path& file, std::uint64_t count, std::string_view what,
                     const std::string& vectors, std::uint64_t num_rows) {
  return invalid_argument(file.string() + ": has " + std::to_string(count) + " " +
                          std::string(what) + " for the " + std::to_string(num_rows) +
                          " vectors of " + vectors + "; there must be one for each");
}

/// Whether the first rows have length 1, so that their product is the cosine.
Result<bool> are_unit_rows(VectorRows& rows) {
  const std::size_t dim = rows.dim();
  std::vector<float> values(std::min<std::uint64_t>(kMaxBatchRows, rows.num_rows()) * dim);
  SIGHTLINE_TRY_DO(rows.read(0, values));
  for (std::size_t at = 0; at < values.size(); at += dim) {
    double squares = 0;
    for (std::size_t i = 0; i < dim; ++i) squares += double{values[at + i]} * values[at + i];
    if (!(std::abs(squares - 1.0) < kUnitTolerance)) return false;
  }
  return true;
}

/// What a FAISS index of these rows means by its distance.
Result<Metric> metric_of(index::Distance distance, VectorRows& rows) {
  if (distance == index::Distance::kL2) return Metric::kEuclid;
  if (distance == index::Distance::kL1) return Metric::kManhattan;
  SIGHTLINE_TRY(const bool are_unit, are_unit_rows(rows));
  return are_unit ? Metric::kCosine : Metric::kDot;
}

bool is_missing(std::span<const float> row) {
  return std::ranges::all_of(row, [](float value) { return std::isnan(value); });
}

/// Why a row cannot be a vector, or nothing.
std::optional<std::pair<std::string_view, std::string>> vector_problem(std::span<const float> row,
                                                                       Metric metric) {
  const auto bad = std::ranges::find_if(row, [](float value) { return !std::isfinite(value); });
  if (bad != row.end()) {
    return std::pair(skip_row::kNotFinite, std::string(std::isnan(*bad) ? "NaN" : "infinity") +
                                               " at " + std::to_string(bad - row.begin()));
  }
  if (metric == Metric::kCosine && std::ranges::all_of(row, [](float v) { return v == 0; })) {
    return std::pair(skip_row::kZeroVector,
                     std::string("all zeros, which have no direction for metric cosine"));
  }
  return std::nullopt;
}

}  // namespace

Result<Json> file_state(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::path real = std::filesystem::canonical(path, error);
  if (error) real = path;
  struct stat status {};
  if (::stat(real.c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return not_found(path.string() + ": no such file");
    return io_error(path.string() + ": cannot be read: " + std::strerror(errno));
  }
  return Json{{"path", real.string()},
              {"bytes", static_cast<std::uint64_t>(status.st_size)},
              {"mtime_ns", status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec}};
}

Result<std::unique_ptr<RowSource>> RowSource::open(const ImportOptions& options,
                                                   const ReportJob& progress,
                                                   const Deadline& deadline) {
  auto source = std::make_unique<RowSource>();
  if (options.folder.empty()) {
    SIGHTLINE_TRY_DO(source->open_files(options, deadline));
  } else {
    SIGHTLINE_TRY_DO(source->open_export(options, progress, deadline));
  }
  for (auto& [name, vector] : source->config_.vectors) {
    if (options.index) vector.index = *options.index;
    if (options.target_recall) vector.target_recall = *options.target_recall;
    source->origin_["options"][name] = {{"metric", metric_name(vector.metric)},
                                        {"index", vector.index},
                                        {"target_recall", vector.target_recall}};
  }
  SIGHTLINE_TRY_DO(validate_config(source->config_));
  SIGHTLINE_TRY_DO(source->seek(0));
  return source;
}

Result<void> RowSource::add_column(std::string name, VectorConfig config,
                                   std::unique_ptr<VectorRows> rows, const std::string& file) {
  if (config.dim != rows->dim()) {
    return invalid_argument(file + ": has rows of " + std::to_string(rows->dim()) + "; " +
                            shown_vector_name(name) + " has " + std::to_string(config.dim) +
                            " dimensions");
  }
  columns_.push_back({name, config.metric, std::move(rows)});
  config_.vectors.emplace(std::move(name), std::move(config));
  return {};
}

Result<void> RowSource::open_files(const ImportOptions& options, const Deadline& deadline) {
  Metric metric = Metric::kCosine;
  if (options.faiss.empty()) {
    SIGHTLINE_TRY_DO(open_vectors(options));
  } else {
    SIGHTLINE_TRY(origin_["faiss"], file_state(options.faiss));
    auto opened = index::open_faiss_file(options.faiss);
    if (!opened && opened.error().code == StatusCode::kUnimplemented) {
      return Status{StatusCode::kUnimplemented,
                    opened.error().message + "; import its vectors with --vectors alone"};
    }
    SIGHTLINE_TRY(auto index, std::move(opened));
    const index::Distance distance = index->distance();
    SIGHTLINE_TRY_DO(index->has_vectors() ? open_faiss(options, std::move(index))
                                          : open_lossy_faiss(options, *index));
    SIGHTLINE_TRY(metric, metric_of(distance, *columns_[0].rows));
  }
  columns_[0].metric = config_.vectors[""].metric = options.metric.value_or(metric);
  if (!options.payload.empty()) SIGHTLINE_TRY_DO(open_payload(options.payload, deadline));
  if (!options.ids.empty()) SIGHTLINE_TRY_DO(open_ids(options.ids, deadline));
  return {};
}

/// Takes vectors and ids from the index.
Result<void> RowSource::open_faiss(const ImportOptions& options,
                                   std::unique_ptr<index::ForeignIndex> index) {
  shown_name_ = options.faiss.string();
  if (!options.vectors.empty() || !options.ids.empty()) {
    return invalid_argument(shown_name_ + ": holds vectors and ids itself (" + index->type() +
                            "): leave out --vectors and --ids");
  }
  lines_are_by_id_ = index->type().find("IVF") != std::string::npos;
  if (lines_are_by_id_ && index->type().starts_with("IDMap") && !options.payload.empty()) {
    return invalid_argument(shown_name_ +
                            ": which line of --payload belongs to a row cannot be told for " +
                            index->type() + "; give its vectors with --vectors and --ids");
  }
  num_rows_ = index->num_rows();
  VectorConfig vector;
  vector.dim = index->dim();
  const auto block = std::make_shared<FaissBlock>();
  block->index = std::move(index);
  ids_ = std::make_unique<FaissIds>(block);
  return add_column("", vector, std::make_unique<FaissRows>(block), shown_name_);
}

/// Points are the truth, so they come from --vectors; the index only has to agree with them.
Result<void> RowSource::open_lossy_faiss(const ImportOptions& options,
                                         const index::ForeignIndex& index) {
  const std::string name = options.faiss.string();
  if (options.vectors.empty()) {
    return invalid_argument(name + ": holds lossy codes or transformed vectors (" + index.type() +
                            "), from which vectors cannot be had: give them with --vectors");
  }
  if (index.has_own_ids() && options.ids.empty()) {
    return invalid_argument(name + ": holds ids of its own, and codes (" + index.type() +
                            ") do not tell whose vector is whose: give ids with --ids");
  }
  SIGHTLINE_TRY_DO(open_vectors(options));
  const VectorRows& rows = *columns_[0].rows;
  if (rows.num_rows() != index.num_rows() || rows.dim() != index.dim()) {
    return invalid_argument(name + ": holds " + std::to_string(index.num_rows()) + " rows of " +
                            std::to_string(index.dim()) + ", " + shown_name_ + " holds " +
                            std::to_string(rows.num_rows()) + " of " + std::to_string(rows.dim()));
  }
  return {};
}

Result<void> RowSource::open_vectors(const ImportOptions& options) {
  shown_name_ = options.vectors.string();
  SIGHTLINE_TRY(NpyFile file, NpyFile::open(options.vectors));
  if (file.shape().size() != 2 || file.row_size() == 0 || !file.holds_floats()) {
    return invalid_argument(shown_name_ + ": holds an array of shape " + file.shape_text() +
                            " and type " + file.type() +
                            "; vectors are rows of floats: shape (n, dim), float16, float32 or "
                            "float64");
  }
  SIGHTLINE_TRY(origin_["vectors"], file_state(options.vectors));
  num_rows_ = file.num_rows();
  VectorConfig vector;
  vector.dim = file.row_size();
  return add_column("", vector, std::make_unique<NpyRows>(std::move(file)), shown_name_);
}

Result<void> RowSource::open_payload(const std::filesystem::path& path, const Deadline& deadline) {
  SIGHTLINE_TRY(origin_["payload"], file_state(path));
  std::uint64_t count = 0;
  if (lines_are_by_id_) {
    SIGHTLINE_TRY(line_table_, LineTable::open(path, deadline));
    count = line_table_->num_lines();
  } else {
    SIGHTLINE_TRY(count, LineFile::count(path, deadline));
  }
  if (count != num_rows_) return count_differs(path, count, "lines", shown_name_, num_rows_);
  lines_path_ = path;
  return {};
}

Result<void> RowSource::open_ids(const std::filesystem::path& path, const Deadline& deadline) {
  SIGHTLINE_TRY(origin_["ids"], file_state(path));
  std::uint64_t count = 0;
  if (path.extension() == ".npy") {
    SIGHTLINE_TRY(NpyFile file, NpyFile::open(path));
    if (file.shape().size() != 1 || file.holds_floats()) {
      return invalid_argument(path.string() + ": holds an array of shape " + file.shape_text() +
                              " and type " + file.type() + "; ids are whole numbers: shape (n,)");
    }
    count = file.num_rows();
    ids_ = std::make_unique<NpyIds>(std::move(file));
  } else {
    SIGHTLINE_TRY(count, LineFile::count(path, deadline));
    SIGHTLINE_TRY(ids_, TextIds::open(path));
  }
  if (count != num_rows_) return count_differs(path, count, "ids", shown_name_, num_rows_);
  return {};
}

Result<void> RowSource::open_export(const ImportOptions& options, const ReportJob& progress,
                                    const Deadline& deadline) {
  shown_name_ = options.folder.string();
  SIGHTLINE_TRY(const ExportManifest manifest, read_manifest(options.folder));
  SIGHTLINE_TRY(origin_["manifest"], file_state(options.folder / kExportManifest));
  JobProgress job{"checking", 0, 0, 0};
  for (const ExportedFile& file : manifest.files) job.total += file.bytes;
  const auto seen = [&](std::uint64_t bytes) {
    job.done += bytes;
    job.share = std::min(1.0, static_cast<double>(job.done) / static_cast<double>(job.total));
    if (progress) progress(job);
  };
  for (const ExportedFile& file : manifest.files) {
    SIGHTLINE_TRY(const ExportedFile found,
                  checksum_file(options.folder / file.name, seen, deadline));
    if (found.bytes != file.bytes || found.xxh3 != file.xxh3) {
      return corruption((options.folder / file.name).string() +
                        ": is not what was exported (another size or checksum than in " +
                        std::string(kExportManifest) + ")");
    }
  }
  num_rows_ = manifest.num_points;
  payload_indexes_ = manifest.payload_indexes;
  may_lack_vectors_ = true;
  lines_hold_ids_ = true;
  lines_path_ = options.folder / kExportPoints;
  for (const auto& [name, vector] : manifest.config.vectors) {
    const std::filesystem::path path = options.folder / export_vectors_name(name);
    SIGHTLINE_TRY(NpyFile file, NpyFile::open(path));
    if (file.num_rows() != num_rows_) {
      return corruption(path.string() + ": has " + std::to_string(file.num_rows()) + " rows for " +
                        std::to_string(num_rows_) + " points");
    }
    SIGHTLINE_TRY_DO(
        add_column(name, vector, std::make_unique<NpyRows>(std::move(file)), path.string()));
  }
  return {};
}

std::size_t RowSource::batch_rows() const {
  std::uint64_t row_bytes = 1;
  for (const Column& column : columns_) row_bytes += column.rows->dim() * sizeof(float);
  return std::clamp<std::size_t>(kMaxBatchBytes / row_bytes, 1, kMaxBatchRows);
}

Result<void> RowSource::seek(std::uint64_t row) {
  next_row_ = row;
  if (ids_) SIGHTLINE_TRY_DO(ids_->seek(row));
  if (lines_path_.empty() || line_table_) return {};
  SIGHTLINE_TRY(lines_, LineFile::open(lines_path_));
  return lines_->skip(row);
}

Result<std::string> RowSource::next_text(const std::optional<PointId>& id) {
  if (line_table_) {
    if (!id || !id->is_number() || id->number() >= num_rows_) return std::string();
    return line_table_->line(id->number());
  }
  std::string text;
  SIGHTLINE_TRY(const bool there, lines_->next(text));
  if (!there) return corruption(lines_path_.string() + ": has become shorter");
  return text;
}

/// The line of row `row`, whose id is `id` if it is known from elsewhere.
Result<RowSource::Line> RowSource::next_line(std::uint64_t row, std::optional<PointId> id) {
  Line line;
  line.id = id;
  SIGHTLINE_TRY(const std::string text, next_text(id));
  const std::uint64_t number = line_table_ && id && id->is_number() ? id->number() : row;
  const std::string place = lines_path_.string() + ", line " + std::to_string(number + 1);
  auto json = parse_json(text, place);
  if (!lines_hold_ids_) {
    if (!json) {
      line.problem = json.error().message;
    } else if (!json->is_object()) {
      line.problem = place + ": is no JSON object";
    } else {
      line.payload = *std::move(json);
    }
    return line;
  }
  const bool is_point = json && json->is_object() && json->contains("id") &&
                        json->contains("payload") && (*json)["payload"].is_object();
  auto own_id =
      is_point ? PointId::from_json((*json)["id"]) : invalid_argument("no id and payload");
  if (!own_id) return corruption(place + ": " + own_id.error().message);
  line.id = *own_id;
  line.payload = std::move((*json)["payload"]);
  return line;
}

Result<std::vector<std::vector<float>>> RowSource::read_columns(std::size_t count) {
  std::vector<std::vector<float>> columns;
  for (const Column& column : columns_) {
    columns.emplace_back(count * column.rows->dim());
    SIGHTLINE_TRY_DO(column.rows->read(next_row_, columns.back()));
  }
  return columns;
}

void RowSource::add_row(std::uint64_t row, Line line,
                        const std::vector<std::vector<float>>& columns, std::size_t at,
                        RowBatch& batch) const {
  const auto skip = [&](std::string_view reason, std::string message) {
    batch.skipped.push_back({row, reason, std::move(message)});
  };
  UpsertPoint point;
  point.id = line.id.value_or(PointId(row));
  point.mode = WriteMode::kInsertOnly;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const std::size_t dim = columns_[i].rows->dim();
    const std::span<const float> values(columns[i].data() + at * dim, dim);
    if (may_lack_vectors_ && is_missing(values)) continue;
    if (auto problem = vector_problem(values, columns_[i].metric)) {
      return skip(problem->first, std::move(problem->second));
    }
    point.vectors.push_back({columns_[i].name, {values.begin(), values.end()}});
  }
  if (!line.problem.empty()) return skip(skip_row::kBadPayload, std::move(line.problem));
  point.payload = std::move(line.payload);
  batch.points.push_back(std::move(point));
  batch.rows.push_back(row);
}

Result<RowBatch> RowSource::next() {
  const std::size_t count = std::min<std::uint64_t>(batch_rows(), num_rows_ - next_row_);
  RowBatch batch;
  SIGHTLINE_TRY(const auto columns, read_columns(count));
  std::vector<Result<PointId>> ids;
  if (ids_) {
    SIGHTLINE_TRY(ids, ids_->next(count));
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t row = next_row_ + i;
    Line line;
    if (ids_ && ids[i]) line.id = *ids[i];
    if (!lines_path_.empty()) {
      SIGHTLINE_TRY(line, next_line(row, line.id));
    }
    if (ids_ && !ids[i]) {
      batch.skipped.push_back({row, skip_row::kBadId, ids[i].error().message});
    } else {
      add_row(row, std::move(line), columns, i, batch);
    }
  }
  next_row_ += count;
  batch.end_row = next_row_;
  return batch;
}

}  // namespace sightline::pipeline
