#include "index/shard_builder.h"

#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIVFFlat.h>
#include <faiss/IndexIVFPQ.h>
#include <faiss/IndexScalarQuantizer.h>
#include <faiss/impl/io.h>
#include <faiss/index_io.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <random>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "index/internal/faiss_compat.h"
#include "index/internal/ivf_builder.h"
#include "index/internal/shard_data.h"
#include "index/sealed_shard.h"
#include "tests/index/shard_rows.h"
#include "tests/support/temp_dir.h"

namespace sightline::index {
namespace {

using testing::HasSubstr;
using testing_support::read_file;
using testing_support::TempDir;

constexpr std::size_t kDim = 24;
constexpr std::size_t kRows = 1500;

Result<void> build(const std::filesystem::path& folder, const ShardRows& rows,
                   const BuildOptions& options, ComputePool* pool = nullptr) {
  return build_shard(folder, rows.refs(), options, pool, Deadline::never());
}

std::unique_ptr<faiss::Index> read_stock(const std::filesystem::path& file) {
  return std::unique_ptr<faiss::Index>(faiss::read_index(file.c_str()));
}

/// What is to be minimised, in double precision: products and squared distances.
double measure(Distance distance, const float* a, const float* b, std::size_t dim) {
  double sum = 0;
  for (std::size_t i = 0; i < dim; ++i) {
    const double x = a[i], y = b[i];
    sum += distance == Distance::kInnerProduct ? -x * y
           : distance == Distance::kL2         ? (x - y) * (x - y)
                                               : std::abs(x - y);
  }
  return sum;
}

struct ShardCase {
  std::string spec;
  Distance distance;
};

class BuiltShard : public testing::TestWithParam<ShardCase> {
 protected:
  BuiltShard()
      : distance_(GetParam().distance),
        rows_(kRows, kDim, 7, distance_ == Distance::kInnerProduct),
        options_(build_options(GetParam().spec, kDim, distance_)) {}

  void SetUp() override {
    const auto built = build(dir_ / "shard", rows_, options_);
    ASSERT_TRUE(built) << built.error().message;
    auto opened = open_shard_files(dir_ / "shard", kDim, distance_, true);
    ASSERT_TRUE(opened) << opened.error().message;
    data_ = *std::move(opened);
  }

  bool is_ivf() const { return !data_->lists.empty(); }
  const float* row(std::size_t r) const { return rows_.values().data() + r * kDim; }
  /// Row of a label of stock FAISS.
  std::size_t row_of(std::int64_t label) const {
    if (!is_ivf()) return static_cast<std::size_t>(label);
    const auto at = std::ranges::lower_bound(data_->slots, static_cast<Slot>(label));
    return static_cast<std::size_t>(at - data_->slots.begin());
  }

  const Distance distance_;
  const ShardRows rows_;
  const BuildOptions options_;
  const TempDir dir_;
  std::unique_ptr<ShardData> data_;
};

TEST_P(BuiltShard, HoldsTheRows) {
  EXPECT_EQ(data_->num_rows, kRows);
  EXPECT_EQ(data_->dim, kDim);
  EXPECT_EQ(data_->distance, distance_);
  EXPECT_EQ(data_->slot_set.count(), kRows);
  for (std::size_t r = 0; r < kRows; ++r) {
    ASSERT_EQ(data_->slots[r], rows_.refs()[r].slot);
    ASSERT_EQ(data_->versions[r], rows_.refs()[r].version);
    ASSERT_TRUE(data_->slot_set.contains(rows_.refs()[r].slot));
    ASSERT_EQ(std::memcmp(data_->vector(r), row(r), kDim * sizeof(float)), 0) << r;
  }
  std::uint64_t bytes = 0;
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(dir_ / "shard")) {
    names.insert(entry.path().filename());
    if (entry.path().filename() != "shard.json") bytes += entry.file_size();
  }
  EXPECT_EQ(data_->mapped_bytes, bytes);
  EXPECT_GT(data_->memory_bytes, 0U);
  EXPECT_LT(data_->memory_bytes, bytes + 4096);
  EXPECT_TRUE(names.contains("rows"));
  EXPECT_EQ(names.contains("vectors"),
            data_->spec.type == ShardType::kIvfSq8 || data_->spec.type == ShardType::kIvfPq);
  EXPECT_FALSE(std::filesystem::exists(dir_ / "shard.tmp"));
}

TEST_P(BuiltShard, IsCalibrated) {
  EXPECT_EQ(data_->nprobe > 0, is_ivf());
  EXPECT_EQ(data_->ef_search > 0, data_->spec.type == ShardType::kHnsw);
  EXPECT_EQ(data_->refine > 0,
            data_->spec.type == ShardType::kIvfPq || data_->spec.type == ShardType::kIvfSq8);
}

TEST_P(BuiltShard, IsByteForByteWhatStockFaissWrites) {
  const auto stock = read_stock(dir_ / "shard/index.faiss");
  faiss::VectorIOWriter writer;
  faiss::write_index(stock.get(), &writer);
  const std::string ours = read_file(dir_ / "shard/index.faiss");
  const std::string theirs(writer.data.begin(), writer.data.end());
  ASSERT_EQ(ours.size(), theirs.size());
  const auto differs = std::ranges::mismatch(ours, theirs);
  EXPECT_TRUE(differs.in1 == ours.end()) << "at byte " << differs.in1 - ours.begin();
}

TEST_P(BuiltShard, PutsRowsIntoTheListOfTheirNearestCentroid) {
  if (!is_ivf()) GTEST_SKIP() << "has no lists";
  ASSERT_EQ(data_->lists.size(), data_->spec.nlist);
  ASSERT_EQ(data_->centroids.size(), data_->spec.nlist * kDim);
  std::vector<bool> seen(kRows);
  for (std::size_t list = 0; list < data_->lists.size(); ++list) {
    for (std::size_t at = 0; at < data_->lists[list].size; ++at) {
      std::int64_t id = 0;
      std::memcpy(&id, data_->lists[list].ids + 8 * at, 8);
      const std::size_t r = row_of(id);
      ASSERT_FALSE(seen[r]);
      seen[r] = true;
      const auto to = [&](std::size_t c) {
        return measure(distance_, row(r), data_->centroids.data() + c * kDim, kDim);
      };
      for (std::size_t other = 0; other < data_->lists.size(); ++other) {
        ASSERT_LE(to(list), to(other) + 1e-4) << "row " << r;
      }
    }
  }
  EXPECT_EQ(std::ranges::count(seen, true), static_cast<std::ptrdiff_t>(kRows));
}

constexpr std::size_t kAllLists = std::numeric_limits<std::size_t>::max();

/// The best measures among the rows of the `nprobe` lists nearest to `query`, if there are lists.
std::vector<double> expected_nearest(const ShardData& data, const ShardRows& rows,
                                     const float* query, std::size_t nprobe, std::size_t k) {
  const auto measure_row = [&](std::size_t r) {
    return measure(data.distance, query, rows.values().data() + r * kDim, kDim);
  };
  std::vector<double> found;
  if (data.lists.empty()) {
    for (std::size_t r = 0; r < rows.size(); ++r) found.push_back(measure_row(r));
  }
  std::vector<std::pair<double, std::size_t>> lists;
  for (std::size_t list = 0; list < data.lists.size(); ++list) {
    const float* centroid = data.centroids.data() + list * kDim;
    lists.emplace_back(measure(data.distance, query, centroid, kDim), list);
  }
  std::ranges::sort(lists);
  lists.resize(std::min(nprobe, lists.size()));
  for (const auto& [distance, list] : lists) {
    for (std::size_t at = 0; at < data.lists[list].size; ++at) {
      std::int64_t id = 0;
      std::memcpy(&id, data.lists[list].ids + 8 * at, 8);
      const auto slot = std::ranges::lower_bound(data.slots, static_cast<Slot>(id));
      found.push_back(measure_row(static_cast<std::size_t>(slot - data.slots.begin())));
    }
  }
  std::ranges::sort(found);
  found.resize(std::min(k, found.size()));
  return found;
}

// The promise of DESIGN.md, 6: the same neighbours but for near-ties.
TEST_P(BuiltShard, StockFaissFindsTheSameNeighbours) {
  const ShardType type = data_->spec.type;
  if (type == ShardType::kIvfSq8 || type == ShardType::kIvfPq) GTEST_SKIP() << "has lossy codes";
  const auto stock = read_stock(dir_ / "shard/index.faiss");
  constexpr std::size_t kHits = 10;
  const ShardRows queries(30, kDim, 11, distance_ == Distance::kInnerProduct);
  std::size_t num_found = 0;
  for (const std::size_t nprobe : {1, 4, 1000}) {
    if (auto* ivf = dynamic_cast<faiss::IndexIVF*>(stock.get())) ivf->nprobe = nprobe;
    for (std::size_t q = 0; q < queries.size(); ++q) {
      const float* query = queries.values().data() + q * kDim;
      std::vector<float> distances(kHits);
      std::vector<FaissId> labels(kHits);
      stock->search(1, query, kHits, distances.data(), labels.data());
      const auto expected = expected_nearest(*data_, rows_, query, nprobe, kHits);
      std::vector<double> found;
      for (const auto label : labels) {
        if (label >= 0) found.push_back(measure(distance_, query, row(row_of(label)), kDim));
      }
      ASSERT_EQ(found.size(), expected.size());
      for (std::size_t i = 0; i < found.size(); ++i) {
        const bool same = std::abs(found[i] - expected[i]) <= 1e-4 * (1 + std::abs(expected[i]));
        EXPECT_TRUE(same || type == ShardType::kHnsw) << "query " << q << ", hit " << i;
        num_found += same ? 1 : 0;
      }
    }
  }
  EXPECT_GE(num_found, 3 * queries.size() * 9);  // of the graph, at its default efSearch
}

// And ours, with as many lists probed; exactly where it is asked to.
TEST_P(BuiltShard, IsSearchedAsStockFaissSearchesIt) {
  OpenShardOptions open_options;
  open_options.dim = kDim;
  open_options.distance = distance_;
  const auto shard = SealedShard::open(dir_ / "shard", open_options);
  ASSERT_TRUE(shard) << shard.error().message;
  const ShardRows queries(30, kDim, 11, distance_ == Distance::kInnerProduct);
  std::size_t num_found = 0;
  for (const bool exact : {true, false}) {
    for (std::size_t q = 0; q < queries.size(); ++q) {
      ShardQuery query;
      query.vector = std::span(queries.values()).subspan(q * kDim, kDim);
      query.exact = exact;
      query.nprobe = 4;
      query.ef_search = 64;
      query.refine = 20;
      const auto found = (*shard)->search(query, nullptr, Deadline::never());
      ASSERT_TRUE(found) << found.error().message;
      const auto expected = expected_nearest(*data_, rows_, query.vector.data(),
                                             exact ? kAllLists : query.nprobe, query.k);
      ASSERT_EQ(found->size(), expected.size());
      for (std::size_t i = 0; i < expected.size(); ++i) {
        const double wanted = distance_ == Distance::kL2 ? std::sqrt(expected[i]) : expected[i];
        const bool same = std::abs((*found)[i].distance - wanted) <= 1e-4 * (1 + std::abs(wanted));
        EXPECT_TRUE(same || !exact) << "query " << q << ", hit " << i;
        num_found += same ? 1 : 0;
      }
    }
  }
  EXPECT_GE(num_found, 2 * queries.size() * 9);
}

TEST_P(BuiltShard, HasTheCodesOfStockFaiss) {
  const auto stock = read_stock(dir_ / "shard/index.faiss");
  const auto* pq = dynamic_cast<const faiss::IndexIVFPQ*>(stock.get());
  const auto* sq = dynamic_cast<const faiss::IndexIVFScalarQuantizer*>(stock.get());
  if (pq == nullptr && sq == nullptr) GTEST_SKIP() << "has no codes";
  const auto* ivf = dynamic_cast<const faiss::IndexIVF*>(stock.get());
  std::size_t num_differ = 0, num_bytes = 0;
  for (std::size_t list = 0; list < data_->lists.size(); ++list) {
    for (std::size_t at = 0; at < data_->lists[list].size; ++at) {
      const std::size_t r = row_of(ivf->invlists->get_single_id(list, at));
      const auto list_number = static_cast<FaissId>(list);
      std::vector<std::uint8_t> code(data_->code_size);
      ivf->encode_vectors(1, row(r), &list_number, code.data());
      const std::byte* ours = data_->lists[list].codes + at * data_->code_size;
      for (std::size_t i = 0; i < code.size(); ++i) {
        num_differ += static_cast<std::uint8_t>(ours[i]) != code[i] ? 1 : 0;
        ++num_bytes;
      }
    }
  }
  EXPECT_EQ(num_bytes, kRows * data_->code_size);
  // Near-ties between words of a codebook may fall either way.
  EXPECT_LE(num_differ, sq != nullptr ? 0 : num_bytes / 500);
}

TEST_P(BuiltShard, IsTheSameForTheSameSeedWhateverThePool) {
  ComputePoolOptions pool_options;
  pool_options.num_threads = 3;
  ComputePool pool(pool_options);
  ASSERT_TRUE(build(dir_ / "again", rows_, options_, &pool));
  for (const auto& entry : std::filesystem::directory_iterator(dir_ / "shard")) {
    const auto name = entry.path().filename();
    EXPECT_EQ(read_file(dir_ / "shard" / name), read_file(dir_ / "again" / name)) << name;
  }
}

TEST_P(BuiltShard, SealsAgainFromItsOwnMappedRows) {
  std::vector<RowRef> refs;
  for (std::size_t r = 0; r < kRows; ++r) {
    refs.push_back({data_->slots[r], data_->versions[r], data_->vector(r)});
  }
  ASSERT_TRUE(build_shard(dir_ / "merged", refs, options_, nullptr, Deadline::never()));
  EXPECT_EQ(read_file(dir_ / "shard/index.faiss"), read_file(dir_ / "merged/index.faiss"));
}

INSTANTIATE_TEST_SUITE_P(Matrix, BuiltShard,
                         testing::ValuesIn(std::vector<ShardCase>{
                             {"Flat", Distance::kInnerProduct},
                             {"Flat", Distance::kL2},
                             {"Flat", Distance::kL1},
                             {"IVF20,Flat", Distance::kInnerProduct},
                             {"IVF20,Flat", Distance::kL2},
                             {"IVF20,SQ8", Distance::kInnerProduct},
                             {"IVF20,SQ8", Distance::kL2},
                             {"IVF20,PQ6", Distance::kInnerProduct},
                             {"IVF20,PQ6", Distance::kL2},
                             {"HNSW12", Distance::kInnerProduct},
                             {"HNSW12", Distance::kL2},
                         }),
                         [](const auto& info) {
                           return case_name(info.param.spec) + distance_text(info.param.distance);
                         });

TEST(BuildShard, FitsTheSpecToFewRows) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"IVF4096,Flat", "IVF9,Flat"}, {"IVF,Flat", "IVF9,Flat"}, {"IVF,SQ8", "IVF9,SQ8"},
      {"IVF2,PQ4", "IVF2,PQ4"},      {"HNSW32", "HNSW32"},      {"Flat", "Flat"}};
  const ShardRows rows(9, 8, 3);
  for (const auto& [given, resolved] : cases) {
    const TempDir dir;
    const auto built = build(dir / "shard", rows, build_options(given, 8, Distance::kL2));
    ASSERT_TRUE(built) << given << ": " << built.error().message;
    const auto data = open_shard_files(dir / "shard", 8, Distance::kL2, true);
    ASSERT_TRUE(data) << data.error().message;
    EXPECT_EQ(to_string((*data)->spec), resolved);
    EXPECT_EQ(read_stock(dir / "shard/index.faiss")->ntotal, 9);
  }
}

TEST(BuildShard, TakesOneRow) {
  const ShardRows rows(1, 8, 3);
  for (const std::string spec : {"Flat", "IVF,Flat", "IVF,SQ8", "IVF,PQ8", "HNSW8"}) {
    const TempDir dir;
    const auto built = build(dir / "shard", rows, build_options(spec, 8, Distance::kInnerProduct));
    ASSERT_TRUE(built) << spec << ": " << built.error().message;
    const auto data = open_shard_files(dir / "shard", 8, Distance::kInnerProduct, true);
    ASSERT_TRUE(data) << data.error().message;
    EXPECT_EQ((*data)->num_rows, 1U);
  }
}

TEST(BuildShard, LeavesListsEmptyWhereRowsRepeat) {
  const TempDir dir;
  const std::vector<float> row = {1, 2, 3, 4};
  std::vector<RowRef> refs;
  for (Slot slot = 0; slot < 40; ++slot) {
    refs.push_back({slot, 1, std::as_bytes(std::span(row)).data()});
  }
  const auto options = build_options("IVF16,Flat", 4, Distance::kL2);
  ASSERT_TRUE(build_shard(dir / "shard", refs, options, nullptr, Deadline::never()));
  const auto data = open_shard_files(dir / "shard", 4, Distance::kL2, true);
  ASSERT_TRUE(data) << data.error().message;
  // Most lists are empty: FAISS writes the sizes of the others alone.
  EXPECT_THAT(read_file(dir / "shard/index.faiss"), HasSubstr("sprs"));
  faiss::VectorIOWriter writer;
  faiss::write_index(read_stock(dir / "shard/index.faiss").get(), &writer);
  EXPECT_EQ(read_file(dir / "shard/index.faiss"),
            std::string(writer.data.begin(), writer.data.end()));
}

TEST(BuildShard, SaysWhatIsWrongWithItsInput) {
  const TempDir dir;
  const ShardRows rows(10, 8, 3);
  const auto fails = [&](const BuildOptions& options, std::span<const RowRef> refs) {
    const auto built = build_shard(dir / "shard", refs, options, nullptr, Deadline::never());
    EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
    if (built) return std::string("was built");
    EXPECT_EQ(built.error().code, StatusCode::kInvalidArgument);
    return built.error().message;
  };
  EXPECT_THAT(fails(build_options("auto", 8, Distance::kL2), rows.refs()), HasSubstr("auto"));
  EXPECT_THAT(fails(build_options("Flat", 0, Distance::kL2), rows.refs()), HasSubstr("dim is 0"));
  EXPECT_THAT(fails(build_options("IVF4,PQ3", 8, Distance::kL2), rows.refs()),
              HasSubstr("does not divide"));
  EXPECT_THAT(fails(build_options("HNSW32", 8, Distance::kL1), rows.refs()),
              HasSubstr("manhattan"));
  const auto options = build_options("Flat", 8, Distance::kL2);
  EXPECT_THAT(fails(options, {}), HasSubstr("not 0"));
  std::vector<RowRef> twice(rows.refs().begin(), rows.refs().end());
  twice[4].slot = twice[3].slot;
  EXPECT_THAT(fails(options, twice), HasSubstr("must ascend"));
}

TEST(BuildShard, DoesNotReplaceAShard) {
  const TempDir dir;
  const ShardRows rows(10, 8, 3);
  const auto options = build_options("Flat", 8, Distance::kL2);
  ASSERT_TRUE(build(dir / "shard", rows, options));
  const auto again = build(dir / "shard", rows, options);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, StatusCode::kAlreadyExists);
}

TEST(BuildShard, ReportsProgressAndStopsWhenAsked) {
  const ShardRows rows(3000, 16, 3);
  for (const std::string spec : {"Flat", "IVF16,Flat", "IVF16,SQ8", "IVF16,PQ4", "HNSW8"}) {
    const TempDir dir;
    BuildOptions options = build_options(spec, 16, Distance::kL2);
    std::vector<double> shares;
    options.progress = [&](double share, const char*) { shares.push_back(share); };
    ASSERT_TRUE(build(dir / "shard", rows, options));
    EXPECT_TRUE(std::ranges::is_sorted(shares)) << spec;
    EXPECT_GE(shares.front(), 0.0);
    EXPECT_EQ(shares.back(), 1.0);
    // Stopped at any report but the last, which comes when all is done.
    for (std::size_t at = 0; at + 1 < shares.size(); at += 1 + shares.size() / 8) {
      std::stop_source stop;
      std::size_t num_reports = 0;
      options.progress = [&](double, const char*) {
        if (num_reports++ == at) stop.request_stop();
      };
      const auto built = build_shard(dir / "other", rows.refs(), options, nullptr,
                                     Deadline::never().with_stop(stop.get_token()));
      if (built) {  // nothing was left to be checked
        std::filesystem::remove_all(dir / "other");
        continue;
      }
      EXPECT_EQ(built.error().code, StatusCode::kCancelled) << built.error().message;
      EXPECT_FALSE(std::filesystem::exists(dir / "other"));
      EXPECT_FALSE(std::filesystem::exists(dir / "other.tmp"));
    }
  }
}

class FailingBuild : public testing::TestWithParam<std::string> {
 protected:
  FailingBuild() : rows_(300, 8, 3), options_(build_options(GetParam(), 8, Distance::kL2)) {}
  bool exists(const char* name) const { return std::filesystem::exists(dir_ / name); }

  const ShardRows rows_;
  const TempDir dir_;
  BuildOptions options_;
};

TEST_P(FailingBuild, LeavesNothingWhicheverCallFails) {
  for (std::size_t call = 0;; ++call) {
    FailingCalls calls(call, false, ENOSPC);
    options_.files = &calls;
    const auto built = build(dir_ / "shard", rows_, options_);
    if (built) break;
    EXPECT_EQ(built.error().code, StatusCode::kResourceExhausted) << built.error().message;
    EXPECT_TRUE(std::filesystem::is_empty(dir_.path())) << call;
  }
  EXPECT_TRUE(open_shard_files(dir_ / "shard", 8, Distance::kL2, true));
}

TEST_P(FailingBuild, LeavesNothingWhenTheDiskIsFull) {
  for (const std::uint64_t capacity : {0, 1, 1000, 9000, 12'000, 15'000}) {
    FailingCalls calls(FailingCalls::kNever);
    calls.set_capacity(capacity);
    options_.files = &calls;
    const auto built = build(dir_ / "shard", rows_, options_);
    if (built) {  // codes are small
      std::filesystem::remove_all(dir_ / "shard");
      continue;
    }
    EXPECT_EQ(built.error().code, StatusCode::kResourceExhausted) << built.error().message;
    EXPECT_TRUE(std::filesystem::is_empty(dir_.path())) << capacity;
  }
}

TEST_P(FailingBuild, IsWholeOrTemporaryAfterACrashAtAnyCall) {
  for (std::size_t call = 0;; ++call) {
    FailingCalls calls(call, true);
    options_.files = &calls;
    const bool built = build(dir_ / "shard", rows_, options_).has_value();
    const bool visible = exists("shard");
    if (visible) {
      const auto data = open_shard_files(dir_ / "shard", 8, Distance::kL2, true);
      EXPECT_TRUE(data) << call << ": " << data.error().message;
      std::filesystem::remove_all(dir_ / "shard");
    }
    if (built) {
      EXPECT_TRUE(visible);
      break;
    }
    options_.files = nullptr;
    ASSERT_TRUE(build(dir_ / "shard", rows_, options_)) << call;
    EXPECT_FALSE(exists("shard.tmp"));
    std::filesystem::remove_all(dir_ / "shard");
  }
}

INSTANTIATE_TEST_SUITE_P(Types, FailingBuild,
                         testing::Values("Flat", "IVF4,Flat", "IVF4,PQ4", "IVF4,PQ4,Refine(SQfp16)",
                                         "HNSW8"),
                         [](const auto& info) { return case_name(info.param); });

TEST(SampleRows, AreDistinctAscendingAndSpread) {
  EXPECT_THAT(sample_rows(3, 5, 1), testing::ElementsAre(0, 1, 2));
  EXPECT_THAT(sample_rows(0, 5, 1), testing::IsEmpty());
  const auto sample = sample_rows(10'000, 1000, 1);
  ASSERT_EQ(sample.size(), 1000U);
  EXPECT_TRUE(std::ranges::adjacent_find(sample, std::greater_equal<>()) == sample.end());
  EXPECT_LT(sample.back(), 10'000U);
  const auto in_first_half = std::ranges::count_if(sample, [](auto row) { return row < 5000; });
  EXPECT_NEAR(static_cast<double>(in_first_half), 500, 60);
  EXPECT_EQ(sample, sample_rows(10'000, 1000, 1));
  EXPECT_NE(sample, sample_rows(10'000, 1000, 2));
}

}  // namespace
}  // namespace sightline::index
