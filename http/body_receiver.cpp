#include "http/internal/body_receiver.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "http/errors.h"
#include "http/json_reader.h"
#include "http/multipart.h"

namespace sightline::http::internal {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxFieldBytes = std::size_t{1} << 20;
constexpr std::size_t kMaxReserve = std::size_t{8} << 20;

Status too_large(std::uint64_t max_bytes) {
  return {StatusCode::kResourceExhausted,
          "the body is larger than " + std::to_string(max_bytes) + " bytes"};
}

Status no_room() { return {StatusCode::kOverloaded, "too many large bodies are in work"}; }

/// A file of the spool folder, removed with this.
class SpoolFile {
 public:
  static Result<SpoolFile> create(const fs::path& folder) {
    static std::atomic<std::uint64_t> counter{0};
    SpoolFile file;
    file.path_ = folder / ("body-" + std::to_string(::getpid()) + "-" +
                           std::to_string(counter.fetch_add(1)));
    file.descriptor_ = ::open(file.path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file.descriptor_ < 0) {
      const Status failed = io_error(file.path_.string() + ": " + std::strerror(errno));
      file.path_.clear();
      return failed;
    }
    return file;
  }
  SpoolFile(SpoolFile&& other) noexcept
      : path_(std::exchange(other.path_, {})),
        descriptor_(std::exchange(other.descriptor_, -1)),
        size_(other.size_),
        disk_is_full_(other.disk_is_full_) {}
  SpoolFile& operator=(SpoolFile&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(descriptor_, other.descriptor_);
    std::swap(size_, other.size_);
    std::swap(disk_is_full_, other.disk_is_full_);
    return *this;
  }
  ~SpoolFile() {
    close();
    if (!path_.empty()) ::unlink(path_.c_str());
  }

  Result<void> write(std::string_view bytes) {
    size_ += bytes.size();
    while (!bytes.empty()) {
      const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) {
        const int error = errno;
        const std::string message = path_.string() + ": " + std::strerror(error);
        disk_is_full_ = error == ENOSPC || error == EDQUOT || error == EFBIG;
        return io_error(message);
      }
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
  }
  void close() {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  }
  const fs::path& path() const { return path_; }
  std::uint64_t size() const { return size_; }
  bool disk_is_full() const { return disk_is_full_; }

 private:
  SpoolFile() = default;
  fs::path path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
  bool disk_is_full_ = false;
};

/// Counts, so that no kind grows over its limit.
class LimitedReceiver : public BodyReceiver {
 public:
  explicit LimitedReceiver(std::uint64_t max_bytes) : max_bytes_(max_bytes) {}
  Result<void> take(std::string_view bytes) final {
    received_ += bytes.size();
    if (received_ > max_bytes_) return too_large(max_bytes_);
    return store(bytes);
  }
  int failure_status(const Status& status) const override {
    return status.code == StatusCode::kResourceExhausted ? 413 : http_status(status.code);
  }

 protected:
  virtual Result<void> store(std::string_view bytes) = 0;

 private:
  const std::uint64_t max_bytes_;
  std::uint64_t received_ = 0;
};

class Forgetter final : public LimitedReceiver {
 public:
  using LimitedReceiver::LimitedReceiver;
  Result<void> store(std::string_view) override { return {}; }
  Result<void> finish(Request&) override { return {}; }
};

class TextReceiver final : public LimitedReceiver {
 public:
  TextReceiver(const BodyPlan& plan, BodyBudget& budget)
      : LimitedReceiver(plan.max_bytes), budget_(budget) {
    // A length that was only announced reserves no more than a small body's.
    text_.reserve(
        static_cast<std::size_t>(std::min<std::uint64_t>(plan.expected_bytes, kMaxReserve)) +
        kJsonPadding);
  }
  ~TextReceiver() override { budget_.give_back(taken_); }
  Result<void> store(std::string_view bytes) override {
    if (!budget_.take(bytes.size())) return no_room();
    taken_ += bytes.size();
    text_ += bytes;
    return {};
  }
  Result<void> finish(Request& request) override {
    text_.reserve(text_.size() + kJsonPadding);
    request.body = std::move(text_);
    return {};
  }

 private:
  BodyBudget& budget_;
  std::uint64_t taken_ = 0;
  std::string text_;
};

class FileReceiver final : public LimitedReceiver {
 public:
  FileReceiver(std::uint64_t max_bytes, SpoolFile file)
      : LimitedReceiver(max_bytes), file_(std::move(file)) {}
  Result<void> store(std::string_view bytes) override { return file_.write(bytes); }
  Result<void> finish(Request& request) override {
    file_.close();
    request.body_file = file_.path();
    return {};
  }
  int failure_status(const Status& status) const override {
    return file_.disk_is_full() ? 507 : LimitedReceiver::failure_status(status);
  }

 private:
  SpoolFile file_;
};

class FormReceiver final : public LimitedReceiver {
 public:
  FormReceiver(const BodyPlan& plan, std::string_view boundary)
      : LimitedReceiver(plan.max_bytes),
        folder_(plan.spool_folder),
        parser_(boundary, {[this](PartHead head) { return begin(std::move(head)); },
                           [this](std::string_view bytes) { return add(bytes); },
                           [this] { return end(); }}) {}

  Result<void> store(std::string_view bytes) override { return parser_.feed(bytes); }
  Result<void> finish(Request& request) override {
    SIGHTLINE_TRY_DO(parser_.finish());
    request.parts = std::move(parts_);
    return {};
  }
  int failure_status(const Status& status) const override {
    const bool is_full = !files_.empty() && files_.back().disk_is_full();
    return is_full ? 507 : LimitedReceiver::failure_status(status);
  }

 private:
  Result<void> begin(PartHead head) {
    FormPart& part = parts_.emplace_back();
    part.name = std::move(head.name);
    part.file_name = std::move(head.file_name);
    part.content_type = std::move(head.content_type);
    in_file_ = head.has_file_name;
    if (!in_file_) return {};
    SIGHTLINE_TRY(SpoolFile file, SpoolFile::create(folder_));
    part.file = file.path();
    files_.push_back(std::move(file));
    return {};
  }
  Result<void> add(std::string_view bytes) {
    FormPart& part = parts_.back();
    part.size += bytes.size();
    if (in_file_) return files_.back().write(bytes);
    if (part.size > kMaxFieldBytes) {
      return Status{StatusCode::kResourceExhausted, "multipart body: field \"" + part.name +
                                                        "\" is larger than " +
                                                        std::to_string(kMaxFieldBytes) + " bytes"};
    }
    part.value += bytes;
    return {};
  }
  Result<void> end() {
    if (!in_file_) return {};
    files_.back().close();
    // A browser's file field that nothing was chosen for.
    if (parts_.back().file_name.empty() && parts_.back().size == 0) {
      parts_.pop_back();
      files_.pop_back();
    }
    return {};
  }

  const fs::path folder_;
  std::vector<FormPart> parts_;
  std::vector<SpoolFile> files_;
  bool in_file_ = false;
  MultipartParser parser_;
};

}  // namespace

Result<std::unique_ptr<BodyReceiver>> make_body_receiver(const BodyPlan& plan, BodyBudget& budget) {
  std::unique_ptr<BodyReceiver> receiver;
  switch (plan.kind) {
    case BodyKind::kNone:
      receiver = std::make_unique<Forgetter>(plan.max_bytes);
      break;
    case BodyKind::kJson:
      receiver = std::make_unique<TextReceiver>(plan, budget);
      break;
    case BodyKind::kForm: {
      SIGHTLINE_TRY(const std::string boundary, multipart_boundary(plan.content_type));
      receiver = std::make_unique<FormReceiver>(plan, boundary);
      break;
    }
    case BodyKind::kFile: {
      SIGHTLINE_TRY(SpoolFile file, SpoolFile::create(plan.spool_folder));
      receiver = std::make_unique<FileReceiver>(plan.max_bytes, std::move(file));
      break;
    }
  }
  return receiver;
}

Result<void> prepare_spool_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return io_error(folder.string() + ": " + error.message());
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (it->path().filename().string().starts_with("body-")) fs::remove(it->path(), ignored);
  }
  return {};
}

}  // namespace sightline::http::internal
