#include "image/resample.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "image/internal/resample_with.h"
#include "image/kernels/kernels.h"

namespace sightline::image {
namespace {

constexpr std::size_t kMaxEdge = std::size_t{1} << 40;  // doubles hold positions exactly

double support_of(Filter filter) { return filter == Filter::kBicubic ? 2.0 : 1.0; }

double filter_value(Filter filter, double x) {
  x = std::abs(x);
  if (filter == Filter::kBilinear) return x < 1.0 ? 1.0 - x : 0.0;
  constexpr double a = -0.5;
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

// Weights of the output positions first .. first + count along one axis.
struct Axis {
  std::vector<TapSpan> spans;
  std::vector<TapGroup> groups;
  std::vector<std::size_t> sizes;                // taps that are not padding
  std::size_t source_begin = 0, source_end = 0;  // what all positions together read

  void shift_to_origin() {
    for (TapSpan& span : spans) span.first -= source_begin;
  }
};

Axis make_axis(std::size_t in_size, std::size_t out_size, Filter filter, std::size_t first,
               std::size_t count) {
  const double scale = static_cast<double>(in_size) / static_cast<double>(out_size);
  const double filter_scale = std::max(scale, 1.0);
  const double support = support_of(filter) * filter_scale;
  const double inverse = 1.0 / filter_scale;

  Axis axis;
  axis.spans.reserve(count);
  axis.sizes.reserve(count);
  axis.source_begin = in_size;
  std::vector<double> weights;
  for (std::size_t i = 0; i < count; ++i) {
    const double center = (static_cast<double>(first + i) + 0.5) * scale;
    const double low_edge = center - support + 0.5;
    const std::size_t begin = low_edge < 0 ? 0 : static_cast<std::size_t>(low_edge);
    const std::size_t end = std::min(in_size, static_cast<std::size_t>(center + support + 0.5));

    weights.clear();
    double sum = 0.0;
    for (std::size_t x = begin; x < end; ++x) {
      weights.push_back(filter_value(filter, (static_cast<double>(x) - center + 0.5) * inverse));
      sum += weights.back();
    }

    const std::size_t num_groups = (weights.size() + 3) / 4;
    axis.spans.push_back({begin, num_groups, axis.groups.size()});
    axis.sizes.push_back(weights.size());
    axis.source_begin = std::min(axis.source_begin, begin);
    axis.source_end = std::max(axis.source_end, end);
    axis.groups.resize(axis.groups.size() + num_groups);
    TapGroup* groups = axis.groups.data() + axis.spans.back().offset;
    for (std::size_t t = 0; t < weights.size(); ++t) {
      if (sum != 0.0) weights[t] /= sum;
      const double scaled = weights[t] * (1 << kWeightBits);
      const int weight = static_cast<int>(weights[t] < 0 ? scaled - 0.5 : scaled + 0.5);
      groups[t / 4].low[t % 4] = static_cast<std::int16_t>(weight & ((1 << kLowBits) - 1));
      groups[t / 4].high[t % 4] = static_cast<std::int16_t>(weight >> kLowBits);
    }
  }
  return axis;
}

Result<void> check(ImageView source, std::size_t width, std::size_t height, const Window& window) {
  if (source.data == nullptr || source.width == 0 || source.height == 0) {
    return invalid_argument("resample: the picture has " + std::to_string(source.width) + " x " +
                            std::to_string(source.height) + " pixels; it must not be empty");
  }
  if (width == 0 || height == 0 || std::max(width, height) > kMaxEdge ||
      std::max(source.width, source.height) > kMaxEdge) {
    return invalid_argument("resample: from " + std::to_string(source.width) + " x " +
                            std::to_string(source.height) + " to " + std::to_string(width) + " x " +
                            std::to_string(height) + " pixels; edges must be 1.." +
                            std::to_string(kMaxEdge));
  }
  if (window.width == 0 || window.height == 0 || window.x >= width ||
      window.width > width - window.x || window.y >= height || window.height > height - window.y) {
    return invalid_argument("resample: window " + std::to_string(window.width) + " x " +
                            std::to_string(window.height) + " at " + std::to_string(window.x) +
                            ", " + std::to_string(window.y) + " lies outside the result of " +
                            std::to_string(width) + " x " + std::to_string(height));
  }
  return {};
}

void copy_window(ImageView source, std::size_t x, std::size_t y, Image& out) {
  for (std::size_t row = 0; row < out.height; ++row) {
    std::memcpy(out.rgb.data() + row * out.width * 3,
                source.data + (y + row) * source.stride + 3 * x, out.width * 3);
  }
}

// Rows row_begin .. row_begin + out.height of `source`, each resampled along x.
void resample_rows(ImageView source, std::size_t row_begin, Axis axis, const KernelTable& table,
                   Image& out) {
  // The loops may read a little past the end of a row: into the next one, or of a copy.
  const std::size_t begin = axis.source_begin;
  const std::size_t bytes = (axis.source_end - begin) * 3;
  const std::size_t readable = (source.height - 1) * source.stride + source.width * 3;
  std::vector<std::uint8_t> copy;
  axis.shift_to_origin();
  for (std::size_t row = 0; row < out.height; ++row) {
    const std::size_t at = (row_begin + row) * source.stride + 3 * begin;
    const std::uint8_t* line = source.data + at;
    if (at + bytes + kRowSlack > readable) {
      copy.resize(bytes + kRowSlack);
      std::memcpy(copy.data(), line, bytes);
      line = copy.data();
    }
    table.horizontal(line, axis.spans.data(), axis.spans.size(), axis.groups.data(),
                     out.rgb.data() + row * out.width * 3);
  }
}

Image make_image(std::size_t width, std::size_t height) {
  Image out;
  out.width = width;
  out.height = height;
  out.rgb.resize(width * height * 3);
  return out;
}

}  // namespace

Result<Image> resample_with(const KernelTable& table, ImageView source, std::size_t width,
                            std::size_t height, Filter filter, Window window) {
  SIGHTLINE_TRY_DO(check(source, width, height, window));
  try {
    Image out = make_image(window.width, window.height);
    const bool along_x = width != source.width;
    const bool along_y = height != source.height;
    if (!along_x && !along_y) {
      copy_window(source, window.x, window.y, out);
      return out;
    }
    if (!along_y) {
      resample_rows(source, window.y,
                    make_axis(source.width, width, filter, window.x, window.width), table, out);
      return out;
    }

    Axis vertical = make_axis(source.height, height, filter, window.y, window.height);
    const std::size_t row_begin = vertical.source_begin;
    Image rows;
    ImageView middle{source.data + row_begin * source.stride + 3 * window.x, window.width,
                     vertical.source_end - row_begin, source.stride};
    if (along_x) {
      rows = make_image(window.width, middle.height);
      resample_rows(source, row_begin,
                    make_axis(source.width, width, filter, window.x, window.width), table, rows);
      middle = rows.view();
    }
    vertical.shift_to_origin();
    for (std::size_t y = 0; y < window.height; ++y) {
      const TapSpan& span = vertical.spans[y];
      table.vertical(middle.data + span.first * middle.stride, middle.stride, vertical.sizes[y],
                     vertical.groups.data() + span.offset, span.groups,
                     out.rgb.data() + y * window.width * 3, window.width * 3);
    }
    return out;
  } catch (const std::bad_alloc&) {
    return Status{StatusCode::kResourceExhausted, "resample: no memory for " +
                                                      std::to_string(window.width) + " x " +
                                                      std::to_string(window.height) + " pixels"};
  } catch (const std::length_error&) {
    return Status{StatusCode::kResourceExhausted, "resample: " + std::to_string(window.width) +
                                                      " x " + std::to_string(window.height) +
                                                      " pixels exceed what memory can address"};
  }
}

Result<Image> resample(ImageView source, std::size_t width, std::size_t height, Filter filter,
                       Window window) {
  return resample_with(kernels(), source, width, height, filter, window);
}

Result<Image> resample(ImageView source, std::size_t width, std::size_t height, Filter filter) {
  return resample(source, width, height, filter, Window{0, 0, width, height});
}

}  // namespace sightline::image
