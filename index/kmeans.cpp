#include "index/kmeans.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <future>
#include <limits>
#include <numeric>
#include <queue>
#include <string>

#include "index/internal/lloyd.h"

namespace sightline::index {
namespace {

// Multiplications of one task: some 10 ms.
constexpr std::size_t kTaskProducts = std::size_t{1} << 30;
constexpr std::size_t kMinTaskRows = 192;
constexpr std::size_t kMinCentroids = 32;  // fewer take as long: reading rows is the work then
// So many rows for each cluster were seen in mini-batches before one that got none counts as empty.
constexpr std::size_t kRowsSeenPerCluster = 8;
// Candidates of k-means++ at a time below which plain loops beat a padded panel.
constexpr std::size_t kFewCandidates = 8;
constexpr float kSplit = 1.0F / 1024;

using Rows = std::span<const float>;

Rows rows_at(Rows rows, std::size_t dim, std::size_t first, std::size_t count) {
  return rows.subspan(first * dim, count * dim);
}

/// Calls work(first, count) for ranges that cover the n rows, each compared with `num_centroids`.
Result<void> for_rows(std::size_t n, std::size_t num_centroids, std::size_t dim, ComputePool* pool,
                      const Deadline& deadline,
                      const std::function<void(std::size_t, std::size_t)>& work) {
  const std::size_t shares = pool == nullptr ? 1 : 4 * pool->num_threads();
  const std::size_t block = std::max(
      kMinTaskRows, std::min(kTaskProducts / (std::max(num_centroids, kMinCentroids) * dim),
                             (n + shares - 1) / shares));
  return for_blocks(pool, (n + block - 1) / block, deadline, [&](std::size_t i) -> Result<void> {
    work(i * block, std::min(block, n - i * block));
    return {};
  });
}

void scale_to_norm_1(std::span<float> row) {
  double squares = 0;
  for (const float value : row) squares += double{value} * double{value};
  if (squares == 0) return;
  const double factor = 1 / std::sqrt(squares);
  for (float& value : row) value = static_cast<float>(double{value} * factor);
}

/// Lowers nearest[i] to row i's squared distance from the nearest of `added`.
Result<void> add_candidates(Rows rows, std::size_t dim, Rows added, std::span<float> nearest,
                            ComputePool* pool, const Deadline& deadline) {
  const std::size_t num = added.size() / dim;
  const KernelTable& kernels = index::kernels();
  const CentroidSearch search(added, dim, false);
  return for_rows(nearest.size(), num, dim, pool, deadline, [&](std::size_t first, std::size_t n) {
    if (num > kFewCandidates) {
      std::vector<std::uint32_t> labels(n);
      std::vector<float> distances(n);
      search.assign(rows_at(rows, dim, first, n), labels, distances);
      for (std::size_t i = 0; i < n; ++i)
        nearest[first + i] = std::min(nearest[first + i], distances[i]);
      return;
    }
    for (std::size_t i = first; i < first + n; ++i) {
      for (std::size_t c = 0; c < num; ++c) {
        const auto* candidate = reinterpret_cast<const std::byte*>(added.data() + c * dim);
        nearest[i] =
            std::min(nearest[i], kernels.l2_squared(rows.data() + i * dim, candidate, dim));
      }
    }
  });
}

/// Walks once over the rows of a permutation, again and again, a batch at a time.
class Batches {
 public:
  Batches(Rows rows, std::size_t dim, std::vector<std::uint32_t> order)
      : rows_(rows), dim_(dim), order_(std::move(order)) {}

  /// The next `count` rows, until the next call.
  Rows next(std::size_t count) {
    batch_.resize(count * dim_);
    for (std::size_t i = 0; i < count; ++i, at_ = (at_ + 1) % order_.size()) {
      const Rows row = rows_at(rows_, dim_, order_[at_], 1);
      std::copy(row.begin(), row.end(), batch_.begin() + static_cast<std::ptrdiff_t>(i * dim_));
    }
    return batch_;
  }

 private:
  const Rows rows_;
  const std::size_t dim_;
  const std::vector<std::uint32_t> order_;
  std::size_t at_ = 0;
  std::vector<float> batch_;
};

Result<void> check_arguments(Rows rows, std::size_t dim, const KMeansOptions& options) {
  if (dim == 0) return invalid_argument("k-means: dim is 0; it must be at least 1");
  const std::size_t n = rows.size() / dim;
  if (rows.size() % dim != 0) {
    return invalid_argument("k-means: " + std::to_string(rows.size()) +
                            " values are not whole rows of dim " + std::to_string(dim));
  }
  if (options.num_clusters == 0 || options.num_clusters > n) {
    return invalid_argument("k-means: num_clusters is " + std::to_string(options.num_clusters) +
                            "; it must be 1.." + std::to_string(n) + ", the number of rows");
  }
  if (n > std::numeric_limits<std::uint32_t>::max()) {
    return invalid_argument("k-means: " + std::to_string(n) + " rows; it takes fewer than 2^32");
  }
  return {};
}

}  // namespace

Result<void> for_blocks(ComputePool* pool, std::size_t num_blocks, const Deadline& deadline,
                        const std::function<Result<void>(std::size_t)>& work) {
  const auto run = [&](std::size_t block) -> Result<void> {
    SIGHTLINE_TRY_DO(deadline.check("k-means"));
    return work(block);
  };
  if (pool == nullptr) {
    for (std::size_t i = 0; i < num_blocks; ++i) SIGHTLINE_TRY_DO(run(i));
    return {};
  }
  // Tasks borrow from this frame: it waits for them even when submitting or a task throws.
  struct Pending : std::vector<std::future<Result<void>>> {
    ~Pending() {
      for (const auto& future : *this)
        if (future.valid()) future.wait();
    }
  } pending;
  pending.reserve(num_blocks);
  for (std::size_t i = 0; i < num_blocks; ++i)
    pending.push_back(pool->submit(Priority::kBuild, [&run, i] { return run(i); }));
  for (auto& future : pending) SIGHTLINE_TRY_DO(future.get());
  return {};
}

Lloyd::Lloyd(std::size_t dim, const KMeansOptions& options)
    : dim_(dim), options_(options), random_(options.seed), weights_(options.num_clusters) {
  centroids_.reserve(options.num_clusters * dim);
}

std::vector<std::uint32_t> Lloyd::draw(std::size_t count, std::size_t n) {
  std::vector<std::uint32_t> numbers(n);
  std::iota(numbers.begin(), numbers.end(), 0U);
  for (std::size_t i = 0; i < count; ++i) {
    const auto at = std::uniform_int_distribution<std::size_t>(i, n - 1)(random_);
    std::swap(numbers[i], numbers[at]);
  }
  numbers.resize(count);
  return numbers;
}

Result<void> Lloyd::start(Rows rows, ComputePool* pool, const Deadline& deadline) {
  if (options_.start == KMeansOptions::Start::kPlusPlus) {
    SIGHTLINE_TRY_DO(start_plus_plus(rows, pool, deadline));
  } else {
    for (const std::uint32_t row : draw(options_.num_clusters, rows.size() / dim_)) {
      const Rows values = rows_at(rows, dim_, row, 1);
      centroids_.insert(centroids_.end(), values.begin(), values.end());
    }
  }
  if (options_.spherical) {
    for (std::size_t i = 0; i < options_.num_clusters; ++i) scale_to_norm_1(centroid(i));
  }
  return {};
}

// Several rows are drawn by the distances of the last round. A row that has come nearer since, by
// one taken before it in this round, is kept with the chance of new over old distance, so that rows
// are taken with the very chances that drawing them one by one would give them.
Result<void> Lloyd::start_plus_plus(Rows rows, ComputePool* pool, const Deadline& deadline) {
  const std::size_t n = rows.size() / dim_;
  const KernelTable& kernels = index::kernels();
  std::vector<float> nearest(n, std::numeric_limits<float>::max());
  std::size_t num = 0, num_compared = 0;
  const auto choose = [&](std::size_t row) {
    const Rows values = rows_at(rows, dim_, row, 1);
    centroids_.insert(centroids_.end(), values.begin(), values.end());
    ++num;
  };
  choose(std::uniform_int_distribution<std::size_t>(0, n - 1)(random_));
  while (num < options_.num_clusters) {
    const Rows added = rows_at(centroids_, dim_, num_compared, num - num_compared);
    SIGHTLINE_TRY_DO(add_candidates(rows, dim_, added, nearest, pool, deadline));
    num_compared = num;
    const auto drawn = draw_by_weight(nearest, std::max<std::size_t>(1, num / 8));
    if (drawn.empty()) break;
    for (const std::uint32_t row : drawn) {
      float now = nearest[row];
      for (std::size_t c = num_compared; c < num; ++c) {
        const auto* values = reinterpret_cast<const std::byte*>(centroid(c).data());
        now = std::min(now, kernels.l2_squared(rows.data() + row * dim_, values, dim_));
      }
      if (num < options_.num_clusters &&
          std::uniform_real_distribution<>(0, double{nearest[row]})(random_) < double{now}) {
        choose(row);
      }
    }
  }
  // Every row is a centroid already: any rows will do, and splitting parts them.
  for (const std::uint32_t row : draw(options_.num_clusters - num, n)) choose(row);
  return {};
}

std::vector<std::uint32_t> Lloyd::draw_by_weight(std::span<const float> weights,
                                                 std::size_t count) {
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  if (total == 0) return {};
  std::vector<double> marks(count);
  for (double& mark : marks) mark = std::uniform_real_distribution<>(0, total)(random_);
  std::sort(marks.begin(), marks.end());
  std::vector<std::uint32_t> drawn;
  std::uint32_t last = 0;  // takes what rounding left over
  double sum = 0;
  for (std::size_t i = 0; i < weights.size() && drawn.size() < count; ++i) {
    if (weights[i] == 0) continue;
    last = static_cast<std::uint32_t>(i);
    sum += double{weights[i]};
    while (drawn.size() < count && marks[drawn.size()] < sum) drawn.push_back(last);
  }
  drawn.resize(count, last);
  std::shuffle(drawn.begin(), drawn.end(), random_);
  return drawn;
}

Result<double> Lloyd::iterate(Rows rows, ComputePool* pool, const Deadline& deadline) {
  const std::size_t n = rows.size() / dim_;
  std::vector<std::uint32_t> labels(n);
  std::vector<float> distances(n);
  const CentroidSearch search(centroids_, dim_, false);
  SIGHTLINE_TRY_DO(for_rows(
      n, options_.num_clusters, dim_, pool, deadline, [&](std::size_t first, std::size_t count) {
        search.assign(rows_at(rows, dim_, first, count), std::span(labels).subspan(first, count),
                      std::span(distances).subspan(first, count));
      }));
  const bool in_batches = options_.batch_rows > 0;
  if (!in_batches) std::fill(weights_.begin(), weights_.end(), 0.0);
  SIGHTLINE_TRY_DO(move(rows, labels, pool, deadline));
  num_seen_ += n;
  if (!in_batches || num_seen_ >= kRowsSeenPerCluster * options_.num_clusters) split_empty();
  return std::accumulate(distances.begin(), distances.end(), 0.0) / static_cast<double>(n);
}

// Each cluster's rows are summed by one task in the rows' order: the same sums whatever the pool.
Result<void> Lloyd::move(Rows rows, std::span<const std::uint32_t> labels, ComputePool* pool,
                         const Deadline& deadline) {
  const std::size_t num = options_.num_clusters;
  std::vector<std::size_t> ends(num + 1);  // first ends[c + 1]: where the members of c begin
  for (const std::uint32_t label : labels) ++ends[label + 1];
  std::partial_sum(ends.begin(), ends.end(), ends.begin());
  std::vector<std::uint32_t> members(labels.size());
  for (std::size_t row = 0; row < labels.size(); ++row)
    members[ends[labels[row]]++] = static_cast<std::uint32_t>(row);
  const std::size_t block = (num + 63) / 64;
  return for_blocks(pool, (num + block - 1) / block, deadline, [&](std::size_t i) -> Result<void> {
    for (std::size_t c = i * block; c < std::min(num, (i + 1) * block); ++c) {
      const std::size_t begin = c == 0 ? 0 : ends[c - 1];
      move_one(c, rows, std::span(members).subspan(begin, ends[c] - begin));
    }
    return {};
  });
}

void Lloyd::move_one(std::size_t cluster, Rows rows, std::span<const std::uint32_t> members) {
  if (members.empty()) return;
  const std::span<float> centroid = this->centroid(cluster);
  std::vector<double> sums(dim_);
  for (std::size_t i = 0; i < dim_; ++i) sums[i] = double{centroid[i]} * weights_[cluster];
  for (const std::uint32_t member : members) {
    const float* row = rows.data() + member * dim_;
    for (std::size_t i = 0; i < dim_; ++i) sums[i] += double{row[i]};
  }
  weights_[cluster] += static_cast<double>(members.size());
  for (std::size_t i = 0; i < dim_; ++i)
    centroid[i] = static_cast<float>(sums[i] / weights_[cluster]);
  if (options_.spherical) scale_to_norm_1(centroid);
}

// An empty cluster takes half of the largest one's rows: it gets a copy of that one's centroid,
// moved a little, which the next iteration moves on.
void Lloyd::split_empty() {
  constexpr float kMax = std::numeric_limits<float>::max();
  std::priority_queue<std::pair<double, std::ptrdiff_t>> largest;  // ties: the lower cluster
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    if (weights_[i] > 0) largest.emplace(weights_[i], -static_cast<std::ptrdiff_t>(i));
  }
  for (std::size_t empty = 0; empty < weights_.size(); ++empty) {
    if (weights_[empty] > 0) continue;
    const auto [weight, negated] = largest.top();
    largest.pop();
    const auto from = centroid(static_cast<std::size_t>(-negated)), to = centroid(empty);
    for (std::size_t i = 0; i < dim_; ++i)
      to[i] = std::clamp(from[i] * (i % 2 == 0 ? 1 - kSplit : 1 + kSplit), -kMax, kMax);
    if (options_.spherical) scale_to_norm_1(to);
    weights_[static_cast<std::size_t>(-negated)] = weights_[empty] = weight / 2;
    largest.emplace(weight / 2, negated);
    largest.emplace(weight / 2, -static_cast<std::ptrdiff_t>(empty));
  }
}

Result<std::vector<float>> kmeans(Rows rows, std::size_t dim, const KMeansOptions& options,
                                  ComputePool* pool, const Deadline& deadline) {
  SIGHTLINE_TRY_DO(check_arguments(rows, dim, options));
  const std::size_t n = rows.size() / dim;
  Lloyd lloyd(dim, options);
  const bool in_batches = options.batch_rows > 0;
  Batches batches(rows, dim, in_batches ? lloyd.draw(n, n) : std::vector<std::uint32_t>());
  SIGHTLINE_TRY_DO(lloyd.start(
      in_batches ? batches.next(std::max(std::min(options.batch_rows, n), options.num_clusters))
                 : rows,
      pool, deadline));
  for (std::size_t i = 1; i <= options.num_iterations; ++i) {
    SIGHTLINE_TRY(const double mean_distance,
                  lloyd.iterate(in_batches ? batches.next(std::min(options.batch_rows, n)) : rows,
                                pool, deadline));
    if (options.progress) options.progress(i, mean_distance);
  }
  return std::move(lloyd.centroids());
}

}  // namespace sightline::index
