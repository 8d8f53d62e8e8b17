// Readers in another process than the writer's, and on media that cannot be written.
#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <thread>

#include "tests/pipeline/child_process.h"
#include "tests/pipeline/local_store_fixture.h"
#include "tests/pipeline/store_script.h"

namespace sightline::pipeline {
namespace {

using testing::HasSubstr;

constexpr std::size_t kDim = 256;
constexpr const char* kProcess = SIGHTLINE_STORE_PROCESS;

/// Name -> size and time of change, of all files.
std::map<std::string, std::pair<std::uintmax_t, std::filesystem::file_time_type>> listing(
    const std::filesystem::path& folder) {
  std::map<std::string, std::pair<std::uintmax_t, std::filesystem::file_time_type>> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    files[entry.path().string()] = {entry.is_regular_file() ? entry.file_size() : 0,
                                    entry.last_write_time()};
  }
  return files;
}

class LocalStoreReaders : public testing::Test {
 protected:
  std::string data() const { return (dir_ / "data").string(); }

  void write_commits(int num_commits) {
    ASSERT_EQ(run_process({kProcess, "write", data(), "interval", std::to_string(kDim), "1000000",
                           std::to_string(num_commits)}),
              0);
  }
  std::shared_ptr<CollectionStore> open_reader() {
    auto opened = DataFolder::open(data(), Access::kRead, {}, pool_);
    EXPECT_TRUE(opened) << opened.error().message;
    if (!opened) return nullptr;
    folder_ = *std::move(opened);
    auto store = folder_->open_collection("c");
    EXPECT_TRUE(store) << store.error().message;
    return store ? *store : nullptr;
  }

  /// Beside a writer: every state seen is one that the writer committed.
  void check_states(std::chrono::seconds at_least) {
    auto reader = open_reader();
    ASSERT_NE(reader, nullptr);
    std::uint64_t last_commit = 0, num_states = 0;
    const auto end = std::chrono::steady_clock::now() + at_least;
    while (std::chrono::steady_clock::now() < end || num_states <= 10) {
      const auto caught_up = reader->catch_up();
      ASSERT_TRUE(caught_up) << caught_up.error().message;
      ASSERT_EQ(script::difference(*reader, kDim), "");
      const std::uint64_t commit = reader->info()->commit_number;
      ASSERT_GE(commit, last_commit);
      num_states += commit > last_commit ? 1 : 0;
      last_commit = commit;
      if (num_states % 8 == 7) {  // A reader that begins at this moment.
        reader = open_reader();
        ASSERT_NE(reader, nullptr);
        ASSERT_EQ(script::difference(*reader, kDim), "");
        ASSERT_GE(reader->info()->commit_number, last_commit);
      }
    }
  }

  testing_support::TempDir dir_;
  ComputePool pool_{{.num_threads = 1, .init_thread = {}, .set_width = {}}};
  std::unique_ptr<DataFolder> folder_;
};

TEST_F(LocalStoreReaders, SeeWholeCommitsWhileTheWriterWritesFlushesAndCompacts) {
  // Memtables of a megabyte: tables are written and log files replaced all the time.
  ChildProcess writer({kProcess, "write", data(), "interval", std::to_string(kDim), "1000000"});
  ASSERT_EQ(writer.read_line(), "1");
  std::thread drain([&] {
    while (!writer.read_line().empty()) {
    }
  });
  check_states(std::chrono::seconds(4));
  writer.send(SIGKILL);
  drain.join();
}

TEST_F(LocalStoreReaders, SeeEveryPointOnceWhileTheWriterSealsAndMerges) {
  ChildProcess writer({kProcess, "load", data(), std::to_string(kDim)});
  ASSERT_EQ(writer.read_line(), "1");
  std::thread drain([&] {
    while (!writer.read_line().empty()) {
    }
  });
  std::uint64_t last = 0, num_states = 0, num_with_shards = 0;
  auto reader = open_reader();
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(4);
  while (reader != nullptr && (std::chrono::steady_clock::now() < end || num_states < 20)) {
    const auto caught_up = reader->catch_up();
    EXPECT_TRUE(caught_up) << caught_up.error().message;
    const std::string difference = script::load_difference(*reader, kDim);
    EXPECT_EQ(difference, "");
    const std::uint64_t step = script::load_step(*reader).value();
    EXPECT_GE(step, last);
    num_states += step > last ? 1 : 0;
    last = step;
    const auto info = reader->info().value();
    const bool has_sealed =
        std::any_of(info.shards.begin(), info.shards.end(),
                    [](const ShardInfo& shard) { return shard.type != "growing"; });
    num_with_shards += has_sealed ? 1 : 0;
    if (!caught_up || !difference.empty()) break;
    if (num_states % 8 == 7) reader = open_reader();
  }
  EXPECT_GT(num_with_shards, 0U);
  writer.send(SIGKILL);
  drain.join();
}

TEST_F(LocalStoreReaders, KeepTheirStateUntilTheyCatchUp) {
  write_commits(20);
  const auto reader = open_reader();
  ASSERT_EQ(reader->info()->commit_number, 20U);
  write_commits(30);
  EXPECT_EQ(reader->info()->commit_number, 20U);
  EXPECT_EQ(script::difference(*reader, kDim), "");
  ASSERT_TRUE(reader->catch_up());
  EXPECT_EQ(reader->info()->commit_number, 50U);
  EXPECT_EQ(script::difference(*reader, kDim), "");
}

TEST_F(LocalStoreReaders, RefuseToWrite) {
  write_commits(5);
  const auto reader = open_reader();
  EXPECT_EQ(reader->write({point(1, {1, 0})}).error().code, StatusCode::kFailedPrecondition);
  EXPECT_EQ(folder_->create_collection("d", config_of(2)).error().code,
            StatusCode::kFailedPrecondition);
  EXPECT_EQ(folder_->delete_collection("c").error().code, StatusCode::kFailedPrecondition);
}

TEST_F(LocalStoreReaders, WriteNothingIntoTheFolderAndLeaveNothingInTmpdir) {
  write_commits(20);
  const auto before = listing(data());
  const testing_support::TempDir tmp;
  const std::string old = std::getenv("TMPDIR") != nullptr ? std::getenv("TMPDIR") : "/tmp";
  setenv("TMPDIR", tmp.path().c_str(), 1);
  {
    const auto reader = open_reader();
    EXPECT_EQ(script::difference(*reader, kDim), "");
    // A reader that is killed leaves nothing either.
    EXPECT_TRUE(std::filesystem::is_empty(tmp.path()));
    ASSERT_TRUE(reader->catch_up());
  }
  folder_.reset();
  EXPECT_TRUE(std::filesystem::is_empty(tmp.path()));
  // Without a folder for their logs they read all the same.
  setenv("TMPDIR", "/nonexistent", 1);
  {
    const auto reader = open_reader();
    EXPECT_EQ(script::difference(*reader, kDim), "");
    ASSERT_TRUE(reader->catch_up());
    EXPECT_EQ(script::difference(*reader, kDim), "");
  }
  folder_.reset();
  setenv("TMPDIR", old.c_str(), 1);
  EXPECT_EQ(listing(data()), before);
}

TEST_F(LocalStoreReaders, SearchReadOnlyMedia) {
  write_commits(20);
  const std::string mount =
      "mount --bind '" + data() + "' '" + data() + "' && mount -o remount,ro,bind '" + data() + "'";
  if (run_process({"unshare", "-m", "sh", "-c", mount + " 2>/dev/null"}) != 0)
    GTEST_SKIP() << "this machine lets us mount nothing";
  EXPECT_EQ(run_process({"unshare", "-m", "sh", "-c",
                         mount + " && exec " + kProcess + " check '" + data() + "' " +
                             std::to_string(kDim)}),
            0);
  // A writer is told plainly.
  EXPECT_EQ(run_process({"unshare", "-m", "sh", "-c",
                         mount + " && ! " + kProcess + " hold '" + data() + "' 2>'" +
                             (dir_ / "message").string() + "'"}),
            0);
  EXPECT_THAT(testing_support::read_file(dir_ / "message"), HasSubstr("Read-only file system"));
}

TEST_F(LocalStoreReaders, FollowACollectionThatIsDeletedAndMadeAgain) {
  write_commits(20);
  const auto reader = open_reader();
  {
    auto writing = DataFolder::open(data(), Access::kWrite, {}, pool_);
    ASSERT_TRUE(writing) << writing.error().message;
    ASSERT_TRUE((*writing)->delete_collection("c").value());
    // What it has it keeps, as a search that began before would.
    EXPECT_EQ(script::difference(*reader, kDim), "");
    EXPECT_EQ(reader->catch_up().error().code, StatusCode::kNotFound);
    EXPECT_EQ(reader->count().error().code, StatusCode::kNotFound);
    EXPECT_EQ(folder_->open_collection("d").error().code, StatusCode::kNotFound);
  }
  write_commits(7);
  const auto caught_up = reader->catch_up();
  ASSERT_TRUE(caught_up) << caught_up.error().message;
  EXPECT_EQ(reader->info()->commit_number, 7U);
  EXPECT_EQ(script::difference(*reader, kDim), "");
}

}  // namespace
}  // namespace sightline::pipeline
