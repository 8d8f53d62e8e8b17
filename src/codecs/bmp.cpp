// Decoded here and not through OpenCV, which reports damaged files on stderr, cuts 5-bit samples
// instead of widening them, and holds the picture twice.
#include <algorithm>
#include <array>
#include <bit>

#include "codecs/internal/formats.h"
#include "codecs/internal/pixels.h"

namespace sightline::codecs {
namespace {

enum Compression : std::uint32_t {
  kRgb = 0,
  kRle8 = 1,
  kRle4 = 2,
  kBitfields = 3,
  kAlphaBitfields = 6,
};

constexpr std::uint32_t kFileHeaderBytes = 14;
constexpr std::uint32_t kCoreHeaderBytes = 12;  // OS/2 1.x
constexpr std::uint32_t kInfoHeaderBytes = 40;

struct Layout {
  std::uint32_t header_bytes = 0, bits = 0, compression = kRgb, data_offset = 0, colors = 0;
  bool top_down = false;
  std::array<std::uint32_t, 4> masks{};  // red, green, blue, alpha

  bool core() const { return header_bytes == kCoreHeaderBytes; }
  bool has_fields() const { return compression == kBitfields || compression == kAlphaBitfields; }
};

Layout read_layout(ByteView bytes) {
  Layout layout;
  layout.header_bytes = bytes.le32(14);
  layout.data_offset = bytes.le32(10);
  layout.bits = bytes.le16(layout.core() ? 24 : 28);
  if (layout.bits == 16) layout.masks = {0x7C00, 0x3E0, 0x1F, 0};
  if (layout.bits == 32) layout.masks = {0xFF0000, 0xFF00, 0xFF, 0};
  if (layout.core()) return layout;
  layout.top_down = static_cast<std::int32_t>(bytes.le32(22)) < 0;
  layout.compression = bytes.le32(30);
  layout.colors = bytes.le32(46);
  if (layout.has_fields()) {
    // Behind the 40-byte header, which is where longer headers hold them, too.
    const bool alpha = layout.header_bytes >= 56 || layout.compression == kAlphaBitfields;
    for (std::size_t i = 0; i < (alpha ? 4u : 3u); ++i) layout.masks[i] = bytes.le32(54 + 4 * i);
  }
  return layout;
}

using Rgb = std::array<std::uint8_t, 3>;
using Palette = std::array<Rgb, 256>;

Palette read_palette(ByteView bytes, const Layout& layout) {
  Palette palette{};
  std::uint64_t at = kFileHeaderBytes + layout.header_bytes;
  if (layout.has_fields() && layout.header_bytes == kInfoHeaderBytes) {
    at += layout.compression == kAlphaBitfields ? 16 : 12;
  }
  const std::size_t most = std::size_t{1} << std::min(layout.bits, 8u);
  const std::size_t count = layout.colors == 0 ? most : std::min<std::size_t>(layout.colors, most);
  const std::uint64_t size = layout.core() ? 3 : 4;
  for (std::size_t i = 0; i < count; ++i, at += size) {
    palette[i] = {bytes.u8(at + 2), bytes.u8(at + 1), bytes.u8(at)};
  }
  return palette;
}

// One sample of a pixel, widened to 8 bits.
class Field {
 public:
  Field() = default;
  explicit Field(std::uint32_t mask)
      : mask_(mask), shift_(mask == 0 ? 0 : std::countr_zero(mask)), most_(mask >> shift_) {}
  std::uint8_t of(std::uint32_t pixel, std::uint8_t if_absent) const {
    if (mask_ == 0) return if_absent;
    const std::uint64_t value = (pixel & mask_) >> shift_;
    return static_cast<std::uint8_t>((value * 255 + most_ / 2) / most_);
  }

 private:
  std::uint32_t mask_ = 0;
  int shift_ = 0;
  std::uint64_t most_ = 0;
};

void plain_row(ByteView row, const Layout& layout, const Palette& palette,
               const std::array<Field, 4>& fields, AlphaRule alpha, std::size_t width,
               std::uint8_t* out) {
  const std::uint32_t bits = layout.bits;
  for (std::size_t x = 0; x < width; ++x, out += 3) {
    if (bits <= 8) {
      const std::size_t bit = x * bits;
      const std::uint32_t index = row.data()[bit / 8] >> (8 - bits - bit % 8) & ((1u << bits) - 1);
      std::copy(palette[index].begin(), palette[index].end(), out);
    } else if (bits == 24) {
      const std::uint8_t* in = row.data() + 3 * x;
      out[0] = in[2];
      out[1] = in[1];
      out[2] = in[0];
    } else {
      const std::uint32_t pixel = bits == 16 ? row.le16(2 * x) : row.le32(4 * x);
      const std::uint8_t rgba[4] = {fields[0].of(pixel, 0), fields[1].of(pixel, 0),
                                    fields[2].of(pixel, 0), fields[3].of(pixel, 255)};
      flatten_rgba(rgba, 1, alpha, out);
    }
  }
}

// Run-length codes, bottom row first; what they leave out keeps its colour. False: no end code.
bool decode_runs(ByteView runs, const Layout& layout, const Palette& palette,
                 image::Image& picture) {
  const bool four_bits = layout.compression == kRle4;
  std::size_t x = 0, y = 0;
  const auto put = [&](std::uint32_t index) {
    if (x < picture.width && y < picture.height) {
      const std::size_t row = layout.top_down ? y : picture.height - 1 - y;
      std::copy(palette[index].begin(), palette[index].end(),
                &picture.rgb[(row * picture.width + x) * 3]);
    }
    ++x;
  };
  std::uint64_t at = 0;
  while (runs.has(at, 2)) {
    const std::uint32_t count = runs.u8(at), value = runs.u8(at + 1);
    at += 2;
    if (count > 0) {
      for (std::uint32_t i = 0; i < count; ++i) {
        put(!four_bits ? value : i % 2 == 0 ? value >> 4 : value & 15);
      }
    } else if (value == 0) {  // end of the row
      x = 0;
      ++y;
    } else if (value == 1) {  // end of the picture
      return true;
    } else if (value == 2) {  // a step right and up
      x += runs.u8(at);
      y += runs.u8(at + 1);
      at += 2;
    } else {  // `value` pixels as they are, filled up to 16 bits
      const std::uint32_t length = four_bits ? (value + 1) / 2 : value;
      if (!runs.has(at, length)) return false;
      for (std::uint32_t i = 0; i < value; ++i) {
        const std::uint8_t byte = runs.u8(at + (four_bits ? i / 2 : i));
        put(!four_bits ? byte : i % 2 == 0 ? byte >> 4 : byte & 15);
      }
      at += length + length % 2;
    }
  }
  return false;
}

bool is_run_length(const Layout& layout) {
  return (layout.compression == kRle8 && layout.bits == 8) ||
         (layout.compression == kRle4 && layout.bits == 4);
}

bool is_plain(const Layout& layout) {
  switch (layout.bits) {
    case 1:
    case 4:
    case 8:
    case 24:
      return layout.compression == kRgb;
    case 16:
    case 32:
      return layout.compression == kRgb || layout.has_fields();
    default:
      return false;
  }
}

}  // namespace

Result<ImageHeader> bmp_header(ByteView bytes) {
  ImageHeader header;
  header.format = Format::kBmp;
  const Layout layout = read_layout(bytes);
  if (!bytes.has(kFileHeaderBytes, layout.header_bytes)) {
    return damaged(Format::kBmp, "it ends inside its header");
  }
  if (layout.core()) {
    header.width = bytes.le16(18);
    header.height = bytes.le16(20);
  } else {
    const auto width = static_cast<std::int32_t>(bytes.le32(18));
    const std::int64_t height = static_cast<std::int32_t>(bytes.le32(22));
    if (width < 0) return damaged(Format::kBmp, "its width is negative");
    header.width = static_cast<std::size_t>(width);
    header.height = static_cast<std::size_t>(height < 0 ? -height : height);
  }
  header.has_alpha = layout.bits >= 16 && layout.masks[3] != 0;
  return header;
}

Result<image::Image> decode_bmp(ByteView bytes, const ImageHeader& header, AlphaRule alpha) {
  const Layout layout = read_layout(bytes);
  if (!is_run_length(layout) && !is_plain(layout)) {
    return Status{StatusCode::kUnimplemented,
                  "bmp: " + std::to_string(layout.bits) + " bits a pixel in compression " +
                      std::to_string(layout.compression) + " are not read"};
  }
  const Palette palette = read_palette(bytes, layout);
  if (is_run_length(layout)) {
    SIGHTLINE_TRY(image::Image picture, make_image(header.width, header.height));
    for (std::size_t i = 0; i < picture.rgb.size(); i += 3) {
      std::copy(palette[0].begin(), palette[0].end(), &picture.rgb[i]);
    }
    if (!decode_runs(bytes.part(layout.data_offset), layout, palette, picture)) {
      return damaged(Format::kBmp, "it is truncated");
    }
    return picture;
  }

  const std::uint64_t stride = (std::uint64_t{header.width} * layout.bits + 31) / 32 * 4;
  if (!bytes.has(layout.data_offset, stride * header.height)) {
    return damaged(Format::kBmp, "it is truncated");
  }
  std::array<Field, 4> fields;
  for (std::size_t i = 0; i < 4; ++i) fields[i] = Field(layout.masks[i]);
  SIGHTLINE_TRY(image::Image picture, make_image(header.width, header.height));
  for (std::size_t y = 0; y < header.height; ++y) {
    const std::size_t row = layout.top_down ? y : header.height - 1 - y;
    plain_row(bytes.part(layout.data_offset + y * stride, stride), layout, palette, fields, alpha,
              header.width, picture.rgb.data() + row * header.width * 3);
  }
  return picture;
}

}  // namespace sightline::codecs
