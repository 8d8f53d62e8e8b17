#include "storage/internal/manifest_mark.h"

#include <fstream>
#include <string>
#include <utility>

#include "core/mutex.h"

namespace sightline::storage {
namespace {

constexpr const char* kMarkName = "manifest-size";

std::string manifest_in_use(const std::filesystem::path& folder) {
  std::string name;
  std::ifstream(folder / "CURRENT") >> name;
  return name;
}

class Marker final : public rocksdb::EventListener {
 public:
  Marker(rocksdb::Env& env, std::filesystem::path folder) : env_(env), folder_(std::move(folder)) {}
  void OnFlushCompleted(rocksdb::DB*, const rocksdb::FlushJobInfo&) override {
    const MutexLock lock(mutex_);
    mark_manifest(env_, folder_);
  }

 private:
  Mutex mutex_;
  rocksdb::Env& env_;
  const std::filesystem::path folder_;
};

}  // namespace

void mark_manifest(rocksdb::Env& env, const std::filesystem::path& folder) {
  const std::string name = manifest_in_use(folder);
  const std::string path = folder / name;
  std::uint64_t size = 0;
  std::unique_ptr<rocksdb::WritableFile> file;
  rocksdb::Status status = env.GetFileSize(path, &size);
  if (status.ok()) status = env.ReopenWritableFile(path, &file, rocksdb::EnvOptions());
  if (status.ok()) status = file->Sync();
  if (!status.ok()) return;
  const std::string mark = folder / kMarkName;
  const std::string text = name + " " + std::to_string(size) + "\n";
  status = rocksdb::WriteStringToFile(&env, text, mark + ".tmp");
  if (status.ok()) status = env.RenameFile(mark + ".tmp", mark);
  status.PermitUncheckedError();
}

Result<void> check_manifest(const std::filesystem::path& folder) {
  const std::string name = manifest_in_use(folder);
  std::string marked;
  std::uintmax_t marked_size = 0;
  std::ifstream(folder / kMarkName) >> marked >> marked_size;
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(folder / name, error);
  if (error || marked != name || size >= marked_size) return {};
  return corruption((folder / name).string() + " is " + std::to_string(size) + " bytes, but was " +
                    std::to_string(marked_size) + ": it was cut short");
}

std::shared_ptr<rocksdb::EventListener> manifest_marker(rocksdb::Env& env,
                                                        std::filesystem::path folder) {
  return std::make_shared<Marker>(env, std::move(folder));
}

}  // namespace sightline::storage
