// index/sidecar.h: files beside an index that are derived from it (docs/sidecar_format.md).
//
// A sidecar says what kind it is, of which version, and the checksum of what it derives from. So a
// stale, damaged or missing one is noticed and can be built anew; a newer one is refused by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/result.h"
#include "index/file_writer.h"

namespace sightline::index {

class MappedFile;  // internal/mapped_file.h

inline constexpr std::size_t kSidecarHeaderBytes = 192;  ///< The payload is 64-byte aligned.

struct SidecarKind {
  std::string_view name;      ///< 1..16 printable ASCII characters: "rows", "vectors"
  std::uint32_t version = 1;  ///< Of the payload's layout.
};

/// Writes one sidecar from front to back. Thread-safety: one thread.
class SidecarWriter {
 public:
  struct Written {
    FileRegion header, payload;
  };
  /// source  XXH3-128 in hex of what the payload derives from.
  /// errors  as FileWriter::create.
  static Result<std::unique_ptr<SidecarWriter>> create(const std::filesystem::path& path,
                                                       const SidecarKind& kind,
                                                       std::string_view source,
                                                       FileCalls& calls = FileCalls::system());
  Result<void> append(std::span<const std::byte> bytes) { return file_->append(bytes); }
  /// Writes the header, syncs, closes.
  Result<Written> finish();

 private:
  SidecarWriter(std::unique_ptr<FileWriter> file, const SidecarKind& kind, std::string_view source);
  std::unique_ptr<FileWriter> file_;
  const std::string kind_, source_;
  const std::uint32_t version_;
};

/// An opened sidecar. Thread-safety: immutable.
struct Sidecar {
  std::span<const std::byte> payload;  ///< Mapped, 64-byte aligned; lives as long as `file`.
  std::shared_ptr<const MappedFile> file;
};

enum class SidecarCheck { kHeader, kAll };  ///< kAll: the payload against its checksum too.

/// errors  kNotFound: no such file. kCorruption: damaged, of another kind, of an older version, or
///         derived from something else than `source` (stale). kFailedPrecondition: a newer version,
///         of the kind or of the header. kIoError.
Result<Sidecar> open_sidecar(const std::filesystem::path& path, const SidecarKind& kind,
                             std::string_view source, SidecarCheck check);

/// open_sidecar(), but one that is missing or that kCorruption would be said of is written anew by
/// `build`, under another name first.
Result<Sidecar> open_or_build_sidecar(const std::filesystem::path& path, const SidecarKind& kind,
                                      std::string_view source, SidecarCheck check,
                                      const std::function<Result<void>(SidecarWriter&)>& build,
                                      FileCalls& calls = FileCalls::system());

}  // namespace sightline::index
