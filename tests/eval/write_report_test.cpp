#include "eval/write_report.h"

#include <gmock/gmock.h>

#include <cmath>
#include <set>

#include "tests/pipeline/local_store_fixture.h"

namespace sightline::eval {
namespace {

using pipeline::CollectionStore;
using testing::AllOf;
using testing::ElementsAre;
using testing::Ge;
using testing::Gt;
using testing::HasSubstr;
using testing::Le;

constexpr std::size_t kDim = 8;

std::vector<std::vector<float>> some_vectors(std::size_t count) {
  std::vector<std::vector<float>> vectors(count, std::vector<float>(kDim));
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t d = 0; d < kDim; ++d)
      vectors[i][d] = std::sin(0.7F * static_cast<float>(i * kDim + d) + static_cast<float>(d));
  }
  return vectors;
}

class WriteReportTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        pipeline::DataFolder::open(dir_ / "data", pipeline::Access::kWrite, {}, pool_).value();
    pipeline::CollectionConfig config;
    config.vectors[""].dim = kDim;
    config.vectors[""].index = "IVF16,Flat";
    store_ = folder_->create_collection("scratch", config).value();
    options_.num_rows = 2500;
    options_.rows_per_write = 200;
    options_.num_searches = 50;
  }
  Result<WriteReport> measure(const Deadline& deadline = Deadline::never()) {
    return measure_writes(*store_, samples_, queries_, options_, deadline);
  }

  testing_support::TempDir dir_;
  ComputePool pool_{{.num_threads = 2, .init_thread = {}, .set_width = {}}};
  std::unique_ptr<pipeline::DataFolder> folder_;
  std::shared_ptr<CollectionStore> store_;
  std::vector<std::vector<float>> samples_ = some_vectors(1000), queries_ = some_vectors(20);
  WriteReportOptions options_;
};

void expect_latency(const Latency& latency, std::size_t least) {
  EXPECT_THAT(latency.count, Ge(least));
  EXPECT_THAT(latency.p50_ms, AllOf(Gt(0), Le(latency.p99_ms)));
  EXPECT_THAT(latency.p99_ms, Le(latency.max_ms));
}

TEST_F(WriteReportTest, FillsBuildsAndSearches) {
  std::vector<std::string> stages;
  double last = 0;
  options_.progress = [&](double share, std::string_view stage) {
    EXPECT_THAT(share, AllOf(Ge(0), Le(1)));
    if (stages.empty() || stages.back() != stage) {
      EXPECT_THAT(share, Ge(last));
      stages.emplace_back(stage);
    }
    last = share;
  };
  const auto report = measure();
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->num_rows, 2500U);
  EXPECT_EQ(report->dim, kDim);
  EXPECT_EQ(report->index, "IVF16,Flat");
  EXPECT_THAT(report->shard_types, ElementsAre("IVF16,Flat"));
  EXPECT_EQ(report->write.count, 13U);
  EXPECT_EQ(report->searchable.count, 13U);
  EXPECT_EQ(report->quiet.count, 50U);
  for (const Latency& latency : {report->write, report->searchable, report->quiet})
    expect_latency(latency, 1);
  expect_latency(report->during_build, 50);
  ASSERT_TRUE(report->p99_ratio);
  EXPECT_DOUBLE_EQ(*report->p99_ratio, report->during_build.p99_ms / report->quiet.p99_ms);
  EXPECT_THAT(report->load_seconds, Gt(0));
  EXPECT_THAT(report->searchable_seconds, Gt(report->load_seconds));
  EXPECT_THAT(report->indexed_seconds, Gt(report->load_seconds));
  EXPECT_THAT(report->build_seconds, Gt(0));
  EXPECT_DOUBLE_EQ(report->rows_per_second, 2500 / report->load_seconds);
  EXPECT_DOUBLE_EQ(report->megabytes_per_second, report->rows_per_second * kDim * 4 / 1e6);
  EXPECT_THAT(stages, ElementsAre("writing", "building the index", "searching the quiet index",
                                  "searching while the index is built", "done"));
  EXPECT_EQ(store_->count().value(), 2500U);

  const Json json = to_json(*report);
  EXPECT_EQ(json["write"]["count"], 13);
  EXPECT_EQ(json["p99_ratio"], *report->p99_ratio);
  EXPECT_EQ(to_json(WriteReport())["p99_ratio"], Json());
}

TEST_F(WriteReportTest, RowsBeyondTheSamplesAreNearThem) {
  ASSERT_TRUE(measure());
  const PointId first(3), again(1003), third(2003);
  const auto points =
      store_->get(std::vector{first, again, third}, {.with_payload = false, .with_vectors = true})
          .value();
  std::set<std::vector<float>> different;
  for (const auto& point : points) {
    ASSERT_TRUE(point);
    const std::vector<float>& values = point->vectors[0].values;
    different.insert(values);
    double product = 0;  // of unit vectors
    for (std::size_t d = 0; d < kDim; ++d)
      product += double{values[d]} * points[0]->vectors[0].values[d];
    EXPECT_THAT(product, Gt(0.97));
  }
  EXPECT_EQ(different.size(), 3U);
}

TEST_F(WriteReportTest, StopsWhenCalledOff) {
  std::stop_source stop;
  const std::vector<std::string_view> all = {"writing", "building the index",
                                             "searching the quiet index",
                                             "searching while the index is built"};
  for (const std::string_view stage : all) {
    folder_->delete_collection("scratch").value();
    pipeline::CollectionConfig config;
    config.vectors[""].dim = kDim;
    config.vectors[""].index = "IVF16,Flat";
    store_ = folder_->create_collection("scratch", config).value();
    stop = {};
    options_.progress = [&](double, std::string_view now) {
      if (now == stage) stop.request_stop();
    };
    const auto report = measure(Deadline::never().with_stop(stop.get_token()));
    ASSERT_FALSE(report) << stage;
    EXPECT_EQ(report.error().code, StatusCode::kCancelled) << report.error().message;
  }
}

TEST_F(WriteReportTest, NamesWhatIsWrong) {
  const auto message = [&] {
    const auto report = measure();
    return report ? std::string("none") : report.error().message;
  };
  options_.num_rows = 0;
  EXPECT_THAT(message(), HasSubstr("at least 1"));
  options_.num_rows = 10;
  samples_[1].pop_back();
  EXPECT_THAT(message(), HasSubstr("8 dimensions"));
  samples_.clear();
  EXPECT_THAT(message(), HasSubstr("without samples"));
  samples_ = some_vectors(4);
  ASSERT_TRUE(store_->write({pipeline::point(1, samples_[0])}));
  EXPECT_THAT(message(), HasSubstr("not empty"));
}

}  // namespace
}  // namespace sightline::eval
