#include "pipeline/job_board.h"

#include <thread>

#include "tests/pipeline/ingest_fixture.h"
#include "tests/pipeline/pictures.h"

namespace sightline::pipeline {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class JobBoardTest : public IngestTest {
 protected:
  JobBoardTest() {
    EncoderHostOptions options;
    options.default_model = std::string(SIGHTLINE_TEST_DATA) + "/clip-vit-tiny";
    options.device = encoders::Device::kCpu;
    host_ = std::make_unique<EncoderHost>(options, *pool_);
    make({});
  }
  ~JobBoardTest() override {
    board_.reset();
    host_.reset();
  }
  void make(JobBoardOptions options) {
    options.roots = {pictures_.path()};
    options.decode_bytes = 64 << 20;
    board_ = std::make_unique<JobBoard>(*folder_, *host_, *pool_, options);
  }
  JobRequest request(const std::string& collection = "default") const {
    JobRequest request;
    request.collection = collection;
    request.paths = {pictures_.path().string()};
    return request;
  }
  JobStatus wait(const std::string& id) {
    for (;;) {
      const JobStatus job = board_->find(id).value();
      if (job.finished) return job;
      std::this_thread::sleep_for(2ms);
    }
  }

  std::unique_ptr<EncoderHost> host_;
  std::unique_ptr<JobBoard> board_;
};

TEST_F(JobBoardTest, IndexesAndReports) {
  for (std::uint32_t i = 0; i < 5; ++i) picture(std::to_string(i) + ".png", i);
  pictures_.write("broken.png", "broken");
  const JobStatus started = board_->start(request()).value();
  EXPECT_EQ(started.state, JobState::kQueued);
  const JobStatus job = wait(started.id);
  ASSERT_EQ(job.state, JobState::kDone) << job.error->message;
  EXPECT_EQ(job.report->indexed, 5u);
  EXPECT_EQ(count(), 5u);
  EXPECT_EQ(skipped_lines().size(), 1u);
  const Json json = to_json(job);
  EXPECT_EQ(json["state"], "done");
  EXPECT_EQ(json["progress"]["seen"], 6);
  EXPECT_EQ(json["progress"]["skipped"], 1);
  EXPECT_EQ(json["report"]["skipped"]["not_a_picture"], 1);
  EXPECT_EQ(json["error"], nullptr);
  EXPECT_THAT(json["finished_at"].get<std::string>(),
              testing::MatchesRegex("....-..-..T..:..:..Z"));
  EXPECT_EQ(to_json(started)["started_at"], nullptr);

  // Into a new collection, for the default model.
  EXPECT_EQ(wait(board_->start(request("fresh"))->id).state, JobState::kDone);
  EXPECT_EQ(folder_->open_collection("fresh").value()->count().value(), 5u);
  ASSERT_EQ(board_->list().size(), 2u);
  EXPECT_EQ(board_->list()[0].request.collection, "fresh");
}

TEST_F(JobBoardTest, OnlyPathsBelowTheRoots) {
  JobRequest bad = request();
  bad.paths = {"/etc"};
  EXPECT_EQ(board_->start(bad).error().code, StatusCode::kPermissionDenied);
  bad.paths = {path_of("none")};
  EXPECT_EQ(board_->start(bad).error().code, StatusCode::kNotFound);
  bad.paths = {};
  EXPECT_EQ(board_->start(bad).error().code, StatusCode::kInvalidArgument);
  std::filesystem::create_symlink("/etc", pictures_ / "link");
  bad.paths = {path_of("link")};
  EXPECT_EQ(board_->start(bad).error().code, StatusCode::kPermissionDenied);
  EXPECT_EQ(board_->start(request("a/b")).error().code, StatusCode::kInvalidArgument);
  EXPECT_EQ(board_->find("1").error().code, StatusCode::kNotFound);
}

TEST_F(JobBoardTest, AliasesAreFollowedAndModelsCompared) {
  picture("a.png", 1);
  pictures_.write("broken.png", "broken");
  ASSERT_EQ(wait(board_->start(request())->id).state, JobState::kDone);
  const std::vector<AliasAction> alias = {CreateAlias{"other", "default"}};
  ASSERT_TRUE(folder_->change_aliases(alias));
  JobRequest named = request("other");
  named.model = "clip-vit-tiny";
  const JobStatus job = wait(board_->start(named)->id);
  ASSERT_EQ(job.state, JobState::kDone) << job.error->message;
  EXPECT_EQ(job.report->unchanged, 1u);
  EXPECT_FALSE(std::filesystem::exists(folder_->collection_folder("other")));
  named.model = "embedded";
  const JobStatus refused = wait(board_->start(named)->id);
  EXPECT_EQ(refused.state, JobState::kFailed);
  EXPECT_THAT(refused.error->message, HasSubstr("clip-vit-tiny"));
}

TEST_F(JobBoardTest, AFailureIsTold) {
  // Made by a model that is not here.
  CollectionConfig config;
  config.vectors[""] = {.dim = 4};
  config.vectors[""].model = {"0123456789abcdef", "white", "lost", "/nowhere", "fp32"};
  ASSERT_TRUE(folder_->create_collection("lost", config));
  const JobStatus job = wait(board_->start(request("lost"))->id);
  EXPECT_EQ(job.state, JobState::kFailed);
  EXPECT_THAT(job.error->message, HasSubstr("lost"));
  EXPECT_THAT(to_json(job)["error"].get<std::string>(), HasSubstr("lost"));
}

TEST_F(JobBoardTest, APathThatIsRefusedLeavesNoCollection) {
  pictures_.write("m.csv", "file\na.png\n");
  JobRequest bad = request("fresh");
  bad.paths = {path_of("m.csv")};
  const JobStatus job = wait(board_->start(bad)->id);
  EXPECT_EQ(job.state, JobState::kFailed);
  EXPECT_THAT(job.error->message, HasSubstr("has no column \"image\""));
  EXPECT_FALSE(folder_->open_collection("fresh"));
}

TEST_F(JobBoardTest, StopsInGoodOrder) {
  for (std::uint32_t i = 0; i < 300; ++i) picture(std::to_string(i) + ".png", i);
  const auto first = board_->start(request())->id;
  const auto second = board_->start(request("other"))->id;
  EXPECT_EQ(board_->stop(second)->state, JobState::kStopped);
  ASSERT_TRUE(board_->stop(first));
  const JobStatus job = wait(first);
  // It may have been through already.
  EXPECT_TRUE(job.state == JobState::kStopped || job.state == JobState::kDone);
  // Stopped before a thread took it, it has no report.
  EXPECT_EQ(job.report ? job.report->indexed : 0, count());
  EXPECT_FALSE(folder_->open_collection("other"));
  EXPECT_EQ(board_->stop(first)->state, job.state);
}

TEST_F(JobBoardTest, QueueAndMemoryAreBounded) {
  JobBoardOptions options;
  options.max_queued = 2;
  options.max_finished = 2;
  make(options);
  for (std::uint32_t i = 0; i < 60; ++i) picture(std::to_string(i) + ".png", i);
  std::vector<std::string> ids;
  std::optional<Status> refused;
  while (!refused) {
    auto job = board_->start(request());
    if (job) {
      ids.push_back(job->id);
    } else {
      refused = job.error();
    }
  }
  EXPECT_EQ(refused->code, StatusCode::kOverloaded);
  wait(ids.back());
  EXPECT_LE(board_->list().size(), 2u);
  EXPECT_TRUE(board_->find(ids.back()));
}

TEST_F(JobBoardTest, ShutDownStopsAll) {
  for (std::uint32_t i = 0; i < 100; ++i) picture(std::to_string(i) + ".png", i);
  const auto first = board_->start(request())->id;
  const auto second = board_->start(request())->id;
  board_->shut_down();
  EXPECT_TRUE(board_->find(first)->finished);
  EXPECT_EQ(board_->find(second)->state, JobState::kStopped);
  EXPECT_EQ(board_->start(request()).error().code, StatusCode::kCancelled);
}

}  // namespace
}  // namespace sightline::pipeline
