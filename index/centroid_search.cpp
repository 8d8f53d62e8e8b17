#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <new>

#include "index/kernels/nearest_kernel.h"
#include "index/kmeans.h"

namespace sightline::index {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
// Rows that are held in the second-level cache while the panels pass by.
constexpr std::size_t kBlockBytes = std::size_t{384} << 10;
constexpr std::size_t kMaxBlockRows = 192;

struct AlignedDelete {
  void operator()(float* values) const { ::operator delete[](values, std::align_val_t{64}); }
};
using AlignedFloats = std::unique_ptr<float[], AlignedDelete>;

AlignedFloats make_floats(std::size_t count) {
  return AlignedFloats(
      static_cast<float*>(::operator new[](count * sizeof(float), std::align_val_t{64})));
}

std::size_t round_up(std::size_t value, std::size_t unit) {
  return (value + unit - 1) / unit * unit;
}

/// Mean of [n, dim], in double.
std::vector<double> mean_row(std::span<const float> values, std::size_t dim) {
  std::vector<double> mean(dim);
  for (std::size_t at = 0; at < values.size(); at += dim) {
    for (std::size_t i = 0; i < dim; ++i) mean[i] += double{values[at + i]};
  }
  const double count = static_cast<double>(values.size() / dim);
  for (double& value : mean) value /= count;
  return mean;
}

}  // namespace

// Centroids relative to their mean, which changes no order but keeps the digits that products of
// rows far from the origin would lose, and scaled by a power of two to about 1, so that no product
// overflows.
struct CentroidSearch::Panels {
  const NearestKernel* kernel = nullptr;
  std::size_t num_panels = 0;
  AlignedFloats values;        // [num_panels, dim, width]
  std::vector<float> offsets;  // [num_panels, width]: half the squared norm; 0 for inner product
  float scale = 1;
  std::vector<float> origin;  // scaled; of rows: 0 for inner product
  std::once_flag made;

  void make(std::span<const float> centroids, std::size_t dim, bool inner_product);
  void choose_scale(std::span<const float> centroids, const std::vector<double>& mean);
  void load_rows(std::span<const float> rows, std::size_t dim, float* out) const;
};

void CentroidSearch::Panels::choose_scale(std::span<const float> centroids,
                                          const std::vector<double>& mean) {
  double largest = 0;
  for (std::size_t at = 0; at < centroids.size(); at += mean.size()) {
    for (std::size_t i = 0; i < mean.size(); ++i)
      largest = std::max(largest, std::abs(double{centroids[at + i]} - mean[i]));
  }
  int exponent = 0;
  if (largest > 0 && std::isfinite(largest)) std::frexp(largest, &exponent);
  scale = std::ldexp(1.0F, std::clamp(-exponent, -126, 126));
}

void CentroidSearch::Panels::make(std::span<const float> centroids, std::size_t dim,
                                  bool inner_product) {
  const std::size_t num = centroids.size() / dim, width = kernel->width;
  const std::vector<double> mean = mean_row(centroids, dim);
  choose_scale(centroids, mean);
  origin.assign(dim, 0);
  if (!inner_product) {
    for (std::size_t i = 0; i < dim; ++i) origin[i] = static_cast<float>(mean[i] * double{scale});
  }
  num_panels = round_up(num, width) / width;
  values = make_floats(num_panels * width * dim);
  offsets.assign(num_panels * width, kInfinity);
  std::vector<double> norms(width);
  for (std::size_t panel = 0; panel < num_panels; ++panel) {
    const std::size_t first = panel * width, count = std::min(width, num - first);
    float* out = values.get() + first * dim;
    std::fill(norms.begin(), norms.end(), 0.0);
    for (std::size_t i = 0; i < dim; ++i, out += width) {
      const double center = inner_product ? mean[i] : double{origin[i]} / double{scale};
      for (std::size_t c = 0; c < count; ++c) {
        const double value = (double{centroids[(first + c) * dim + i]} - center) * double{scale};
        out[c] = static_cast<float>(value);
        norms[c] += value * value;
      }
      std::fill(out + count, out + width, 0.0F);
    }
    for (std::size_t c = 0; c < count; ++c)
      offsets[first + c] = inner_product ? 0.0F : static_cast<float>(norms[c] / 2);
  }
}

void CentroidSearch::Panels::load_rows(std::span<const float> rows, std::size_t dim,
                                       float* out) const {
  for (std::size_t at = 0; at < rows.size(); at += dim, out += dim) {
    float norm = 0;
    for (std::size_t i = 0; i < dim; ++i) {
      out[i] = rows[at + i] * scale - origin[i];
      norm += out[i] * out[i];
    }
    if (!(norm < 1e30F)) std::fill(out, out + dim, 0.0F);  // its scores might not be numbers
  }
}

CentroidSearch::CentroidSearch(std::span<const float> centroids, std::size_t dim,
                               bool inner_product, const KernelTable& kernels)
    : centroids_(centroids),
      dim_(dim),
      inner_product_(inner_product),
      kernels_(kernels),
      panels_(std::make_unique<Panels>()) {
  SIGHTLINE_CHECK(dim > 0 && !centroids.empty() && centroids.size() % dim == 0);
  panels_->kernel = &nearest_kernel(kernels);
}

CentroidSearch::CentroidSearch(CentroidSearch&& other) noexcept = default;
CentroidSearch::~CentroidSearch() = default;

const CentroidSearch::Panels& CentroidSearch::panels() const {
  std::call_once(panels_->made, [this] { panels_->make(centroids_, dim_, inner_product_); });
  return *panels_;
}

float CentroidSearch::distance(const float* row, std::size_t centroid) const {
  const auto* values = reinterpret_cast<const std::byte*>(centroids_.data() + centroid * dim_);
  const float found = inner_product_ ? -kernels_.inner_product(row, values, dim_)
                                     : kernels_.l2_squared(row, values, dim_);
  return std::isnan(found) ? kInfinity : found;
}

void CentroidSearch::assign(std::span<const float> rows, std::span<std::uint32_t> labels,
                            std::span<float> distances) const {
  SIGHTLINE_CHECK(rows.size() == labels.size() * dim_);
  SIGHTLINE_CHECK(distances.empty() || distances.size() == labels.size());
  const Panels& panels = this->panels();
  const NearestKernel& kernel = *panels.kernel;
  const std::size_t wanted = std::min(kBlockBytes / sizeof(float) / dim_, labels.size());
  const std::size_t block =
      round_up(std::clamp<std::size_t>(wanted, 1, kMaxBlockRows), kernel.tile_rows);
  const AlignedFloats held = make_floats(block * dim_);
  std::fill(held.get(), held.get() + block * dim_, 0.0F);
  std::vector<float> top(block * kernel.lanes);
  std::vector<std::int32_t> top_base(block * kernel.lanes);
  for (std::size_t first = 0; first < labels.size(); first += block) {
    const std::size_t count = std::min(block, labels.size() - first);
    panels.load_rows(rows.subspan(first * dim_, count * dim_), dim_, held.get());
    std::fill(top.begin(), top.end(), -kInfinity);
    for (std::size_t panel = 0; panel < panels.num_panels; ++panel) {
      const std::size_t at = panel * kernel.width;
      kernel.raise(held.get(), round_up(count, kernel.tile_rows), dim_,
                   panels.values.get() + at * dim_, panels.offsets.data() + at,
                   static_cast<std::int32_t>(at), top.data(), top_base.data());
    }
    kernel.pick(top.data(), top_base.data(), count, &labels[first]);
  }
  for (std::size_t i = 0; i < distances.size(); ++i)
    distances[i] = distance(rows.data() + i * dim_, labels[i]);
}

std::vector<std::pair<float, std::uint32_t>> CentroidSearch::nearest(std::span<const float> row,
                                                                     std::size_t num) const {
  SIGHTLINE_CHECK(row.size() == dim_);
  std::vector<std::pair<float, std::uint32_t>> found(centroids_.size() / dim_);
  for (std::size_t i = 0; i < found.size(); ++i)
    found[i] = {distance(row.data(), i), static_cast<std::uint32_t>(i)};
  num = std::min(num, found.size());
  const auto end = found.begin() + static_cast<std::ptrdiff_t>(num);
  std::nth_element(found.begin(), end, found.end());
  std::sort(found.begin(), end);
  found.resize(num);
  return found;
}

}  // namespace sightline::index
