#include "eval/index_report.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <map>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <set>
#include <string>

#include "tests/eval/fake_store.h"
#include "tests/support/temp_dir.h"

namespace sightline::eval {
namespace {

using testing::AllOf;
using testing::DoubleNear;
using testing::ElementsAre;
using testing::Ge;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Le;
using testing_support::TempDir;

/// `count` queries between the points of a FakeStore of 1,000.
std::vector<ReportQuery> queries(std::size_t count) {
  std::vector<ReportQuery> all;
  for (std::size_t i = 0; i < count; ++i)
    all.push_back({{100.25F + 7.0F * static_cast<float>(i)}, std::nullopt});
  return all;
}

IndexReport measure(const FakeStore& store, const std::vector<ReportQuery>& asked,
                    const IndexReportOptions& options) {
  auto report = measure_index(store, asked, options, Deadline::never());
  EXPECT_TRUE(report) << report.error().message;
  return report ? *std::move(report) : IndexReport();
}

cv::Mat picture_of(const std::filesystem::path& path) {
  const std::string bytes = testing_support::read_file(path);
  return cv::imdecode(std::vector<char>(bytes.begin(), bytes.end()), cv::IMREAD_COLOR);
}

std::vector<std::size_t> settings_of(const RecallCurve& curve) {
  std::vector<std::size_t> settings;
  for (const Measurement& measured : curve.sweep) settings.push_back(measured.setting);
  return settings;
}

TEST(IndexReport, TheSmallestSettingIsLookedForBetweenTwoOfTheSweep) {
  const FakeStore store(1008);
  IndexReportOptions options;
  options.k = 32;
  for (const auto& [target, smallest] : std::vector<std::pair<double, std::size_t>>{
           {0.6, 10}, {0.62, 10}, {0.625, 10}, {0.63, 11}, {0.05, 1}, {0.1, 2}, {1.0, 16}}) {
    options.target_recall = target;
    EXPECT_EQ(measure(store, queries(20), options).curves[0].smallest_setting, smallest) << target;
  }
  options.settings = {4, 9, 13};  // these alone
  options.target_recall = 0.6;
  const RecallCurve curve = measure(store, queries(20), options).curves[0];
  EXPECT_THAT(settings_of(curve), ElementsAre(4, 9, 13));
  EXPECT_EQ(curve.smallest_setting, 13U);
}

TEST(IndexReport, RecallGrowsWithTheListsProbed) {
  const FakeStore store(1008);
  IndexReportOptions options;
  options.k = 32;  // two of each list
  options.target_recall = 0.5;
  options.num_threads = 3;
  const IndexReport report = measure(store, queries(100), options);
  EXPECT_EQ(report.setting, Setting::kNprobe);
  EXPECT_THAT(report.shard_types, ElementsAre("IVF16,Flat"));
  EXPECT_EQ(report.num_points, 1008U);
  EXPECT_EQ(report.num_queries, 100U);
  EXPECT_EQ(report.num_threads, 3U);
  EXPECT_EQ(report.memory_bytes_per_point, 8);
  EXPECT_EQ(report.mapped_bytes_per_point, 64);
  ASSERT_EQ(report.curves.size(), 1U);
  const RecallCurve& curve = report.curves[0];
  EXPECT_THAT(settings_of(curve), ElementsAre(1, 2, 4, 6, 7, 8, 16));
  for (const Measurement& measured : curve.sweep) {
    EXPECT_NEAR(measured.recall, static_cast<double>(measured.setting) / 16, 1e-9);
    EXPECT_EQ(measured.num_scanned, 63 * static_cast<double>(measured.setting));
    EXPECT_THAT(measured.p50_ms, AllOf(Ge(0), Le(measured.p99_ms)));
    EXPECT_GT(measured.queries_per_second, 0);
  }
  EXPECT_EQ(curve.smallest_setting, 8U);
  EXPECT_EQ(curve.calibrated.setting, 0U);
  EXPECT_NEAR(curve.calibrated.recall, 0.25, 1e-9);
  EXPECT_EQ(curve.exact.recall, 1);
  EXPECT_EQ(curve.exact.num_scanned, 1008);
  EXPECT_TRUE(curve.filter.empty());
  EXPECT_EQ(curve.selectivity, 1);
}

TEST(IndexReport, SearchesAreAskedAsTheReportSays) {
  const FakeStore store(1000);
  IndexReportOptions options;
  options.settings = {3, 5};
  options.num_threads = 2;
  auto asked = queries(4);
  asked[0].self = PointId(100);
  const IndexReport report = measure(store, asked, options);
  EXPECT_THAT(settings_of(report.curves[0]), ElementsAre(3, 5));
  std::map<std::size_t, int> by_nprobe;
  int num_exact = 0;
  for (const pipeline::SearchRequest& request : store.requests()) {
    EXPECT_FALSE(request.with_payload);
    EXPECT_EQ(request.exclude.size(), request.vector == asked[0].vector ? 1U : 0U);
    EXPECT_EQ(request.top_k, request.exact ? 20U : 10U);
    EXPECT_EQ(request.ef_search, 0U);
    num_exact += request.exact ? 1 : 0;
    if (!request.exact) ++by_nprobe[request.nprobe];
  }
  // Each query once for its latency and once for the throughput.
  EXPECT_EQ(num_exact, 8);
  EXPECT_THAT(by_nprobe,
              ElementsAre(testing::Pair(0, 8), testing::Pair(3, 8), testing::Pair(5, 8)));
}

TEST(IndexReport, APointAskedAboutItselfIsNotCounted) {
  const FakeStore store(1000);
  IndexReportOptions options;
  options.k = 1;
  options.settings = {1};
  // Point 160 lies in list 0, its neighbours 159 and 161 do not.
  const std::vector<ReportQuery> asked = {{{160}, PointId(160)}};
  EXPECT_EQ(measure(store, asked, options).curves[0].sweep[0].recall, 0);
  const std::vector<ReportQuery> found = {{{160}, std::nullopt}};
  EXPECT_EQ(measure(store, found, options).curves[0].sweep[0].recall, 1);
}

TEST(IndexReport, EveryFilterHasItsCurve) {
  const FakeStore store(1000);
  IndexReportOptions options;
  options.k = 8;
  options.filters = {{"a quarter", std::make_shared<const Filter>()},
                     {"the same", std::make_shared<const Filter>()}};
  std::vector<std::string> stages;
  double last_share = 0;
  options.progress = [&](double share, std::string_view stage) {
    EXPECT_THAT(share, AllOf(Ge(last_share), Le(1)));
    last_share = share;
    stages.emplace_back(stage);
  };
  const IndexReport report = measure(store, queries(50), options);
  ASSERT_EQ(report.curves.size(), 3U);
  EXPECT_EQ(report.curves[0].selectivity, 1);
  EXPECT_EQ(report.curves[1].filter, "a quarter");
  EXPECT_EQ(report.curves[1].selectivity, 0.25);
  EXPECT_EQ(report.curves[1].exact.num_scanned, 250);
  // Multiples of 4 lie in the lists 0, 4, 8 and 12.
  EXPECT_NEAR(report.curves[1].sweep[0].recall, 0.25, 1e-9);
  EXPECT_EQ(report.curves[2].filter, "the same");
  EXPECT_EQ(last_share, 1);
  EXPECT_EQ(stages.front(), "exact search");
  EXPECT_THAT(stages, testing::Contains("nprobe 2 under \"the same\""));
}

TEST(IndexReport, GraphsAreSteeredByTheirBeam) {
  FakeStore store(1000, 256);
  store.info_.shards[0].type = "HNSW32";
  IndexReportOptions options;
  const IndexReport report = measure(store, queries(10), options);
  EXPECT_EQ(report.setting, Setting::kEfSearch);
  EXPECT_THAT(settings_of(report.curves[0]),
              ElementsAre(16, 32, 64, 128, 160, 162, 163, 164, 168, 176, 192, 256));
  for (const pipeline::SearchRequest& request : store.requests()) EXPECT_EQ(request.nprobe, 0U);
}

TEST(IndexReport, ExactShardsHaveNothingToSweep) {
  FakeStore store(200);
  store.info_.shards[0].type = "growing";
  const IndexReport report = measure(store, queries(3), {});
  EXPECT_EQ(report.setting, Setting::kNone);
  EXPECT_THAT(report.curves[0].sweep, IsEmpty());
  EXPECT_EQ(report.curves[0].smallest_setting, std::nullopt);
}

TEST(IndexReport, FailuresAreHandedOn) {
  FakeStore store(100);
  const auto failure = [&](const std::vector<ReportQuery>& asked, const IndexReportOptions& options,
                           const Deadline& deadline = Deadline::never()) {
    return measure_index(store, asked, options, deadline).error();
  };
  IndexReportOptions options;
  EXPECT_THAT(failure({}, options).message, HasSubstr("no queries"));
  options.k = 0;
  EXPECT_THAT(failure(queries(1), options).message, HasSubstr("k is 0; it must be 1..5000"));
  options = {};
  options.target_recall = 1.5;
  EXPECT_THAT(failure(queries(1), options).message, HasSubstr("target recall is 1.5"));
  options = {};
  options.settings = {4, 4};
  EXPECT_THAT(failure(queries(1), options).message, HasSubstr("ascend"));
  store.fails_ = true;
  EXPECT_EQ(failure(queries(1), {}).message, "the disk is gone");
  store.fails_ = false;
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(failure(queries(1), {}, Deadline::never().with_stop(stop.get_token())).code,
            StatusCode::kCancelled);
}

TEST(IndexReport, JsonHoldsEverything) {
  const FakeStore store(1000);
  IndexReportOptions options;
  options.filters = {{"f", std::make_shared<const Filter>()}};
  options.settings = {2, 16};
  const Json json = to_json(measure(store, queries(20), options));
  EXPECT_EQ(json.at("setting"), "nprobe");
  EXPECT_EQ(json.at("index"), Json::array({"IVF16,Flat"}));
  EXPECT_EQ(json.at("k"), 10);
  EXPECT_EQ(json.at("target_recall"), 0.95);
  EXPECT_EQ(json.at("memory_bytes_per_point"), 8);
  const Json& curve = json.at("curves").at(0);
  EXPECT_TRUE(curve.at("filter").is_null());
  EXPECT_EQ(curve.at("smallest_setting"), 16);
  EXPECT_EQ(curve.at("sweep").at(1).at("nprobe"), 16);
  EXPECT_EQ(curve.at("sweep").at(1).at("recall"), 1);
  EXPECT_TRUE(curve.at("calibrated").at("p99_ms").is_number());
  EXPECT_EQ(json.at("curves").at(1).at("filter"), "f");
  EXPECT_EQ(json.at("curves").at(1).at("selectivity"), 0.25);
}

TEST(IndexReport, TheCurveIsAPicture) {
  const FakeStore store(1000);
  const TempDir folder;
  IndexReportOptions options;
  options.filters = {{"a quarter", std::make_shared<const Filter>()}};
  const IndexReport report = measure(store, queries(20), options);
  const auto path = folder.path() / "curve.png";
  const auto drawn = draw_recall(report, path);
  ASSERT_TRUE(drawn) << drawn.error().message;
  const cv::Mat picture = picture_of(path);
  ASSERT_EQ(picture.size(), cv::Size(960, 600));
  const auto pixels_of = [&](const cv::Scalar& color) {
    cv::Mat mask;
    cv::inRange(picture, color, color, mask);
    return cv::countNonZero(mask);
  };
  EXPECT_GT(pixels_of({178, 114, 0}), 200);  // no filter
  EXPECT_GT(pixels_of({0, 94, 213}), 200);   // the filter
  EXPECT_EQ(pixels_of({115, 158, 0}), 0);    // no third curve
  EXPECT_EQ(draw_recall(report, folder.path() / "none" / "curve.png").error().code,
            StatusCode::kIoError);
}

TEST(IndexReport, OneExactMeasurementCanBeDrawnToo) {
  FakeStore store(200);
  store.info_.shards.clear();
  const TempDir folder;
  const auto path = folder.path() / "curve.png";
  ASSERT_TRUE(draw_recall(measure(store, queries(1), {}), path));
  EXPECT_FALSE(picture_of(path).empty());
}

TEST(SampleQueries, AreDifferentPointsChosenEvenly) {
  const FakeStore store(25'000);  // three pages
  const auto sample = [&](std::string_view name, std::size_t count, std::uint64_t seed) {
    return sample_queries(store, name, count, seed, Deadline::never()).value();
  };
  const auto chosen = sample("", 500, 1);
  ASSERT_EQ(chosen.size(), 500U);
  std::set<PointId> ids;
  double sum = 0;
  for (const ReportQuery& query : chosen) {
    ids.insert(query.self.value());
    EXPECT_THAT(query.vector, ElementsAre(static_cast<float>(query.self->number())));
    sum += static_cast<double>(query.self->number());
  }
  EXPECT_EQ(ids.size(), 500U);
  EXPECT_THAT(sum / 500, DoubleNear(12'500, 1500));  // more than 4 standard deviations
  EXPECT_EQ(sample("", 500, 1)[0].self, chosen[0].self);
  EXPECT_NE(sample("", 500, 2)[0].self, chosen[0].self);
  EXPECT_EQ(sample("", 30'000, 1).size(), 25'000U);
  EXPECT_THAT(sample("", 0, 1), IsEmpty());
  for (const ReportQuery& query : sample("other", 100, 1)) {
    EXPECT_EQ(query.self->number() % 2, 0U);
    EXPECT_EQ(query.vector.size(), 2U);
  }
}

}  // namespace
}  // namespace sightline::eval
