#include "pipeline/internal/source_scout.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/checksum.h"
#include "core/log.h"
#include "pipeline/file_uri.h"
#include "pipeline/internal/folder_walk.h"
#include "pipeline/internal/tar_reader.h"

namespace sightline::pipeline {
namespace {

struct FreeText {
  void operator()(char* text) const { std::free(text); }
};

std::string lower_extension(const std::string& path) {
  std::string extension = std::filesystem::path(path).extension().string();
  for (char& c : extension) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return extension;
}

Result<InputPath> resolve_input(const std::string& path) {
  if (path.empty()) return invalid_argument("PATH \"\" is empty; it must name a file or folder");
  const std::unique_ptr<char, FreeText> resolved(realpath(path.c_str(), nullptr));
  struct stat status {};
  if (!resolved || stat(resolved.get(), &status) != 0) {
    const int reason = errno;
    const StatusCode code = reason == ENOENT || reason == ENOTDIR ? StatusCode::kNotFound
                            : reason == EACCES                    ? StatusCode::kPermissionDenied
                                                                  : StatusCode::kIoError;
    return Status{code, path + ": " +
                            (code == StatusCode::kNotFound ? "no such file or folder"
                                                           : std::strerror(reason))};
  }
  InputPath input;
  input.path = resolved.get();
  if (S_ISDIR(status.st_mode)) {
    input.kind = InputPath::Kind::kFolder;
    return input;
  }
  if (!S_ISREG(status.st_mode)) {
    return invalid_argument(path + ": is neither a file nor a folder");
  }
  const std::string extension = lower_extension(path);
  if (extension == ".tar") {
    input.kind = InputPath::Kind::kTar;
  } else if (extension == ".jsonl" || extension == ".ndjson") {
    input.kind = InputPath::Kind::kJsonLines;
    SIGHTLINE_TRY_DO(check_manifest(input.path, ManifestKind::kJsonLines));
  } else if (extension == ".csv") {
    input.kind = InputPath::Kind::kCsv;
    SIGHTLINE_TRY_DO(check_manifest(input.path, ManifestKind::kCsv));
  } else if (extension == ".json" || extension == ".npy" || extension == ".tgz" ||
             extension == ".gz" || extension == ".zst" || extension == ".zip") {
    return invalid_argument(path + ": \"" + extension +
                            "\" is not taken; PATH is a folder, a picture, a manifest (.jsonl, "
                            ".ndjson, .csv) or an uncompressed .tar");
  }
  return input;
}

}  // namespace

Result<std::vector<InputPath>> resolve_inputs(const std::vector<std::string>& paths) {
  if (paths.empty()) return invalid_argument("no PATH was given; at least one is needed");
  std::vector<InputPath> inputs;
  for (const std::string& path : paths) {
    SIGHTLINE_TRY(InputPath input, resolve_input(path));
    inputs.push_back(std::move(input));
  }
  return inputs;
}

Result<void> SourceScout::run(const std::vector<InputPath>& inputs) {
  for (const InputPath& input : inputs) {
    if (!wants_more()) break;
    SIGHTLINE_TRY_DO(visit(input));
  }
  if (failure_) return *failure_;
  return {};
}

Result<void> SourceScout::visit(const InputPath& input) {
  switch (input.kind) {
    case InputPath::Kind::kFolder:
      walk_folder(input.path,
                  {NameFilter(options_.exclude), options_.follow_symlinks, options_.hidden}, *this);
      return {};
    case InputPath::Kind::kTar: {
      auto whole = scan_tar(input.path, NameFilter(options_.exclude), *this);
      if (whole) {
        if (*whole && wants_more()) findings_.whole_tars.push_back(input.path);
        return {};
      }
      if (wants_more()) {
        add(bad_source(to_file_uri(input.path), input.path, skip_reason(whole.error().code),
                       whole.error().message));
      }
      return {};
    }
    case InputPath::Kind::kJsonLines:
      return read_manifest(input.path, ManifestKind::kJsonLines, *this);
    case InputPath::Kind::kCsv:
      return read_manifest(input.path, ManifestKind::kCsv, *this);
    case InputPath::Kind::kPicture:
      break;
  }
  struct stat status {};
  Source source;
  source.uri = to_file_uri(input.path);
  source.path = input.path;
  if (stat(input.path.c_str(), &status) != 0) {
    source.problem = errno == ENOENT ? skip::kMissing : skip::kUnreadable;
    source.problem_message = input.path + ": " + std::strerror(errno);
  }
  source.size = static_cast<std::uint64_t>(status.st_size);
  source.mtime_ns = std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
  derive_id(source);
  add(std::move(source));
  return {};
}

bool SourceScout::add(Source source) {
  if (!wants_more()) return false;
  ledger_.found();
  if (!source.problem.empty()) {
    if (source.problem == skip::kMissing) findings_.missing_rows.push_back(source.uri);
    return settle(Tally::kSkipped, source, source.problem, source.problem_message);
  }
  if (!ids_.insert(source.id).second) {
    return settle(Tally::kSkipped, source, skip::kDuplicate,
                  source.id_given ? "the id " + source.id.to_string() + " came before in this run"
                                  : "came before in this run");
  }
  auto record = store_.find_source(source.uri);
  if (!record) {
    failure_ = record.error();
    return false;
  }
  auto work = std::make_shared<Work>();
  work->record = *std::move(record);
  if (const auto& known = work->record;
      known && known->size == source.size && known->mtime_ns == source.mtime_ns) {
    if (known->id) {
      if (!source.payload || source.payload_hash == known->payload_hash) {
        return settle(Tally::kUnchanged, source, {}, {});
      }
      work->payload_only = true;
    } else if (!worth_retrying(*known)) {
      return settle(Tally::kSkipped, source, known->skip_reason, known->skip_message);
    }
  }
  work->source = std::move(source);
  ledger_.work_found();
  return queue_(std::move(work));
}

bool SourceScout::settle(Tally tally, const Source& source, std::string_view reason,
                         std::string message) {
  Outcome outcome;
  outcome.tally = tally;
  if (tally == Tally::kSkipped) {
    outcome.uri = source.uri;
    outcome.path = source.member.empty() ? source.path : source.path + "#" + source.member;
    outcome.reason = reason;
    outcome.message = std::move(message);
  }
  ledger_.settle(outcome, false);
  return wants_more();
}

bool SourceScout::worth_retrying(const SourceRecord& record) const {
  // Permissions, memory and limits change without the file's knowing.
  if (record.skip_reason == skip::kUnreadable || record.skip_reason == skip::kFailed) return true;
  return record.skip_reason == skip::kTooLarge && record.size <= kMaxFileBytes &&
         !record.skip_message.ends_with(codecs::pixel_limit_text(options_.decode.max_pixels));
}

void SourceScout::unreadable_folder(const std::string& path, const std::string& message) {
  log_warning("ingest", "folder cannot be read; what lies below it is left as it is",
              {{"path", path}, {"reason", message}});
  ledger_.unreadable_folder();
  findings_.unreadable_folders.push_back(path);
}

void SourceScout::present(const std::string& uri) {
  if (options_.prune) findings_.present_members.insert(checksum64(uri));
}

}  // namespace sightline::pipeline
