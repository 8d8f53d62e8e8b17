// pipeline/upload_shelf.h: the files of a collection's uploads.
//
//   uploads/3f/3f9a02c1...   a picture's bytes, by the SHA-256 of them (64 hex digits)
//   uploads/3f/*.tmp         on its way in
// Uploads are truth, but a file is only as much worth as the source that names it: what no source
// names goes, at once or when the collection is opened again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/mutex.h"
#include "core/point_id.h"
#include "core/result.h"

namespace sightline::pipeline {

/// "sha256:HEX", or "sha256:HEX#id=ID".
std::string upload_uri(std::string_view hex, const std::optional<PointId>& id);
/// The HEX of an upload's URI; nothing for another one.
std::optional<std::string> upload_hash(std::string_view uri);

/// Thread-safety: all methods may be called from any thread.
class UploadShelf {
 public:
  /// Whether a source names the upload.
  using IsNamed = std::function<Result<bool>(const std::string& hex)>;

  /// `folder` is made with the first upload, in a folder that exists.
  explicit UploadShelf(std::filesystem::path folder) : folder_(std::move(folder)) {}

  std::filesystem::path path_of(std::string_view hex) const;

  /// Uploads on their way in. They stay, whatever is deleted meanwhile, until this goes; those that
  /// no source names by then go with it.
  class Deposit {
   public:
    Deposit(UploadShelf& shelf, IsNamed is_named) : shelf_(shelf), is_named_(std::move(is_named)) {}
    ~Deposit();
    Deposit(const Deposit&) = delete;
    Deposit& operator=(const Deposit&) = delete;

    /// Stores `bytes`, unless they are there. errors  kNotFound: the collection is gone;
    /// kResourceExhausted: disk full; kIoError, kPermissionDenied.
    Result<void> add(const std::string& hex, std::span<const std::byte> bytes);
    /// What was added lasts once this returns.
    Result<void> sync();

   private:
    UploadShelf& shelf_;
    const IsNamed is_named_;
    std::set<std::string> pinned_;
    std::set<std::filesystem::path> folders_;  // to be synced
  };

  /// Removes those of `hashes` that no source names and no deposit holds.
  void remove_unnamed(std::span<const std::string> hashes, const IsNamed& is_named);
  /// Removes every file but those of `named` (sorted), and what a crash left. For opening.
  /// errors  kIoError, kPermissionDenied: the folder cannot be listed.
  Result<void> sweep(std::span<const std::string> named);

 private:
  Result<void> write(const std::filesystem::path& path, std::span<const std::byte> bytes);
  void remove_if_unnamed(const std::string& hex, const IsNamed& is_named) REQUIRES(mutex_);

  const std::filesystem::path folder_;
  mutable Mutex mutex_;
  std::map<std::string, std::size_t> pins_ GUARDED_BY(mutex_);  // of deposits
  std::uint64_t next_temporary_ GUARDED_BY(mutex_) = 0;
};

}  // namespace sightline::pipeline
