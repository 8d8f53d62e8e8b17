#include "index/shard_spec.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "tests/index/shard_rows.h"

namespace sightline::index {
namespace {

using testing::HasSubstr;

ShardSpec spec_of(ShardType type, std::size_t nlist = 0, std::size_t num_subvectors = 0) {
  return {.automatic = false, .type = type, .nlist = nlist, .num_subvectors = num_subvectors};
}

ShardSpec hnsw(std::size_t links) {
  return {.automatic = false, .type = ShardType::kHnsw, .hnsw_m = links};
}

ShardSpec halved(ShardSpec spec) {
  spec.half_vectors = true;
  return spec;
}

struct ParseCase {
  std::string text;
  ShardSpec spec;
  std::string canonical;
};
class ParseShardSpec : public testing::TestWithParam<ParseCase> {};

TEST_P(ParseShardSpec, UnderstandsFactoryStrings) {
  const auto spec = parse_shard_spec(GetParam().text);
  ASSERT_TRUE(spec) << spec.error().message;
  EXPECT_EQ(*spec, GetParam().spec);
  EXPECT_EQ(to_string(*spec), GetParam().canonical);
  EXPECT_EQ(parse_shard_spec(to_string(*spec)).value(), *spec);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, ParseShardSpec,
    testing::ValuesIn(std::vector<ParseCase>{
        {"auto", ShardSpec{}, "auto"},
        {"Flat", spec_of(ShardType::kFlat), "Flat"},
        {"flat", spec_of(ShardType::kFlat), "Flat"},
        {"IVF4096,Flat", spec_of(ShardType::kIvfFlat, 4096), "IVF4096,Flat"},
        {"IVF,Flat", spec_of(ShardType::kIvfFlat), "IVF,Flat"},
        {"ivf256,sq8", spec_of(ShardType::kIvfSq8, 256), "IVF256,SQ8"},
        {"IVF1024,PQ64", spec_of(ShardType::kIvfPq, 1024, 64), "IVF1024,PQ64"},
        {"IVF1024,PQ16x8", spec_of(ShardType::kIvfPq, 1024, 16), "IVF1024,PQ16"},
        {"HNSW", hnsw(32), "HNSW32"},
        {"HNSW16", hnsw(16), "HNSW16"},
        {"HNSW48,Flat", hnsw(48), "HNSW48"},
        {"IVF64,PQ8,RFlat", spec_of(ShardType::kIvfPq, 64, 8), "IVF64,PQ8"},
        {"IVF64,SQ8,Refine(Flat)", spec_of(ShardType::kIvfSq8, 64), "IVF64,SQ8"},
        {"IVF64,SQ8,Refine(SQfp16)", halved(spec_of(ShardType::kIvfSq8, 64)),
         "IVF64,SQ8,Refine(SQfp16)"},
        {"ivf,pq16,refine(sqFP16)", halved(spec_of(ShardType::kIvfPq, 0, 16)),
         "IVF,PQ16,Refine(SQfp16)"},
        {"auto,Refine(SQfp16)", halved({}), "auto,Refine(SQfp16)"},
    }),
    [](const auto& info) { return case_name(info.param.text); });

TEST(ParseShardSpec, NamesWhatItDoesNotUnderstand) {
  for (const std::string text : {"",
                                 "IVF",
                                 "IVF64",
                                 "IVF64,",
                                 "IVF64,PQ",
                                 "IVF64,PQ0",
                                 "IVF64,PQ8x4",
                                 "IVF-1,Flat",
                                 "IVF0,Flat",
                                 "IVF64x,Flat",
                                 "IVF99999999,Flat",
                                 "IVF99999999999999999999,Flat",
                                 "PQ64",
                                 "HNSW1",
                                 "HNSW100000",
                                 "HNSW32,SQ8",
                                 "Flat,IVF64",
                                 "OPQ16,IVF64,PQ16",
                                 "IVF64,Flat,Flat",
                                 "IVF64,Flat,Refine(SQfp16)",
                                 "Flat,RFlat",
                                 "HNSW32,Refine(SQfp16)",
                                 "IVF64,PQ8,Refine(SQ8)",
                                 "IVF64,PQ8,Refine(SQfp16),Refine(SQfp16)",
                                 " Flat"}) {
    const auto spec = parse_shard_spec(text);
    ASSERT_FALSE(spec) << text;
    EXPECT_EQ(spec.error().code, StatusCode::kInvalidArgument);
    EXPECT_THAT(spec.error().message, HasSubstr('"' + text + '"'));
    EXPECT_THAT(spec.error().message, HasSubstr("IVF<lists>,PQ<bytes>"));
  }
}

struct CheckCase {
  std::string spec;
  std::size_t dim;
  Distance distance;
  std::string error;  // part of the message; empty: fine
};
class CheckShardSpec : public testing::TestWithParam<CheckCase> {};

TEST_P(CheckShardSpec, SaysWhetherRowsCanBeHeldSo) {
  const CheckCase& c = GetParam();
  const auto checked = check_shard_spec(parse_shard_spec(c.spec).value(), c.dim, c.distance);
  EXPECT_EQ(checked.has_value(), c.error.empty());
  if (checked) return;
  EXPECT_EQ(checked.error().code, StatusCode::kInvalidArgument);
  EXPECT_THAT(checked.error().message, HasSubstr(c.error));
}
INSTANTIATE_TEST_SUITE_P(Cases, CheckShardSpec,
                         testing::ValuesIn(std::vector<CheckCase>{
                             {"auto", 512, Distance::kL1, ""},
                             {"Flat", 1, Distance::kL1, ""},
                             {"Flat", 0, Distance::kL2, "dim is 0"},
                             {"Flat", 100000, Distance::kL2, "1..65536"},
                             {"IVF64,Flat", 512, Distance::kInnerProduct, ""},
                             {"IVF64,Flat", 512, Distance::kL1, "manhattan"},
                             {"IVF64,PQ8", 64, Distance::kL1, "manhattan"},
                             {"HNSW32", 64, Distance::kL1, "manhattan"},
                             {"IVF64,PQ8", 64, Distance::kL2, ""},
                             {"IVF64,PQ8", 60, Distance::kL2, "8 does not divide dim 60"},
                             {"IVF64,SQ8", 61, Distance::kL2, ""},
                         }),
                         [](const auto& info) {
                           return case_name(info.param.spec) + "Dim" +
                                  std::to_string(info.param.dim) +
                                  distance_text(info.param.distance);
                         });

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

struct ChooseCase {
  std::string name;
  std::uint64_t num_rows;
  std::size_t dim;
  Distance distance;
  std::uint64_t memory_bytes;
  std::string spec;
};
class ChooseSpec : public testing::TestWithParam<ChooseCase> {};

TEST_P(ChooseSpec, FollowsRowsAndTheBudget) {
  const ChooseCase& c = GetParam();
  const ShardSpec spec = choose_spec(c.num_rows, c.dim, c.distance, c.memory_bytes);
  EXPECT_EQ(to_string(spec), c.spec);
  EXPECT_TRUE(check_shard_spec(spec, c.dim, c.distance));
}
INSTANTIATE_TEST_SUITE_P(
    Cases, ChooseSpec,
    testing::ValuesIn(std::vector<ChooseCase>{
        {"FewRows", 99'999, 512, Distance::kL2, 0, "Flat"},
        {"ManyRows", 100'000, 512, Distance::kL2, 0, "IVF1024,Flat"},
        {"AMillion", 1'000'000, 512, Distance::kInnerProduct, 4 * kGiB, "IVF4096,Flat"},
        {"TenMillion", 10'000'000, 512, Distance::kL2, 0, "IVF16384,Flat"},
        {"More", 10'000'001, 512, Distance::kL2, 0, "IVF16384,PQ64"},
        {"MoreThatFits", 20'000'000, 16, Distance::kL2, 4 * kGiB, "IVF16384,Flat"},
        {"FewerThanFit", 5'000'000, 512, Distance::kL2, 4 * kGiB, "IVF8192,PQ64"},
        {"NoDivisor", 20'000'000, 509, Distance::kL2, 4 * kGiB, "IVF16384,SQ8"},
        {"OddDim", 20'000'000, 300, Distance::kL2, 4 * kGiB, "IVF16384,PQ30"},
        {"Manhattan", 20'000'000, 512, Distance::kL1, 4 * kGiB, "Flat"},
    }),
    [](const auto& info) { return info.param.name; });

TEST(DefaultNlist, IsAboutFourRootsOfTheRows) {
  const std::vector<std::pair<std::uint64_t, std::size_t>> cases = {
      {1, 64},           {1000, 64},          {5000, 128},           {100'000, 1024},
      {1'000'000, 4096}, {10'000'000, 16384}, {1'000'000'000, 65536}};
  for (const auto& [rows, nlist] : cases) EXPECT_EQ(default_nlist(rows), nlist) << rows;
}

}  // namespace
}  // namespace sightline::index
