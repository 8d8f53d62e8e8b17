#include "index/internal/scanner.h"

#include <cmath>
#include <limits>
#include <string>

namespace sightline::index {
namespace {

constexpr std::size_t kWords = 256;  // of a codebook

float number_or_far(float distance) {
  return std::isnan(distance) ? std::numeric_limits<float>::infinity() : distance;
}

class VectorScanner final : public Scanner {
 public:
  VectorScanner(const KernelTable& kernels, Distance distance, std::span<const float> query)
      : kernels_(kernels), distance_(distance), query_(query) {}

  void score(std::span<const std::byte* const> rows, float* distances) const override {
    const std::size_t dim = query_.size();
    switch (distance_) {
      case Distance::kInnerProduct:
        kernels_.inner_products(query_.data(), rows.data(), rows.size(), dim, distances);
        for (std::size_t i = 0; i < rows.size(); ++i) distances[i] = number_or_far(-distances[i]);
        return;
      case Distance::kL2:
        kernels_.l2_squares(query_.data(), rows.data(), rows.size(), dim, distances);
        for (std::size_t i = 0; i < rows.size(); ++i)
          distances[i] = number_or_far(std::sqrt(distances[i]));
        return;
      case Distance::kL1:
        for (std::size_t i = 0; i < rows.size(); ++i)
          distances[i] = number_or_far(kernels_.l1(query_.data(), rows[i], dim));
        return;
    }
  }

 private:
  const KernelTable& kernels_;
  const Distance distance_;
  const std::span<const float> query_;
};

// Rows of fp16; L1 has none.
class HalfScanner final : public Scanner {
 public:
  HalfScanner(const KernelTable& kernels, Distance distance, std::span<const float> query)
      : kernels_(kernels), is_product_(distance == Distance::kInnerProduct), query_(query) {}

  void score(std::span<const std::byte* const> rows, float* distances) const override {
    const auto sums = is_product_ ? kernels_.half_products : kernels_.half_squares;
    sums(query_.data(), rows.data(), rows.size(), query_.size(), distances);
    for (std::size_t i = 0; i < rows.size(); ++i)
      distances[i] = number_or_far(is_product_ ? -distances[i] : std::sqrt(distances[i]));
  }

 private:
  const KernelTable& kernels_;
  const bool is_product_;
  const std::span<const float> query_;
};

// Codes of x, or of x - c with c the centroid of the list.
class IvfCodeScanner : public Scanner {
 public:
  IvfCodeScanner(const ShardData& data, const KernelTable& kernels, std::span<const float> query)
      : data_(data), kernels_(kernels), query_(query), target_(query.begin(), query.end()) {}

  void enter_list(std::size_t list) final {
    if (!data_.by_residual) return;
    const float* centroid = data_.centroids.data() + list * data_.dim;
    if (is_product()) {  // <q, x> = <q, c> + <q, x - c>
      const auto* bytes = static_cast<const std::byte*>(static_cast<const void*>(centroid));
      centroid_product_ = kernels_.inner_product(query_.data(), bytes, data_.dim);
    } else {  // |q - x| = |(q - c) - (x - c)|
      for (std::size_t i = 0; i < data_.dim; ++i) target_[i] = query_[i] - centroid[i];
      retarget();
    }
  }

 protected:
  bool is_product() const { return data_.distance == Distance::kInnerProduct; }
  // target_ has changed.
  virtual void retarget() = 0;

  const ShardData& data_;
  const KernelTable& kernels_;
  const std::span<const float> query_;
  std::vector<float> target_;  // What codes are compared with: q, or q - c.
  float centroid_product_ = 0;
};

class Sq8Scanner final : public IvfCodeScanner {
 public:
  Sq8Scanner(const ShardData& data, const KernelTable& kernels, std::span<const float> query)
      : IvfCodeScanner(data, kernels, query), scale_(data.dim), shifted_(data.dim) {
    for (std::size_t i = 0; i < data.dim; ++i) scale_[i] = data.sq_difference[i] / 255.0F;
    retarget();
  }

  void score(std::span<const std::byte* const> codes, float* distances) const override {
    const std::size_t dim = data_.dim;
    if (!is_product()) {
      kernels_.sq8_squares(shifted_.data(), scale_.data(), codes.data(), codes.size(), dim,
                           distances);
      for (std::size_t i = 0; i < codes.size(); ++i) distances[i] = number_or_far(distances[i]);
      return;
    }
    kernels_.sq8_products(shifted_.data(), codes.data(), codes.size(), dim, distances);
    for (std::size_t i = 0; i < codes.size(); ++i)
      distances[i] = number_or_far(-(distances[i] + constant_ + centroid_product_));
  }

 private:
  // x[i] = low[i] + scale[i] * code, low[i] = sq_min[i] + scale[i] / 2.
  void retarget() override {
    constant_ = 0;
    for (std::size_t i = 0; i < data_.dim; ++i) {
      const float low = data_.sq_min[i] + 0.5F * scale_[i];
      shifted_[i] = is_product() ? query_[i] * scale_[i] : target_[i] - low;
      constant_ += query_[i] * low;
    }
  }

  std::vector<float> scale_, shifted_;
  float constant_ = 0;
};

class PqScanner final : public IvfCodeScanner {
 public:
  PqScanner(const ShardData& data, std::span<const float> codebooks, const KernelTable& kernels,
            std::span<const float> query)
      : IvfCodeScanner(data, kernels, query),
        codebooks_(codebooks),
        num_parts_(data.spec.num_subvectors),
        table_(num_parts_ * kWords) {
    if (is_product() || !data.by_residual) retarget();
  }

  void score(std::span<const std::byte* const> codes, float* distances) const override {
    kernels_.table_sums(table_.data(), codes.data(), codes.size(), num_parts_, distances);
    for (std::size_t i = 0; i < codes.size(); ++i) {
      distances[i] =
          number_or_far(is_product() ? -(distances[i] + centroid_product_) : distances[i]);
    }
  }

 private:
  void retarget() override {
    const auto fill = is_product() ? kernels_.product_table : kernels_.square_table;
    fill(target_.data(), codebooks_.data(), num_parts_, data_.dim / num_parts_, table_.data());
  }

  const std::span<const float> codebooks_;
  const std::size_t num_parts_;
  std::vector<float> table_;
};

}  // namespace

void Scanner::enter_list(std::size_t) {}

std::unique_ptr<Scanner> make_vector_scanner(const KernelTable& kernels, Distance distance,
                                             std::span<const float> query) {
  return std::make_unique<VectorScanner>(kernels, distance, query);
}

std::unique_ptr<Scanner> make_row_scanner(const ShardData& data, const KernelTable& kernels,
                                          std::span<const float> query) {
  if (data.half_vectors) return std::make_unique<HalfScanner>(kernels, data.distance, query);
  return make_vector_scanner(kernels, data.distance, query);
}

std::vector<float> transpose_codebooks(const ShardData& data) {
  const std::size_t num_parts = data.spec.num_subvectors;
  if (data.spec.type != ShardType::kIvfPq) return {};
  const std::size_t part_dim = data.dim / num_parts;
  std::vector<float> transposed(data.codebooks.size());
  for (std::size_t m = 0; m < num_parts; ++m) {
    const std::size_t start = m * kWords * part_dim;
    for (std::size_t word = 0; word < kWords; ++word) {
      for (std::size_t i = 0; i < part_dim; ++i)
        transposed[start + i * kWords + word] = data.codebooks[start + word * part_dim + i];
    }
  }
  return transposed;
}

std::unique_ptr<Scanner> make_code_scanner(const ShardData& data,
                                           std::span<const float> transposed_codebooks,
                                           const KernelTable& kernels,
                                           std::span<const float> query) {
  switch (data.spec.type) {
    case ShardType::kIvfSq8:
      return std::make_unique<Sq8Scanner>(data, kernels, query);
    case ShardType::kIvfPq:
      return std::make_unique<PqScanner>(data, transposed_codebooks, kernels, query);
    case ShardType::kFlat:
    case ShardType::kIvfFlat:
    case ShardType::kHnsw:
      break;
  }
  return make_vector_scanner(kernels, data.distance, query);
}

Result<void> check_query(const ShardQuery& query, std::size_t dim) {
  if (query.vector.size() != dim) {
    return invalid_argument("the query has " + std::to_string(query.vector.size()) +
                            " dimensions; this index has " + std::to_string(dim));
  }
  if (query.k == 0) return invalid_argument("k is 0; it must be at least 1");
  return {};
}

}  // namespace sightline::index
