// codecs/decode.h: bytes of a picture file -> pixels.
//
// JPEG (libjpeg), PNG (libpng), WebP (libwebp, first frame), TIFF (libtiff, first page), BMP (our
// own), GIF (giflib, first frame), HEIC and AVIF (libheif); always from memory. The header is
// parsed by our own code first, so that limits are checked before a byte is decoded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "image/image.h"

namespace sightline::codecs {

enum class Format { kJpeg, kPng, kWebp, kTiff, kBmp, kGif, kHeic, kAvif };
std::string_view format_name(Format format);  ///< "jpeg", "png", ...

/// Whether a file of this name is taken for a picture when a folder is walked (by extension,
/// any case).
bool has_picture_extension(const std::filesystem::path& path);

/// What the header says, before anything is decoded.
struct ImageHeader {
  Format format = Format::kPng;
  std::size_t width = 0, height = 0;  ///< Stored size, before orientation.
  int orientation = 1;                ///< EXIF 1..8.
  bool animated = false;
  bool has_alpha = false;       ///< As far as the header tells.
  bool buffered = false;        ///< Progressive or interlaced: the codec keeps the whole picture.
  std::uint64_t min_bytes = 0;  ///< A file of fewer bytes cannot hold the picture; 0: not known.
};

/// errors  kInvalidArgument: not a known picture format, empty; kCorruption: header cut or
/// senseless
///         (zero-sized).
Result<ImageHeader> parse_header(std::span<const std::byte> bytes);

enum class AlphaRule {
  kWhite,  ///< Composite on white.
  kDrop,   ///< Drop the channel, as Hugging Face's processors do.
};
Result<AlphaRule> parse_alpha_rule(std::string_view text);  ///< "white" or "drop".

struct DecodeOptions {
  std::uint64_t max_pixels = 100'000'000;  ///< width * height; more is kResourceExhausted.
  AlphaRule alpha = AlphaRule::kWhite;
};

/// "the limit image.max_pixels is N": what the message of check_pixels() ends in.
std::string pixel_limit_text(std::uint64_t max_pixels);
/// errors  kResourceExhausted: more than `max_pixels` pixels; names format, size and limit.
Result<void> check_pixels(const ImageHeader& header, std::uint64_t max_pixels);

/// Bytes that decoding `header` takes at its peak (pixels and working copies), for the budget.
std::uint64_t decode_cost_bytes(const ImageHeader& header);

/// 8-bit RGB with orientation applied; 16-bit samples are `value >> 8`; gray is repeated; palettes
/// are looked up; CMYK by Pillow's plain formula; colour profiles are ignored.
/// errors  as parse_header(), then as check_pixels(); kCorruption: truncated or damaged data.
///         Thread-safe; never throws.
/// `spare` is a picture that nobody needs any more: where the format allows (JPEG) and its size
/// is about right its memory is used again, which saves zeroing it and taking it from the system, a
/// twentieth of the time.
Result<image::Image> decode(std::span<const std::byte> bytes, const DecodeOptions& options,
                            image::Image spare = {});

/// Reads a whole file. errors  kNotFound, kPermissionDenied, kIoError; kResourceExhausted over
/// `max_bytes`; kInvalidArgument: not a regular file. Names the path.
Result<std::vector<std::byte>> read_file(const std::filesystem::path& path,
                                         std::uint64_t max_bytes = std::uint64_t{1} << 30);

}  // namespace sightline::codecs
