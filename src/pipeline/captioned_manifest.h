// pipeline/captioned_manifest.h: pictures and what is said of them, listed by a JSONL or CSV file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "codecs/decode.h"
#include "core/result.h"
#include "image/image.h"

namespace sightline::pipeline {

/// A manifest as `index` takes it (docs/ingest.md), with a column `caption`. Captions that are
/// equal but for white space at their ends are one caption; rows that name one picture are one
/// picture with several captions. Thread-safety: const methods may run on many threads at once.
class CaptionedManifest {
 public:
  /// `path` ends in .jsonl, .ndjson or .csv; paths in it are relative to its folder. No picture is
  /// opened.
  /// errors  kNotFound, kPermissionDenied, kIoError; kInvalidArgument: another extension, no rows,
  ///         or a row that is malformed or without a caption: names file, line and rule.
  static Result<CaptionedManifest> read(const std::filesystem::path& path);

  CaptionedManifest(CaptionedManifest&&) noexcept;
  CaptionedManifest& operator=(CaptionedManifest&&) noexcept;
  ~CaptionedManifest();

  std::size_t num_pictures() const;
  /// Distinct, in the order in which they come first.
  std::span<const std::string> captions() const;
  /// Of picture `i`: places in captions(), each once.
  std::span<const std::uint32_t> captions_of(std::size_t i) const;
  /// How messages call picture `i`: its path, or TAR#MEMBER.
  std::string name(std::size_t i) const;

  /// Reads and decodes picture `i`.
  /// errors  kNotFound: there is no such file or member; those of codecs::decode(); names the
  ///         picture.
  Result<image::Image> load(std::size_t i, const codecs::DecodeOptions& options) const;

 private:
  struct Parts;
  explicit CaptionedManifest(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace sightline::pipeline
