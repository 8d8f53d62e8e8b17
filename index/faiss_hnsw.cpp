#include <faiss/IndexHNSW.h>
#include <faiss/impl/DistanceComputer.h>
#include <faiss/impl/FaissAssert.h>
#include <omp.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "index/internal/faiss_compat.h"
#include "index/internal/hnsw_builder.h"

namespace sightline::index {
namespace {

// A block of rows that are linked between two looks at the deadline; FAISS clears tables of the
// size of the graph for each, so there are not many.
constexpr std::size_t kBlockRows = 2048;
constexpr std::size_t kMaxBlocks = 256;
constexpr int kDefaultEfSearch = 64;  // of stock FAISS; a shard's own is calibrated

/// Distances between rows where they lie.
class RowDistances final : public faiss::DistanceComputer {
 public:
  RowDistances(std::span<const RowRef> rows, std::size_t dim, Distance distance,
               const KernelTable& kernels)
      : rows_(rows), dim_(dim), distance_(distance), kernels_(kernels), row_(dim) {}

  void set_query(const float* x) override { query_ = x; }
  float operator()(FaissId i) override { return between(query_, i); }
  // FAISS keeps j while i changes.
  float symmetric_dis(FaissId i, FaissId j) override {
    if (j != copied_) {
      const std::byte* row = rows_[static_cast<std::size_t>(j)].values;
      std::memcpy(row_.data(), row, dim_ * sizeof(float));
      copied_ = j;
    }
    return between(row_.data(), i);
  }

 private:
  // As FAISS's own computers: the product itself, which FAISS negates, or the squared distance.
  float between(const float* query, FaissId i) const {
    const std::byte* row = rows_[static_cast<std::size_t>(i)].values;
    return distance_ == Distance::kInnerProduct ? kernels_.inner_product(query, row, dim_)
                                                : kernels_.l2_squared(query, row, dim_);
  }

  const std::span<const RowRef> rows_;
  const std::size_t dim_;
  const Distance distance_;
  const KernelTable& kernels_;
  const float* query_ = nullptr;
  std::vector<float> row_;  // row `copied_`, aligned
  FaissId copied_ = -1;
};

/// What FAISS links: rows that are not copied.
class RowStorage final : public faiss::Index {
 public:
  RowStorage(std::span<const RowRef> rows, std::size_t dim, Distance distance,
             const KernelTable& kernels)
      : faiss::Index(static_cast<FaissId>(dim), distance == Distance::kInnerProduct
                                                    ? faiss::METRIC_INNER_PRODUCT
                                                    : faiss::METRIC_L2),
        rows_(rows),
        distance_(distance),
        kernels_(kernels) {}

  void add(FaissId n, const float*) override { ntotal += n; }
  void search(FaissId, const float*, FaissId, float*, FaissId*,
              const faiss::SearchParameters*) const override {
    FAISS_THROW_MSG("rows that are being linked are not searched");
  }
  void reset() override { ntotal = 0; }
  faiss::DistanceComputer* get_distance_computer() const override {
    return new RowDistances(rows_, static_cast<std::size_t>(d), distance_, kernels_);
  }

 private:
  const std::span<const RowRef> rows_;
  const Distance distance_;
  const KernelTable& kernels_;
};

/// OpenMP with one thread in this thread: builds use one core, and FAISS's loops collapse when
/// another job holds a core.
class OneOpenMpThread {
 public:
  OneOpenMpThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneOpenMpThread() { omp_set_num_threads(before_); }
  OneOpenMpThread(const OneOpenMpThread&) = delete;
  OneOpenMpThread& operator=(const OneOpenMpThread&) = delete;

 private:
  const int before_;
};

template <typename Vector>
std::span<const std::byte> bytes_of(const Vector& values) {
  return std::as_bytes(std::span(values.data(), values.size()));
}

FaissGraph links_of(const faiss::HNSW& hnsw) {
  FaissGraph links;
  links.assign_probas = bytes_of(hnsw.assign_probas);
  links.cumulative = bytes_of(hnsw.cum_nneighbor_per_level);
  links.levels = bytes_of(hnsw.levels);
  links.offsets = bytes_of(hnsw.offsets);
  links.neighbours = bytes_of(hnsw.neighbors);
  links.entry = hnsw.entry_point;
  links.max_level = hnsw.max_level;
  links.ef_construction = hnsw.efConstruction;
  links.ef_search = kDefaultEfSearch;
  return links;
}

}  // namespace

Result<BuiltGraph> build_hnsw(std::span<const RowRef> rows, std::size_t dim, Distance distance,
                              const ShardSpec& spec, const KernelTable& kernels,
                              const Deadline& deadline,
                              const std::function<void(double share)>& progress) {
  if (rows.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    return invalid_argument("a graph holds at most 2^31 - 1 rows, not " +
                            std::to_string(rows.size()));
  }
  const OneOpenMpThread one_thread;
  try {
    RowStorage storage(rows, dim, distance, kernels);
    auto index = std::make_shared<faiss::IndexHNSW>(&storage, static_cast<int>(spec.hnsw_m));
    index->hnsw.efConstruction = static_cast<int>(spec.ef_construction);
    const std::size_t block_rows = std::max(kBlockRows, rows.size() / kMaxBlocks + 1);
    std::vector<float> block(std::min(block_rows, rows.size()) * dim);
    for (std::size_t first = 0; first < rows.size(); first += block_rows) {
      SIGHTLINE_TRY_DO(deadline.check("linking rows"));
      const std::size_t count = std::min(block_rows, rows.size() - first);
      for (std::size_t i = 0; i < count; ++i) {
        std::memcpy(block.data() + i * dim, rows[first + i].values, dim * sizeof(float));
      }
      index->add(static_cast<FaissId>(count), block.data());
      if (progress) {
        progress(static_cast<double>(first + count) / static_cast<double>(rows.size()));
      }
    }
    index->storage = nullptr;  // it ends here; only the links are used further
    return BuiltGraph{links_of(index->hnsw), index};
  } catch (const faiss::FaissException& e) {
    return internal_error(std::string("linking rows: ") + e.what());
  }
}

}  // namespace sightline::index
