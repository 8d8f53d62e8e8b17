// libtiff is used directly and not through OpenCV, which mirrors some orientations strip by strip
// and multiplies colours with alpha.
#include <tiffio.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "codecs/internal/formats.h"
#include "codecs/internal/pixels.h"

namespace sightline::codecs {
namespace {

constexpr std::uint16_t kTagWidth = 256, kTagHeight = 257, kTagOrientation = 274;
constexpr std::uint16_t kTagExtraSamples = 338;

// The first directory of a classic or big TIFF in either byte order.
class Directory {
 public:
  static std::optional<Directory> find(ByteView bytes) {
    Directory found;
    found.bytes_ = bytes;
    if (bytes.starts_with("MM")) {
      found.big_endian_ = true;
    } else if (!bytes.starts_with("II")) {
      return std::nullopt;
    }
    const std::uint64_t version = found.number(2, 2);
    if (version != 42 && version != 43) return std::nullopt;
    found.wide_ = version == 43;
    const std::uint64_t at = found.wide_ ? found.number(8, 8) : found.number(4, 4);
    const std::uint64_t head = found.wide_ ? 8 : 2;
    if (!bytes.has(at, head)) return std::nullopt;
    found.count_ = found.number(at, static_cast<int>(head));
    found.entries_ = at + head;
    return found;
  }

  /// The first value of an integer tag.
  std::optional<std::uint64_t> value(std::uint16_t tag) const {
    const std::uint64_t size = wide_ ? 20 : 12;
    for (std::uint64_t i = 0; i < count_ && bytes_.has(entries_ + i * size, size); ++i) {
      const std::uint64_t entry = entries_ + i * size;
      if (number(entry, 2) != tag) continue;
      const int width = width_of(number(entry + 2, 2));
      const std::uint64_t values = number(entry + 4, wide_ ? 8 : 4);
      if (width == 0 || values == 0) return std::nullopt;
      const std::uint64_t room = wide_ ? 8 : 4;
      std::uint64_t at = entry + (wide_ ? 12 : 8);
      if (values > room / static_cast<std::uint64_t>(width)) {
        at = number(at, static_cast<int>(room));
      }
      if (!bytes_.has(at, static_cast<std::uint64_t>(width))) return std::nullopt;
      return number(at, width);
    }
    return std::nullopt;
  }

 private:
  static int width_of(std::uint64_t type) {
    switch (type) {
      case 1:
        return 1;
      case 3:
        return 2;
      case 4:
        return 4;
      case 16:
        return 8;
      default:
        return 0;
    }
  }
  std::uint64_t number(std::uint64_t at, int width) const {
    return big_endian_ ? bytes_.big(at, width) : bytes_.little(at, width);
  }

  ByteView bytes_;
  bool big_endian_ = false, wide_ = false;
  std::uint64_t count_ = 0, entries_ = 0;
};

struct Source {
  ByteView bytes;
  std::uint64_t at = 0;
  std::string message;  // of the first error
  bool no_memory = false;
};

Source* source_of(thandle_t handle) { return static_cast<Source*>(handle); }

tmsize_t read_bytes(thandle_t handle, void* out, tmsize_t count) {
  Source* source = source_of(handle);
  const ByteView part = source->bytes.part(source->at, static_cast<std::uint64_t>(count));
  if (part.size() > 0) std::memcpy(out, part.data(), part.size());
  source->at += part.size();
  return static_cast<tmsize_t>(part.size());
}
tmsize_t write_nothing(thandle_t, void*, tmsize_t) { return 0; }
toff_t seek_to(thandle_t handle, toff_t offset, int whence) {
  Source* source = source_of(handle);
  const std::uint64_t base = whence == SEEK_CUR   ? source->at
                             : whence == SEEK_END ? source->bytes.size()
                                                  : 0;
  source->at = base + offset;
  return source->at;
}
int close_nothing(thandle_t) { return 0; }
toff_t size_of(thandle_t handle) { return source_of(handle)->bytes.size(); }
int map_bytes(thandle_t handle, void** base, toff_t* size) {
  *base = const_cast<std::uint8_t*>(source_of(handle)->bytes.data());
  *size = source_of(handle)->bytes.size();
  return 1;
}
void unmap_nothing(thandle_t, void*, toff_t) {}

int on_error(TIFF*, void* user, const char*, const char* format, va_list arguments) {
  auto* source = static_cast<Source*>(user);
  char text[256];
  std::vsnprintf(text, sizeof text, format, arguments);
  if (source->message.empty()) source->message = text;
  source->no_memory |= std::strstr(text, "emory") != nullptr;
  return 1;  // said: the process-wide handler stays silent
}
int on_warning(TIFF*, void*, const char*, const char*, va_list) { return 1; }

struct Closer {
  void operator()(TIFF* file) const { TIFFClose(file); }
  void operator()(TIFFOpenOptions* options) const { TIFFOpenOptionsFree(options); }
};
using File = std::unique_ptr<TIFF, Closer>;

File open_file(Source& source, std::uint64_t max_alloc) {
  const std::unique_ptr<TIFFOpenOptions, Closer> options(TIFFOpenOptionsAlloc());
  if (!options) return nullptr;
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), static_cast<tmsize_t>(max_alloc));
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), on_error, &source);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), on_warning, nullptr);
  return File(TIFFClientOpenExt("tiff", "r", &source, read_bytes, write_nothing, seek_to,
                                close_nothing, size_of, map_bytes, unmap_nothing, options.get()));
}

struct Layout {
  std::uint16_t bits = 1, samples = 1, planar = PLANARCONFIG_CONTIG;
  std::uint16_t photometric = PHOTOMETRIC_MINISBLACK, sample_format = SAMPLEFORMAT_UINT;
  std::uint16_t extra = EXTRASAMPLE_UNSPECIFIED;

  std::uint16_t colors() const { return photometric == PHOTOMETRIC_RGB ? 3 : 1; }
  bool has_alpha() const { return samples > colors() && extra != EXTRASAMPLE_UNSPECIFIED; }
  bool separate() const { return planar == PLANARCONFIG_SEPARATE && samples > 1; }
  /// Gray or RGB of whole bytes; everything else goes through libtiff's own conversion.
  bool plain() const {
    const bool known = photometric == PHOTOMETRIC_RGB || photometric == PHOTOMETRIC_MINISBLACK ||
                       photometric == PHOTOMETRIC_MINISWHITE;
    return known && (bits == 8 || bits == 16) && samples >= colors();
  }
};

Result<Layout> read_layout(TIFF* file) {
  Layout layout;
  TIFFGetFieldDefaulted(file, TIFFTAG_BITSPERSAMPLE, &layout.bits);
  TIFFGetFieldDefaulted(file, TIFFTAG_SAMPLESPERPIXEL, &layout.samples);
  TIFFGetFieldDefaulted(file, TIFFTAG_PLANARCONFIG, &layout.planar);
  TIFFGetFieldDefaulted(file, TIFFTAG_SAMPLEFORMAT, &layout.sample_format);
  if (!TIFFGetField(file, TIFFTAG_PHOTOMETRIC, &layout.photometric)) {
    layout.photometric = layout.samples >= 3 ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK;
  }
  std::uint16_t count = 0;
  const std::uint16_t* extra = nullptr;
  TIFFGetFieldDefaulted(file, TIFFTAG_EXTRASAMPLES, &count, &extra);
  if (count > 0 && extra != nullptr) layout.extra = extra[0];
  const bool integers =
      layout.sample_format == SAMPLEFORMAT_UINT || layout.sample_format == SAMPLEFORMAT_VOID;
  if (!integers || layout.bits > 16) {
    return Status{StatusCode::kUnimplemented,
                  "tiff: samples of " + std::to_string(layout.bits) +
                      (integers ? " bits" : " bits, not unsigned integers") +
                      "; unsigned ones of 1 to 16 bits are read"};
  }
  return layout;
}

// Writes decoded samples to their place as 8-bit RGBA; alpha stays 255 where there is none.
class Canvas {
 public:
  Canvas(image::Image& picture, const Layout& layout)
      : picture_(picture), layout_(layout), invert_(layout.photometric == PHOTOMETRIC_MINISWHITE) {}

  /// `count` pixels of one row from (x, y) on; `plane` is the sample of a separate plane, or -1.
  void put(std::size_t x, std::size_t y, std::size_t count, const std::uint8_t* samples,
           int plane) {
    std::uint8_t* out = picture_.rgb.data() + (y * picture_.width + x) * 4;
    const std::size_t step = plane < 0 ? layout_.samples : 1;
    const std::size_t colors = layout_.colors();
    for (std::size_t i = 0; i < count; ++i, out += 4) {
      for (std::size_t s = 0; s < step; ++s) {
        const std::size_t sample = plane < 0 ? s : static_cast<std::size_t>(plane);
        const std::uint8_t value = sample_at(samples, i * step + s);
        if (sample > colors) continue;
        if (sample == colors) {
          if (layout_.has_alpha()) out[3] = value;
        } else if (colors == 1) {
          out[0] = out[1] = out[2] = invert_ ? static_cast<std::uint8_t>(255 - value) : value;
        } else {
          out[sample] = value;
        }
      }
    }
  }

 private:
  // libtiff has put 16-bit samples into the order of this machine.
  std::uint8_t sample_at(const std::uint8_t* samples, std::size_t index) const {
    if (layout_.bits == 8) return samples[index];
    std::uint16_t value = 0;
    std::memcpy(&value, samples + 2 * index, 2);
    return static_cast<std::uint8_t>(value >> 8);
  }

  image::Image& picture_;
  const Layout& layout_;
  const bool invert_;
};

bool read_strips(TIFF* file, const Layout& layout, const ImageHeader& header, Canvas& canvas) {
  std::vector<std::uint8_t> row(static_cast<std::size_t>(TIFFScanlineSize64(file)));
  const std::uint64_t needed =
      header.width * (layout.bits / 8u) * (layout.separate() ? 1 : layout.samples);
  if (row.size() < needed) return false;
  const int planes = layout.separate() ? layout.samples : 0;
  for (int plane = 0; plane < std::max(planes, 1); ++plane) {
    if (plane > layout.colors()) break;
    for (std::uint32_t y = 0; y < header.height; ++y) {
      if (TIFFReadScanline(file, row.data(), y, static_cast<std::uint16_t>(plane)) != 1) {
        return false;
      }
      canvas.put(0, y, header.width, row.data(), planes > 0 ? plane : -1);
    }
  }
  return true;
}

bool read_tiles(TIFF* file, const Layout& layout, const ImageHeader& header, Canvas& canvas) {
  std::uint32_t tile_width = 0, tile_height = 0;
  TIFFGetField(file, TIFFTAG_TILEWIDTH, &tile_width);
  TIFFGetField(file, TIFFTAG_TILELENGTH, &tile_height);
  const std::uint64_t row_bytes = static_cast<std::uint64_t>(TIFFTileRowSize64(file));
  const std::uint64_t tile_bytes = static_cast<std::uint64_t>(TIFFTileSize64(file));
  const std::uint64_t needed =
      std::uint64_t{tile_width} * (layout.bits / 8u) * (layout.separate() ? 1 : layout.samples);
  // A tile larger than the picture by more than its padding is not worth its memory.
  if (tile_width == 0 || tile_height == 0 || row_bytes < needed ||
      tile_bytes / tile_height < row_bytes ||
      tile_bytes > std::uint64_t{16} * (header.width + 1024) * (header.height + 1024)) {
    return false;
  }
  std::vector<std::uint8_t> tile(tile_bytes);
  const int planes = layout.separate() ? layout.samples : 0;
  for (int plane = 0; plane < std::max(planes, 1); ++plane) {
    if (plane > layout.colors()) break;
    for (std::size_t y = 0; y < header.height; y += tile_height) {
      for (std::size_t x = 0; x < header.width; x += tile_width) {
        if (TIFFReadTile(file, tile.data(), static_cast<std::uint32_t>(x),
                         static_cast<std::uint32_t>(y), 0, static_cast<std::uint16_t>(plane)) < 0) {
          return false;
        }
        const std::size_t count = std::min<std::size_t>(tile_width, header.width - x);
        const std::size_t rows = std::min<std::size_t>(tile_height, header.height - y);
        for (std::size_t row = 0; row < rows; ++row) {
          canvas.put(x, y + row, count, tile.data() + row * row_bytes, planes > 0 ? plane : -1);
        }
      }
    }
  }
  return true;
}

// Palettes, few bits, YCbCr, CMYK, Lab: libtiff's own conversion.
bool read_converted(TIFF* file, const ImageHeader& header, image::Image& picture) {
  // Stored order is wanted; a file handle takes the tag without touching the file.
  TIFFSetField(file, TIFFTAG_ORIENTATION, static_cast<int>(ORIENTATION_TOPLEFT));
  // make_image() gave four bytes a pixel, aligned as every allocation.
  auto* raster = static_cast<std::uint32_t*>(static_cast<void*>(picture.rgb.data()));
  if (TIFFReadRGBAImageOriented(file, static_cast<std::uint32_t>(header.width),
                                static_cast<std::uint32_t>(header.height), raster,
                                ORIENTATION_TOPLEFT, 1) != 1) {
    return false;
  }
  for (std::size_t i = 0; i < picture.rgb.size(); i += 4) {
    std::uint32_t pixel = 0;
    std::memcpy(&pixel, &picture.rgb[i], 4);
    picture.rgb[i] = static_cast<std::uint8_t>(TIFFGetR(pixel));
    picture.rgb[i + 1] = static_cast<std::uint8_t>(TIFFGetG(pixel));
    picture.rgb[i + 2] = static_cast<std::uint8_t>(TIFFGetB(pixel));
    picture.rgb[i + 3] = 0xFF;
  }
  return true;
}

}  // namespace

int exif_orientation(ByteView tiff) {
  const auto directory = Directory::find(tiff);
  const std::uint64_t value = directory ? directory->value(kTagOrientation).value_or(1) : 1;
  return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
}

Result<ImageHeader> tiff_header(ByteView bytes) {
  const auto directory = Directory::find(bytes);
  if (!directory) return damaged(Format::kTiff, "it ends before its first directory");
  const auto width = directory->value(kTagWidth);
  const auto height = directory->value(kTagHeight);
  if (!width || !height || *width > UINT32_MAX || *height > UINT32_MAX) {
    return damaged(Format::kTiff, "its first directory gives no size");
  }
  ImageHeader header;
  header.format = Format::kTiff;
  header.width = *width;
  header.height = *height;
  header.orientation = exif_orientation(bytes);
  const std::uint64_t extra = directory->value(kTagExtraSamples).value_or(0);
  header.has_alpha = extra == EXTRASAMPLE_ASSOCALPHA || extra == EXTRASAMPLE_UNASSALPHA;
  return header;
}

Result<image::Image> decode_tiff(ByteView bytes, const ImageHeader& header, AlphaRule alpha) {
  Source source;
  source.bytes = bytes;
  const std::uint64_t count = std::uint64_t{header.width} * header.height;
  const auto failed = [&](std::string_view otherwise) {
    if (source.no_memory) {
      return Status{StatusCode::kResourceExhausted, "tiff: " + source.message};
    }
    return damaged(Format::kTiff, source.message.empty() ? otherwise : source.message);
  };
  const File file = open_file(source, 16 * count + (std::uint64_t{64} << 20));
  if (!file) return failed("its first directory makes no sense");
  std::uint32_t width = 0, height = 0;
  TIFFGetField(file.get(), TIFFTAG_IMAGEWIDTH, &width);
  TIFFGetField(file.get(), TIFFTAG_IMAGELENGTH, &height);
  if (width != header.width || height != header.height) return failed("it has two sizes");
  SIGHTLINE_TRY(const Layout layout, read_layout(file.get()));

  SIGHTLINE_TRY(image::Image picture, make_image(header.width, header.height, 4));
  for (std::uint64_t i = 0; i < count; ++i) picture.rgb[4 * i + 3] = 0xFF;
  Canvas canvas(picture, layout);
  const bool complete = !layout.plain()           ? read_converted(file.get(), header, picture)
                        : TIFFIsTiled(file.get()) ? read_tiles(file.get(), layout, header, canvas)
                                                  : read_strips(file.get(), layout, header, canvas);
  if (!complete) return failed("its picture data makes no sense");
  if (layout.plain() && layout.has_alpha() && layout.extra == EXTRASAMPLE_ASSOCALPHA) {
    flatten_premultiplied(picture.rgb.data(), count, alpha, picture.rgb.data());
  } else {
    flatten_rgba(picture.rgb.data(), count, alpha, picture.rgb.data());
  }
  picture.rgb.resize(count * 3);
  return picture;
}

}  // namespace sightline::codecs
