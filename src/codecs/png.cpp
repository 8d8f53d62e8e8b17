// libpng is used directly and not through OpenCV, which lets it write to stderr and widens
// samples and transparency by rules of its own.
#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <vector>

#include "codecs/internal/formats.h"
#include "codecs/internal/pixels.h"

namespace sightline::codecs {
namespace {

constexpr std::size_t kSignatureBytes = 8;
constexpr std::size_t kIhdrBytes = 8 + 13 + 4;
constexpr std::uint64_t kMaxDeflateRatio = 1040;  // 1032, and a little for the frame

struct Layout {
  std::uint32_t bit_depth, color_type;
  bool interlaced;
};

Layout layout_of(ByteView bytes) { return {bytes.u8(24), bytes.u8(25), bytes.u8(28) != 0}; }

// Deflate shrinks at most 1032-fold.
std::uint64_t min_bytes(ByteView bytes, const ImageHeader& header) {
  const Layout layout = layout_of(bytes);
  constexpr std::uint64_t kSamples[] = {1, 0, 3, 1, 2, 0, 4, 0};
  const std::uint64_t bits = layout.bit_depth * kSamples[layout.color_type & 7];
  const std::uint64_t row = (header.width * bits + 7) / 8 + 1;
  if (row > UINT64_MAX / std::max<std::uint64_t>(header.height, 1)) return UINT64_MAX;
  return row * header.height / kMaxDeflateRatio;
}

struct Source {
  ByteView bytes;
  std::size_t at = 0;
  char message[128] = {};
  bool no_memory = false;
};

void read_bytes(png_structp png, png_bytep out, std::size_t count) {
  auto* source = static_cast<Source*>(png_get_io_ptr(png));
  if (!source->bytes.has(source->at, count)) png_error(png, "it is truncated");
  std::memcpy(out, source->bytes.data() + source->at, count);
  source->at += count;
}

[[noreturn]] void on_error(png_structp png, png_const_charp message) {
  auto* source = static_cast<Source*>(png_get_error_ptr(png));
  std::snprintf(source->message, sizeof source->message, "%s", message);
  source->no_memory = std::strstr(message, "memory") != nullptr;
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

struct Reader {
  png_structp png = nullptr;
  png_infop info = nullptr;
  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
};

// Header chunks and transformations: 8-bit RGB, or RGBA if `with_alpha`.
void start(Reader& reader, Source& source, bool with_alpha) {
  png_set_read_fn(reader.png, &source, read_bytes);
  png_set_benign_errors(reader.png, 1);
  png_set_user_limits(reader.png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  // Profiles and texts are neither wanted nor to be unpacked (-1: all such chunks but tRNS).
  png_set_keep_unknown_chunks(reader.png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_read_info(reader.png, reader.info);
  png_set_palette_to_rgb(reader.png);
  png_set_expand_gray_1_2_4_to_8(reader.png);
  if (with_alpha) png_set_tRNS_to_alpha(reader.png);
  png_set_strip_16(reader.png);
  png_set_gray_to_rgb(reader.png);
  if (with_alpha) {
    png_set_add_alpha(reader.png, 0xFF, PNG_FILLER_AFTER);
  } else {
    png_set_strip_alpha(reader.png);
  }
}

// Nothing here has a destructor: libpng leaves by longjmp. `row` is null when rows go to `out`.
bool read_pixels(Reader& reader, Source& source, const ImageHeader& header, bool with_alpha,
                 bool whole, AlphaRule alpha, std::uint8_t* row, std::uint8_t* out) {
  if (setjmp(png_jmpbuf(reader.png)) != 0) return false;
  start(reader, source, with_alpha);
  const int passes = png_set_interlace_handling(reader.png);
  png_read_update_info(reader.png, reader.info);
  const std::size_t channels = with_alpha ? 4 : 3;
  if (png_get_image_width(reader.png, reader.info) != header.width ||
      png_get_image_height(reader.png, reader.info) != header.height ||
      png_get_rowbytes(reader.png, reader.info) != header.width * channels ||
      (passes > 1 && !whole)) {
    png_error(reader.png, "its header contradicts itself");
  }
  for (int pass = 0; pass < passes; ++pass) {
    for (std::size_t y = 0; y < header.height; ++y) {
      if (row == nullptr) {
        png_read_row(reader.png, out + y * header.width * channels, nullptr);
      } else {
        png_read_row(reader.png, row, nullptr);
        flatten_rgba(row, header.width, alpha, out + y * header.width * 3);
      }
    }
  }
  png_read_end(reader.png, nullptr);
  return true;
}

}  // namespace

Result<ImageHeader> png_header(ByteView bytes) {
  ImageHeader header;
  header.format = Format::kPng;
  if (!bytes.has(kSignatureBytes, kIhdrBytes) || !bytes.starts_with("IHDR", 12)) {
    return damaged(Format::kPng, "it ends inside its header");
  }
  header.width = bytes.be32(16);
  header.height = bytes.be32(20);
  header.has_alpha = (layout_of(bytes).color_type & 4) != 0;
  header.buffered = layout_of(bytes).interlaced;
  std::uint64_t at = kSignatureBytes;
  while (bytes.has(at, 12)) {
    const std::uint64_t length = bytes.be32(at);
    const auto is = [&](std::string_view type) { return bytes.starts_with(type, at + 4); };
    if (is("tRNS")) header.has_alpha = true;
    if (is("acTL")) header.animated = true;
    if (is("eXIf")) header.orientation = exif_orientation(bytes.part(at + 8, length));
    if (is("IEND")) break;
    at += 12 + length;
  }
  header.min_bytes = min_bytes(bytes, header);
  return header;
}

Result<image::Image> decode_png(ByteView bytes, const ImageHeader& header, AlphaRule alpha) {
  const bool with_alpha = header.has_alpha && alpha == AlphaRule::kWhite;
  // The passes of an interlaced picture fill it piece by piece, so all of it is kept.
  const bool whole = header.buffered || !with_alpha;
  SIGHTLINE_TRY(image::Image picture,
                make_image(header.width, header.height, with_alpha && whole ? 4 : 3));
  std::vector<std::uint8_t> row(whole ? 0 : header.width * 4);

  Source source;
  source.bytes = bytes;
  Reader reader;
  reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &source, on_error, on_warning);
  if (reader.png != nullptr) reader.info = png_create_info_struct(reader.png);
  if (reader.info == nullptr) {
    return Status{StatusCode::kResourceExhausted, "png: no memory to decode it"};
  }
  if (!read_pixels(reader, source, header, with_alpha, whole, alpha, whole ? nullptr : row.data(),
                   picture.rgb.data())) {
    if (source.no_memory) {
      return Status{StatusCode::kResourceExhausted, "png: no memory to decode it"};
    }
    return damaged(Format::kPng, source.message);
  }
  if (with_alpha && whole) {
    const std::size_t count = header.width * header.height;
    flatten_rgba(picture.rgb.data(), count, alpha, picture.rgb.data());
    picture.rgb.resize(count * 3);
  }
  return picture;
}

}  // namespace sightline::codecs
