#include "codecs/decode.h"

#include <algorithm>
#include <array>
#include <exception>
#include <new>
#include <optional>
#include <utility>

#include "codecs/internal/formats.h"
#include "codecs/internal/pixels.h"

namespace sightline::codecs {
namespace {

constexpr std::string_view kExtensions[] = {".jpg",  ".jpeg", ".jpe",  ".jfif", ".png", ".apng",
                                            ".webp", ".tif",  ".tiff", ".bmp",  ".dib", ".gif",
                                            ".heic", ".heif", ".hif",  ".avif"};

// ISO base media files name what they hold by four-letter brands (ISO 23008-12, AV1-in-HEIF).
constexpr std::string_view kHeicBrands[] = {"heic", "heix", "heim", "heis", "hevc", "hevx"};
constexpr std::string_view kAvifBrands[] = {"avif", "avis"};

bool is_one_of(ByteView bytes, std::uint64_t at, std::span<const std::string_view> brands) {
  return std::any_of(brands.begin(), brands.end(),
                     [&](std::string_view brand) { return bytes.starts_with(brand, at); });
}

std::optional<Format> sniff_iso_media(ByteView bytes) {
  if (!bytes.starts_with("ftyp", 4)) return std::nullopt;
  const std::uint64_t end = std::min<std::uint64_t>(bytes.be32(0), bytes.size());
  // The major brand at 8, the minor version at 12, then compatible brands.
  for (std::uint64_t at = 8; at + 4 <= end; at += at == 8 ? 8 : 4) {
    if (is_one_of(bytes, at, kAvifBrands)) return Format::kAvif;
    if (is_one_of(bytes, at, kHeicBrands)) return Format::kHeic;
  }
  return bytes.starts_with("mif1", 8) || bytes.starts_with("msf1", 8) ? std::optional(Format::kHeic)
                                                                      : std::nullopt;
}

bool is_bmp(ByteView bytes) {
  // A text may begin with "BM", too; the sizes of the known headers tell.
  constexpr std::array<std::uint32_t, 7> kHeaderSizes{12, 40, 52, 56, 64, 108, 124};
  return bytes.starts_with("BM") &&
         std::find(kHeaderSizes.begin(), kHeaderSizes.end(), bytes.le32(14)) != kHeaderSizes.end();
}

std::optional<Format> sniff(ByteView bytes) {
  if (bytes.starts_with("\xFF\xD8\xFF")) return Format::kJpeg;
  if (bytes.starts_with("\x89PNG\r\n\x1A\n")) return Format::kPng;
  if (bytes.starts_with("RIFF") && bytes.starts_with("WEBP", 8)) return Format::kWebp;
  if (bytes.starts_with("GIF87a") || bytes.starts_with("GIF89a")) return Format::kGif;
  if (bytes.starts_with({"II*\0", 4}) || bytes.starts_with({"MM\0*", 4}) ||
      bytes.starts_with({"II+\0", 4}) || bytes.starts_with({"MM\0+", 4})) {
    return Format::kTiff;
  }
  if (is_bmp(bytes)) return Format::kBmp;
  return sniff_iso_media(bytes);
}

Result<ImageHeader> header_of(ByteView bytes, Format format) {
  switch (format) {
    case Format::kJpeg:
      return jpeg_header(bytes);
    case Format::kPng:
      return png_header(bytes);
    case Format::kWebp:
      return webp_header(bytes);
    case Format::kTiff:
      return tiff_header(bytes);
    case Format::kBmp:
      return bmp_header(bytes);
    case Format::kGif:
      return gif_header(bytes);
    case Format::kHeic:
    case Format::kAvif:
      return heif_header(bytes, format);
  }
  return internal_error("unknown picture format");
}

Result<image::Image> stored_pixels(ByteView bytes, const ImageHeader& header, AlphaRule alpha,
                                   image::Image spare) {
  switch (header.format) {
    case Format::kJpeg:
      return decode_jpeg(bytes, header, std::move(spare));
    case Format::kPng:
      return decode_png(bytes, header, alpha);
    case Format::kWebp:
      return decode_webp(bytes, header, alpha);
    case Format::kTiff:
      return decode_tiff(bytes, header, alpha);
    case Format::kBmp:
      return decode_bmp(bytes, header, alpha);
    case Format::kGif:
      return decode_gif(bytes, header, alpha);
    case Format::kHeic:
    case Format::kAvif:
      return decode_heif(bytes, header, alpha);
  }
  return internal_error("unknown picture format");
}

// What the libraries' C++ parts may throw ends here.
template <typename F>
auto without_exceptions(F&& call) -> decltype(call()) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return Status{StatusCode::kResourceExhausted, "no memory to decode the picture"};
  } catch (const std::exception& e) {
    return internal_error(std::string("decoding a picture: ") + e.what());
  }
}

// Bytes a pixel at the peak, ours included.
std::uint64_t bytes_per_pixel(const ImageHeader& header) {
  switch (header.format) {
    case Format::kJpeg:
      return header.buffered ? 3 + 6 : 3;  // coefficients: 16 bits, up to three full planes
    case Format::kPng:
      return header.buffered && header.has_alpha ? 4 : 3;
    case Format::kWebp:
      return 4 + 4;  // the lossless decoder keeps its own ARGB
    case Format::kTiff:
      return 4 + 4;  // a strip may be the whole picture
    case Format::kBmp:
    case Format::kGif:
      return 3;
    case Format::kHeic:
    case Format::kAvif:
      return 3 + 4 + 6;  // our copy, libheif's RGB, planes of up to 16 bits
  }
  return 3;
}

}  // namespace

std::string_view format_name(Format format) {
  switch (format) {
    case Format::kJpeg:
      return "jpeg";
    case Format::kPng:
      return "png";
    case Format::kWebp:
      return "webp";
    case Format::kTiff:
      return "tiff";
    case Format::kBmp:
      return "bmp";
    case Format::kGif:
      return "gif";
    case Format::kHeic:
      return "heic";
    case Format::kAvif:
      return "avif";
  }
  return "unknown";
}

bool has_picture_extension(const std::filesystem::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return std::find(std::begin(kExtensions), std::end(kExtensions), extension) !=
         std::end(kExtensions);
}

Result<AlphaRule> parse_alpha_rule(std::string_view text) {
  if (text == "white") return AlphaRule::kWhite;
  if (text == "drop") return AlphaRule::kDrop;
  return invalid_argument("alpha is \"" + std::string(text) + "\"; it must be white or drop");
}

Result<ImageHeader> parse_header(std::span<const std::byte> bytes) {
  if (bytes.empty()) return invalid_argument("the file is empty; a picture is wanted");
  const ByteView view(bytes);
  const std::optional<Format> format = sniff(view);
  if (!format) {
    return invalid_argument(
        "not a picture: its first bytes are those of none of JPEG, PNG, WebP, TIFF, BMP, GIF, "
        "HEIC, AVIF");
  }
  return without_exceptions([&]() -> Result<ImageHeader> {
    SIGHTLINE_TRY(const ImageHeader header, header_of(view, *format));
    if (header.width == 0 || header.height == 0) {
      return damaged(*format, "its size is " + std::to_string(header.width) + " x " +
                                  std::to_string(header.height) + " pixels");
    }
    return header;
  });
}

std::string pixel_limit_text(std::uint64_t max_pixels) {
  return "the limit image.max_pixels is " + std::to_string(max_pixels);
}

Result<void> check_pixels(const ImageHeader& header, std::uint64_t max_pixels) {
  const std::uint64_t pixels = std::uint64_t{header.width} * header.height;
  if (pixels <= max_pixels) return {};
  return Status{StatusCode::kResourceExhausted,
                std::string(format_name(header.format)) + " of " + std::to_string(header.width) +
                    " x " + std::to_string(header.height) + " = " + std::to_string(pixels) +
                    " pixels; " + pixel_limit_text(max_pixels)};
}

std::uint64_t decode_cost_bytes(const ImageHeader& header) {
  const std::uint64_t pixels = std::uint64_t{header.width} * header.height;
  // The turned copy exists beside the stored one, when the codec's own memory is gone.
  const std::uint64_t turning = header.orientation >= 5 ? 6 : 0;
  constexpr std::uint64_t kFixed = 256 << 10;
  return pixels * std::max(bytes_per_pixel(header), turning) + kFixed;
}

Result<image::Image> decode(std::span<const std::byte> bytes, const DecodeOptions& options,
                            image::Image spare) {
  SIGHTLINE_TRY(const ImageHeader header, parse_header(bytes));
  SIGHTLINE_TRY_DO(check_pixels(header, options.max_pixels));
  if (bytes.size() < header.min_bytes) {
    return damaged(header.format, std::to_string(bytes.size()) + " bytes cannot hold " +
                                      std::to_string(header.width) + " x " +
                                      std::to_string(header.height) + " pixels");
  }
  if (header.format != Format::kJpeg) spare = {};  // not to lie idle beside what is decoded
  return without_exceptions([&]() -> Result<image::Image> {
    SIGHTLINE_TRY(image::Image stored,
                  stored_pixels(ByteView(bytes), header, options.alpha, std::move(spare)));
    return apply_orientation(std::move(stored), header.orientation);
  });
}

}  // namespace sightline::codecs
