// Snapshots, restoring, verifying and repairing of collections.
#include <gmock/gmock.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "pipeline/collection_archive.h"
#include "tests/pipeline/local_store_fixture.h"
#include "tests/pipeline/store_script.h"

namespace sightline::pipeline {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::size_t kDim = 8;

class Snapshots : public testing::Test {
 protected:
  void SetUp() override { folder_ = open("data"); }

  std::unique_ptr<DataFolder> open(const std::string& name, Access access = Access::kWrite) {
    StoreOptions options;
    options.sealing.full_rows = 50;
    options.sealing.small_rows = 10;
    options.sealing.idle = std::chrono::milliseconds(10);
    auto opened = DataFolder::open(dir_ / name, access, options, pool_);
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? *std::move(opened) : nullptr;
  }
  std::shared_ptr<CollectionStore> make_script(std::uint64_t num_steps) {
    CollectionConfig config;
    config.vectors[""] = {kDim, Metric::kCosine, {}};
    auto store = folder_->create_collection("c", config).value();
    EXPECT_TRUE(store->create_payload_index("even", FieldType::kBool));
    for (std::uint64_t step = 1; step <= num_steps; ++step)
      EXPECT_TRUE(store->write(script::load_ops(step, kDim)));
    EXPECT_TRUE(store->optimize({}, Deadline::never()));
    return store;
  }
  Result<Json> snapshot(const std::string& tar = "c.tar", std::stop_token stop = {}) {
    return folder_->snapshot_collection("c", dir_ / tar, nullptr,
                                        Deadline::never().with_stop(std::move(stop)));
  }
  Result<Json> restore(DataFolder& folder, const std::string& name,
                       const std::string& tar = "c.tar") {
    return folder.restore_collection(name, dir_ / tar, nullptr, Deadline::never());
  }

  testing_support::TempDir dir_;
  ComputePool pool_{{.num_threads = 2, .init_thread = {}, .set_width = {}}};
  std::unique_ptr<DataFolder> folder_;
};

TEST_F(Snapshots, OfADamagedCollectionAreRefused) {
  {
    const auto store = folder_->create_collection("c", config_of(256)).value();
    std::vector<WriteOp> ops;
    for (std::uint64_t id = 0; id < 200; ++id)
      ops.emplace_back(point(id, script::vector_of(id, 256)));
    ASSERT_TRUE(store->write(std::move(ops)));
  }
  const auto db = folder_->collection_folder("c") / "db";
  folder_.reset();
  folder_ = open("data");  // what was in the log is in tables then
  ASSERT_TRUE(folder_->open_collection("c"));
  ASSERT_TRUE(snapshot());
  folder_.reset();
  std::filesystem::path table;  // the largest: that of the vectors
  for (const auto& entry : std::filesystem::directory_iterator(db)) {
    if (entry.path().extension() != ".sst") continue;
    if (table.empty() || entry.file_size() > std::filesystem::file_size(table))
      table = entry.path();
  }
  ASSERT_GT(std::filesystem::file_size(table), 200U * 256 * sizeof(float));
  {
    std::fstream file(table, std::ios::in | std::ios::out | std::ios::binary);
    const char byte = static_cast<char>(file.get() ^ 0x40);
    file.seekp(0);
    file.put(byte);
  }
  folder_ = open("data");
  const auto refused = snapshot("again.tar");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, StatusCode::kCorruption);
  EXPECT_THAT(refused.error().message,
              AllOf(HasSubstr("\"c\""), HasSubstr(table.filename()), HasSubstr("repair")));
  EXPECT_FALSE(std::filesystem::exists(dir_ / "again.tar"));
  ASSERT_TRUE(folder_->repair_collection("c"));
  EXPECT_TRUE(snapshot("again.tar"));
}

TEST_F(Snapshots, AreRestoredHereAndElsewhere) {
  const auto store = make_script(30);
  const auto manifest = snapshot();
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ((*manifest)["about"]["collection"], "c");
  EXPECT_EQ((*manifest)["about"]["num_points"], store->count().value());
  const std::string files = (*manifest)["files"].dump();
  EXPECT_THAT(files, AllOf(HasSubstr("db/CURRENT"), HasSubstr("shards/0000")));
  EXPECT_FALSE(std::filesystem::exists(folder_->collection_folder("c") / "snapshot.tmp"));
  ASSERT_TRUE(store->write(script::load_ops(31, kDim)));

  const auto elsewhere = open("other");
  for (DataFolder* target : {folder_.get(), elsewhere.get()}) {
    const auto restored = restore(*target, "copy");
    ASSERT_TRUE(restored) << restored.error().message;
    const auto copy = target->open_collection("copy").value();
    EXPECT_EQ(script::load_step(*copy).value(), 30U);
    EXPECT_EQ(script::load_difference(*copy, kDim), "");
    EXPECT_EQ(copy->info()->payload_indexes.size(), 1U);
    EXPECT_EQ(copy->info()->shards[0].type, "Flat");  // was not built anew
    for (std::uint64_t step = 31; step < 40; ++step)
      ASSERT_TRUE(copy->write(script::load_ops(step, kDim)));
    EXPECT_EQ(script::load_difference(*copy, kDim), "");
    EXPECT_THAT(target->verify_collection("copy", Deadline::never()).value(), IsEmpty());
  }
  EXPECT_EQ(script::load_step(*store).value(), 31U);
  EXPECT_EQ(script::load_difference(*store, kDim), "");
}

TEST_F(Snapshots, AreOfOneMomentWhileWritesGoOn) {
  const auto store = make_script(1);
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (std::uint64_t step = 2; !done; ++step)
      ASSERT_TRUE(store->write(script::load_ops(step, kDim)));
  });
  for (int i = 0; i < 5; ++i) {
    const std::string tar = std::to_string(i) + ".tar";
    const auto manifest = snapshot(tar);
    ASSERT_TRUE(manifest) << manifest.error().message;
    ASSERT_TRUE(restore(*folder_, "copy" + std::to_string(i), tar));
    const auto copy = folder_->open_collection("copy" + std::to_string(i)).value();
    EXPECT_EQ(script::load_difference(*copy, kDim), "");
    EXPECT_GE(copy->info()->commit_number, (*manifest)["about"]["commit"].get<std::uint64_t>());
    EXPECT_EQ(copy->count().value(), (*manifest)["about"]["num_points"].get<std::uint64_t>());
  }
  done = true;
  writer.join();
}

TEST_F(Snapshots, WhatCannotBeTakenOrRestoredLeavesNothing) {
  make_script(5);
  ASSERT_TRUE(snapshot());
  EXPECT_EQ(snapshot().error().code, StatusCode::kAlreadyExists);
  EXPECT_EQ(restore(*folder_, "c").error().code, StatusCode::kAlreadyExists);
  EXPECT_EQ(restore(*folder_, "d", "missing.tar").error().code, StatusCode::kNotFound);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(snapshot("stopped.tar", stop.get_token()).error().code, StatusCode::kCancelled);
  EXPECT_FALSE(std::filesystem::exists(dir_ / "stopped.tar"));

  const std::string whole = testing_support::read_file(dir_ / "c.tar");
  std::vector<std::string> damaged = {whole.substr(0, whole.size() / 2), "", "not a tar"};
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(folder_->collection_folder("c") / "shards")) {
    if (!entry.is_regular_file()) continue;
    const std::string file = testing_support::read_file(entry.path());
    const auto at = whole.find(file);
    ASSERT_NE(at, std::string::npos) << entry.path();
    damaged.push_back(whole);
    damaged.back()[at + file.size() / 2] ^= 0x04;
  }
  ASSERT_GE(damaged.size(), 5U);
  for (const std::string& bytes : damaged) {
    dir_.write("bad.tar", bytes);
    const auto restored = restore(*folder_, "d", "bad.tar");
    ASSERT_FALSE(restored);
    EXPECT_EQ(restored.error().code, StatusCode::kCorruption) << restored.error().message;
    EXPECT_FALSE(std::filesystem::exists(folder_->collection_folder("d")));
  }
  // A whole tar of a database that lacks a file.
  const auto parts = dir_ / "parts";
  const auto manifest = extract_archive(dir_ / "c.tar", parts, {}, Deadline::never());
  ASSERT_TRUE(manifest);
  std::filesystem::remove(parts / "db" / "CURRENT");
  ASSERT_TRUE(
      write_archive(parts, dir_ / "lacks.tar", manifest->at("about"), {}, Deadline::never()));
  const auto lacking = restore(*folder_, "d", "lacks.tar");
  ASSERT_FALSE(lacking);
  EXPECT_EQ(lacking.error().code, StatusCode::kCorruption);
  EXPECT_THAT(lacking.error().message, testing::HasSubstr("lacks.tar"));
  EXPECT_THAT(lacking.error().message, testing::Not(testing::HasSubstr("repair")));
  EXPECT_THAT(folder_->list_collections().value(), ElementsAre("c"));
  ASSERT_TRUE(restore(*folder_, "d"));
  // A reader may not.
  const auto reader = open("data", Access::kRead);
  EXPECT_EQ(restore(*reader, "e").error().code, StatusCode::kFailedPrecondition);
  EXPECT_EQ(
      reader->snapshot_collection("c", dir_ / "r.tar", nullptr, Deadline::never()).error().code,
      StatusCode::kFailedPrecondition);
}

TEST_F(Snapshots, ASoundCollectionIsVerifiedBesideItsWriter) {
  const auto store = make_script(20);
  EXPECT_THAT(folder_->verify_collection("c", Deadline::never()).value(), IsEmpty());
  EXPECT_THAT(open("data", Access::kRead)->verify_collection("c", Deadline::never()).value(),
              IsEmpty());
  EXPECT_EQ(folder_->verify_collection("x", Deadline::never()).error().code, StatusCode::kNotFound);
  // By an alias as well.
  const std::vector<AliasAction> alias = {CreateAlias{"d", "c"}};
  ASSERT_TRUE(folder_->change_aliases(alias));
  EXPECT_THAT(folder_->verify_collection("d", Deadline::never()).value(), IsEmpty());
  const auto manifest =
      folder_->snapshot_collection("d", dir_ / "d.tar", nullptr, Deadline::never());
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ((*manifest)["about"]["collection"], "c");
  EXPECT_THAT(folder_->repair_collection("d").value(), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(folder_->collection_folder("d")));
  const auto again = folder_->open_collection("c").value();
  EXPECT_EQ(script::load_difference(*again, kDim), "");
}

TEST_F(Snapshots, RepairListsWhatIsLostAndBuildsTheShardsAnew) {
  make_script(30);
  folder_.reset();
  {
    // Opening replays the log and writes it out as tables.
    folder_ = open("data");
    ASSERT_TRUE(folder_->open_collection("c"));
    folder_.reset();
  }
  // Damage the largest table (vectors) and every shard.
  std::filesystem::path table;
  for (const auto& entry : std::filesystem::directory_iterator(dir_ / "data/collections/c/db")) {
    if (entry.path().extension() == ".sst" &&
        (table.empty() || entry.file_size() > std::filesystem::file_size(table)))
      table = entry.path();
  }
  ASSERT_FALSE(table.empty());
  std::vector<std::filesystem::path> damaged = {table};
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(dir_ / "data/collections/c/shards")) {
    if (entry.is_regular_file()) damaged.push_back(entry.path());
  }
  ASSERT_GE(damaged.size(), 2U);
  for (const auto& path : damaged) {
    std::fstream bytes(path, std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(20);
    bytes.put('\x7e');
    bytes.seekp(21);
    bytes.put('\x7e');
  }
  folder_ = open("data");
  const auto lines = folder_->verify_collection("c", Deadline::never()).value();
  EXPECT_THAT(lines, Contains(HasSubstr(table.filename().string())));
  EXPECT_THAT(lines, Contains(HasSubstr("shards/0000")));

  const auto lost = folder_->repair_collection("c").value();
  EXPECT_THAT(lost, Contains(HasSubstr("point ")));
  EXPECT_THAT(lost, Contains(AllOf(HasSubstr("shards/0000"), HasSubstr("built anew"))));
  const auto store = folder_->open_collection("c");
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_THAT(folder_->verify_collection("c", Deadline::never()).value(), IsEmpty());
  // What is there is found, and writing goes on.
  const std::uint64_t num_left = (*store)->count().value();
  SearchRequest request = near(script::vector_of(1, kDim), 10'000);
  EXPECT_EQ((*store)->search(request, Deadline::never())->hits.size(), num_left);
  ASSERT_TRUE((*store)->write({point(1'000'000, script::vector_of(2, kDim))}));
  EXPECT_EQ((*store)->count().value(), num_left + 1);
}

}  // namespace
}  // namespace sightline::pipeline
