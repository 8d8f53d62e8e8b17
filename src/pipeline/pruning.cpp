#include "pipeline/internal/pruning.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "core/checksum.h"
#include "pipeline/file_uri.h"

namespace sightline::pipeline {
namespace {

constexpr std::size_t kOpsPerCommit = 1000;

bool lies_below(const std::string& path, const std::string& folder) {
  return path.starts_with(folder) &&
         (folder.ends_with('/') || (path.size() > folder.size() && path[folder.size()] == '/'));
}

/// Only a clear "no such file" counts; a folder in its place is not the file.
bool is_gone(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) == 0) return S_ISDIR(status.st_mode);
  return errno == ENOENT || errno == ENOTDIR;
}

class Pruning {
 public:
  Pruning(CollectionStore& store, const ScoutFindings& findings,
          const std::function<bool()>& stopped)
      : store_(store), findings_(findings), stopped_(stopped) {}

  Result<void> below_folder(const std::string& folder) {
    const std::string prefix = to_file_uri(folder.ends_with('/') ? folder : folder + "/");
    return each(prefix, [&](const SourceName& name) {
      return is_gone(name.path) &&
             std::none_of(findings_.unreadable_folders.begin(), findings_.unreadable_folders.end(),
                          [&](const std::string& f) { return lies_below(name.path, f); });
    });
  }

  Result<void> within_tar(const std::string& tar) {
    return each(to_file_uri(tar) + "#", [&](const SourceName& name) {
      return !name.member.empty() &&
             !findings_.present_members.contains(checksum64(to_member_uri(name.path, name.member)));
    });
  }

  Result<void> missing_rows() {
    for (const std::string& uri : findings_.missing_rows) {
      SIGHTLINE_TRY(const auto record, store_.find_source(uri));
      if (record) remove(*record);
    }
    return commit();
  }

  std::uint64_t num_points() const { return num_points_; }

 private:
  /// Removes the sources below `prefix` that `is_doomed` names.
  template <typename Predicate>
  Result<void> each(const std::string& prefix, Predicate is_doomed) {
    SIGHTLINE_TRY_DO(store_.visit_sources(prefix, [&](const SourceRecord& record) {
      const auto name = parse_source_uri(record.uri);
      if (name && is_doomed(*name)) remove(record);
      return !stopped_();
    }));
    return commit();
  }

  void remove(const SourceRecord& record) {
    doomed_.push_back(Doomed{record.uri, record.id.has_value()});
  }

  Result<void> commit() {
    for (std::size_t first = 0; first < doomed_.size() && !stopped_(); first += kOpsPerCommit) {
      std::vector<WriteOp> ops;
      std::uint64_t num_points = 0;
      for (std::size_t i = first; i < std::min(first + kOpsPerCommit, doomed_.size()); ++i) {
        ops.push_back(DeleteSource{std::move(doomed_[i].uri)});
        num_points += doomed_[i].has_point ? 1 : 0;
      }
      SIGHTLINE_TRY_DO(store_.write(std::move(ops)));
      num_points_ += num_points;
    }
    doomed_.clear();
    return {};
  }

  struct Doomed {
    std::string uri;
    bool has_point = false;
  };
  CollectionStore& store_;
  const ScoutFindings& findings_;
  const std::function<bool()>& stopped_;
  std::vector<Doomed> doomed_;
  std::uint64_t num_points_ = 0;
};

}  // namespace

Result<std::uint64_t> prune(CollectionStore& store, const std::vector<InputPath>& inputs,
                            const ScoutFindings& findings, const std::function<bool()>& stopped) {
  Pruning pruning(store, findings, stopped);
  for (const InputPath& input : inputs) {
    if (stopped()) break;
    if (input.kind == InputPath::Kind::kFolder) {
      SIGHTLINE_TRY_DO(pruning.below_folder(input.path));
    }
    const auto& tars = findings.whole_tars;
    if (input.kind == InputPath::Kind::kTar &&
        std::find(tars.begin(), tars.end(), input.path) != tars.end()) {
      SIGHTLINE_TRY_DO(pruning.within_tar(input.path));
    }
  }
  SIGHTLINE_TRY_DO(pruning.missing_rows());
  return pruning.num_points();
}

}  // namespace sightline::pipeline
