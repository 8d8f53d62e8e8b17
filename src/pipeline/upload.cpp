#include "pipeline/upload.h"

#include <algorithm>
#include <exception>
#include <iterator>
#include <utility>

#include "pipeline/ingest.h"
#include "pipeline/internal/source_reader.h"
#include "pipeline/internal/tar_reader.h"
#include "pipeline/internal/upload_batch.h"

namespace sightline::pipeline {
namespace {

// Of the pictures that are in memory together.
constexpr std::size_t kBatchPictures = 32;
constexpr std::uint64_t kBatchBytes = std::uint64_t{64} << 20;

std::uint64_t size_of(const UploadItem& item) {
  if (const auto* bytes = std::get_if<std::vector<std::byte>>(&item.picture.data))
    return bytes->size();
  std::error_code error;
  const auto size =
      std::filesystem::file_size(std::get<std::filesystem::path>(item.picture.data), error);
  return error ? 0 : size;
}

/// The name of the vector that a model makes.
Result<std::string> encoded_vector(const CollectionInfo& info, const UploadOptions& options) {
  const auto& vectors = info.config.vectors;
  if (options.vector_name) return *options.vector_name;
  if (vectors.contains("") && !vectors.at("").model.checksum.empty()) return std::string();
  std::vector<std::string> with_model;
  for (const auto& [name, config] : vectors)
    if (!config.model.checksum.empty()) with_model.push_back(name);
  if (with_model.size() == 1) return with_model[0];
  return failed_precondition("collection \"" + info.name + "\" has " +
                             (with_model.empty() ? "no vector that a model makes"
                                                 : "several vectors that models make; name one"));
}

}  // namespace

Json to_json(const UploadResult& result) {
  const bool failed = result.error.has_value();
  Json json{{"name", result.name}, {"status", result.status}, {"id", nullptr},
            {"width", nullptr},    {"height", nullptr},       {"error", nullptr}};
  if (failed) {
    json["error"] = result.error->message;
    return json;
  }
  if (result.id) json["id"] = result.id->to_json();
  json["width"] = result.width;
  json["height"] = result.height;
  return json;
}

Result<Uploader> Uploader::open(DataFolder& folder, std::string_view collection,
                                EncoderHost& encoders, ComputePool& pool, UploadOptions options) {
  auto store = folder.open_collection(collection);
  if (!store && store.error().code == StatusCode::kNotFound) {
    SIGHTLINE_TRY(const HostedModel model, encoders.find(std::string_view()));
    store = open_or_create_for(folder, collection, model->info(), encoders.options().decode.alpha);
  }
  if (!store) return std::move(store).error();
  SIGHTLINE_TRY(const CollectionInfo info, (*store)->info());
  SIGHTLINE_TRY(std::string vector_name, encoded_vector(info, options));
  SIGHTLINE_TRY(HostedModel model, encoders.find(info, vector_name));
  if ((*store)->uploads() == nullptr) {
    return Status{StatusCode::kUnimplemented,
                  "collection \"" + info.name + "\" does not keep uploads"};
  }
  const codecs::AlphaRule alpha = alpha_of(info.config.vectors.at(vector_name).model);
  options.vector_name = std::move(vector_name);
  return Uploader(*std::move(store), std::move(model), alpha, encoders, pool, std::move(options));
}

Result<std::vector<UploadResult>> Uploader::upload(std::vector<UploadItem> items,
                                                   Deadline deadline) const {
  try {
    UploadContext context{*store_,
                          *store_->uploads(),
                          *model_,
                          encoders_->options().decode,
                          encoders_->decode_budget(),
                          *pool_,
                          options_,
                          *options_.vector_name,
                          deadline};
    context.decode.alpha = alpha_;
    std::vector<UploadResult> results;
    while (results.size() < items.size()) {
      SIGHTLINE_TRY_DO(deadline.check("uploading"));
      std::vector<UploadItem*> batch;
      std::uint64_t bytes = 0;
      for (std::size_t i = results.size(); i < items.size() && batch.size() < kBatchPictures; ++i) {
        bytes += size_of(items[i]);
        if (!batch.empty() && bytes > kBatchBytes) break;
        batch.push_back(&items[i]);
      }
      SIGHTLINE_TRY(auto done, UploadBatch(context, batch).run());
      std::ranges::move(done, std::back_inserter(results));
      for (UploadItem* item : batch) *item = {};  // its bytes are not needed any more
    }
    return results;
  } catch (const std::exception& e) {
    return internal_error(std::string("uploading: ") + e.what());
  }
}

// --- tars ----------------------------------------------------------------------------------------

namespace {

/// Takes what a tar holds and uploads it bit by bit.
class TarUpload final : public SourceSink {
 public:
  using Upload = std::function<Result<std::vector<UploadResult>>(std::vector<UploadItem>)>;
  using Each = std::function<void(const UploadResult&)>;

  TarUpload(std::string path, std::uint64_t max_bytes, Upload upload, const Each& each)
      : path_(std::move(path)), max_bytes_(max_bytes), upload_(std::move(upload)), each_(each) {}

  bool wants_more() const override { return !failure_; }
  bool add(Source source) override {
    if (!source.problem.empty()) {
      fail(name_of(source), {StatusCode::kInvalidArgument, shown(source.problem_message)});
      return !failure_;
    }
    std::vector<std::byte> bytes;
    if (auto read = read_member(source, bytes); !read) {
      fail(name_of(source), {read.error().code, shown(read.error().message)});
      return !failure_;
    }
    num_bytes_ += bytes.size();
    UploadItem item;
    item.picture = {source.member, std::move(bytes)};
    if (source.payload && !source.payload->empty()) item.payload = std::move(source.payload);
    items_.push_back(std::move(item));
    if (items_.size() >= kBatchPictures || num_bytes_ >= kBatchBytes) flush();
    return !failure_;
  }
  void unreadable_folder(const std::string&, const std::string&) override {}
  void present(const std::string&) override {}

  /// The rest. errors  those of the uploads.
  Result<UploadSummary> finish() {
    flush();
    if (failure_) return *failure_;
    return summary_;
  }
  /// Where the request was put for the moment is nobody's business.
  std::string shown(std::string message) const {
    for (std::size_t at; (at = message.find(path_)) != message.npos;) {
      const bool is_member = message.compare(at + path_.size(), 1, "#") == 0;
      message.replace(at, path_.size() + (is_member ? 1 : 0), is_member ? "" : "the tar");
    }
    return message;
  }

 private:
  static std::string name_of(const Source& source) {
    return source.member.empty() ? "the tar" : source.member;
  }

  Result<void> read_member(const Source& source, std::vector<std::byte>& bytes) const {
    SIGHTLINE_TRY(const auto reader, open_source(source));
    if (reader->size() > max_bytes_) {
      return Status{StatusCode::kResourceExhausted,
                    source.member + ": is " + std::to_string(reader->size()) +
                        " bytes; the limit is " + std::to_string(max_bytes_)};
    }
    return reader->read_to(reader->size(), bytes);
  }

  void fail(std::string name, Status status) {
    flush();  // results come in order
    tell({std::move(name), "failed", std::nullopt, std::move(status), 0, 0});
  }

  void flush() {
    if (items_.empty() || failure_) return;
    num_bytes_ = 0;
    auto results = upload_(std::exchange(items_, {}));
    if (!results) {
      failure_ = std::move(results).error();
      return;
    }
    for (const UploadResult& result : *results) tell(result);
  }

  void tell(const UploadResult& result) {
    if (result.status == "indexed") ++summary_.indexed;
    if (result.status == "updated") ++summary_.updated;
    if (result.status == "unchanged") ++summary_.unchanged;
    if (result.status == "failed") ++summary_.failed;
    if (each_) each_(result);
  }

  const std::string path_;
  const std::uint64_t max_bytes_;
  const Upload upload_;
  const Each& each_;
  std::vector<UploadItem> items_;
  std::uint64_t num_bytes_ = 0;
  UploadSummary summary_;
  std::optional<Status> failure_;
};

}  // namespace

Result<UploadSummary> Uploader::upload_tar(const std::filesystem::path& tar,
                                           const std::function<void(const UploadResult&)>& each,
                                           Deadline deadline) const {
  try {
    TarUpload sink(
        tar.string(), options_.max_bytes,
        [&](std::vector<UploadItem> items) { return upload(std::move(items), deadline); }, each);
    // Not a tar at all, rather than one that is damaged further on.
    auto stream = TarStream::open(tar.string());
    TarMember first;
    const auto begins = stream ? stream->next(first) : Result<bool>(stream.error());
    if (!begins) {
      const StatusCode code = begins.error().code;
      return Status{code == StatusCode::kCorruption ? StatusCode::kInvalidArgument : code,
                    sink.shown(begins.error().message)};
    }
    const auto read = scan_tar(tar.string(), NameFilter(), sink);
    if (!read) return Status{read.error().code, sink.shown(read.error().message)};
    return sink.finish();
  } catch (const std::exception& e) {
    return internal_error(std::string("uploading a tar: ") + e.what());
  }
}

}  // namespace sightline::pipeline
