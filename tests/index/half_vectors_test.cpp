// Shards whose full vectors are fp16, beside the same with float32 and the truth.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "core/half.h"
#include "core/json.h"
#include "core/log.h"
#include "index/growing_shard.h"
#include "index/internal/shard_data.h"
#include "index/row_spool.h"
#include "index/sealed_shard.h"
#include "index/shard_builder.h"
#include "tests/index/shard_fixture.h"
#include "tests/index/shard_rows.h"
#include "tests/support/temp_dir.h"

namespace sightline::index {
namespace {

using testing::HasSubstr;
using testing_support::read_file;
using testing_support::TempDir;

const std::string kHalf = ",Refine(SQfp16)";

/// The rows of a test, as a collection's database would hand them out.
class StoredRows final : public TrueRows {
 public:
  explicit StoredRows(std::span<const RowRef> rows) {
    for (const RowRef& row : rows) rows_[row.slot] = row;
  }
  bool read(Slot slot, Version version, std::span<float> values) const override {
    const auto found = rows_.find(slot);
    if (found == rows_.end() || found->second.version != version) return false;
    std::memcpy(values.data(), found->second.values, values.size_bytes());
    return true;
  }

 private:
  std::map<Slot, RowRef> rows_;
};

std::vector<RowRef> refs_of(const TestRows& rows) {
  std::vector<RowRef> refs;
  for (std::size_t r = 0; r < rows.size(); ++r)
    refs.push_back({test_slot(r), 1 + r % 5, std::as_bytes(rows[r]).data()});
  return refs;
}

std::shared_ptr<SealedShard> open(const std::filesystem::path& folder, const BuildOptions& built) {
  OpenShardOptions options;
  options.dim = built.dim;
  options.distance = built.distance;
  auto shard = SealedShard::open(folder, options);
  EXPECT_TRUE(shard) << shard.error().message;
  return shard ? *shard : nullptr;
}

std::vector<Candidate> search(const Shard& shard, const ShardQuery& query) {
  auto found = shard.search(query, nullptr, Deadline::never());
  EXPECT_TRUE(found) << found.error().message;
  return found ? *std::move(found) : std::vector<Candidate>();
}

struct HalfCase {
  std::string spec;
  Distance distance;
};

class HalfVectors : public testing::TestWithParam<HalfCase> {
 protected:
  static constexpr std::size_t kDim = 32, kRows = 6000;

  HalfVectors()
      : rows_(clustered_rows(kRows, kDim, 40, 3)),
        queries_(clustered_rows(60, kDim, 40, 3, 1)),
        options_(build_options(GetParam().spec, kDim, GetParam().distance)),
        half_options_(build_options(GetParam().spec + kHalf, kDim, GetParam().distance)) {
    if (GetParam().distance == Distance::kInnerProduct) {
      normalise(rows_);
      normalise(queries_);
    }
    refs_ = refs_of(rows_);
    EXPECT_TRUE(build_shard(dir_ / "full", refs_, options_, nullptr, Deadline::never()));
    EXPECT_TRUE(build_shard(dir_ / "half", refs_, half_options_, nullptr, Deadline::never()));
    full_ = open(dir_ / "full", options_);
    half_ = open(dir_ / "half", half_options_);
    for (const RowRef& row : refs_) {
      std::vector<float> values(kDim);
      std::memcpy(values.data(), row.values, kDim * sizeof(float));
      oracle_.put(row.slot, row.version, values);
    }
  }

  TestRows rows_, queries_;
  const BuildOptions options_, half_options_;
  const TempDir dir_;
  std::vector<RowRef> refs_;
  std::shared_ptr<SealedShard> full_, half_;
  GrowingShard oracle_{kDim, GetParam().distance};
};

TEST_P(HalfVectors, AreTheRowsRoundedBesideTheSameCodes) {
  EXPECT_TRUE(half_->has_half_vectors());
  EXPECT_FALSE(full_->has_half_vectors());
  EXPECT_EQ(read_file(dir_ / "half/index.faiss"), read_file(dir_ / "full/index.faiss"));
  EXPECT_EQ(std::filesystem::file_size(dir_ / "half/vectors") - 192,
            (std::filesystem::file_size(dir_ / "full/vectors") - 192) / 2);
  const auto data = open_shard_files(dir_ / "half", kDim, GetParam().distance, true).value();
  double max_shift = 0;
  for (std::size_t r = 0; r < kRows; ++r) {
    double shift = 0;
    for (std::size_t i = 0; i < kDim; ++i) {
      std::uint16_t half;
      std::memcpy(&half, data->vector(r) + 2 * i, 2);
      ASSERT_EQ(half, float_to_half(rows_[r][i]));
      const double error = double{rows_[r][i]} - double{half_to_float(half)};
      shift += error * error;
    }
    max_shift = std::max(max_shift, std::sqrt(shift));
  }
  EXPECT_NEAR(data->max_shift, max_shift, 1e-9);
  EXPECT_LT(half_->mapped_bytes(), full_->mapped_bytes());
}

// What is written without them is what older programs read.
TEST_P(HalfVectors, HaveAFormatOfTheirOwn) {
  const Json half = read_json_file(dir_ / "half/shard.json").value()["shard"];
  EXPECT_EQ(half["format"], 2);
  EXPECT_EQ(half["vectors"], "fp16");
  const Json full = read_json_file(dir_ / "full/shard.json").value()["shard"];
  EXPECT_EQ(full["format"], 1);
  EXPECT_FALSE(full.contains("vectors"));
  EXPECT_FALSE(full.contains("max_shift"));
}

TEST_P(HalfVectors, GiveDistancesThatDifferByRoundingAlone) {
  const double shift =
      open_shard_files(dir_ / "half", kDim, GetParam().distance, false).value()->max_shift;
  for (std::size_t q = 0; q < queries_.size(); ++q) {
    double squares = 0;
    for (const float value : queries_[q]) squares += double{value} * double{value};
    const double bound = GetParam().distance == Distance::kL2 ? shift : shift * std::sqrt(squares);
    ShardQuery query;
    query.vector = queries_[q];
    query.k = kRows;
    query.exact = true;
    std::map<Slot, float> expected;
    for (const Candidate& candidate : search(*full_, query))
      expected[candidate.slot] = candidate.distance;
    for (const Candidate& candidate : search(*half_, query))
      ASSERT_NEAR(candidate.distance, expected.at(candidate.slot), bound + 1e-5);
  }
}

TEST_P(HalfVectors, AnswerExactlyFromTheTrueRows) {
  const StoredRows stored(refs_);
  Bitmap third;
  for (std::size_t r = 0; r < kRows; r += 3) third.add(test_slot(r));
  const Bitmap& some = third;
  std::size_t num_differ = 0;
  for (std::size_t q = 0; q < queries_.size(); ++q) {
    for (const std::size_t k : {std::size_t{1}, std::size_t{10}, std::size_t{500}, kRows}) {
      for (const Bitmap* allowed : {static_cast<const Bitmap*>(nullptr), &some}) {
        SearchStats stats;
        ShardQuery query;
        query.vector = queries_[q];
        query.k = k;
        query.exact = true;
        query.allowed = allowed;
        const auto expected = search(*full_, query);
        num_differ += search(*half_, query) != expected ? 1 : 0;
        query.true_rows = &stored;
        query.stats = &stats;
        EXPECT_EQ(search(*half_, query), expected) << "query " << q << ", k " << k;
        EXPECT_EQ(stats.num_scanned, allowed == nullptr ? kRows : some.count());
        EXPECT_EQ(stats.num_allowed, stats.num_scanned);
        EXPECT_GE(stats.num_refined, std::min<std::uint64_t>(k, stats.num_scanned));
      }
    }
  }
  EXPECT_GT(num_differ, queries_.size());  // rounding shows without them
}

// A row that cannot be read is found by what is left of it.
TEST_P(HalfVectors, AnswerAsWellAsTheyCanWhereTheTruthIsLost) {
  const StoredRows nothing({});
  ShardQuery query;
  query.vector = queries_[0];
  query.exact = true;
  const auto rounded = search(*half_, query);
  query.true_rows = &nothing;
  EXPECT_EQ(search(*half_, query), rounded);
}

TEST_P(HalfVectors, LoseNoRecallWithAndWithoutFilters) {
  std::mt19937 random(17);
  const auto measure = [&](const Shard& shard, const Bitmap* allowed) {
    double sum = 0;
    for (std::size_t q = 0; q < queries_.size(); ++q) {
      ShardQuery query;
      query.vector = queries_[q];
      query.allowed = allowed;
      const auto truth = search(oracle_, query);
      const auto found = search(shard, query);
      const auto hits = std::ranges::count_if(found, [&](const Candidate& candidate) {
        return std::ranges::any_of(
            truth, [&](const Candidate& wanted) { return wanted.slot == candidate.slot; });
      });
      sum += static_cast<double>(hits) / static_cast<double>(truth.size());
    }
    return sum / static_cast<double>(queries_.size());
  };
  const double unfiltered = measure(*half_, nullptr);
  EXPECT_NEAR(unfiltered, measure(*full_, nullptr), 0.005);
  EXPECT_GE(unfiltered, 0.9);
  for (const double share : {0.01, 0.1, 0.3, 0.5, 0.9}) {
    Bitmap allowed;
    for (const RowRef& row : refs_) {
      if (std::uniform_real_distribution<>()(random) < share) allowed.add(row.slot);
    }
    const double filtered = measure(*half_, &allowed);
    EXPECT_GE(filtered, unfiltered - 0.01) << share;
    EXPECT_NEAR(filtered, measure(*full_, &allowed), 0.005) << share;
  }
}

TEST_P(HalfVectors, AreSearchedAlikeOnEveryCpuLevel) {
  for (const KernelTable* kernels : supported_kernels()) {
    OpenShardOptions options;
    options.dim = kDim;
    options.distance = GetParam().distance;
    options.kernels = kernels;
    const auto shard = SealedShard::open(dir_ / "half", options).value();
    for (std::size_t q = 0; q < queries_.size(); ++q) {
      ShardQuery query;
      query.vector = queries_[q];
      query.exact = true;
      const auto expected = search(*half_, query), found = search(*shard, query);
      ASSERT_EQ(found.size(), expected.size());
      for (std::size_t i = 0; i < found.size(); ++i)
        EXPECT_NEAR(found[i].distance, expected[i].distance, 1e-5) << kernels->name;
    }
  }
}

TEST_P(HalfVectors, AreNotWhatAnotherShardIsMadeOf) {
  const auto live = half_->live_rows();
  ASSERT_EQ(live.size(), kRows);
  for (const RowRef& row : live) ASSERT_EQ(row.values, nullptr);
  const auto built = build_shard(dir_ / "more", live, options_, nullptr, Deadline::never());
  ASSERT_FALSE(built);
  EXPECT_EQ(built.error().code, StatusCode::kInvalidArgument);
  EXPECT_THAT(built.error().message, HasSubstr("rounded"));
}

INSTANTIATE_TEST_SUITE_P(Matrix, HalfVectors,
                         testing::ValuesIn(std::vector<HalfCase>{
                             {"IVF32,PQ8", Distance::kInnerProduct},
                             {"IVF32,PQ8", Distance::kL2},
                             {"IVF32,SQ8", Distance::kInnerProduct},
                             {"IVF32,SQ8", Distance::kL2},
                         }),
                         [](const auto& info) {
                           return case_name(info.param.spec) + distance_text(info.param.distance);
                         });

/// Rows of which one is not as the others.
struct UnfitCase {
  std::string name;
  float scale = 1, offset = 0;  // of all rows
  float spoilt = 0;             // a number of row 77, if not 0
  std::string why;              // what the log says; empty: they are kept as fp16
};
class UnfitRows : public testing::TestWithParam<UnfitCase> {};

TEST_P(UnfitRows, StayFloatAndTheLogSaysWhy) {
  const UnfitCase& c = GetParam();
  TestRows rows = clustered_rows(1000, 16, 10, 5);
  for (float& value : rows.values) value = c.offset + c.scale * value;
  if (c.spoilt != 0) rows.values[77 * 16 + 3] = c.spoilt;
  const std::vector<RowRef> refs = refs_of(rows);
  std::string log;
  set_log_sink([&](LogLevel, std::string_view, std::string_view message,
                   std::span<const LogField>) { log += std::string(message) + "\n"; },
               LogLevel::kInfo);
  const TempDir dir;
  const auto options = build_options("IVF8,PQ4" + kHalf, 16, Distance::kL2);
  const auto built = build_shard(dir / "shard", refs, options, nullptr, Deadline::never());
  set_log_sink({}, LogLevel::kInfo);
  ASSERT_TRUE(built) << built.error().message;
  const auto shard = open(dir / "shard", options);
  EXPECT_TRUE(shard->verify());
  EXPECT_EQ(shard->spec(), options.spec);  // what was asked for: it is not tried again
  EXPECT_EQ(shard->has_half_vectors(), c.why.empty());
  EXPECT_THAT(log,
              c.why.empty() ? testing::IsEmpty() : testing::Matcher<std::string>(HasSubstr(c.why)));
  if (c.why.empty()) return;
  EXPECT_THAT(log, HasSubstr((dir / "shard").string()));
  const auto live = shard->live_rows();
  for (std::size_t r = 0; r < rows.size(); ++r)
    ASSERT_EQ(std::memcmp(live[r].values, rows[r].data(), 16 * sizeof(float)), 0) << r;
}

INSTANTIATE_TEST_SUITE_P(
    Cases, UnfitRows,
    testing::ValuesIn(std::vector<UnfitCase>{
        {"AsTheyAre", 1, 0, 0, ""},
        {"TheLargestNumberThatFits", 1, 0, kLargestHalf, ""},
        {"ANumberTooLarge", 1, 0, 65504.1F, "slot 188: it holds 6.55e+04, and fp16 ends at 65504"},
        {"ANumberFarTooLarge", 1, 0, -1e30F, "slot 188: it holds -1e+30"},
        {"Small", 1e-3F, 0, 0, ""},
        {"TooSmall", 1e-6F, 0, 0, "too small for fp16"},
        {"NeighboursNearFarFromZero", 0.01F, 100, 0, "times as far apart as fp16 moves them"},
        {"AllRoundedToOnePlace", 1e-5F, 1000, 0, "times as far apart as fp16 moves them"},
        {"ALittleOffset", 1, 2, 0, ""},
    }),
    [](const auto& info) { return info.param.name; });

// tests/data/shard_v1 was made by a program that knew no other format: an import of 300 rows of 8
// floats under euclid, index IVF4,PQ4.
TEST(ShardOfFormat1, IsOpenedAndSearchedAsEver) {
  const std::filesystem::path folder = std::filesystem::path(SIGHTLINE_TEST_DATA) / "shard_v1";
  const auto shard = open(folder, build_options("IVF4,PQ4", 8, Distance::kL2));
  ASSERT_TRUE(shard);
  EXPECT_FALSE(shard->has_half_vectors());
  EXPECT_FALSE(shard->spec().half_vectors);
  const auto live = shard->live_rows();
  ASSERT_EQ(live.size(), 300U);
  for (std::size_t i = 0; i < live.size(); ++i) {
    std::vector<float> row(8);
    std::memcpy(row.data(), live[i].values, sizeof(float) * row.size());
    for (std::size_t j = 0; j < row.size(); ++j) {
      const std::size_t number = (i * i * 7 + j * (13 + i)) % 61;
      ASSERT_EQ(row[j], static_cast<float>(number) / 16 - 2) << i;
    }
    ShardQuery query;
    query.vector = row;
    query.exact = i % 2 == 0;
    EXPECT_EQ(search(*shard, query).front().distance, 0) << i;
  }
}

TEST(RowSpool, HoldsRowsAndRemovesItsFile) {
  const TempDir dir;
  const auto path = dir.write("rows.tmp", "what a crash left");
  {
    const auto spool = RowSpool::create(path, 3).value();
    for (float row = 0; row < 1000; ++row)
      ASSERT_TRUE(spool->append(std::vector<float>{row, row + 1, row + 2}));
    ASSERT_TRUE(spool->finish());
    for (std::size_t row = 0; row < 1000; ++row) {
      float values[3];
      std::memcpy(values, spool->row(row), sizeof(values));
      ASSERT_EQ(values[0], static_cast<float>(row));
      ASSERT_EQ(values[2], static_cast<float>(row + 2));
    }
    EXPECT_TRUE(std::filesystem::exists(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  { const auto unfinished = RowSpool::create(path, 3).value(); }
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_FALSE(RowSpool::create(dir / "nowhere" / "rows.tmp", 3));
}

}  // namespace
}  // namespace sightline::index
