// codecs/internal/formats.h: one pair of functions per picture format, each pair in its own file.
//
// x_header() knows the signature and reads what ImageHeader holds, bounds checked, decoding
// nothing. decode_x() gives RGB of header.width x header.height in stored order (decode() applies
// the orientation); it is called once the limits are checked. Libraries speak C or throw; their
// errors end here, and their messages reach neither stdout nor stderr (but for what dav1d, inside
// libheif, says about damaged AVIF).
#pragma once

#include "codecs/decode.h"
#include "codecs/internal/byte_view.h"

namespace sightline::codecs {

Result<ImageHeader> jpeg_header(ByteView bytes);
Result<ImageHeader> png_header(ByteView bytes);
Result<ImageHeader> webp_header(ByteView bytes);
Result<ImageHeader> tiff_header(ByteView bytes);
Result<ImageHeader> bmp_header(ByteView bytes);
Result<ImageHeader> gif_header(ByteView bytes);
/// Width and height are those after the file's own rotations, which libheif applies.
Result<ImageHeader> heif_header(ByteView bytes, Format format);

/// Works in the memory of `spare` if it suffices.
Result<image::Image> decode_jpeg(ByteView bytes, const ImageHeader& header, image::Image spare);
Result<image::Image> decode_png(ByteView bytes, const ImageHeader& header, AlphaRule alpha);
Result<image::Image> decode_webp(ByteView bytes, const ImageHeader& header, AlphaRule alpha);
Result<image::Image> decode_tiff(ByteView bytes, const ImageHeader& header, AlphaRule alpha);
Result<image::Image> decode_bmp(ByteView bytes, const ImageHeader& header, AlphaRule alpha);
Result<image::Image> decode_gif(ByteView bytes, const ImageHeader& header, AlphaRule alpha);
Result<image::Image> decode_heif(ByteView bytes, const ImageHeader& header, AlphaRule alpha);

/// Baseline, 4:2:0; `quality` 1..100, edges 1..65500. errors  kInternal: no memory.
Result<std::string> encode_jpeg(image::ImageView picture, int quality);

/// The orientation tag (274) of the first directory of a TIFF structure, as EXIF blocks are; 1 if
/// there is none or it makes no sense.
int exif_orientation(ByteView tiff);

inline Status damaged(Format format, std::string_view what) {
  return corruption("damaged " + std::string(format_name(format)) + ": " + std::string(what));
}

}  // namespace sightline::codecs
