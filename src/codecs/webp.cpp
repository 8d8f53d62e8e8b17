#include <webp/decode.h>
#include <webp/demux.h>

#include <cstring>
#include <memory>

#include "codecs/internal/formats.h"
#include "codecs/internal/pixels.h"

namespace sightline::codecs {
namespace {

enum Vp8xFlag : std::uint8_t { kAnimation = 0x02, kExif = 0x08, kAlpha = 0x10 };

// The bitstream headers of RFC 6386 (9.1) and of the lossless specification (3).
Result<void> read_frame_size(ByteView chunk, bool lossless, ImageHeader& header) {
  if (lossless) {
    if (!chunk.has(0, 5) || chunk.u8(0) != 0x2F) {
      return damaged(Format::kWebp, "its frame header makes no sense");
    }
    const std::uint32_t bits = chunk.le32(1);
    header.width = (bits & 0x3FFF) + 1;
    header.height = (bits >> 14 & 0x3FFF) + 1;
    header.has_alpha = (bits >> 28 & 1) != 0;
    return {};
  }
  if (!chunk.has(0, 10) || !chunk.starts_with("\x9D\x01\x2A", 3)) {
    return damaged(Format::kWebp, "its frame header makes no sense");
  }
  header.width = chunk.le16(6) & 0x3FFF;
  header.height = chunk.le16(8) & 0x3FFF;
  return {};
}

Status decoding_failed(VP8StatusCode code) {
  switch (code) {
    case VP8_STATUS_OUT_OF_MEMORY:
      return {StatusCode::kResourceExhausted, "webp: no memory to decode it"};
    case VP8_STATUS_SUSPENDED:
    case VP8_STATUS_NOT_ENOUGH_DATA:
      return damaged(Format::kWebp, "it is truncated");
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      return {StatusCode::kUnimplemented, "webp: it uses a feature that libwebp does not know"};
    default:
      return damaged(Format::kWebp, "its picture data makes no sense");
  }
}

// One still frame of exactly width x height, 3 or 4 channels.
Result<image::Image> decode_frame(const std::uint8_t* data, std::size_t size, std::size_t width,
                                  std::size_t height, std::size_t channels) {
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config)) return internal_error("libwebp is of another version");
  const VP8StatusCode features = WebPGetFeatures(data, size, &config.input);
  if (features != VP8_STATUS_OK) return decoding_failed(features);
  if (static_cast<std::size_t>(config.input.width) != width ||
      static_cast<std::size_t>(config.input.height) != height) {
    return damaged(Format::kWebp, "its headers disagree on the size");
  }
  SIGHTLINE_TRY(image::Image frame, make_image(width, height, channels));
  config.output.colorspace = channels == 4 ? MODE_RGBA : MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = frame.rgb.data();
  config.output.u.RGBA.stride = static_cast<int>(width * channels);
  config.output.u.RGBA.size = frame.rgb.size();
  const VP8StatusCode code = WebPDecode(data, size, &config);
  WebPFreeDecBuffer(&config.output);
  if (code != VP8_STATUS_OK) return decoding_failed(code);
  return frame;
}

void flatten(image::Image& frame, AlphaRule alpha) {
  const std::size_t count = frame.width * frame.height;
  flatten_rgba(frame.rgb.data(), count, alpha, frame.rgb.data());
  frame.rgb.resize(count * 3);
}

Result<image::Image> first_frame(ByteView bytes, const ImageHeader& header, AlphaRule alpha) {
  const WebPData data{bytes.data(), bytes.size()};
  const std::unique_ptr<WebPDemuxer, decltype(&WebPDemuxDelete)> demuxer(WebPDemux(&data),
                                                                         WebPDemuxDelete);
  if (!demuxer) return damaged(Format::kWebp, "its animation is truncated or makes no sense");
  WebPIterator iterator;
  if (!WebPDemuxGetFrame(demuxer.get(), 1, &iterator)) {
    return damaged(Format::kWebp, "its animation has no frame");
  }
  const std::unique_ptr<WebPIterator, decltype(&WebPDemuxReleaseIterator)> release(
      &iterator, WebPDemuxReleaseIterator);
  const auto x = static_cast<std::size_t>(iterator.x_offset);
  const auto y = static_cast<std::size_t>(iterator.y_offset);
  const auto width = static_cast<std::size_t>(iterator.width);
  const auto height = static_cast<std::size_t>(iterator.height);
  if (x + width > header.width || y + height > header.height) {
    return damaged(Format::kWebp, "its first frame leaves the canvas");
  }
  SIGHTLINE_TRY(image::Image frame,
                decode_frame(iterator.fragment.bytes, iterator.fragment.size, width, height, 4));
  flatten(frame, alpha);
  if (width == header.width && height == header.height) return frame;

  // The canvas around the frame is transparent black.
  SIGHTLINE_TRY(image::Image canvas, make_image(header.width, header.height));
  if (alpha == AlphaRule::kWhite) std::memset(canvas.rgb.data(), 0xFF, canvas.rgb.size());
  for (std::size_t row = 0; row < height; ++row) {
    std::memcpy(canvas.rgb.data() + ((y + row) * header.width + x) * 3,
                frame.rgb.data() + row * width * 3, width * 3);
  }
  return canvas;
}

}  // namespace

Result<ImageHeader> webp_header(ByteView bytes) {
  ImageHeader header;
  header.format = Format::kWebp;
  if (!bytes.has(12, 8)) return damaged(Format::kWebp, "it ends inside its header");
  const ByteView first = bytes.part(20, bytes.le32(16));
  if (bytes.starts_with("VP8 ", 12) || bytes.starts_with("VP8L", 12)) {
    SIGHTLINE_TRY_DO(read_frame_size(first, bytes.u8(15) == 'L', header));
    return header;
  }
  if (!bytes.starts_with("VP8X", 12) || !first.has(0, 10)) {
    return damaged(Format::kWebp, "its first chunk makes no sense");
  }
  const std::uint8_t flags = first.u8(0);
  header.animated = (flags & kAnimation) != 0;
  header.has_alpha = (flags & kAlpha) != 0;
  header.width = std::size_t{first.le24(4)} + 1;
  header.height = std::size_t{first.le24(7)} + 1;
  if ((flags & kExif) == 0) return header;
  for (std::uint64_t at = 12; bytes.has(at, 8);) {
    const std::uint64_t length = bytes.le32(at + 4);
    if (bytes.starts_with("EXIF", at)) {
      ByteView exif = bytes.part(at + 8, length);
      // Some writers keep JPEG's prefix.
      if (exif.starts_with({"Exif\0\0", 6})) exif = exif.part(6);
      header.orientation = exif_orientation(exif);
      break;
    }
    at += 8 + length + length % 2;
  }
  return header;
}

Result<image::Image> decode_webp(ByteView bytes, const ImageHeader& header, AlphaRule alpha) {
  if (header.animated) return first_frame(bytes, header, alpha);
  // Without alpha, or when it is dropped, libwebp writes RGB itself.
  const bool with_alpha = header.has_alpha && alpha == AlphaRule::kWhite;
  SIGHTLINE_TRY(image::Image picture, decode_frame(bytes.data(), bytes.size(), header.width,
                                                   header.height, with_alpha ? 4 : 3));
  if (with_alpha) flatten(picture, alpha);
  return picture;
}

}  // namespace sightline::codecs
