#include <gif_lib.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "codecs/internal/formats.h"
#include "codecs/internal/pixels.h"

namespace sightline::codecs {
namespace {

constexpr std::uint64_t kMaxLzwRatio = 4096 * 8 / 3;  // a code of 3 bits or more, 4096 pixels
constexpr std::size_t kRowStarts[] = {0, 4, 2, 1};    // interlaced rows
constexpr std::size_t kRowSteps[] = {8, 8, 4, 2};

struct Frame {
  std::size_t x, y, width, height;
};

std::uint64_t color_table_bytes(std::uint8_t flags) {
  return (flags & 0x80) != 0 ? std::uint64_t{3} << ((flags & 7) + 1) : 0;
}

// Behind a chain of sub-blocks; the end of the file counts as the end of the chain.
std::uint64_t skip_blocks(ByteView bytes, std::uint64_t at) {
  while (bytes.u8(at) != 0) at += 1 + std::uint64_t{bytes.u8(at)};
  return at + 1;
}

struct FileCloser {
  void operator()(GifFileType* file) const {
    int error = 0;
    DGifCloseFile(file, &error);
  }
};

struct Source {
  ByteView bytes;
  std::size_t at = 0;
};

int read_bytes(GifFileType* file, GifByteType* out, int count) {
  auto* source = static_cast<Source*>(file->UserData);
  const ByteView part = source->bytes.part(source->at, static_cast<std::uint64_t>(count));
  if (part.size() > 0) std::memcpy(out, part.data(), part.size());
  source->at += part.size();
  return static_cast<int>(part.size());
}

Status decoding_failed(int error) {
  if (error == D_GIF_ERR_NOT_ENOUGH_MEM) {
    return {StatusCode::kResourceExhausted, "gif: no memory to decode it"};
  }
  if (error == D_GIF_ERR_READ_FAILED || error == D_GIF_ERR_EOF_TOO_SOON) {
    return damaged(Format::kGif, "it is truncated");
  }
  const char* text = GifErrorString(error);
  return damaged(Format::kGif, text != nullptr ? text : "its picture data makes no sense");
}

// Reads up to the first picture; returns its transparent colour or NO_TRANSPARENT_COLOR.
Result<int> seek_first_picture(GifFileType* file) {
  int transparent = NO_TRANSPARENT_COLOR;
  while (true) {
    GifRecordType type = UNDEFINED_RECORD_TYPE;
    if (DGifGetRecordType(file, &type) != GIF_OK) return decoding_failed(file->Error);
    if (type == TERMINATE_RECORD_TYPE) return damaged(Format::kGif, "it has no picture");
    if (type == IMAGE_DESC_RECORD_TYPE) {
      if (DGifGetImageDesc(file) != GIF_OK) return decoding_failed(file->Error);
      return transparent;
    }
    int code = 0;
    GifByteType* block = nullptr;
    if (type != EXTENSION_RECORD_TYPE) continue;
    if (DGifGetExtension(file, &code, &block) != GIF_OK) return decoding_failed(file->Error);
    while (block != nullptr) {
      GraphicsControlBlock control{};
      if (code == GRAPHICS_EXT_FUNC_CODE &&
          DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK) {
        transparent = control.TransparentColor;
      }
      if (DGifGetExtensionNext(file, &block) != GIF_OK) return decoding_failed(file->Error);
    }
  }
}

struct Palette {
  std::uint8_t rgb[256][3] = {};
};

Palette make_palette(const ColorMapObject* map) {
  Palette palette;
  for (int i = 0; map != nullptr && i < map->ColorCount && i < 256; ++i) {
    palette.rgb[i][0] = map->Colors[i].Red;
    palette.rgb[i][1] = map->Colors[i].Green;
    palette.rgb[i][2] = map->Colors[i].Blue;
  }
  return palette;
}

}  // namespace

// "GIF89a", the screen, its colours, then blocks (W3C's copy of the GIF89a specification).
Result<ImageHeader> gif_header(ByteView bytes) {
  ImageHeader header;
  header.format = Format::kGif;
  header.width = bytes.le16(6);
  header.height = bytes.le16(8);
  std::uint64_t at = 13 + color_table_bytes(bytes.u8(10));
  std::size_t pictures = 0;
  while (bytes.has(at, 2) && pictures < 2) {
    const std::uint8_t kind = bytes.u8(at);
    if (kind == 0x21) {
      if (pictures == 0 && bytes.u8(at + 1) == 0xF9) header.has_alpha |= bytes.u8(at + 3) & 1;
      at = skip_blocks(bytes, at + 2);
    } else if (kind == 0x2C && bytes.has(at, 10)) {
      if (++pictures == 1) {
        const Frame frame{bytes.le16(at + 1), bytes.le16(at + 3), bytes.le16(at + 5),
                          bytes.le16(at + 7)};
        // Some files give no screen, or one that the first frame leaves: the canvas grows.
        header.width = std::max(header.width, frame.x + frame.width);
        header.height = std::max(header.height, frame.y + frame.height);
        header.has_alpha |= frame.width < header.width || frame.height < header.height;
        header.min_bytes = frame.width * frame.height / kMaxLzwRatio;
      }
      at = skip_blocks(bytes, at + 10 + color_table_bytes(bytes.u8(at + 9)) + 1);
    } else {
      break;
    }
  }
  if (pictures == 0) return damaged(Format::kGif, "it has no picture");
  header.animated = pictures > 1;
  return header;
}

Result<image::Image> decode_gif(ByteView bytes, const ImageHeader& header, AlphaRule alpha) {
  Source source{bytes};
  int error = 0;
  const std::unique_ptr<GifFileType, FileCloser> file(DGifOpen(&source, read_bytes, &error));
  if (!file) return decoding_failed(error);
  SIGHTLINE_TRY(const int transparent, seek_first_picture(file.get()));
  const GifImageDesc& desc = file->Image;
  const Frame frame{static_cast<std::size_t>(desc.Left), static_cast<std::size_t>(desc.Top),
                    static_cast<std::size_t>(desc.Width), static_cast<std::size_t>(desc.Height)};
  if (desc.Left < 0 || desc.Top < 0 || frame.width == 0 || frame.height == 0 ||
      frame.x + frame.width > header.width || frame.y + frame.height > header.height) {
    return damaged(Format::kGif, "its first frame makes no sense");
  }

  Palette palette = make_palette(desc.ColorMap != nullptr ? desc.ColorMap : file->SColorMap);
  const bool has_transparent = transparent >= 0 && transparent < 256;
  const std::size_t outside = has_transparent ? static_cast<std::size_t>(transparent) : 0;
  std::uint8_t background[3] = {0xFF, 0xFF, 0xFF};
  if (alpha == AlphaRule::kDrop) {
    std::memcpy(background, palette.rgb[outside], 3);  // as Pillow fills the canvas
  } else if (has_transparent) {
    std::memcpy(palette.rgb[outside], background, 3);
  }

  SIGHTLINE_TRY(image::Image picture, make_image(header.width, header.height));
  if (frame.width < header.width || frame.height < header.height) {
    for (std::size_t i = 0; i < picture.rgb.size(); i += 3) {
      std::memcpy(&picture.rgb[i], background, 3);
    }
  }
  std::vector<GifPixelType> row(frame.width);
  const std::size_t passes = desc.Interlace ? std::size(kRowStarts) : 1;
  for (std::size_t pass = 0; pass < passes; ++pass) {
    const std::size_t step = desc.Interlace ? kRowSteps[pass] : 1;
    for (std::size_t y = desc.Interlace ? kRowStarts[pass] : 0; y < frame.height; y += step) {
      if (DGifGetLine(file.get(), row.data(), desc.Width) != GIF_OK) {
        return decoding_failed(file->Error);
      }
      std::uint8_t* out = &picture.rgb[((frame.y + y) * header.width + frame.x) * 3];
      for (const GifPixelType index : row) {
        std::memcpy(out, palette.rgb[index], 3);
        out += 3;
      }
    }
  }
  return picture;
}

}  // namespace sightline::codecs
