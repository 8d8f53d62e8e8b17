// libjpeg is used directly and not through OpenCV, which paints the missing part of a truncated
// file gray, converts CMYK by another formula, and lets libjpeg write to stderr.
#include <bit>
#include <csetjmp>
#include <cstdint>
#include <cstdio>  // jpeglib.h needs FILE
#include <cstdlib>
#include <cstring>
#include <memory>

#include <jpeglib.h>

#include <jerror.h>

#include "codecs/internal/formats.h"
#include "codecs/internal/pixels.h"

namespace sightline::codecs {
namespace {

// A progressive file may name a hundred thousand scans of nothing, each a pass over the picture.
constexpr int kMaxScans = 200;
constexpr int kTooManyScans = -1;  // beside libjpeg's own codes

enum Marker : std::uint8_t {
  kSof0 = 0xC0,
  kSof1 = 0xC1,
  kSof2 = 0xC2,
  kDht = 0xC4,
  kJpg = 0xC8,
  kDac = 0xCC,
  kSof15 = 0xCF,
  kRst0 = 0xD0,
  kSoi = 0xD8,
  kEoi = 0xD9,
  kSos = 0xDA,
  kApp1 = 0xE1,
  kTem = 0x01,
};

bool is_frame_header(std::uint8_t marker) {
  return marker >= kSof0 && marker <= kSof15 && marker != kDht && marker != kJpg && marker != kDac;
}

// Huffman coding spends at least one bit on the DC value of every 8 x 8 block, and the component
// sampled best has at least a quarter of all blocks.
std::uint64_t min_bytes(std::uint8_t frame, const ImageHeader& header) {
  if (frame > kSof2) return 0;
  const std::uint64_t blocks = ((header.width + 7) / 8) * ((header.height + 7) / 8);
  return (blocks / 4 + 7) / 8;
}

struct ErrorManager {
  jpeg_error_mgr base;  // first: libjpeg hands out its address
  jmp_buf jump;
  int code;
  char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void give_up(j_common_ptr info) {
  auto* errors = static_cast<ErrorManager*>(static_cast<void*>(info->err));
  errors->code = info->err->msg_code;
  info->err->format_message(info, errors->message);
  std::longjmp(errors->jump, 1);
}

bool is_damage(int warning) {
  switch (warning) {
    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
      return true;
    default:
      return false;
  }
}

// Level -1 is a warning. Those that mean lost picture data end the decoding; the others (an
// unusual version number, bytes between segments) say nothing about the pixels.
void on_message(j_common_ptr info, int level) {
  if (level < 0 && is_damage(info->err->msg_code)) give_up(info);
}

void on_progress(j_common_ptr info) {
  const auto* decoder = static_cast<const jpeg_decompress_struct*>(static_cast<const void*>(info));
  if (!info->is_decompressor || decoder->input_scan_number <= kMaxScans) return;
  auto* errors = static_cast<ErrorManager*>(static_cast<void*>(info->err));
  errors->code = kTooManyScans;
  std::snprintf(errors->message, sizeof errors->message, "it has more than %d scans", kMaxScans);
  std::longjmp(errors->jump, 1);
}

// Adobe's convention, as Pillow reads every CMYK JPEG: stored inverted.
void cmyk_row(const std::uint8_t* in, std::size_t count, std::uint8_t* out) {
  for (std::size_t i = 0; i < count; ++i, in += 4, out += 3) {
    const std::uint32_t light = in[3];
    for (std::size_t c = 0; c < 3; ++c) {
      out[c] = static_cast<std::uint8_t>(light - mul_div_255(255u - in[c], light));
    }
  }
}

// libjpeg-turbo writes a row that lies on a boundary of its vectors past the caches, and whoever
// reads the picture next waits for memory. A row aside is off every such boundary.
constexpr std::uintptr_t kVectorBytes = 32;
constexpr JDIMENSION kUneven = 8;
bool is_streamed(const JSAMPLE* row) {
  return std::bit_cast<std::uintptr_t>(row) % kVectorBytes == 0;
}

// Nothing here has a destructor: libjpeg leaves by longjmp.
bool read_pixels(jpeg_decompress_struct& info, ErrorManager& errors, jpeg_progress_mgr& progress,
                 ByteView bytes, const ImageHeader& header, std::uint8_t* out) {
  if (setjmp(errors.jump) != 0) return false;
  jpeg_create_decompress(&info);
  info.progress = &progress;
  jpeg_mem_src(&info, bytes.data(), bytes.size());
  jpeg_read_header(&info, TRUE);
  const bool cmyk = info.num_components == 4;
  info.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(&info);
  if (info.output_width != header.width || info.output_height != header.height) {
    ERREXIT(&info, JERR_IMAGE_TOO_BIG);  // a second frame header of another size
  }
  const std::size_t row_bytes = std::size_t{info.output_width} * 3;
  const auto samples = info.output_width * static_cast<JDIMENSION>(info.output_components);
  JSAMPROW aside = info.mem->alloc_sarray(static_cast<j_common_ptr>(static_cast<void*>(&info)),
                                          JPOOL_IMAGE, samples + kUneven, 1)[0] +
                   kUneven;
  while (info.output_scanline < info.output_height) {
    JSAMPROW target = out + info.output_scanline * row_bytes;
    const bool direct = !cmyk && !is_streamed(target);
    jpeg_read_scanlines(&info, direct ? &target : &aside, 1);
    if (cmyk) {
      cmyk_row(aside, info.output_width, target);
    } else if (!direct) {
      std::memcpy(target, aside, row_bytes);
    }
  }
  jpeg_finish_decompress(&info);
  return true;
}

// What libjpeg allocates for the result; libjpeg keeps the addresses of both.
struct Encoded {
  unsigned char* data = nullptr;
  unsigned long size = 0;
};

bool write_pixels(jpeg_compress_struct& info, ErrorManager& errors, image::ImageView picture,
                  int quality, Encoded& out) {
  if (setjmp(errors.jump) != 0) return false;
  jpeg_create_compress(&info);
  jpeg_mem_dest(&info, &out.data, &out.size);
  info.image_width = static_cast<JDIMENSION>(picture.width);
  info.image_height = static_cast<JDIMENSION>(picture.height);
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, quality, TRUE);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = const_cast<std::uint8_t*>(picture.data + info.next_scanline * picture.stride);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  return true;
}

}  // namespace

Result<ImageHeader> jpeg_header(ByteView bytes) {
  ImageHeader header;
  header.format = Format::kJpeg;
  std::uint8_t frame = 0;
  std::uint64_t at = 2;
  while (true) {
    while (bytes.has(at, 1) && bytes.u8(at) != 0xFF) ++at;  // libjpeg skips garbage, too
    while (bytes.u8(at) == 0xFF) ++at;
    if (!bytes.has(at, 1)) return damaged(Format::kJpeg, "it ends before the picture data");
    const std::uint8_t marker = bytes.u8(at);
    ++at;
    if (marker == 0 || marker == kTem || (marker >= kRst0 && marker <= kSoi)) continue;
    if (marker == kEoi) return damaged(Format::kJpeg, "it has no picture data");
    const std::uint32_t length = bytes.be16(at);
    if (length < 2 || !bytes.has(at, length)) {
      return damaged(Format::kJpeg, "it ends inside a header segment");
    }
    const ByteView body = bytes.part(at + 2, length - 2);
    if (marker == kApp1 && header.orientation == 1 && body.starts_with({"Exif\0", 5})) {
      header.orientation = exif_orientation(body.part(6));
    } else if (is_frame_header(marker) && frame == 0) {
      frame = marker;
      header.height = body.be16(1);
      header.width = body.be16(3);
      header.buffered = marker >= kSof2;
    } else if (marker == kSos) {
      break;
    }
    at += length;
  }
  if (frame == 0) return damaged(Format::kJpeg, "it has no frame header");
  header.min_bytes = min_bytes(frame, header);
  return header;
}

Result<image::Image> decode_jpeg(ByteView bytes, const ImageHeader& header, image::Image spare) {
  SIGHTLINE_TRY(image::Image picture, reuse_image(std::move(spare), header.width, header.height));
  jpeg_decompress_struct info{};
  jpeg_progress_mgr progress{};
  progress.progress_monitor = on_progress;
  ErrorManager errors{};
  info.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = give_up;
  errors.base.emit_message = on_message;
  const bool complete = read_pixels(info, errors, progress, bytes, header, picture.rgb.data());
  jpeg_destroy_decompress(&info);
  if (complete) return picture;
  switch (errors.code) {
    case JWRN_JPEG_EOF:
    case JERR_INPUT_EOF:
    case JERR_INPUT_EMPTY:
      return damaged(Format::kJpeg, "it is truncated");
    case JERR_OUT_OF_MEMORY:
      return Status{StatusCode::kResourceExhausted, "jpeg: no memory to decode it"};
    case JERR_BAD_PRECISION:
    case JERR_SOF_UNSUPPORTED:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_ARITH_NOTIMPL:
      return Status{StatusCode::kUnimplemented, std::string("jpeg: ") + errors.message};
    default:
      return damaged(Format::kJpeg, errors.message);
  }
}

Result<std::string> encode_jpeg(image::ImageView picture, int quality) {
  jpeg_compress_struct info{};
  ErrorManager errors{};
  info.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = give_up;
  errors.base.emit_message = [](j_common_ptr, int) {};
  Encoded encoded;
  const bool complete = write_pixels(info, errors, picture, quality, encoded);
  jpeg_destroy_compress(&info);
  const std::unique_ptr<unsigned char, decltype(&std::free)> owner(encoded.data, std::free);
  if (!complete) return internal_error(std::string("jpeg encoder: ") + errors.message);
  return std::string(static_cast<const char*>(static_cast<const void*>(encoded.data)),
                     encoded.size);
}

}  // namespace sightline::codecs
