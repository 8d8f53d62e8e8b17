// tests/storage/faulty_file_system.h: a file system that fails on demand, and forgets what was not
// synced.
#pragma once

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/system_clock.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "storage/internal/rocksdb_database.h"

namespace sightline::storage {

/// Counts operations that change files, and lets one of them fail. Nothing is really synced (the
/// test's process does not die with the machine); lose_power() takes away what was not.
/// Thread-safety: safe to share; lose_power() while nothing is open.
class FaultyFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  enum class Fault {
    kOnce,  ///< The operation fails, half done where it writes.
    kDead,  ///< And so does all that follows.
    kFull,  ///< From it on nothing finds room; the rest works.
  };

  /// `attic` is an empty folder on the same file system as the files.
  explicit FaultyFileSystem(std::filesystem::path attic)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), attic_(std::move(attic)) {}
  const char* Name() const override { return "FaultyFileSystem"; }

  /// The `nth` operation from now, from 1.
  void fail_at(std::uint64_t nth, Fault fault) {
    const std::lock_guard lock(mutex_);
    fault_ = fault;
    fail_at_ = nth;
    num_operations_ = 0;
    has_failed_ = false;
  }
  void heal() { fail_at(0, Fault::kOnce); }
  bool has_failed() const {
    const std::lock_guard lock(mutex_);
    return has_failed_;
  }

  /// Undoes all that a sudden end of power would: bytes that were not synced, and names made,
  /// changed or removed in a folder that was not synced since.
  void lose_power() {
    const std::lock_guard lock(mutex_);
    std::error_code ignored;
    for (const auto& [path, file] : files_) {
      const auto size = std::filesystem::file_size(path, ignored);
      if (!ignored && size > file->synced)
        std::filesystem::resize_file(path, file->synced, ignored);
    }
    for (auto undo = undos_.rbegin(); undo != undos_.rend(); ++undo) undo->action();
    undos_.clear();
    files_.clear();
  }

  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* result,
                                    rocksdb::IODebugContext* debug) override {
    if (auto failed = step(kNeedsRoom); !failed.ok()) return failed;
    const bool is_new = !std::filesystem::exists(path);
    auto status = target()->NewWritableFile(path, options, result, debug);
    if (!status.ok()) return status;
    if (is_new) undo_in_folder_of(path, [path] { unlink(path.c_str()); });
    wrap(path, 0, result);
    return status;
  }
  rocksdb::IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* result,
                                       rocksdb::IODebugContext* debug) override {
    if (auto failed = step(kNeedsRoom); !failed.ok()) return failed;
    std::error_code error;
    const auto size = std::filesystem::file_size(path, error);
    if (error) undo_in_folder_of(path, [path] { unlink(path.c_str()); });
    auto status = target()->ReopenWritableFile(path, options, result, debug);
    if (status.ok()) wrap(path, error ? 0 : size, result);
    return status;
  }
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
    if (auto failed = step(); !failed.ok()) return failed;
    const std::string kept = keep(to);
    auto status = target()->RenameFile(from, to, options, debug);
    if (!status.ok()) return status;
    moved(to, kept);
    moved(from, to);
    undo_in_folder_of(to, [=] {
      rename(to.c_str(), from.c_str());
      if (!kept.empty()) rename(kept.c_str(), to.c_str());
    });
    return status;
  }
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
    if (auto failed = step(); !failed.ok()) return failed;
    const std::string kept = keep(path);
    auto status = target()->DeleteFile(path, options, debug);
    if (!status.ok()) return status;
    moved(path, kept);
    undo_in_folder_of(path, [=] { rename(kept.c_str(), path.c_str()); });
    return status;
  }
  rocksdb::IOStatus LinkFile(const std::string& from, const std::string& to,
                             const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override {
    if (auto failed = step(kNeedsRoom); !failed.ok()) return failed;
    auto status = target()->LinkFile(from, to, options, debug);
    if (status.ok()) undo_in_folder_of(to, [to] { unlink(to.c_str()); });
    return status;
  }
  rocksdb::IOStatus CreateDir(const std::string& path, const rocksdb::IOOptions& options,
                              rocksdb::IODebugContext* debug) override {
    if (auto failed = step(kNeedsRoom); !failed.ok()) return failed;
    return target()->CreateDir(path, options, debug);
  }
  rocksdb::IOStatus NewDirectory(const std::string& path, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* result,
                                 rocksdb::IODebugContext* debug) override {
    if (auto failed = step(); !failed.ok()) return failed;
    auto status = target()->NewDirectory(path, options, result, debug);
    if (status.ok()) *result = std::make_unique<Directory>(*this, path, std::move(*result));
    return status;
  }

 private:
  struct File {
    std::uint64_t size = 0, synced = 0;  // bytes; guarded by mutex_
  };
  struct Undo {
    std::filesystem::path folder;
    std::function<void()> action;
  };
  enum Room : bool { kNeedsNone, kNeedsRoom };

  class WritableFile final : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    WritableFile(FaultyFileSystem& system, std::shared_ptr<File> file,
                 std::unique_ptr<rocksdb::FSWritableFile>&& target)
        : FSWritableFileOwnerWrapper(std::move(target)), system_(system), file_(std::move(file)) {}

    using FSWritableFileOwnerWrapper::Append;
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override {
      auto failed = system_.step(kNeedsRoom);
      const std::size_t length = failed.ok() ? data.size() : data.size() / 2;
      auto appended = target()->Append(rocksdb::Slice(data.data(), length), options, debug);
      const std::lock_guard lock(system_.mutex_);
      file_->size += length;
      return failed.ok() ? appended : failed;
    }
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             const rocksdb::DataVerificationInfo&,
                             rocksdb::IODebugContext* debug) override {
      return Append(data, options, debug);
    }
    rocksdb::IOStatus Truncate(std::uint64_t size, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override {
      if (auto failed = system_.step(); !failed.ok()) return failed;
      const std::lock_guard lock(system_.mutex_);
      file_->size = size;
      return target()->Truncate(size, options, debug);
    }
    rocksdb::IOStatus Close(const rocksdb::IOOptions& options,
                            rocksdb::IODebugContext* debug) override {
      auto failed = system_.step();
      auto closed = target()->Close(options, debug);
      return failed.ok() ? closed : failed;
    }
    rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* debug) override {
      if (auto failed = system_.step(); !failed.ok()) return failed;
      auto flushed = target()->Flush(options, debug);
      const std::lock_guard lock(system_.mutex_);
      file_->synced = file_->size;
      return flushed;
    }
    rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                            rocksdb::IODebugContext* debug) override {
      return Sync(options, debug);
    }
    rocksdb::IOStatus RangeSync(std::uint64_t, std::uint64_t, const rocksdb::IOOptions&,
                                rocksdb::IODebugContext*) override {
      return rocksdb::IOStatus::OK();  // Promises nothing.
    }

   private:
    FaultyFileSystem& system_;
    std::shared_ptr<File> file_;
  };

  class Directory final : public rocksdb::FSDirectoryWrapper {
   public:
    Directory(FaultyFileSystem& system, std::filesystem::path path,
              std::unique_ptr<rocksdb::FSDirectory>&& target)
        : FSDirectoryWrapper(std::move(target)), system_(system), path_(std::move(path)) {}
    rocksdb::IOStatus Fsync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
      if (auto failed = system_.step(); !failed.ok()) return failed;
      system_.folder_synced(path_);
      return rocksdb::IOStatus::OK();
    }
    rocksdb::IOStatus FsyncWithDirOptions(const rocksdb::IOOptions& options,
                                          rocksdb::IODebugContext* debug,
                                          const rocksdb::DirFsyncOptions&) override {
      return Fsync(options, debug);
    }

   private:
    FaultyFileSystem& system_;
    const std::filesystem::path path_;
  };

  rocksdb::IOStatus step(Room room = kNeedsNone) {
    const std::lock_guard lock(mutex_);
    ++num_operations_;
    if (fail_at_ == 0 || num_operations_ < fail_at_) return rocksdb::IOStatus::OK();
    if (fault_ == Fault::kOnce && has_failed_) return rocksdb::IOStatus::OK();
    if (fault_ == Fault::kFull && room == kNeedsNone) return rocksdb::IOStatus::OK();
    has_failed_ = true;
    if (fault_ == Fault::kFull) return rocksdb::IOStatus::NoSpace("No space left on device");
    return rocksdb::IOStatus::IOError("made to fail");
  }

  void wrap(const std::string& path, std::uint64_t synced,
            std::unique_ptr<rocksdb::FSWritableFile>* result) {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<File>& file = files_[path];
    if (!file || synced == 0) file = std::make_shared<File>(File{synced, synced});
    *result = std::make_unique<WritableFile>(*this, file, std::move(*result));
  }

  /// A second name for a file that is about to lose its own; empty if there is none.
  std::string keep(const std::string& path) {
    const std::lock_guard lock(mutex_);
    std::string kept = attic_ / std::to_string(num_kept_++);
    std::error_code error;
    std::filesystem::create_hard_link(path, kept, error);
    return error ? std::string() : kept;
  }

  void moved(const std::string& from, const std::string& to) {
    const std::lock_guard lock(mutex_);
    const auto file = files_.find(from);
    if (file == files_.end() || to.empty()) return;
    files_[to] = file->second;
    files_.erase(from);
  }

  void undo_in_folder_of(const std::filesystem::path& path, std::function<void()> action) {
    const std::lock_guard lock(mutex_);
    undos_.push_back({path.parent_path(), std::move(action)});
  }

  void folder_synced(const std::filesystem::path& folder) {
    const std::lock_guard lock(mutex_);
    std::erase_if(undos_, [&](const Undo& undo) { return undo.folder == folder; });
  }

  mutable std::mutex mutex_;
  const std::filesystem::path attic_;
  std::uint64_t num_kept_ = 0;
  Fault fault_ = Fault::kOnce;
  std::uint64_t fail_at_ = 0, num_operations_ = 0;  // fail_at_ 0: never
  bool has_failed_ = false;
  std::map<std::string, std::shared_ptr<File>> files_;
  std::vector<Undo> undos_;
};

/// RocksDB sleeps for a second after a background write that failed.
class ImpatientClock final : public rocksdb::SystemClockWrapper {
 public:
  ImpatientClock() : SystemClockWrapper(rocksdb::SystemClock::Default()) {}
  const char* Name() const override { return "ImpatientClock"; }
  void SleepForMicroseconds(int micros) override {
    SystemClockWrapper::SleepForMicroseconds(std::min(micros, 1000));
  }
};

class FaultyEnv final : public rocksdb::EnvWrapper {
 public:
  explicit FaultyEnv(const std::shared_ptr<FaultyFileSystem>& files)
      : EnvWrapper(rocksdb::NewCompositeEnv(files)) {
    file_system_ = files;
    system_clock_ = std::make_shared<ImpatientClock>();
  }
};

/// A budget whose databases work on `files`.
inline std::shared_ptr<SharedBudget> budget_on(const std::shared_ptr<FaultyFileSystem>& files) {
  auto budget = SharedBudget::create({8 << 20, 8 << 20});
  static_cast<RocksBudget&>(*budget).env = std::make_shared<FaultyEnv>(files);
  return budget;
}

}  // namespace sightline::storage
