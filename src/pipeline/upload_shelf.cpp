#include "pipeline/upload_shelf.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "core/log.h"
#include "pipeline/file_uri.h"
#include "pipeline/internal/files.h"
#include "storage/collection_writer.h"
#include "storage/data_lock.h"

namespace sightline::pipeline {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kHexDigits = 64;
constexpr std::string_view kTemporary = ".tmp";

bool is_hash(std::string_view text) {
  return text.size() == kHexDigits && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

/// `folder`, whose parent exists; whether it had to be made.
Result<bool> make_folder(const fs::path& folder) {
  std::error_code error;
  const bool made = fs::create_directory(folder, error);
  if (error) return storage::system_error(error.value(), folder, "create");
  return made;
}

}  // namespace

std::string upload_uri(std::string_view hex, const std::optional<PointId>& id) {
  std::string uri = std::string(storage::kUploadScheme).append(hex);
  return id ? with_id(std::move(uri), *id) : uri;
}

std::optional<std::string> upload_hash(std::string_view uri) {
  if (!uri.starts_with(storage::kUploadScheme)) return std::nullopt;
  std::string_view hex = uri.substr(storage::kUploadScheme.size());
  hex = hex.substr(0, hex.find('#'));
  if (!is_hash(hex)) return std::nullopt;
  return std::string(hex);
}

fs::path UploadShelf::path_of(std::string_view hex) const {
  return folder_ / hex.substr(0, 2) / hex;
}

// --- in ------------------------------------------------------------------------------------------

Result<void> UploadShelf::Deposit::add(const std::string& hex, std::span<const std::byte> bytes) {
  {
    const MutexLock lock(shelf_.mutex_);
    if (pinned_.insert(hex).second) ++shelf_.pins_[hex];
  }
  const fs::path path = shelf_.path_of(hex);
  std::error_code error;
  if (fs::file_size(path, error) == bytes.size() && !error) return {};
  // Not with its parents: the collection may have been deleted.
  SIGHTLINE_TRY(const bool is_first, make_folder(shelf_.folder_));
  if (is_first) SIGHTLINE_TRY_DO(sync_folder(shelf_.folder_.parent_path()));
  SIGHTLINE_TRY(const bool is_new, make_folder(path.parent_path()));
  if (is_new) SIGHTLINE_TRY_DO(sync_folder(shelf_.folder_));
  SIGHTLINE_TRY_DO(shelf_.write(path, bytes));
  folders_.insert(path.parent_path());
  return {};
}

Result<void> UploadShelf::Deposit::sync() {
  for (const fs::path& folder : folders_) SIGHTLINE_TRY_DO(sync_folder(folder));
  folders_.clear();
  return {};
}

UploadShelf::Deposit::~Deposit() {
  const MutexLock lock(shelf_.mutex_);
  for (const std::string& hex : pinned_) {
    const auto pin = shelf_.pins_.find(hex);
    if (--pin->second > 0) continue;
    shelf_.pins_.erase(pin);
    shelf_.remove_if_unnamed(hex, is_named_);
  }
}

Result<void> UploadShelf::write(const fs::path& path, std::span<const std::byte> bytes) {
  fs::path temporary = path;
  {
    const MutexLock lock(mutex_);
    temporary += "." + std::to_string(next_temporary_++) + std::string(kTemporary);
  }
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (file < 0) return storage::system_error(errno, temporary, "create");
  int failed = 0;
  for (std::size_t written = 0; failed == 0 && written < bytes.size();) {
    const ssize_t n = ::write(file, bytes.data() + written, bytes.size() - written);
    if (n >= 0) {
      written += static_cast<std::size_t>(n);
    } else if (errno != EINTR) {
      failed = errno;
    }
  }
  if (failed == 0 && ::fsync(file) != 0) failed = errno;
  ::close(file);
  if (failed == 0 && ::rename(temporary.c_str(), path.c_str()) != 0) failed = errno;
  if (failed == 0) return {};
  ::unlink(temporary.c_str());
  return storage::system_error(failed, path, "write");
}

// --- out -----------------------------------------------------------------------------------------

void UploadShelf::remove_if_unnamed(const std::string& hex, const IsNamed& is_named) {
  if (pins_.contains(hex)) return;  // its deposit looks again
  const auto named = is_named(hex);
  if (!named || *named) return;
  std::error_code error;
  fs::remove(path_of(hex), error);
  if (error) {
    log_warning("uploads", path_of(hex).string() + " cannot be removed: " + error.message());
  }
}

void UploadShelf::remove_unnamed(std::span<const std::string> hashes, const IsNamed& is_named) {
  const MutexLock lock(mutex_);
  for (const std::string& hex : hashes) remove_if_unnamed(hex, is_named);
}

Result<void> UploadShelf::sweep(std::span<const std::string> named) {
  const MutexLock lock(mutex_);
  SIGHTLINE_TRY(const auto folders, names_in(folder_));
  for (const std::string& folder : folders) {
    std::error_code error;
    if (!fs::is_directory(folder_ / folder, error)) continue;
    SIGHTLINE_TRY(const auto names, names_in(folder_ / folder));
    for (const std::string& name : names) {
      const bool is_left_over =
          is_hash(name) ? !std::ranges::binary_search(named, name) && !pins_.contains(name)
                        : name.ends_with(kTemporary);
      if (is_left_over) fs::remove(folder_ / folder / name, error);
    }
  }
  return {};
}

}  // namespace sightline::pipeline
