#include "pipeline/internal/shard_policy.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <string>

namespace sightline::pipeline {
namespace {

using index::ShardType;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

ShardsState::Sealed shard(std::uint64_t rows, const std::string& spec, std::uint64_t dead = 0) {
  return {rows + dead, rows, index::parse_shard_spec(spec).value()};
}

ShardsState state_of(std::vector<ShardsState::Sealed> sealed, const std::string& wanted = "auto") {
  ShardsState state;
  state.dim = 128;
  state.wanted = index::parse_shard_spec(wanted).value();
  state.sealed = std::move(sealed);
  return state;
}

std::string type_of(const std::optional<BuildPlan>& plan) {
  return plan ? index::to_string(plan->spec) : "none";
}

TEST(ShardPolicy, FullGrowingShardsAreSealedFlatAtOnce) {
  ShardsState state = state_of({shard(50'000, "Flat")});
  state.full = {131'072, 131'072};
  for (const Activity activity : {Activity::kLoading, Activity::kWriting, Activity::kIdle}) {
    const auto plan = plan_background(state, activity, {});
    ASSERT_TRUE(plan);
    EXPECT_THAT(plan->full, ElementsAre(0));
    EXPECT_THAT(plan->sealed, IsEmpty());
    EXPECT_FALSE(plan->growing);
    EXPECT_EQ(type_of(plan), "Flat");
  }
}

TEST(ShardPolicy, SmallCollectionsStayGrowing) {
  ShardsState state = state_of({});
  state.growing = 19'999;
  EXPECT_FALSE(plan_background(state, Activity::kIdle, {}));
  state.growing = 20'000;
  EXPECT_FALSE(plan_background(state, Activity::kWriting, {}));
  EXPECT_FALSE(plan_background(state, Activity::kLoading, {}));
  EXPECT_TRUE(plan_background(state, Activity::kIdle, {})->growing);
  state.dim = 4096;  // 16 KiB a row
  state.growing = 2048;
  EXPECT_TRUE(plan_background(state, Activity::kIdle, {})->growing);
  state.growing = 2047;
  EXPECT_FALSE(plan_background(state, Activity::kIdle, {}));
}

TEST(ShardPolicy, TooFewRowsForTheStructureAskedForAreToldOf) {
  struct Case {
    std::string wanted;
    std::uint64_t sealed, growing;
    std::optional<std::uint64_t> least;
  };
  for (const Case& c : std::vector<Case>{{"IVF4096,Flat", 2000, 95, 4096},
                                         {"IVF4096,Flat", 4000, 96, std::nullopt},
                                         {"IVF16,PQ8", 200, 55, 256},
                                         {"IVF16,PQ8", 200, 56, std::nullopt},
                                         {"IVF,Flat", 3, 0, 64},
                                         {"HNSW32", 3, 0, std::nullopt},
                                         {"auto", 3, 0, std::nullopt},
                                         {"IVF4096,Flat", 0, 0, std::nullopt}}) {
    ShardsState state = state_of({shard(c.sealed, "Flat")}, c.wanted);
    state.growing = c.growing;
    EXPECT_EQ(too_few_rows_for(state), c.least) << c.wanted << ' ' << c.sealed + c.growing;
  }
}

TEST(ShardPolicy, NothingIsTrainedDuringABulkLoad) {
  std::vector<ShardsState::Sealed> flats(31, shard(131'072, "Flat"));
  flats.insert(flats.begin(), shard(3'000'000, "IVF8192,Flat"));
  EXPECT_FALSE(plan_background(state_of(flats), Activity::kLoading, {}));
  flats.push_back(shard(1'048'576, "Flat"));
  ShardsState state = state_of(flats);
  for (const std::size_t num_full : {0U, 3U}) {
    state.full.assign(num_full, 131'072);
    const auto plan = plan_background(state, Activity::kLoading, {});
    ASSERT_TRUE(plan);
    // Those of one size; the large ones are not copied.
    EXPECT_EQ(plan->sealed.size(), 31U);
    EXPECT_THAT(plan->sealed, testing::Each(testing::AllOf(testing::Ge(1U), testing::Le(31U))));
    EXPECT_EQ(type_of(plan), "Flat");
  }
  state.full.push_back(131'072);  // These take memory.
  EXPECT_THAT(plan_background(state, Activity::kLoading, {})->full, ElementsAre(0));
  // Afterwards everything is.
  const auto later = plan_background(state_of({shard(1'048'576, "Flat"), shard(1'048'576, "Flat")}),
                                     Activity::kWriting, {});
  ASSERT_TRUE(later);
  EXPECT_EQ(later->spec.type, ShardType::kIvfFlat);
  EXPECT_THAT(later->sealed, UnorderedElementsAre(0, 1));
}

TEST(ShardPolicy, ABulkLoadOfAnySizeKeepsFewShardsAndCopiesRowsSeldom) {
  ShardsState state = state_of({});
  std::uint64_t num_copied = 0;
  constexpr int kShards = 2000;
  for (int i = 0; i < kShards; ++i) {
    state.sealed.push_back(shard(32'768, "Flat"));
    while (const auto plan = plan_background(state, Activity::kLoading, {})) {
      std::uint64_t rows = 0;
      std::vector<std::size_t> gone = plan->sealed;
      std::sort(gone.rbegin(), gone.rend());
      for (const std::size_t at : gone) {
        rows += state.sealed[at].num_live;
        state.sealed.erase(state.sealed.begin() + static_cast<std::ptrdiff_t>(at));
      }
      state.sealed.push_back(shard(rows, "Flat"));
      num_copied += rows;
    }
    ASSERT_LE(state.sealed.size(), kMaxSealedWhileLoading);
  }
  EXPECT_LE(num_copied, 4U * kShards * 32'768U);
}

TEST(ShardPolicy, TheTailIsMergedWithTheNextStepOnceItHasHalfItsRows) {
  EXPECT_FALSE(plan_background(state_of({shard(1'000'000, "IVF4096,Flat"),
                                         shard(150'000, "IVF2048,Flat"), shard(70'000, "Flat")}),
                               Activity::kIdle, {}));
  const auto plan =
      plan_background(state_of({shard(1'000'000, "IVF4096,Flat"), shard(80'000, "Flat"),
                                shard(150'000, "IVF2048,Flat")}),
                      Activity::kIdle, {});
  ASSERT_TRUE(plan);
  EXPECT_THAT(plan->sealed, UnorderedElementsAre(1, 2));
  EXPECT_EQ(plan->spec.type, ShardType::kIvfFlat);
  const auto all =
      plan_background(state_of({shard(1'000'000, "IVF4096,Flat"), shard(400'000, "IVF2048,Flat"),
                                shard(100'000, "IVF1024,Flat"), shard(60'000, "Flat")}),
                      Activity::kIdle, {});
  ASSERT_TRUE(all);
  EXPECT_THAT(all->sealed, UnorderedElementsAre(0, 1, 2, 3));
}

TEST(ShardPolicy, FlatShardsAreAsGoodApartUnlessThereAreTooMany) {
  std::vector<ShardsState::Sealed> flats(8, shard(10'000, "Flat"));
  EXPECT_FALSE(plan_background(state_of(flats), Activity::kIdle, {}));
  EXPECT_FALSE(plan_background(state_of({shard(500'000, "Flat"), shard(500'000, "Flat")}, "Flat"),
                               Activity::kIdle, {}));
  flats.push_back(shard(10'000, "Flat"));
  const auto plan = plan_background(state_of(flats), Activity::kIdle, {});
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->sealed.size(), 9U);
}

TEST(ShardPolicy, AShardWithManyDeletedRowsIsRewritten) {
  EXPECT_FALSE(plan_background(state_of({shard(80'000, "Flat", 20'000)}), Activity::kIdle, {}));
  const auto plan =
      plan_background(state_of({shard(79'000, "Flat", 21'000)}), Activity::kWriting, {});
  ASSERT_TRUE(plan);
  EXPECT_THAT(plan->sealed, ElementsAre(0));
  EXPECT_EQ(plan->why, "compacting");
  EXPECT_EQ(type_of(plan), "Flat");
  EXPECT_FALSE(plan_background(state_of({shard(79'000, "Flat", 21'000)}), Activity::kLoading, {}));
  // One that holds nothing any more goes.
  EXPECT_TRUE(plan_background(state_of({shard(0, "Flat", 5)}), Activity::kIdle, {}));
}

struct StructureCase {
  std::string name;
  std::string wanted;
  ShardsState::Sealed have;
  std::string becomes;
};
class ShardStructure : public testing::TestWithParam<StructureCase> {};

TEST_P(ShardStructure, IsWhatTheConfigurationAsksFor) {
  const StructureCase& c = GetParam();
  EXPECT_EQ(type_of(plan_background(state_of({c.have}, c.wanted), Activity::kIdle, {})), c.becomes);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, ShardStructure,
    testing::ValuesIn(std::vector<StructureCase>{
        {"FlatIsEnough", "auto", shard(99'999, "Flat"), "none"},
        {"FlatIsTooSlow", "auto", shard(131'072, "Flat"), "IVF1024,Flat"},
        {"ShrunkIvfStays", "auto", shard(90'000, "IVF1024,Flat"), "none"},
        {"GraphNobodyAskedFor", "auto", shard(90'000, "HNSW32"), "Flat"},
        {"AsAsked", "IVF256,PQ16", shard(50'000, "IVF256,PQ16"), "none"},
        {"OtherLists", "IVF256,PQ16", shard(50'000, "IVF512,PQ16"), "IVF256,PQ16"},
        {"OtherCodes", "IVF256,PQ16", shard(50'000, "IVF256,PQ32"), "IVF256,PQ16"},
        {"AnyLists", "IVF,SQ8", shard(50'000, "IVF512,SQ8"), "none"},
        {"TooFewToTrain", "IVF4096,Flat", shard(4095, "Flat"), "none"},
        {"EnoughToTrain", "IVF4096,Flat", shard(4096, "Flat"), "IVF4096,Flat"},
        {"Graph", "HNSW16", shard(3000, "Flat"), "HNSW16"},
        {"OtherGraph", "HNSW16", shard(3000, "HNSW32"), "HNSW16"},
        {"BackToFlat", "Flat", shard(900'000, "IVF1024,Flat"), "Flat"},
    }),
    [](const auto& info) { return info.param.name; });

TEST(ShardPolicy, ATailTooSmallToTrainStaysFlat) {
  EXPECT_FALSE(plan_background(
      state_of({shard(1'000'000, "IVF4096,PQ64"), shard(100'000, "Flat")}, "IVF4096,PQ64"),
      Activity::kIdle, {}));
  const auto plan = plan_background(
      state_of({shard(1'000'000, "IVF4096,PQ64"), shard(200'000, "Flat")}, "IVF4096,PQ64"),
      Activity::kIdle, {});
  ASSERT_TRUE(plan);
  EXPECT_THAT(plan->sealed, ElementsAre(1));
}

TEST(ShardPolicy, AnOptimiseSealsWhatIsGrowing) {
  EXPECT_FALSE(plan_optimize(state_of({}), true));
  ShardsState state = state_of({shard(1'000'000, "IVF4096,Flat"), shard(30'000, "Flat")});
  state.growing = 10;
  auto plan = plan_optimize(state, true);
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan->growing);
  EXPECT_THAT(plan->sealed, IsEmpty());
  EXPECT_EQ(type_of(plan), "Flat");
  EXPECT_FALSE(plan_optimize(state, false));
  state.growing = 100'000;
  state.full = {131'072, 131'072};
  plan = plan_optimize(state, true);
  EXPECT_THAT(plan->full, ElementsAre(0, 1));
  EXPECT_THAT(plan->sealed, ElementsAre(1));
  EXPECT_EQ(plan->spec.type, ShardType::kIvfFlat);
  state.growing = 600'000;
  EXPECT_THAT(plan_optimize(state, true)->sealed, UnorderedElementsAre(0, 1));
}

TEST(ShardPolicy, ARebuildMakesOneOfAll) {
  EXPECT_FALSE(plan_rebuild(state_of({})));
  ShardsState state = state_of({shard(1'000'000, "IVF4096,Flat"), shard(30'000, "Flat")});
  state.full = {5};
  const auto plan = plan_rebuild(state);
  ASSERT_TRUE(plan);
  EXPECT_THAT(plan->sealed, UnorderedElementsAre(0, 1));
  EXPECT_THAT(plan->full, ElementsAre(0));
  EXPECT_TRUE(plan->growing);
}

TEST(ShardPolicy, AnotherPrecisionOfFullVectorsIsAReasonToRebuild) {
  const std::string half = "IVF1024,PQ16,Refine(SQfp16)", full = "IVF1024,PQ16";
  for (const auto& [have, want] : {std::pair(half, full), std::pair(full, half)}) {
    const auto plan = plan_optimize(state_of({shard(200'000, have)}, want), false);
    ASSERT_TRUE(plan);
    EXPECT_EQ(index::to_string(plan->spec), want);
  }
  EXPECT_FALSE(plan_optimize(state_of({shard(200'000, half)}, half), false));
  EXPECT_EQ(type_of(plan_optimize(state_of({shard(1'000, half, 900)}, half), false)), "Flat");
}

TEST(ShardPolicy, AutomaticShardsHaveHalfVectorsWhereTheyHaveLossyCodes) {
  ShardsState state = state_of({shard(200'000, "Flat")}, "auto,Refine(SQfp16)");
  EXPECT_EQ(plan_optimize(state, false)->spec.half_vectors, false);  // IVF-Flat
  state.memory_bytes = 40'000'000;
  const auto plan = plan_optimize(state, false);
  ASSERT_TRUE(plan);
  EXPECT_TRUE(index::has_lossy_codes(plan->spec));
  EXPECT_TRUE(plan->spec.half_vectors);
  state.sealed = {shard(200'000, index::to_string(plan->spec))};
  EXPECT_FALSE(plan_optimize(state, false));
  state.wanted = index::parse_shard_spec("auto").value();
  EXPECT_FALSE(plan_optimize(state, false)->spec.half_vectors);
}

}  // namespace
}  // namespace sightline::pipeline
