#include "train/render.h"

#include <librsvg/rsvg.h>

#include <cstring>
#include <memory>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <string>

#include "codecs/decode.h"

namespace sightline::train {
namespace {

constexpr std::uint64_t kMaxPixels = 40'000'000;

template <auto release>
struct Release {
  template <typename T>
  void operator()(T* object) const {
    release(object);
  }
};
using Handle = std::unique_ptr<RsvgHandle, Release<g_object_unref>>;
using Surface = std::unique_ptr<cairo_surface_t, Release<cairo_surface_destroy>>;
using Context = std::unique_ptr<cairo_t, Release<cairo_destroy>>;

/// Width / height as the document says, or of its viewBox, or of its ink.
float svg_aspect(RsvgHandle* handle) {
  double width = 0, height = 0;
  if (rsvg_handle_get_intrinsic_size_in_pixels(handle, &width, &height) && width > 0 &&
      height > 0) {
    return static_cast<float>(width / height);
  }
  gboolean has_width = 0, has_height = 0, has_box = 0;
  RsvgLength w, h;
  RsvgRectangle box;
  rsvg_handle_get_intrinsic_dimensions(handle, &has_width, &w, &has_height, &h, &has_box, &box);
  if (has_box && box.width > 0 && box.height > 0) {
    return static_cast<float>(box.width / box.height);
  }
  return 1.0f;
}

/// 8-bit BGRA of any depth and number of channels.
cv::Mat as_bgra(cv::Mat decoded) {
  if (decoded.depth() == CV_16U) decoded.convertTo(decoded, CV_8U, 1.0 / 256.0);
  cv::Mat out;
  switch (decoded.channels()) {
    case 1:
      cv::cvtColor(decoded, out, cv::COLOR_GRAY2BGRA);
      break;
    case 3:
      cv::cvtColor(decoded, out, cv::COLOR_BGR2BGRA);
      break;
    case 4:
      out = decoded;
      break;
    default:
      break;
  }
  return out;
}

void multiply_by_alpha(cv::Mat& bgra) {
  for (int y = 0; y < bgra.rows; ++y) {
    auto* row = bgra.ptr<std::uint8_t>(y);
    for (int x = 0; x < bgra.cols; ++x, row += 4) {
      for (int c = 0; c < 3; ++c) {
        row[c] = static_cast<std::uint8_t>((row[c] * row[3] + 127) / 255);
      }
    }
  }
}

Result<Rendered> render_raster(const std::filesystem::path& file) {
  SIGHTLINE_TRY(const auto bytes, codecs::read_file(file));
  SIGHTLINE_TRY(const auto header, codecs::parse_header(bytes));
  if (header.width * header.height > kMaxPixels) {
    return Status{StatusCode::kResourceExhausted,
                  file.string() + ": " + std::to_string(header.width) + " x " +
                      std::to_string(header.height) +
                      " pixels; at most 40 megapixels are trained on"};
  }
  try {
    const cv::Mat encoded(1, static_cast<int>(bytes.size()), CV_8U,
                          const_cast<std::byte*>(bytes.data()));
    cv::Mat picture = as_bgra(cv::imdecode(encoded, cv::IMREAD_UNCHANGED));
    if (picture.empty()) return corruption(file.string() + ": damaged picture");
    multiply_by_alpha(picture);
    const int side = static_cast<int>(kSide);
    const bool shrink = picture.cols > side || picture.rows > side;
    cv::Mat small;
    cv::resize(picture, small, {side, side}, 0, 0, shrink ? cv::INTER_AREA : cv::INTER_LINEAR);
    cv::cvtColor(small, small, cv::COLOR_BGRA2RGBA);
    return Rendered{{small.datastart, small.dataend},
                    static_cast<float>(picture.cols) / static_cast<float>(picture.rows)};
  } catch (const cv::Exception& e) {
    return corruption(file.string() + ": " + e.what());
  }
}

}  // namespace

Result<Rendered> render_svg(std::string_view svg, std::string_view what) {
  GError* error = nullptr;
  const Handle handle(
      rsvg_handle_new_from_data(reinterpret_cast<const guint8*>(svg.data()), svg.size(), &error));
  if (!handle) {
    std::string reason = error != nullptr ? error->message : "unknown";
    g_clear_error(&error);
    return invalid_argument(std::string(what) + ": not SVG: " + reason);
  }
  Rendered out;
  out.aspect = svg_aspect(handle.get());
  if (!(out.aspect > 0.02f && out.aspect < 50.0f)) {
    return invalid_argument(std::string(what) + ": senseless size");
  }
  // librsvg keeps the aspect: draw into the picture's own box, stretched by the matrix.
  const double side = static_cast<double>(kSide);
  const double width = out.aspect >= 1 ? side : side * static_cast<double>(out.aspect);
  const double height = out.aspect >= 1 ? side / static_cast<double>(out.aspect) : side;
  const Surface surface(cairo_image_surface_create(CAIRO_FORMAT_ARGB32, kSide, kSide));
  const Context context(cairo_create(surface.get()));
  cairo_scale(context.get(), side / width, side / height);
  const RsvgRectangle viewport{0, 0, width, height};
  if (!rsvg_handle_render_document(handle.get(), context.get(), &viewport, &error)) {
    std::string reason = error != nullptr ? error->message : "unknown";
    g_clear_error(&error);
    return invalid_argument(std::string(what) + ": cannot be drawn: " + reason);
  }
  cairo_surface_flush(surface.get());
  const unsigned char* data = cairo_image_surface_get_data(surface.get());
  const auto stride = static_cast<std::size_t>(cairo_image_surface_get_stride(surface.get()));
  out.rgba.resize(kPictureBytes);
  unsigned ink = 0;
  for (std::size_t y = 0; y < kSide; ++y) {
    for (std::size_t x = 0; x < kSide; ++x) {
      std::uint32_t pixel;  // native-endian ARGB
      std::memcpy(&pixel, data + y * stride + x * 4, 4);
      std::uint8_t* to = out.rgba.data() + (y * kSide + x) * 4;
      to[0] = static_cast<std::uint8_t>(pixel >> 16);
      to[1] = static_cast<std::uint8_t>(pixel >> 8);
      to[2] = static_cast<std::uint8_t>(pixel);
      to[3] = static_cast<std::uint8_t>(pixel >> 24);
      ink |= to[3];
    }
  }
  if (ink == 0) return invalid_argument(std::string(what) + ": an empty drawing");
  return out;
}

Result<Rendered> render_file(const std::filesystem::path& file) {
  if (file.extension() != ".svg") return render_raster(file);
  SIGHTLINE_TRY(const auto bytes, codecs::read_file(file));
  return render_svg({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, file.string());
}

}  // namespace sightline::train
