// pipeline/collection_archive.h: a folder of files in one tar, with checksums, and back.
//
// The tar (POSIX pax, uncompressed) begins with `manifest.json`:
//   {"format": 1, "about": {...}, "files": [{"name": "db/000012.sst", "bytes": 4711,
//    "xxh3": "HEX32"}, ...]}
// followed by the files in that order. Format page: docs/snapshot_format.md.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "core/deadline.h"
#include "core/json.h"
#include "core/result.h"

namespace sightline::pipeline {

/// 0 <= share <= 1 of the bytes.
using ArchiveProgress = std::function<void(double share)>;

/// Writes every regular file below `folder` into `tar`, which appears whole, synced and under its
/// name once it is complete: a crash leaves at most `tar`.part. Files must not change meanwhile.
///
/// about     goes into the manifest: what this is.
/// returns   the manifest.
/// errors    kAlreadyExists: `tar` is there; kResourceExhausted: disk full; kIoError; kCancelled.
Result<Json> write_archive(const std::filesystem::path& folder, const std::filesystem::path& tar,
                           const Json& about, const ArchiveProgress& progress,
                           const Deadline& deadline);

/// The manifest of an archive. errors  kNotFound, kIoError; kCorruption: not such an archive;
/// kFailedPrecondition: a newer format.
Result<Json> read_archive_manifest(const std::filesystem::path& tar);

/// Extracts into the new folder `folder`, synced. Every name, size and checksum is compared with
/// the manifest; on any difference nothing is left.
///
/// returns   the manifest.
/// errors    kAlreadyExists: `folder` is there; kCorruption names the member and what is wrong
///           (also names that would lead out of `folder`); those of read_archive_manifest();
///           kResourceExhausted, kIoError, kCancelled.
Result<Json> extract_archive(const std::filesystem::path& tar, const std::filesystem::path& folder,
                             const ArchiveProgress& progress, const Deadline& deadline);

}  // namespace sightline::pipeline
