#include <libheif/heif.h>

#include <algorithm>
#include <memory>

#include "codecs/internal/formats.h"
#include "codecs/internal/pixels.h"

namespace sightline::codecs {
namespace {

template <auto kRelease>
struct Releaser {
  template <typename T>
  void operator()(T* value) const {
    kRelease(value);
  }
};
using Context = std::unique_ptr<heif_context, Releaser<heif_context_free>>;
using Handle = std::unique_ptr<const heif_image_handle, Releaser<heif_image_handle_release>>;
using Picture = std::unique_ptr<const heif_image, Releaser<heif_image_release>>;

Status failed(Format format, const heif_error& error) {
  const std::string message = error.message != nullptr ? error.message : "libheif failed";
  switch (error.code) {
    case heif_error_Unsupported_filetype:
    case heif_error_Unsupported_feature:
    case heif_error_Plugin_loading_error:
      return {StatusCode::kUnimplemented, std::string(format_name(format)) + ": " + message};
    case heif_error_Memory_allocation_error:
      return {StatusCode::kResourceExhausted, std::string(format_name(format)) + ": " + message};
    default:
      return damaged(format, message);
  }
}

struct Opened {
  Context context;
  Handle handle;
  std::size_t width = 0, height = 0;  // as seen, after the file's rotations
};

// Reads the boxes; nothing is decoded.
Result<Opened> open(ByteView bytes, Format format) {
  Opened opened;
  opened.context.reset(heif_context_alloc());
  if (!opened.context) {
    return Status{StatusCode::kResourceExhausted, "heif: no memory to open it"};
  }
  // Decoding workers are threads already.
  heif_context_set_max_decoding_threads(opened.context.get(), 0);
  heif_error error = heif_context_read_from_memory_without_copy(opened.context.get(), bytes.data(),
                                                                bytes.size(), nullptr);
  if (error.code != heif_error_Ok) return failed(format, error);
  heif_image_handle* handle = nullptr;
  error = heif_context_get_primary_image_handle(opened.context.get(), &handle);
  if (error.code != heif_error_Ok) return failed(format, error);
  opened.handle.reset(handle);
  const int width = heif_image_handle_get_width(handle);
  const int height = heif_image_handle_get_height(handle);
  if (width < 0 || height < 0) return damaged(format, "its size makes no sense");
  opened.width = static_cast<std::size_t>(width);
  opened.height = static_cast<std::size_t>(height);
  return opened;
}

}  // namespace

Result<ImageHeader> heif_header(ByteView bytes, Format format) {
  SIGHTLINE_TRY(const Opened opened, open(bytes, format));
  ImageHeader header;
  header.format = format;
  header.width = opened.width;
  header.height = opened.height;
  header.has_alpha = heif_image_handle_has_alpha_channel(opened.handle.get()) != 0;
  return header;
}

Result<image::Image> decode_heif(ByteView bytes, const ImageHeader& header, AlphaRule alpha) {
  SIGHTLINE_TRY(const Opened opened, open(bytes, header.format));
  const std::size_t channels = header.has_alpha ? 4 : 3;
  heif_image* decoded = nullptr;
  const heif_error error = heif_decode_image(
      opened.handle.get(), &decoded, heif_colorspace_RGB,
      header.has_alpha ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB, nullptr);
  if (error.code != heif_error_Ok) return failed(header.format, error);
  const Picture owner(decoded);

  int stride = 0;
  const std::uint8_t* plane =
      heif_image_get_plane_readonly(decoded, heif_channel_interleaved, &stride);
  const int width = heif_image_get_width(decoded, heif_channel_interleaved);
  const int height = heif_image_get_height(decoded, heif_channel_interleaved);
  if (plane == nullptr || width <= 0 || height <= 0 ||
      static_cast<std::size_t>(width) != header.width ||
      static_cast<std::size_t>(height) != header.height || stride < 0 ||
      static_cast<std::size_t>(stride) < header.width * channels) {
    return damaged(header.format, "its picture has another size than its header says");
  }
  SIGHTLINE_TRY(image::Image picture, make_image(header.width, header.height));
  const bool premultiplied = heif_image_is_premultiplied_alpha(decoded) != 0;
  for (std::size_t y = 0; y < header.height; ++y) {
    const std::uint8_t* in = plane + y * static_cast<std::size_t>(stride);
    std::uint8_t* out = picture.rgb.data() + y * header.width * 3;
    if (!header.has_alpha) {
      std::copy(in, in + header.width * 3, out);
    } else if (premultiplied) {
      flatten_premultiplied(in, header.width, alpha, out);
    } else {
      flatten_rgba(in, header.width, alpha, out);
    }
  }
  return picture;
}

}  // namespace sightline::codecs
