#include <limits>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "codecs/internal/formats.h"
#include "codecs/internal/pixels.h"

namespace sightline::codecs {
namespace {

enum Compression : std::uint32_t {
  kRgb = 0,
  kRle8 = 1,
  kRle4 = 2,
  kBitfields = 3,
  kAlphaBitfields = 6
};

struct Layout {
  std::uint32_t header_bytes, bits, compression, data_offset;
};

Layout layout_of(ByteView bytes) {
  const std::uint32_t header_bytes = bytes.le32(14);
  const bool core = header_bytes == 12;
  return {header_bytes, bytes.le16(core ? 24 : 28), core ? 0 : bytes.le32(30), bytes.le32(10)};
}

bool is_run_length(const Layout& layout) {
  return layout.compression == kRle4 || layout.compression == kRle8;
}

// OpenCV reports a run-length picture that ends early on stderr, so the runs are followed first.
bool runs_are_complete(ByteView runs, bool four_bits) {
  std::uint64_t at = 0;
  while (runs.has(at, 2)) {
    const std::uint32_t count = runs.u8(at), value = runs.u8(at + 1);
    at += 2;
    if (count > 0 || value == 0) continue;
    if (value == 1) return true;  // end of the bitmap
    if (value == 2) {
      at += 2;
    } else {
      const std::uint32_t length = four_bits ? (value + 1) / 2 : value;
      at += length + length % 2;
    }
  }
  return false;
}

}  // namespace

Result<ImageHeader> bmp_header(ByteView bytes) {
  ImageHeader header;
  header.format = Format::kBmp;
  const Layout layout = layout_of(bytes);
  if (!bytes.has(14, layout.header_bytes)) {
    return damaged(Format::kBmp, "it ends inside its header");
  }
  std::int64_t height = 0;
  if (layout.header_bytes == 12) {
    header.width = bytes.le16(18);
    height = bytes.le16(20);
  } else {
    const auto width = static_cast<std::int32_t>(bytes.le32(18));
    height = static_cast<std::int32_t>(bytes.le32(22));
    if (width < 0) return damaged(Format::kBmp, "its width is negative");
    header.width = static_cast<std::size_t>(width);
  }
  header.height = static_cast<std::size_t>(height < 0 ? -height : height);  // negative: top down
  const bool fields = layout.compression == kBitfields || layout.compression == kAlphaBitfields;
  header.has_alpha =
      layout.bits == 32 && fields && layout.header_bytes >= 56 && bytes.le32(66) != 0;
  return header;
}

Result<image::Image> decode_bmp(ByteView bytes, const ImageHeader& header, AlphaRule alpha) {
  const Layout layout = layout_of(bytes);
  const std::uint64_t stride = (std::uint64_t{header.width} * layout.bits + 31) / 32 * 4;
  const bool complete =
      is_run_length(layout)
          ? runs_are_complete(bytes.part(layout.data_offset), layout.compression == kRle4)
          : bytes.has(layout.data_offset, stride * header.height);
  if (!complete) return damaged(Format::kBmp, "it is truncated");
  constexpr std::size_t kMaxBytes = std::numeric_limits<int>::max();
  if (bytes.size() > kMaxBytes) {
    return Status{StatusCode::kResourceExhausted,
                  "bmp: the file has " + std::to_string(bytes.size()) + " bytes; at most " +
                      std::to_string(kMaxBytes) + " are read"};
  }

  try {
    const cv::Mat file(1, static_cast<int>(bytes.size()), CV_8UC1,
                       const_cast<std::uint8_t*>(bytes.data()));
    const cv::Mat decoded =
        cv::imdecode(file, header.has_alpha ? cv::IMREAD_UNCHANGED
                                            : cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
    const int channels = decoded.channels();
    if (decoded.empty() || decoded.depth() != CV_8U || (channels != 3 && channels != 4)) {
      return damaged(Format::kBmp, "its header or picture data makes no sense");
    }
    if (static_cast<std::size_t>(decoded.cols) != header.width ||
        static_cast<std::size_t>(decoded.rows) != header.height) {
      return damaged(Format::kBmp, "its header contradicts itself");
    }
    SIGHTLINE_TRY(image::Image picture, make_image(header.width, header.height));
    for (int y = 0; y < decoded.rows; ++y) {
      const std::uint8_t* in = decoded.ptr(y);
      std::uint8_t* out = picture.rgb.data() + static_cast<std::size_t>(y) * header.width * 3;
      for (std::size_t x = 0; x < header.width; ++x, in += channels, out += 3) {
        const std::uint8_t rgba[4] = {in[2], in[1], in[0],
                                      channels == 4 ? in[3] : std::uint8_t{255}};
        flatten_rgba(rgba, 1, alpha, out);
      }
    }
    return picture;
  } catch (const cv::Exception& e) {
    if (e.code == cv::Error::StsNoMem) {
      return Status{StatusCode::kResourceExhausted, "bmp: no memory to decode it"};
    }
    return damaged(Format::kBmp, e.err);
  }
}

}  // namespace sightline::codecs
