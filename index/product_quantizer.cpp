#include <algorithm>
#include <string>

#include "index/internal/lloyd.h"
#include "index/kmeans.h"

namespace sightline::index {
namespace {

constexpr std::size_t kCodes = 256;
// Multiplications of one task, some 50 ms: short vectors leave the kernel half its speed.
constexpr std::size_t kTaskProducts = std::size_t{1} << 31;
constexpr std::size_t kEncodeRows = 1024;

/// Components [first, first + out_dim) of `count` rows at `rows`.
void gather(const float* rows, std::size_t count, std::size_t dim, std::size_t first,
            std::size_t out_dim, float* out) {
  for (std::size_t i = 0; i < count; ++i)
    std::copy_n(rows + i * dim + first, out_dim, out + i * out_dim);
}

Result<void> check_arguments(std::span<const float> rows, std::size_t dim,
                             std::size_t num_subvectors) {
  if (num_subvectors == 0 || dim == 0 || dim % num_subvectors != 0) {
    return invalid_argument("product quantizer: " + std::to_string(num_subvectors) +
                            " subvectors; their number must divide dim " + std::to_string(dim));
  }
  if (rows.size() % dim != 0 || rows.size() / dim < kCodes) {
    return invalid_argument("product quantizer: " + std::to_string(rows.size() / dim) +
                            " training rows; it takes at least 256 whole rows");
  }
  return {};
}

}  // namespace

// Subvectors are independent: each task brings one of them a few iterations further, so that tasks
// stay short and none waits for another within an iteration.
Result<std::vector<float>> train_product_quantizer(std::span<const float> rows, std::size_t dim,
                                                   std::size_t num_subvectors,
                                                   std::size_t num_iterations, std::uint64_t seed,
                                                   ComputePool* pool, const Deadline& deadline) {
  SIGHTLINE_TRY_DO(check_arguments(rows, dim, num_subvectors));
  const std::size_t n = rows.size() / dim, sub_dim = dim / num_subvectors;
  std::vector<KMeansOptions> options(num_subvectors);
  std::vector<Lloyd> runs;
  runs.reserve(num_subvectors);
  for (std::size_t m = 0; m < num_subvectors; ++m) {
    options[m].num_clusters = kCodes;
    options[m].seed = seed + m;
    runs.emplace_back(sub_dim, options[m]);
  }
  const std::size_t step = std::max<std::size_t>(1, kTaskProducts / (n * kCodes * sub_dim));
  std::size_t done = 0;
  const auto advance = [&](std::size_t m) -> Result<void> {
    std::vector<float> values(n * sub_dim);
    gather(rows.data(), n, dim, m * sub_dim, sub_dim, values.data());
    if (done == 0) SIGHTLINE_TRY_DO(runs[m].start(values, nullptr, deadline));
    for (std::size_t i = done; i < std::min(done + step, num_iterations); ++i)
      SIGHTLINE_TRY_DO(runs[m].iterate(values, nullptr, deadline));
    return {};
  };
  for (; done == 0 || done < num_iterations; done += step)
    SIGHTLINE_TRY_DO(for_blocks(pool, num_subvectors, deadline, advance));
  std::vector<float> codebooks;
  codebooks.reserve(kCodes * dim);
  for (Lloyd& run : runs)
    codebooks.insert(codebooks.end(), run.centroids().begin(), run.centroids().end());
  return codebooks;
}

void encode_product_quantizer(std::span<const float> codebooks, std::size_t dim,
                              std::size_t num_subvectors, std::span<const float> rows,
                              std::span<std::uint8_t> codes) {
  SIGHTLINE_CHECK(codebooks.size() == kCodes * dim && dim % num_subvectors == 0);
  SIGHTLINE_CHECK(rows.size() / dim * num_subvectors == codes.size());
  const std::size_t n = rows.size() / dim, sub_dim = dim / num_subvectors;
  std::vector<float> values(std::min(n, kEncodeRows) * sub_dim);
  std::vector<std::uint32_t> labels(std::min(n, kEncodeRows));
  for (std::size_t m = 0; m < num_subvectors; ++m) {
    const CentroidSearch search(codebooks.subspan(m * kCodes * sub_dim, kCodes * sub_dim), sub_dim,
                                false);
    for (std::size_t first = 0; first < n; first += kEncodeRows) {
      const std::size_t count = std::min(kEncodeRows, n - first);
      gather(rows.data() + first * dim, count, dim, m * sub_dim, sub_dim, values.data());
      search.assign(std::span(values).first(count * sub_dim), std::span(labels).first(count));
      for (std::size_t i = 0; i < count; ++i)
        codes[(first + i) * num_subvectors + m] = static_cast<std::uint8_t>(labels[i]);
    }
  }
}

}  // namespace sightline::index
