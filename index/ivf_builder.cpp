#include "index/internal/ivf_builder.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>

#include "index/internal/faiss_layout.h"
#include "index/internal/lloyd.h"
#include "index/kmeans.h"

namespace sightline::index {
namespace {

constexpr std::size_t kMaxTrainBytes = std::size_t{2} << 30;
constexpr std::size_t kMaxCodebookRows = 65536;
constexpr std::size_t kMinCodebookRows = 256;
constexpr std::size_t kKMeansIterations = 10;
constexpr std::size_t kCodebookIterations = 16;
// Rows that a task gathers, assigns or encodes at a time, and rows between two writes.
constexpr std::size_t kBlockBytes = std::size_t{4} << 20;
constexpr std::size_t kMaxBlockRows = 4096;
constexpr std::size_t kAssignProducts = std::size_t{1} << 31;
constexpr std::size_t kWindowBlocks = 8;

std::size_t block_rows(std::size_t dim) {
  return std::clamp<std::size_t>(kBlockBytes / (dim * sizeof(float)), 64, kMaxBlockRows);
}

}  // namespace

// Knuth's Algorithm S (The Art of Computer Programming 2, 3.4.2): one pass, in order.
std::vector<std::uint32_t> sample_rows(std::size_t n, std::size_t count, std::uint64_t seed) {
  std::vector<std::uint32_t> sample;
  std::size_t missing = std::min(n, count);
  sample.reserve(missing);
  std::mt19937_64 random(seed);
  for (std::size_t row = 0; missing > 0; ++row) {
    const std::size_t left = n - row;
    if (missing < left && random() % left >= missing) continue;
    sample.push_back(static_cast<std::uint32_t>(row));
    --missing;
  }
  return sample;
}

IvfBuilder::IvfBuilder(std::span<const RowRef> rows, const BuildOptions& options,
                       const ShardSpec& spec, ComputePool* pool, const Deadline& deadline)
    : rows_(rows),
      options_(options),
      spec_(spec),
      pool_(pool),
      deadline_(deadline),
      dim_(options.dim),
      inner_product_(options.distance == Distance::kInnerProduct) {
  code_size_ = spec.type == ShardType::kIvfFlat  ? dim_ * sizeof(float)
               : spec.type == ShardType::kIvfSq8 ? dim_
                                                 : spec.num_subvectors;
}

std::vector<float> IvfBuilder::gather(std::span<const std::uint32_t> rows) const {
  std::vector<float> values(rows.size() * dim_);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::memcpy(values.data() + i * dim_, rows_[rows[i]].values, dim_ * sizeof(float));
  }
  return values;
}

Result<void> IvfBuilder::train(const Progress& progress) {
  const std::size_t wanted = std::max<std::size_t>(1, options_.train_rows_per_list) * spec_.nlist;
  const std::size_t most = std::max(spec_.nlist, kMaxTrainBytes / (dim_ * sizeof(float)));
  const auto chosen = sample_rows(rows_.size(), std::min(wanted, most), options_.seed);
  SIGHTLINE_TRY_DO(deadline_.check("sampling rows"));
  const std::vector<float> sample = gather(chosen);

  KMeansOptions kmeans_options;
  kmeans_options.num_clusters = spec_.nlist;
  kmeans_options.num_iterations = kKMeansIterations;
  kmeans_options.spherical = inner_product_;
  kmeans_options.seed = options_.seed;
  const double kmeans_share = spec_.type == ShardType::kIvfPq ? 0.7 : 1.0;
  kmeans_options.progress = [&](std::size_t iteration, double) {
    progress(kmeans_share * static_cast<double>(iteration) /
             static_cast<double>(kKMeansIterations));
  };
  SIGHTLINE_TRY(centroids_, kmeans(sample, dim_, kmeans_options, pool_, deadline_));
  if (spec_.type == ShardType::kIvfSq8) SIGHTLINE_TRY_DO(train_scalar_quantizer(sample));
  if (spec_.type == ShardType::kIvfPq) SIGHTLINE_TRY_DO(train_product_quantizer(sample));
  progress(1);
  return {};
}

// As FAISS does (ScalarQuantizer::train, RS_minmax): the range of each dimension.
Result<void> IvfBuilder::train_scalar_quantizer(std::span<const float> sample) {
  std::vector<float> low(sample.begin(), sample.begin() + static_cast<std::ptrdiff_t>(dim_));
  std::vector<float> high = low;
  for (std::size_t at = dim_; at < sample.size(); at += dim_) {
    for (std::size_t i = 0; i < dim_; ++i) {
      low[i] = std::min(low[i], sample[at + i]);
      high[i] = std::max(high[i], sample[at + i]);
    }
  }
  sq_trained_ = low;
  for (std::size_t i = 0; i < dim_; ++i) sq_trained_.push_back(high[i] - low[i]);
  return deadline_.check("training");
}

// As FAISS does (IndexIVFPQ::train_residual): on what the centroids leave. A shard of fewer rows
// than there are words in a codebook gives them several times.
Result<void> IvfBuilder::train_product_quantizer(std::span<const float> sample) {
  const std::size_t num_sampled = sample.size() / dim_;
  const auto chosen = sample_rows(num_sampled, kMaxCodebookRows, options_.seed + 1);
  const std::size_t n = std::max(chosen.size(), kMinCodebookRows);
  std::vector<float> residuals(n * dim_);
  const CentroidSearch search(centroids_, dim_, inner_product_);
  const std::size_t block = block_rows(dim_);
  SIGHTLINE_TRY_DO(for_blocks(
      pool_, (n + block - 1) / block, deadline_, [&](std::size_t number) -> Result<void> {
        const std::size_t first = number * block, count = std::min(block, n - first);
        const auto rows = std::span(residuals).subspan(first * dim_, count * dim_);
        for (std::size_t i = 0; i < count; ++i) {
          const std::size_t row = chosen[(first + i) % chosen.size()];
          std::ranges::copy(sample.subspan(row * dim_, dim_), rows.begin() + i * dim_);
        }
        std::vector<std::uint32_t> lists(count);
        search.assign(rows, lists);
        for (std::size_t i = 0; i < count; ++i) {
          subtract_centroid(rows.subspan(i * dim_, dim_), lists[i]);
        }
        return {};
      }));
  SIGHTLINE_TRY(codebooks_, index::train_product_quantizer(residuals, dim_, spec_.num_subvectors,
                                                           kCodebookIterations, options_.seed,
                                                           pool_, deadline_));
  return {};
}

void IvfBuilder::subtract_centroid(std::span<float> row, std::uint32_t list) const {
  const float* centroid = centroids_.data() + std::size_t{list} * dim_;
  for (std::size_t i = 0; i < dim_; ++i) row[i] -= centroid[i];
}

Result<void> IvfBuilder::assign(const Progress& progress) {
  const std::size_t n = rows_.size();
  labels_.resize(n);
  const CentroidSearch search(centroids_, dim_, inner_product_);
  const std::size_t block =
      std::clamp<std::size_t>(kAssignProducts / (spec_.nlist * dim_), 64, block_rows(dim_));
  // A round is followed by a word to the user.
  const std::size_t round = block * std::max<std::size_t>(16, (n / block + 1) / 32);
  for (std::size_t begin = 0; begin < n; begin += round) {
    const std::size_t end = std::min(n, begin + round);
    SIGHTLINE_TRY_DO(for_blocks(
        pool_, (end - begin + block - 1) / block, deadline_,
        [&](std::size_t number) -> Result<void> {
          const std::size_t first = begin + number * block, count = std::min(block, end - first);
          std::vector<float> values(count * dim_);
          for (std::size_t i = 0; i < count; ++i) {
            std::memcpy(values.data() + i * dim_, rows_[first + i].values, dim_ * sizeof(float));
          }
          search.assign(values, std::span(labels_).subspan(first, count));
          return {};
        }));
    progress(static_cast<double>(end) / static_cast<double>(n));
  }

  list_sizes_.assign(spec_.nlist, 0);
  for (const std::uint32_t label : labels_) ++list_sizes_[label];
  std::vector<std::uint64_t> next(spec_.nlist);
  std::exclusive_scan(list_sizes_.begin(), list_sizes_.end(), next.begin(), std::uint64_t{0});
  order_.resize(n);
  for (std::size_t row = 0; row < n; ++row) {
    order_[next[labels_[row]]++] = static_cast<std::uint32_t>(row);
  }
  return {};
}

void IvfBuilder::encode(std::span<const std::uint32_t> rows, std::span<std::byte> codes) const {
  if (spec_.type == ShardType::kIvfFlat) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      std::memcpy(codes.data() + i * code_size_, rows_[rows[i]].values, code_size_);
    }
    return;
  }
  std::vector<float> values = gather(rows);
  if (spec_.type == ShardType::kIvfPq) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      subtract_centroid(std::span(values).subspan(i * dim_, dim_), labels_[rows[i]]);
    }
    encode_product_quantizer(codebooks_, dim_, code_size_, values,
                             {reinterpret_cast<std::uint8_t*>(codes.data()), codes.size()});
    return;
  }
  // As FAISS does (ScalarQuantizer.cpp, Codec8bit): truncated, and clamped to the trained range.
  for (std::size_t at = 0; at < values.size(); ++at) {
    const float low = sq_trained_[at % dim_], range = sq_trained_[dim_ + at % dim_];
    float share = range == 0 ? 0 : (values[at] - low) / range;
    share = share > 0 ? std::min(share, 1.0F) : 0;
    codes[at] = static_cast<std::byte>(static_cast<int>(255 * share));
  }
}

Result<void> IvfBuilder::encode_window(std::size_t first, std::size_t count) {
  window_first_ = first;
  window_count_ = count;
  window_.resize(count * code_size_);
  const std::size_t block = block_rows(dim_);
  return for_blocks(pool_, (count + block - 1) / block, deadline_,
                    [&](std::size_t number) -> Result<void> {
                      const std::size_t from = number * block, rows = std::min(block, count - from);
                      encode(std::span(order_).subspan(first + from, rows),
                             std::span(window_).subspan(from * code_size_, rows * code_size_));
                      return {};
                    });
}

Result<void> IvfBuilder::write_codes(FileWriter& file, std::size_t first, std::size_t count) {
  const std::size_t window_rows = kWindowBlocks * block_rows(dim_);
  for (const std::size_t end = first + count; first < end;) {
    if (first == window_first_ + window_count_) {
      SIGHTLINE_TRY_DO(encode_window(first, std::min(window_rows, order_.size() - first)));
    }
    const std::size_t ready = std::min(end, window_first_ + window_count_) - first;
    SIGHTLINE_TRY_DO(file.append(std::span<const std::byte>(window_).subspan(
        (first - window_first_) * code_size_, ready * code_size_)));
    first += ready;
  }
  return {};
}

Result<void> IvfBuilder::write_ids(FileWriter& file, std::size_t first, std::size_t count) const {
  std::vector<std::int64_t> ids(count);
  for (std::size_t i = 0; i < count; ++i) ids[i] = std::int64_t{rows_[order_[first + i]].slot};
  return file.append(std::as_bytes(std::span(ids)));
}

Result<void> IvfBuilder::write(FileWriter& file, const Progress& progress) {
  FaissIvfParts parts;
  parts.type = spec_.type;
  parts.distance = options_.distance;
  parts.dim = dim_;
  parts.num_rows = rows_.size();
  parts.nprobe = std::max<std::size_t>(1, spec_.nlist / 64);  // of stock FAISS
  parts.centroids = centroids_;
  parts.code_size = code_size_;
  parts.sq_trained = sq_trained_;
  parts.codebooks = codebooks_;
  parts.list_sizes = list_sizes_;
  SIGHTLINE_TRY_DO(file.append(faiss_ivf_head(parts)));
  head_ = file.end_region();
  std::size_t first = 0;
  for (const std::uint64_t size : list_sizes_) {
    SIGHTLINE_TRY_DO(deadline_.check("writing inverted lists"));
    SIGHTLINE_TRY_DO(write_codes(file, first, size));
    SIGHTLINE_TRY_DO(write_ids(file, first, size));
    first += size;
    progress(static_cast<double>(first) / static_cast<double>(rows_.size()));
  }
  return {};
}

}  // namespace sightline::index
