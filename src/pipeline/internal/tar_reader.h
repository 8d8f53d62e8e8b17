// pipeline/internal/tar_reader.h: members of tar files (libarchive), by walking and by position.
//
// A tar is walked by its headers alone; contents are read later, each member from the position of
// its header, so many can be read at once and unchanged ones never are. Only plain, uncompressed
// tars allow that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/result.h"
#include "pipeline/internal/name_filter.h"
#include "pipeline/internal/sources.h"

namespace sightline::pipeline {

bool has_tar_extension(std::string_view path);  ///< ".tar", any case.

struct TarMember {
  std::string name;          ///< Without a leading "./".
  std::uint64_t offset = 0;  ///< Of its header.
  std::uint64_t size = 0;    ///< bytes
};

/// One tar opened at a position. Thread-safety: one thread.
class TarStream {
 public:
  /// errors  kNotFound, kPermissionDenied, kIoError; kCorruption: not a tar; names the path.
  static Result<TarStream> open(const std::string& path, std::uint64_t offset = 0);
  ~TarStream();
  TarStream(TarStream&&) noexcept;

  /// The next regular file; false at the end. errors  kCorruption: cut (also within the contents of
  /// this file) or damaged.
  Result<bool> next(TarMember& member);
  /// Appends up to `max_bytes` of the current member to `out`. errors  kCorruption: cut short.
  Result<void> read(std::uint64_t max_bytes, std::vector<std::byte>& out);

  std::int64_t mtime_ns() const;  ///< Of the tar file.
  std::uint64_t size() const;     ///< bytes, of the tar file

 private:
  struct Impl;
  explicit TarStream(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// The pictures of a WebDataset tar. Members that are neighbours and share a key (the name up to
/// the first "." of its last part) are one sample: each of its pictures becomes a source; KEY.json
/// (an object) gives the columns, KEY.txt the column "caption" unless the JSON has one; others are
/// passed over. A sample with bad JSON comes as bad rows. Returns whether the tar was read to its
/// end: if it is damaged, cut (the member that is cut is not given) or a file of 0 bytes, that
/// itself is given to the sink as one bad source. errors  as TarStream::open(), but for
/// kCorruption.
Result<bool> scan_tar(const std::string& path, const NameFilter& filter, SourceSink& sink);

/// Finds members by name, for manifests. Thread-safety: one thread.
class TarIndex {
 public:
  struct Entry {
    std::map<std::string, TarMember, std::less<>> members;
    std::int64_t mtime_ns = 0;
    std::string damage;  ///< Why reading ended early; empty if it did not.
  };
  /// errors  as TarStream::open().
  Result<const Entry*> tar(const std::string& path);

 private:
  std::map<std::string, Entry> tars_;
};

/// The columns that a user may not name, because ingest and enrichment write them.
bool is_reserved_column(std::string_view name);

}  // namespace sightline::pipeline
