// Interruptions, crashes, searches meanwhile and a full disk.
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "pipeline/query.h"
#include "settings/library_setup.h"
#include "tests/pipeline/ingest_fixture.h"
#include "tests/pipeline/pictures.h"

namespace sightline::pipeline {
namespace {

class Survival : public IngestTest {
 protected:
  static constexpr std::uint32_t kPictures = 400;
  void SetUp() override {
    for (std::uint32_t i = 0; i < kPictures; ++i) picture(std::to_string(i) + ".png", i);
  }
};

TEST_F(Survival, AStopFinishesWhatIsInFlightAndARerunTheRest) {
  std::stop_source stop;
  encoder_.before_batch = [&] {
    if (encoder_.num_pictures >= kPictures / 2) stop.request_stop();
  };
  const auto first = try_index(options({path_of("")}), stop.get_token());
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_TRUE(first->interrupted);
  EXPECT_GE(first->indexed, kPictures / 2);
  EXPECT_LT(first->indexed, kPictures);
  EXPECT_EQ(first->indexed, encoder_.num_pictures) << "every encoded picture is stored";
  EXPECT_EQ(count(), first->indexed);

  encoder_.before_batch = nullptr;
  const IngestReport second = index();
  EXPECT_EQ(second.unchanged, first->indexed);
  EXPECT_EQ(second.indexed, kPictures - first->indexed);
  EXPECT_EQ(encoder_.num_pictures, second.indexed);
  EXPECT_EQ(count(), kPictures);
}

TEST_F(Survival, AfterSigkillARerunDoesExactlyTheRest) {
  for (const int kill_at : {40, 150, 300}) {
    close();
    pool_.reset();
    const pid_t child = fork();
    if (child == 0) {
      pool_ = std::make_unique<ComputePool>(settings::pool_options(2));
      open();
      encoder_.before_batch = [&] {
        if (encoder_.num_pictures >= static_cast<std::size_t>(kill_at)) raise(SIGKILL);
      };
      (void)try_index(options({path_of("")}));
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    pool_ = std::make_unique<ComputePool>(settings::pool_options(2));
    open();
    if (kill_at == 40) {
      ASSERT_TRUE(WIFSIGNALED(status));
    }
    std::uint64_t num_records = 0;
    ASSERT_TRUE(store_->visit_sources("", [&](const SourceRecord& record) {
      ++num_records;
      EXPECT_TRUE(record.id && point(*record.id)) << record.uri;  // no half of a write
      return true;
    }));
    EXPECT_EQ(num_records, count());
  }
  const std::uint64_t had = count();
  const IngestReport rest = index();
  EXPECT_EQ(rest.unchanged, had);
  EXPECT_EQ(rest.indexed, kPictures - had);
  EXPECT_EQ(encoder_.num_pictures, rest.indexed);
  EXPECT_EQ(count(), kPictures);
}

TEST_F(Survival, SearchWorksMeanwhile) {
  std::atomic<bool> done{false};
  std::size_t num_searches = 0, most = 0;
  std::thread searcher([&] {
    auto pipeline = QueryPipeline::create(*store_, &tiny_encoder(), {}, *pool_).value();
    while (!done) {
      Query query;
      query.operands = {{TextOperand{"a red square"}}};
      query.top_k = 1000;
      const auto answer = pipeline.search(query, Deadline::never());
      ASSERT_TRUE(answer) << answer.error().message;
      EXPECT_GE(answer->hits.size(), most);  // what was found once stays
      most = std::max(most, answer->hits.size());
      ++num_searches;
    }
  });
  index();
  done = true;
  searcher.join();
  EXPECT_GT(num_searches, 1u);
}

TEST_F(Survival, AFullDiskIsAnErrorAndARerunWithRoomDoesTheRest) {
  const testing_support::TempDir mount_point;
  const std::string data = mount_point.path().string();
  if (mount("tmpfs", data.c_str(), "tmpfs", 0, "size=48m") != 0) {
    GTEST_SKIP() << "mounting a small file system needs privileges";
  }
  {
    StoreOptions small;
    small.cache_bytes = 1 << 20;
    small.memtable_bytes = 1 << 20;
    auto folder = DataFolder::open(data, Access::kWrite, small, *pool_).value();
    auto store = open_or_create_for(*folder, "default", encoder_.info(), codecs::AlphaRule::kWhite);
    ASSERT_TRUE(store) << store.error().message;
    const auto run = [&] {
      return ingest(**store, encoder_, *pool_, options({path_of("")}), {}, {});
    };
    const auto num_records = [&] {
      std::uint64_t n = 0;
      EXPECT_TRUE((*store)->visit_sources("", [&](const SourceRecord&) { return ++n > 0; }));
      return n;
    };
    ASSERT_TRUE(run());

    for (std::uint32_t i = 0; i < kPictures; ++i) {
      pictures_.write("large/" + std::to_string(i) + ".png",
                      testing_support::make_png(kPictures + i, 512, 512));
    }
    const std::filesystem::path filler = mount_point.path() / "filler";
    std::ofstream(filler) << std::string(std::filesystem::space(data).available - (1 << 20), 'x');
    const auto full = run();
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().code, StatusCode::kResourceExhausted) << full.error().message;
    EXPECT_GE(num_records(), kPictures);
    EXPECT_EQ(num_records(), (*store)->count().value());

    std::filesystem::remove(filler);
    const auto again = run();
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->seen, 2 * kPictures);
    EXPECT_EQ(num_records(), 2 * kPictures);
    EXPECT_EQ((*store)->count().value(), 2 * kPictures);
  }
  EXPECT_EQ(umount(data.c_str()), 0);
}

}  // namespace
}  // namespace sightline::pipeline
