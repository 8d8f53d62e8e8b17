#include "pipeline/internal/folder_walk.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "codecs/decode.h"
#include "pipeline/file_uri.h"

namespace sightline::pipeline {
namespace {

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};

/// Names in `path`, sorted; errno's text on failure.
Result<std::vector<std::string>> list_folder(const std::string& path) {
  const std::unique_ptr<DIR, CloseFolder> folder(opendir(path.c_str()));
  if (!folder) return io_error(std::strerror(errno));
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(folder.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return io_error(std::strerror(errno));
  std::sort(names.begin(), names.end());
  return names;
}

std::string join(const std::string& folder, const std::string& name) {
  return folder.ends_with('/') ? folder + name : folder + "/" + name;
}

struct FreeText {
  void operator()(char* text) const { std::free(text); }
};

/// A folder being walked.
struct Level {
  std::string path;   ///< Resolved.
  std::string below;  ///< As reached from the root: "" or "a/b/".
  std::vector<std::string> names;
  std::size_t next = 0;
};

class Walk {
 public:
  Walk(const WalkOptions& options, SourceSink& sink) : options_(options), sink_(sink) {}

  void run(const std::string& root) {
    enter(root, "");
    while (!levels_.empty() && sink_.wants_more()) {
      Level& level = levels_.back();
      if (level.next == level.names.size()) {
        levels_.pop_back();
        continue;
      }
      const std::string name = std::move(level.names[level.next++]);
      if (!visit(std::string(level.path), std::string(level.below), name)) return;
    }
  }

 private:
  void enter(const std::string& path, const std::string& below) {
    struct stat status {};
    if (options_.follow_symlinks && stat(path.c_str(), &status) == 0 &&
        !entered_.emplace(status.st_dev, status.st_ino).second) {
      return;
    }
    auto names = list_folder(path);
    if (!names) {
      sink_.unreadable_folder(path, names.error().message);
      return;
    }
    levels_.push_back(Level{path, below, *std::move(names)});
  }

  /// False if the sink wants no more. May grow `levels_`: the arguments must not lie in it.
  bool visit(const std::string& folder, const std::string& folder_below, const std::string& name) {
    if (!options_.hidden && name.starts_with('.')) return true;
    std::string path = join(folder, name);
    const std::string below = folder_below + name;

    struct stat status {};
    if (lstat(path.c_str(), &status) != 0) {
      const int reason = errno;
      if (reason == ENOENT || !codecs::has_picture_extension(name)) return true;
      if (options_.filter.excludes(below, false)) return true;
      return sink_.add(bad_source(to_file_uri(path), path, skip::kUnreadable,
                                  path + ": " + std::strerror(reason)));
    }
    if (S_ISLNK(status.st_mode)) {
      if (!options_.follow_symlinks) return true;
      const std::unique_ptr<char, FreeText> resolved(realpath(path.c_str(), nullptr));
      if (!resolved || stat(resolved.get(), &status) != 0) return true;  // leads nowhere
      path = resolved.get();
    }
    if (S_ISDIR(status.st_mode)) {
      if (!options_.filter.excludes(below, true)) enter(path, below + "/");
      return true;
    }
    if (!S_ISREG(status.st_mode) || !codecs::has_picture_extension(name)) return true;
    if (options_.filter.excludes(below, false)) return true;

    Source source;
    source.uri = to_file_uri(path);
    source.path = std::move(path);
    source.size = static_cast<std::uint64_t>(status.st_size);
    source.mtime_ns = std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
    derive_id(source);
    return sink_.add(std::move(source));
  }

  const WalkOptions& options_;
  SourceSink& sink_;
  std::vector<Level> levels_;
  std::set<std::pair<dev_t, ino_t>> entered_;  // only while following links
};

}  // namespace

void walk_folder(const std::string& root, const WalkOptions& options, SourceSink& sink) {
  Walk(options, sink).run(root);
}

}  // namespace sightline::pipeline
