#include "pipeline/internal/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "storage/data_lock.h"

namespace sightline::pipeline {

namespace fs = std::filesystem;

Result<void> make_folders(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return storage::system_error(error.value(), path, "create");
  return {};
}

Result<void> sync_folder(const fs::path& folder) {
  const int file = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return storage::system_error(errno, folder, "open");
  const int failed = fsync(file) != 0 ? errno : 0;
  close(file);
  if (failed != 0) return storage::system_error(failed, folder, "sync");
  return {};
}

Result<void> remove_folder(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) return storage::system_error(error.value(), path, "remove");
  return {};
}

Result<void> rename_folder(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) return storage::system_error(error.value(), from, "rename");
  return sync_folder(to.parent_path());
}

Result<std::set<std::string>> names_in(const fs::path& folder) {
  std::set<std::string> names;
  std::error_code error;
  if (!fs::exists(folder, error)) return names;
  for (fs::directory_iterator at(folder, error); !error && at != fs::end(at); at.increment(error))
    names.insert(at->path().filename().string());
  if (error) return storage::system_error(error.value(), folder, "list");
  return names;
}

std::uint64_t bytes_below(const fs::path& folder) {
  // Files and folders may vanish meanwhile.
  std::uint64_t total = 0;
  std::error_code error;
  for (fs::directory_iterator at(folder, error); !error && at != fs::end(at); at.increment(error)) {
    std::error_code vanished;
    if (at->is_directory(vanished)) total += bytes_below(at->path());
    if (!at->is_regular_file(vanished)) continue;
    const auto size = at->file_size(vanished);
    if (!vanished) total += size;
  }
  return total;
}

Result<void> link_folder(const fs::path& from, const fs::path& to) {
  SIGHTLINE_TRY_DO(make_folders(to));
  std::error_code error;
  for (fs::directory_iterator at(from, error); !error && at != fs::end(at); at.increment(error)) {
    const fs::path target = to / at->path().filename();
    std::error_code failed;
    if (at->is_directory(failed)) {
      SIGHTLINE_TRY_DO(link_folder(at->path(), target));
    } else if (at->is_regular_file(failed)) {
      fs::create_hard_link(at->path(), target, failed);
      if (failed) fs::copy_file(at->path(), target, failed);
      if (failed) return storage::system_error(failed.value(), at->path(), "copy");
    }
  }
  if (error) return storage::system_error(error.value(), from, "list");
  return {};
}

}  // namespace sightline::pipeline
