// What is there after a kill, a full disk or a flipped byte.
//
// SIGHTLINE_KILLS=300 local_store_survival_test --gtest_filter='*Mixed*'
//   kills the writer so many times (15 without it).
#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <random>
#include <thread>

#include "storage/internal/collection_families.h"
#include "tests/pipeline/child_process.h"
#include "tests/pipeline/local_store_fixture.h"
#include "tests/pipeline/mixed_script.h"
#include "tests/pipeline/store_script.h"

namespace sightline::pipeline {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr std::size_t kDim = 32;
constexpr const char* kProcess = SIGHTLINE_STORE_PROCESS;

class LocalStoreSurvival : public testing::Test {
 protected:
  std::string data() const { return (dir_ / "data").string(); }

  std::shared_ptr<CollectionStore> open_store(Access access = Access::kWrite) {
    folder_.reset();
    auto opened = DataFolder::open(data(), access, {}, pool_);
    EXPECT_TRUE(opened) << opened.error().message;
    if (!opened) return nullptr;
    folder_ = *std::move(opened);
    auto store = folder_->open_collection("c");
    EXPECT_TRUE(store) << store.error().message;
    return store ? *store : nullptr;
  }
  void write_commits(int num_commits) {
    ASSERT_EQ(run_process({kProcess, "write", data(), "interval", std::to_string(kDim), "1000000",
                           std::to_string(num_commits)}),
              0);
  }

  testing_support::TempDir dir_;
  ComputePool pool_{{.num_threads = 1, .init_thread = {}, .set_width = {}}};
  std::unique_ptr<DataFolder> folder_;
};

TEST_F(LocalStoreSurvival, EveryAcknowledgedWriteAndNoHalfOfOneAfterKills) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::uint64_t last = 0;
  for (int round = 0; round < 24; ++round) {
    const std::string durability = round % 2 == 0 ? "sync" : "interval";
    const std::string memtable = round % 3 == 0 ? "200000" : "100000000";
    {
      ChildProcess writer({kProcess, "write", data(), durability, std::to_string(kDim), memtable});
      ASSERT_EQ(writer.read_line(), std::to_string(last + 1)) << "round " << round;
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 40'000));
      writer.send(SIGKILL);
      ++last;
      for (std::string line = writer.read_line(); !line.empty(); line = writer.read_line())
        last = std::stoull(line);
      ASSERT_EQ(writer.wait(), -SIGKILL);
    }
    const auto store = open_store(round % 4 == 3 ? Access::kRead : Access::kWrite);
    ASSERT_NE(store, nullptr);
    const std::uint64_t commit = store->info()->commit_number;
    ASSERT_GE(commit, last) << "an acknowledged write is gone";
    ASSERT_LE(commit, last + 1);
    ASSERT_EQ(script::difference(*store, kDim), "") << "round " << round;
    last = commit;
    folder_.reset();
  }
}

TEST_F(LocalStoreSurvival, KillsWhileShardsAreBuiltCostNothingThatWasAcknowledged) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::uint64_t last = 0;
  for (int round = 0; round < 24; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    {
      ChildProcess writer({kProcess, "load", data(), std::to_string(kDim)});
      ASSERT_EQ(writer.read_line(), std::to_string(last + 1));
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 150'000));
      writer.send(SIGKILL);
      ++last;
      for (std::string line = writer.read_line(); !line.empty(); line = writer.read_line())
        last = std::stoull(line);
      ASSERT_EQ(writer.wait(), -SIGKILL);
    }
    const auto store = open_store(round % 4 == 3 ? Access::kRead : Access::kWrite);
    ASSERT_NE(store, nullptr);
    const std::uint64_t step = script::load_step(*store).value();
    ASSERT_GE(step, last) << "an acknowledged write is gone";
    ASSERT_LE(step, last + 1);
    ASSERT_EQ(script::load_difference(*store, kDim), "");
    const auto damage = folder_->verify_collection("c", Deadline::never());
    ASSERT_TRUE(damage) << damage.error().message;
    ASSERT_EQ(testing::PrintToString(*damage), "{}");
    last = step;
    folder_.reset();
  }
}

TEST_F(LocalStoreSurvival, KillsInMixedWritesCostNothingThatWasAcknowledged) {
  const char* wanted = std::getenv("SIGHTLINE_KILLS");
  const int num_kills = wanted == nullptr ? 15 : std::atoi(wanted);
  ASSERT_GT(num_kills, 0);
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::uint64_t last = 0;
  for (int round = 0; round < num_kills; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    std::uint64_t acknowledged = last;
    {
      ChildProcess writer({kProcess, "mix", data()});
      // Every eighth dies while it opens (but the first: there must be a collection).
      const bool is_early = round % 8 == 7;
      if (!is_early) {
        ASSERT_EQ(writer.read_line(), std::to_string(last + 1));
        ++acknowledged;
      }
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 200'000));
      writer.send(SIGKILL);
      for (std::string line = writer.read_line(); !line.empty(); line = writer.read_line())
        acknowledged = std::stoull(line);
      ASSERT_EQ(writer.wait(), -SIGKILL);
    }
    const auto store = open_store(round % 4 == 3 ? Access::kRead : Access::kWrite);
    ASSERT_NE(store, nullptr);
    const std::uint64_t step = script::load_step(*store).value();
    ASSERT_GE(step, acknowledged) << "an acknowledged write is gone";
    ASSERT_LE(step, acknowledged + 1);
    ASSERT_EQ(script::mixed_difference(*store), "");
    const auto damage = folder_->verify_collection("c", Deadline::never());
    ASSERT_TRUE(damage) << damage.error().message;
    ASSERT_EQ(testing::PrintToString(*damage), "{}");
    last = step;
    folder_.reset();
  }
  RecordProperty("kills", num_kills);
  RecordProperty("steps", std::to_string(last));
}

/// A small disk below dir_/disk, while it lives.
class SmallDisk {
 public:
  SmallDisk(const std::filesystem::path& path, const std::string& size) : path_(path) {
    std::filesystem::create_directory(path);
    is_mounted_ = run_process({"sh", "-c",
                               "mount -t tmpfs -o size=" + size + " tmpfs '" + path.string() +
                                   "' 2>/dev/null"}) == 0;
  }
  ~SmallDisk() {
    if (is_mounted_) run_process({"umount", "-l", path_.string()});
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  bool is_mounted() const { return is_mounted_; }

 private:
  const std::filesystem::path path_;
  bool is_mounted_ = false;
};

TEST_F(LocalStoreSurvival, AShardThatFindsNoRoomIsSaidAndBuiltLater) {
  const SmallDisk mounted(dir_ / "disk", "60m");
  if (!mounted.is_mounted()) GTEST_SKIP() << "this machine lets us mount nothing";
  StoreOptions options;
  options.memtable_bytes = 4'000'000;
  options.sealing.in_background = false;
  constexpr std::size_t kWide = 256;
  auto folder = DataFolder::open(dir_ / "disk/data", Access::kWrite, options, pool_).value();
  auto store = folder->create_collection("c", config_of(kWide)).value();
  std::vector<WriteOp> ops;
  for (std::uint64_t id = 0; id < 8000; ++id)
    ops.emplace_back(point(id, script::vector_of(id, kWide)));
  ASSERT_TRUE(store->write(std::move(ops)));
  // Little is left.
  std::ofstream(dir_ / "disk/filler")
      << std::string(std::filesystem::space(dir_ / "disk").available - 3'000'000, 'x');
  const auto refused = store->optimize({}, Deadline::never());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, StatusCode::kResourceExhausted) << refused.error().message;
  EXPECT_THAT(refused.error().message, HasSubstr((dir_ / "disk").string()));
  EXPECT_TRUE(std::filesystem::is_empty(folder->collection_folder("c") / "shards"));
  const SearchRequest request = near(script::vector_of(7, kWide), 10'000);
  EXPECT_EQ(store->search(request, Deadline::never())->hits.size(), 8000U);
  std::filesystem::remove(dir_ / "disk/filler");
  const auto built = store->optimize({}, Deadline::never());
  ASSERT_TRUE(built) << built.error().message;
  EXPECT_EQ(built->num_rows, 8000U);
  EXPECT_EQ(store->search(request, Deadline::never())->hits.size(), 8000U);
  EXPECT_EQ(folder->verify_collection("c", Deadline::never())->size(), 0U);
}

TEST_F(LocalStoreSurvival, AFullDiskIsSaidAndWritingGoesOnWhenThereIsRoom) {
  const std::string disk = (dir_ / "disk").string();
  const SmallDisk mounted(disk, "40m");
  if (!mounted.is_mounted()) GTEST_SKIP() << "this machine lets us mount nothing";
  StoreOptions options;
  options.memtable_bytes = 4'000'000;
  {
    auto folder = DataFolder::open(disk + "/data", Access::kWrite, options, pool_).value();
    auto store = folder->create_collection("c", config_of(2)).value();
    {
      std::ofstream filler(disk + "/filler");
      filler << std::string(16'000'000, 'x');
    }
    std::uint64_t num_written = 0;
    std::optional<Status> failure;
    const auto write_one = [&](std::uint64_t id) {
      UpsertPoint upsert = point(id, {1, 0}, {{"id", id}});
      upsert.thumbnail.resize(100'000);
      std::mt19937 random(static_cast<unsigned>(id));
      for (char& byte : upsert.thumbnail) byte = static_cast<char>(random());
      return store->write({upsert});
    };
    // What is freed when the database is opened again may hold another point or two.
    for (int num_failures = 0; num_failures < 3 && num_written < 1000;) {
      if (auto written = write_one(num_written); written) {
        ++num_written;
      } else {
        ++num_failures;
        failure = written.error();
        ASSERT_EQ(failure->code, StatusCode::kResourceExhausted) << failure->message;
      }
    }
    ASSERT_TRUE(failure) << "the disk did not get full";
    EXPECT_THAT(failure->message, HasSubstr(disk));
    // Reading goes on.
    EXPECT_EQ(store->count().value(), num_written);
    EXPECT_EQ(store->search(near({1, 0}, 5), Deadline::never())->hits.size(), 5U);

    std::filesystem::remove(disk + "/filler");
    const auto again = write_one(num_written);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(store->count().value(), num_written + 1);
    EXPECT_EQ(store->search(near({1, 0}, 1000), Deadline::never())->hits.size(), num_written + 1);
    ASSERT_TRUE(store->flush());
    const auto points = store->scroll(std::nullopt, 1000, {true, true}).value();
    EXPECT_EQ(points.size(), num_written + 1);
    store.reset();
    folder.reset();
    // What was refused is not there, what was acknowledged is.
    folder = DataFolder::open(disk + "/data", Access::kWrite, options, pool_).value();
    auto reopened = folder->open_collection("c");
    ASSERT_TRUE(reopened) << reopened.error().message;
    EXPECT_EQ((*reopened)->count().value(), num_written + 1);
    EXPECT_EQ((*reopened)->search(near({1, 0}, 1000), Deadline::never())->hits.size(),
              num_written + 1);
  }
}

TEST_F(LocalStoreSurvival, ABatchThatFindsNoRoomLeavesNothingInTheIndex) {
  const SmallDisk mounted(dir_ / "disk", "40m");
  if (!mounted.is_mounted()) GTEST_SKIP() << "this machine lets us mount nothing";
  constexpr std::size_t kWide = 256, kBatch = 600;
  StoreOptions options;
  options.memtable_bytes = 4'000'000;
  options.sealing.in_background = false;
  auto folder = DataFolder::open(dir_ / "disk/data", Access::kWrite, options, pool_).value();
  const auto store = folder->create_collection("c", config_of(kWide)).value();
  std::ofstream(dir_ / "disk/filler") << std::string(20'000'000, 'x');
  const auto write_batch = [&](std::uint64_t first) {
    std::vector<WriteOp> ops;
    for (std::uint64_t id = first; id < first + kBatch; ++id)
      ops.emplace_back(point(id, script::vector_of(id, kWide)));
    return store->write(std::move(ops));
  };
  std::vector<std::uint64_t> firsts;
  std::uint64_t first = 0;
  const auto expect_all = [&] {
    EXPECT_EQ(store->count().value(), firsts.size() * kBatch);
    for (const std::uint64_t there : firsts) {
      for (const std::uint64_t id : {there, there + kBatch - 1}) {
        const auto answer =
            store->search(near(script::vector_of(id, kWide), 1), Deadline::never()).value();
        ASSERT_EQ(answer.hits.size(), 1U);
        EXPECT_EQ(answer.hits[0].id, PointId(id));
      }
    }
    const SearchRequest all = near(script::vector_of(7, kWide), 10'000);
    EXPECT_EQ(store->search(all, Deadline::never())->hits.size(),
              std::min<std::size_t>(firsts.size() * kBatch, 10'000));
  };
  for (; first < 100 * kBatch; first += kBatch) {
    const auto written = write_batch(first);
    if (!written) {
      EXPECT_EQ(written.error().code, StatusCode::kResourceExhausted) << written.error().message;
      break;
    }
    firsts.push_back(first);
  }
  ASSERT_LT(first, 100 * kBatch) << "the disk did not get full";
  expect_all();
  std::filesystem::remove(dir_ / "disk/filler");
  // Other points come to the slots of those that were refused.
  for (int i = 0; i < 3; ++i) {
    first += kBatch;
    const auto written = write_batch(first);
    ASSERT_TRUE(written) << written.error().message;
    firsts.push_back(first);
  }
  expect_all();
}

/// The tables of the collection, largest first.
std::vector<std::filesystem::path> tables(const std::filesystem::path& data) {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(data / "collections/c/db")) {
    if (entry.path().extension() == ".sst") found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return std::filesystem::file_size(a) > std::filesystem::file_size(b);
  });
  return found;
}

void flip_byte(const std::filesystem::path& path, std::uintmax_t at) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(at));
  const char byte = static_cast<char>(file.get() ^ 0x40);
  file.seekp(static_cast<std::streamoff>(at));
  file.put(byte);
  ASSERT_TRUE(file.flush());
}

TEST_F(LocalStoreSurvival, AFlippedByteIsNamedWithItsFileAndTheRestStaysReadable) {
  write_commits(400);
  {
    // Opening replays the log and writes it out as tables.
    const auto store = open_store();
    ASSERT_EQ(script::difference(*store, kDim), "");
  }
  folder_.reset();
  const auto num_files = tables(data()).size();
  ASSERT_GE(num_files, 6U);
  std::size_t num_refused = 0, num_partly_read = 0;
  for (std::size_t i = 0; i < num_files; ++i) {
    const testing_support::TempDir copy;
    std::filesystem::copy(data(), copy / "data", std::filesystem::copy_options::recursive);
    const auto file = tables(copy / "data")[i];
    flip_byte(file, 10);
    const std::string name = file.filename().string();

    // Whatever the table holds, nothing wrong is ever said: an error names the file, or the answer
    // is right, or a search lacks the vectors that are damaged.
    auto folder = DataFolder::open(copy / "data", Access::kWrite, {}, pool_).value();
    const auto store = folder->open_collection("c");
    if (!store) {
      ++num_refused;
      EXPECT_EQ(store.error().code, StatusCode::kCorruption) << store.error().message;
      EXPECT_THAT(store.error().message, HasSubstr(name));
      continue;
    }
    const std::string difference = script::difference(**store, kDim);
    if (difference.empty()) continue;
    ++num_partly_read;
    EXPECT_THAT(difference, AllOf(HasSubstr("Corruption"), HasSubstr(name)));
    EXPECT_GT((*store)->count().value(), 0U);
    UpsertPoint fresh = point(1'000'000, script::vector_of(1, kDim));
    // A compaction may have come upon the damage: then writing is refused, with the file's name.
    if (const auto written = (*store)->write({fresh}); !written) {
      EXPECT_EQ(written.error().code, StatusCode::kCorruption);
      EXPECT_THAT(written.error().message, HasSubstr(name));
    }
  }
  EXPECT_GE(num_refused, 1U);      // slots
  EXPECT_GE(num_partly_read, 4U);  // ids, vectors, payload, sources
  const auto store = open_store();
  EXPECT_EQ(script::difference(*store, kDim), "");
}

TEST_F(LocalStoreSurvival, AStrangeCurrentFileIsCorruption) {
  write_commits(5);
  std::ofstream(data() + "/collections/c/db/CURRENT") << "MANIFEST-999999\n";
  for (const Access access : {Access::kWrite, Access::kRead}) {
    folder_ = DataFolder::open(data(), access, {}, pool_).value();
    const auto store = folder_->open_collection("c");
    ASSERT_FALSE(store);
    EXPECT_THAT(store.error().message, HasSubstr(data()));
    folder_.reset();
  }
}

TEST_F(LocalStoreSurvival, ALostListOfTablesIsNamedWithWhatToDo) {
  write_commits(5);
  const auto before = open_store()->scroll(std::nullopt, 1000, {true, true}).value();
  folder_.reset();
  const std::filesystem::path db = data() + "/collections/c/db";
  std::string manifest;
  std::ifstream(db / "CURRENT") >> manifest;
  for (const std::string& lost : {std::string("CURRENT"), manifest}) {
    SCOPED_TRACE(lost);
    const testing_support::TempDir kept;
    std::filesystem::rename(db / lost, kept / lost);
    for (const Access access : {Access::kRead, Access::kWrite}) {
      folder_ = DataFolder::open(data(), access, {}, pool_).value();
      const auto store = folder_->open_collection("c");
      ASSERT_FALSE(store);
      EXPECT_EQ(store.error().code, StatusCode::kCorruption);
      EXPECT_THAT(store.error().message,
                  AllOf(HasSubstr(lost), HasSubstr("\"sightline collection repair c\"")));
      EXPECT_THAT(folder_->verify_collection("c", Deadline::never()).value(),
                  testing::Contains(HasSubstr(lost)));
      folder_.reset();
    }
    std::filesystem::rename(kept / lost, db / lost);
  }
  for (const std::string lost : {"MANIFEST", "CURRENT", "MANIFEST"}) {
    SCOPED_TRACE(lost);
    std::ifstream(db / "CURRENT") >> manifest;
    std::filesystem::remove(db / (lost == "CURRENT" ? lost : manifest));
    folder_ = DataFolder::open(data(), Access::kWrite, {}, pool_).value();
    const auto repaired = folder_->repair_collection("c");
    ASSERT_TRUE(repaired) << repaired.error().message;
    EXPECT_THAT(*repaired, testing::Contains(HasSubstr(lost)));
    const auto after = open_store()->scroll(std::nullopt, 1000, {true, true}).value();
    ASSERT_EQ(after.size(), before.size());
    for (std::size_t i = 0; i < after.size(); ++i) {
      EXPECT_EQ(after[i].id, before[i].id);
      EXPECT_EQ(after[i].payload, before[i].payload);
    }
    EXPECT_EQ(folder_->verify_collection("c", Deadline::never())->size(), 0U);
    folder_.reset();
  }
}

TEST_F(LocalStoreSurvival, ALostRecordIsNoticedThoughNoByteIsDamaged) {
  write_commits(30);
  {
    const auto budget = storage::SharedBudget::create({1 << 20, 1 << 20});
    const auto database =
        storage::RocksDatabase::open(data() + "/collections/c/db", storage::OpenMode::kWrite,
                                     storage::collection_families(), budget);
    ASSERT_TRUE(database) << database.error().message;
    rocksdb::DB& db = (*database)->db();
    const std::unique_ptr<rocksdb::Iterator> slots(
        db.NewIterator({}, (*database)->family(storage::kSlots)));
    slots->SeekToFirst();
    ASSERT_TRUE(slots->Valid());
    ASSERT_TRUE(db.Delete({}, (*database)->family(storage::kSlots), slots->key()).ok());
  }
  for (const Access access : {Access::kWrite, Access::kRead}) {
    folder_ = DataFolder::open(data(), access, {}, pool_).value();
    const auto store = folder_->open_collection("c");
    ASSERT_FALSE(store);
    EXPECT_EQ(store.error().code, StatusCode::kCorruption);
    EXPECT_THAT(store.error().message, AllOf(HasSubstr("\"c\""), HasSubstr("commit 30")));
    folder_.reset();
  }
}

/// tests/data/storage_v1 was made by this program with format 1:
///   store_process write DIR sync 4 100000000 20, and again with 3; its OPTIONS files, which
///   RocksDB does not need, and locks are left out.
TEST_F(LocalStoreSurvival, FormatOneIsRead) {
  std::filesystem::copy(std::filesystem::path(SIGHTLINE_TEST_DATA) / "storage_v1", data(),
                        std::filesystem::copy_options::recursive);
  for (const Access access : {Access::kRead, Access::kWrite}) {
    const auto store = open_store(access);
    ASSERT_NE(store, nullptr);
    EXPECT_EQ(store->info()->commit_number, 23U);
    EXPECT_EQ(script::difference(*store, 4), "");
  }
  const auto store = open_store();
  for (std::uint64_t commit = 24; commit < 40; ++commit)
    ASSERT_TRUE(store->write(script::commit_ops(commit, 4)));
  EXPECT_EQ(script::difference(*store, 4), "");
}

/// tests/data/storage_v2 was made with format 2: a collection "c" of ten points whose values of "n"
/// (an integer index), "w" (keyword) and "d" (datetime) are 5, 5.5, 2^64 - 1, "5", null,
/// [1, "red", 2.5], "2024-05-01", true, {} and [[7]]; six before the indexes were made, four after.
TEST_F(LocalStoreSurvival, IndexesOfFormatTwoAreMadeAnew) {
  std::filesystem::copy(std::filesystem::path(SIGHTLINE_TEST_DATA) / "storage_v2", data(),
                        std::filesystem::copy_options::recursive);
  struct Case {
    const char* filter;
    std::uint64_t count;
  };
  const std::vector<Case> cases = {
      {R"({"must": {"key": "n", "range": {"gt": 5}}})", 2},
      {R"({"must": {"key": "n", "range": {"gt": 2, "lte": 5}}})", 2},
      {R"({"must": {"key": "n", "match": {"value": "5"}}})", 1},
      {R"({"must": {"key": "w", "match": {"except": ["red", "5"]}}})", 8},
      {R"({"must": {"key": "d", "range": {"gte": "2024-01-01"}}})", 1},
      {R"({"must": {"is_empty": {"key": "d"}}})", 1}};
  // A reader knows no index until a writer has been there.
  for (const auto& [access, num_indexes] :
       {std::pair(Access::kRead, 0U), std::pair(Access::kWrite, 3U),
        std::pair(Access::kRead, 3U)}) {
    const auto store = open_store(access);
    ASSERT_NE(store, nullptr);
    EXPECT_EQ(store->info()->payload_indexes.size(), num_indexes);
    EXPECT_EQ(store->info()->num_points, 10U);
    for (const Case& c : cases) {
      const auto filter = parse_filter(parse_json(c.filter, "filter").value());
      ASSERT_TRUE(filter) << filter.error().message;
      EXPECT_EQ(store->count(std::make_shared<const Filter>(*filter)).value(), c.count) << c.filter;
    }
    EXPECT_EQ(folder_->verify_collection("c", Deadline::never())->size(), 0U);
  }
}

/// tests/data/storage_v3 was made with format 3 (and a catalog of format 1): a collection "c" of
/// points 1 to 10 with vectors [id, 0, 0, 1] and {"n": id}, which has an index.
TEST_F(LocalStoreSurvival, FormatThreeBecomesFour) {
  std::filesystem::copy(std::filesystem::path(SIGHTLINE_TEST_DATA) / "storage_v3", data(),
                        std::filesystem::copy_options::recursive);
  const auto check = [](const CollectionStore& store) {
    EXPECT_EQ(store.info()->num_points, 10U);
    SearchRequest request;
    request.vector = {1, 0, 0, 0};
    EXPECT_EQ(store.search(request, Deadline::never())->hits.at(0).id, PointId(10));
    const auto ordered = store.scroll_ordered({"n", true}, Deadline::never());
    ASSERT_TRUE(ordered) << ordered.error().message;
    EXPECT_EQ(ordered->at(0).point.id, PointId(10));
  };
  {
    const auto store = open_store(Access::kRead);
    ASSERT_NE(store, nullptr);
    check(*store);
    EXPECT_TRUE(folder_->list_aliases()->empty());
  }
  {
    const auto store = open_store();
    ASSERT_NE(store, nullptr);
    check(*store);
    ASSERT_TRUE(folder_->change_aliases(std::vector<AliasAction>{CreateAlias{"other", "c"}}));
    ASSERT_TRUE(store->create_payload_index("n", FieldType::kInteger, {{"range", true}}));
    ASSERT_TRUE(store->update_parameters([](CollectionConfig& config) -> Result<void> {
      config.parameters["on_disk_payload"] = true;
      return {};
    }));
  }
  const auto store = open_store(Access::kRead);
  ASSERT_NE(store, nullptr);
  check(*store);
  EXPECT_EQ(folder_->resolve_collection("other").value(), "c");
  EXPECT_EQ(store->info()->payload_indexes.at("n").parameters, (Json{{"range", true}}));
  EXPECT_EQ(store->info()->config.parameters, (Json{{"on_disk_payload", true}}));
  EXPECT_EQ(folder_->verify_collection("c", Deadline::never())->size(), 0U);
}

}  // namespace
}  // namespace sightline::pipeline
