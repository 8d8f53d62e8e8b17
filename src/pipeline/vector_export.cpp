#include "pipeline/vector_export.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <exception>
#include <limits>
#include <memory>
#include <string_view>
#include <utility>

#include "core/npy.h"
#include "pipeline/internal/export_format.h"

namespace sightline::pipeline {
namespace {

constexpr std::size_t kMaxPageRows = 1'000;
constexpr std::uint64_t kMaxPageBytes = std::uint64_t{32} << 20;
constexpr std::size_t kBufferBytes = std::size_t{1} << 20;
/// There while the export is not whole; becomes the manifest.
constexpr std::string_view kUnfinished = "manifest.json.part";

Status file_error(const std::filesystem::path& path, int error, std::string_view action) {
  const std::string message =
      path.string() + ": cannot " + std::string(action) + ": " + std::strerror(error);
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
    return {StatusCode::kResourceExhausted, message};
  }
  if (error == EACCES || error == EPERM || error == EROFS) {
    return {StatusCode::kPermissionDenied, message};
  }
  return io_error(message);
}

/// A file that is written from its start to its end. Thread-safety: one thread.
class OutputStream {
 public:
  static Result<OutputStream> create(const std::filesystem::path& path) {
    OutputStream stream;
    stream.path_ = path;
    stream.number_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (stream.number_ < 0) return file_error(path, errno, "be made");
    return stream;
  }
  OutputStream(OutputStream&& other) noexcept
      : path_(std::move(other.path_)),
        number_(std::exchange(other.number_, -1)),
        buffer_(std::move(other.buffer_)) {}
  OutputStream& operator=(OutputStream&&) = delete;
  ~OutputStream() {
    if (number_ >= 0) ::close(number_);
  }

  Result<void> append(std::string_view bytes) {
    buffer_ += bytes;
    return buffer_.size() < kBufferBytes ? Result<void>() : drain();
  }
  /// Everything is on the disk afterwards.
  Result<void> finish() {
    SIGHTLINE_TRY_DO(drain());
    if (::fsync(number_) != 0) return file_error(path_, errno, "be synced");
    if (::close(std::exchange(number_, -1)) != 0) return file_error(path_, errno, "be closed");
    return {};
  }

 private:
  OutputStream() = default;

  Result<void> drain() {
    std::string_view left = buffer_;
    while (!left.empty()) {
      const ssize_t written = ::write(number_, left.data(), left.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return file_error(path_, errno, "be written");
      left.remove_prefix(static_cast<std::size_t>(written));
    }
    buffer_.clear();
    return {};
  }

  std::filesystem::path path_;
  int number_ = -1;
  std::string buffer_;
};

Result<void> sync_folder(const std::filesystem::path& folder) {
  const int number = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (number < 0) return file_error(folder, errno, "be opened");
  const int error = ::fsync(number) != 0 ? errno : 0;
  ::close(number);
  if (error != 0) return file_error(folder, error, "be synced");
  return {};
}

Result<void> write_whole(const std::filesystem::path& path, std::string_view bytes) {
  SIGHTLINE_TRY(OutputStream stream, OutputStream::create(path));
  SIGHTLINE_TRY_DO(stream.append(bytes));
  return stream.finish();
}

/// Makes the folder, or checks that it may be used, and marks it as unfinished.
Result<void> prepare_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return file_error(folder, error.value(), "be made");
  const bool was_unfinished = std::filesystem::exists(folder / kUnfinished, error);
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (!was_unfinished) {
      return Status{StatusCode::kAlreadyExists, folder.string() + ": is not empty (it holds \"" +
                                                    entry.path().filename().string() +
                                                    "\"); take a new folder"};
    }
  }
  if (error) return file_error(folder, error.value(), "be listed");
  SIGHTLINE_TRY_DO(write_whole(folder / kUnfinished, ""));
  return sync_folder(folder);
}

class ExportJob {
 public:
  ExportJob(const CollectionStore& store, const std::filesystem::path& folder,
            const ReportJob& progress, const Deadline& deadline)
      : store_(store), folder_(folder), progress_(progress), deadline_(deadline) {}

  Result<ExportReport> run() {
    const auto started = std::chrono::steady_clock::now();
    SIGHTLINE_TRY(const CollectionInfo info, store_.info());
    manifest_.collection = info.name;
    manifest_.config = info.config;
    for (const auto& [field, index] : info.payload_indexes)
      manifest_.payload_indexes[field] = index.type;
    manifest_.num_points = info.num_points;
    SIGHTLINE_TRY_DO(must_be_dense());
    SIGHTLINE_TRY_DO(prepare_folder(folder_));
    SIGHTLINE_TRY_DO(write_points());
    SIGHTLINE_TRY_DO(add_checksums());
    const std::string manifest =
        manifest_to_json(manifest_).dump(1, ' ', false, OrderedJson::error_handler_t::replace);
    SIGHTLINE_TRY_DO(write_whole(folder_ / kUnfinished, manifest + "\n"));
    std::error_code error;
    std::filesystem::rename(folder_ / kUnfinished, folder_ / kExportManifest, error);
    if (error) return file_error(folder_ / kExportManifest, error.value(), "be made");
    SIGHTLINE_TRY_DO(sync_folder(folder_));
    return report(std::chrono::steady_clock::now() - started);
  }

 private:
  struct Column {
    std::string name;
    std::vector<float> missing;  ///< NaN in each place: a point without this vector.
    OutputStream file;
  };

  Result<void> must_be_dense() const {
    for (const auto& [name, config] : manifest_.config.vectors) {
      if (config.kind == VectorKind::kDense) continue;
      return invalid_argument("vector \"" + name + "\" is " +
                              std::string(vector_kind_name(config.kind)) +
                              "; an export holds dense vectors only: take a snapshot instead");
    }
    return {};
  }

  Result<void> write_points() {
    SIGHTLINE_TRY(OutputStream points, OutputStream::create(folder_ / kExportPoints));
    std::uint64_t row_bytes = 1;
    std::vector<Column> columns;
    for (const auto& [name, config] : manifest_.config.vectors) {
      SIGHTLINE_TRY(OutputStream file, OutputStream::create(folder_ / export_vectors_name(name)));
      const std::uint64_t shape[] = {manifest_.num_points, config.dim};
      SIGHTLINE_TRY_DO(file.append(npy_header(shape)));
      std::vector<float> missing(config.dim, std::numeric_limits<float>::quiet_NaN());
      columns.push_back({name, std::move(missing), std::move(file)});
      manifest_.num_vectors[name] = 0;
      row_bytes += config.dim * sizeof(float);
    }
    const std::size_t page = std::clamp<std::size_t>(kMaxPageBytes / row_bytes, 1, kMaxPageRows);
    SIGHTLINE_TRY(const std::uint64_t written, write_pages(page, points, columns));
    if (written != manifest_.num_points) {
      return failed_precondition(
          "collection \"" + manifest_.collection + "\" changed while it was exported: it had " +
          std::to_string(manifest_.num_points) + " points, then " + std::to_string(written));
    }
    for (Column& column : columns) SIGHTLINE_TRY_DO(column.file.finish());
    return points.finish();
  }

  Result<std::uint64_t> write_pages(std::size_t page_rows, OutputStream& points,
                                    std::vector<Column>& columns) {
    std::uint64_t written = 0;
    std::optional<PointId> last;
    for (;;) {
      SIGHTLINE_TRY_DO(deadline_.check("exporting"));
      // A page begins with the last point of the one before, which it leaves out.
      SIGHTLINE_TRY(const auto page, store_.scroll(last, page_rows + 1, {true, true}));
      const bool overlaps = last && !page.empty() && page.front().id == *last;
      for (std::size_t i = overlaps ? 1 : 0; i < page.size(); ++i, ++written) {
        SIGHTLINE_TRY_DO(write_point(page[i], points, columns));
      }
      if (progress_) progress_(loading(written));
      if (page.size() <= page_rows) return written;
      last = page.back().id;
    }
  }

  JobProgress loading(std::uint64_t written) const {
    const double total = static_cast<double>(std::max<std::uint64_t>(manifest_.num_points, 1));
    return {"exporting", std::min(1.0, static_cast<double>(written) / total), written,
            manifest_.num_points};
  }

  Result<void> write_point(const StoredPoint& point, OutputStream& points,
                           std::vector<Column>& columns) {
    SIGHTLINE_TRY_DO(points.append(
        dump_json(Json{{"id", point.id.to_json()}, {"payload", point.payload}}) + "\n"));
    for (Column& column : columns) {
      const auto vector = std::ranges::find(point.vectors, column.name, &NamedVector::name);
      const bool has_it = vector != point.vectors.end();
      const std::vector<float>& values = has_it ? vector->values : column.missing;
      if (has_it) ++manifest_.num_vectors[column.name];
      const auto raw = std::as_bytes(std::span(values));
      SIGHTLINE_TRY_DO(column.file.append({reinterpret_cast<const char*>(raw.data()), raw.size()}));
    }
    return {};
  }

  /// Of what the disk gives back, not of what was meant to be written.
  Result<void> add_checksums() {
    std::vector<std::string> names{std::string(kExportPoints)};
    for (const auto& [name, count] : manifest_.num_vectors) {
      names.push_back(export_vectors_name(name));
    }
    JobProgress job{"checksums", 0, 0, 0};
    for (const std::string& name : names) {
      std::error_code ignored;
      job.total += std::filesystem::file_size(folder_ / name, ignored);
    }
    const auto seen = [&](std::uint64_t bytes) {
      job.done += bytes;
      job.share = std::min(1.0, static_cast<double>(job.done) / static_cast<double>(job.total));
      if (progress_) progress_(job);
    };
    for (const std::string& name : names) {
      SIGHTLINE_TRY(ExportedFile file, checksum_file(folder_ / name, seen, deadline_));
      manifest_.files.push_back(std::move(file));
    }
    return {};
  }

  ExportReport report(std::chrono::duration<double> elapsed) const {
    ExportReport report;
    report.collection = manifest_.collection;
    std::error_code error;
    report.folder = std::filesystem::absolute(folder_, error);
    if (error) report.folder = folder_;
    report.num_points = manifest_.num_points;
    for (const auto& [name, count] : manifest_.num_vectors) {
      report.files[name] = export_vectors_name(name);
    }
    for (const ExportedFile& file : manifest_.files) report.num_bytes += file.bytes;
    report.seconds = elapsed.count();
    return report;
  }

  const CollectionStore& store_;
  const std::filesystem::path folder_;
  const ReportJob& progress_;
  const Deadline& deadline_;
  ExportManifest manifest_;
};

}  // namespace

OrderedJson to_json(const ExportReport& report) {
  OrderedJson vectors = OrderedJson::object();
  for (const auto& [name, file] : report.files) vectors[name] = file;
  return {{"collection", report.collection}, {"folder", report.folder.string()},
          {"points", report.num_points},     {"vectors", std::move(vectors)},
          {"bytes", report.num_bytes},       {"seconds", report.seconds}};
}

Result<ExportReport> export_collection(const CollectionStore& store,
                                       const std::filesystem::path& folder,
                                       const ReportJob& progress, const Deadline& deadline) {
  try {
    return ExportJob(store, folder, progress, deadline).run();
  } catch (const std::exception& e) {
    return internal_error(std::string("export: ") + e.what());
  }
}

}  // namespace sightline::pipeline
