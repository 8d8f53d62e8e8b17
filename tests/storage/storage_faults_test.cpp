// A collection whose files fail, one operation after the other: what was acknowledged is there,
// nothing half is, and the payload indexes are what the payloads say.
#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "storage/collection_db.h"
#include "storage/collection_writer.h"
#include "tests/storage/faulty_file_system.h"
#include "tests/support/temp_dir.h"

namespace sightline::storage {
namespace {

using Fault = FaultyFileSystem::Fault;

std::vector<Operation> points(std::uint64_t first, std::uint64_t count, const std::string& city) {
  std::vector<Operation> ops;
  for (std::uint64_t id = first; id < first + count; ++id) {
    UpsertOp op;
    op.id = PointId(id);
    op.vectors = {{"", std::vector<float>(16, static_cast<float>(id))}};
    op.payload = {{"city", city}, {"n", id}, {"filler", std::string(300, 'x')}};
    op.thumbnail = "jpeg";
    ops.emplace_back(std::move(op));
    ops.emplace_back(
        PutSourceOp{{"file:///" + std::to_string(id), id, 0, "", "", PointId(id), "", ""}});
  }
  return ops;
}

/// A collection in a folder, open for writing.
struct Handle {
  std::unique_ptr<CollectionDb> db;
  std::unique_ptr<CollectionWriter> writer;
};

/// What happens to it: each step is one commit.
struct Step {
  std::function<Result<void>(Handle&)> run;
  bool is_synced = true;  ///< And all before it.
};

Step write(std::vector<Operation> operations, Sync sync = Sync::kYes) {
  return {[operations = std::move(operations), sync](Handle& handle) -> Result<void> {
            std::vector<Operation> copy = operations;
            SIGHTLINE_TRY_DO(handle.writer->add(copy));
            SIGHTLINE_TRY_DO(handle.writer->commit(sync));
            return {};
          },
          sync == Sync::kYes};
}

std::vector<Step> script() {
  return {
      write(points(0, 5, "Oslo")),
      {[](Handle& h) { return h.writer->put_payload_index("city", FieldType::kKeyword); }},
      write(points(3, 4, "Bergen")),
      write({DeletePointOp{PointId(1)}, SetPayloadOp{PointId(2), {{"city", "Bodo"}}, ""},
             DeleteSourceOp{"file:///4"}}),
      {[](Handle& h) {
        return h.writer->put_shards({{"", {"0001"}}});
      }},
      write(points(20, 2, "Bergen"), Sync::kNo),
      write({DeletePointOp{PointId(20)}}, Sync::kNo),
      {[](Handle& h) { return h.writer->put_payload_index("n", FieldType::kInteger); }},
      write(points(1, 2, "Oslo"), Sync::kNo),
      {[](Handle& h) {
        return h.writer->put_config({{"answer", 43}});
      }},
      {[](Handle& h) -> Result<void> {
        SIGHTLINE_TRY_DO(h.writer->drop_payload_index("city"));
        return {};
      }},
      write({ClearPayloadOp{PointId(2)}, DeleteVectorsOp{PointId(3), {""}}}),
  };
}
// Before these steps the tables are written anew (a checkpoint flushes), the database opened again.
constexpr std::size_t kCheckpointBefore = 4, kReopenBefore = 9;

struct FaultCase {
  std::string name;
  Fault fault;
  bool loses_power;
};

class StorageFaults : public testing::TestWithParam<FaultCase> {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(dir_ / "attic");
    files_ = std::make_shared<FaultyFileSystem>(dir_ / "attic");
    sound_files_ = std::make_shared<FaultyFileSystem>(dir_ / "attic");
    dumps_ = undisturbed();
    ASSERT_EQ(dumps_.size(), script_.size() + 1);
  }

  std::shared_ptr<SharedBudget> budget(bool is_faulty) const {
    return budget_on(is_faulty ? files_ : sound_files_);
  }
  std::filesystem::path folder() const { return dir_ / "db"; }

  Result<void> open(Handle& handle, const std::shared_ptr<SharedBudget>& budget) const {
    handle.writer.reset();
    handle.db.reset();
    SIGHTLINE_TRY(handle.db, CollectionDb::open(folder(), OpenMode::kWrite, budget));
    SIGHTLINE_TRY(handle.writer, CollectionWriter::create(*handle.db));
    return {};
  }

  struct Progress {
    std::size_t num_acknowledged = 0, num_synced = 0;  ///< Commits.
  };

  /// Runs the steps from `first`, until one fails.
  Progress run(Handle& handle, std::size_t first, const std::shared_ptr<SharedBudget>& budget,
               std::vector<std::string>* dumps = nullptr) const {
    Progress progress{first, first};
    for (std::size_t i = first; i < script_.size(); ++i) {
      if (i == kCheckpointBefore) {
        std::filesystem::remove_all(dir_ / "checkpoint");
        if (!handle.db->checkpoint(dir_ / "checkpoint")) break;
      }
      if (i == kReopenBefore && !open(handle, budget)) break;
      if (!script_[i].run(handle)) break;
      progress.num_acknowledged = i + 1;
      if (script_[i].is_synced) progress.num_synced = i + 1;
      if (dumps != nullptr) dumps->push_back(dump(*handle.db));
    }
    return progress;
  }

  /// All that is stored, as text.
  static std::string dump(const CollectionDb& db) {
    const auto at = db.snapshot().value();
    Json all = {{"config", db.config()}, {"shards", db.shards(*at).value()}};
    all["counters"] = {at->counters().next_slot, at->counters().num_points,
                       at->counters().num_sources, at->counters().slots_digest};
    EXPECT_TRUE(db.visit_points(*at, {}, [&](const PointId& id, Slot slot) {
      Json& point = all["points"][id.to_string()];
      const auto record = db.slot_record(*at, slot).value();
      point = {{"slot", slot},
               {"version", record->version},
               {"source", record->source_uri},
               {"payload", db.payload(*at, slot).value()},
               {"thumbnail", db.thumbnail(*at, slot).value().value_or("")}};
      for (const auto& [name, version] : record->vectors)
        point["vectors"][name] = {version, db.vector(*at, name, slot).value()->values};
      return true;
    }));
    const auto types = db.payload_indexes(*at).value();
    for (const auto& [field, type] : types) all["indexes"][field] = field_type_name(type);
    return all.dump();
  }

  /// The dump after each commit, from 0.
  std::vector<std::string> undisturbed() const {
    std::vector<std::string> dumps;
    Handle handle;
    EXPECT_TRUE(CollectionDb::create(folder(), {{"answer", 42}}, budget(false)));
    std::filesystem::copy(folder(), dir_ / "empty");
    EXPECT_TRUE(open(handle, budget(false)));
    dumps.push_back(dump(*handle.db));
    EXPECT_EQ(run(handle, 0, budget(false), &dumps).num_acknowledged, script_.size());
    return dumps;
  }

  /// An empty collection.
  void start_over() const {
    for (const char* name : {"db", "checkpoint", "attic"}) std::filesystem::remove_all(dir_ / name);
    std::filesystem::create_directory(dir_ / "attic");
    std::filesystem::copy(dir_ / "empty", folder());
  }

  /// Opens what a fault has left, holds it against the script, and goes on to its end.
  void check_and_finish(const Progress& progress) {
    Handle handle;
    const auto opened = open(handle, budget(false));
    ASSERT_TRUE(opened) << opened.error().message;
    const std::uint64_t commit = handle.writer->counters().commit;
    ASSERT_GE(commit, GetParam().loses_power ? progress.num_synced : progress.num_acknowledged);
    ASSERT_LE(commit, progress.num_acknowledged + 1);
    EXPECT_EQ(dump(*handle.db), dumps_[commit]);
    EXPECT_THAT(handle.db->verify(*handle.db->snapshot().value()).value(), testing::IsEmpty());
    EXPECT_EQ(run(handle, commit, budget(false)).num_acknowledged, script_.size());
    EXPECT_EQ(dump(*handle.db), dumps_.back());
  }

  /// Whether a fault was hit.
  bool run_with_fault_at(std::uint64_t nth) {
    start_over();
    files_->heal();
    Progress progress;
    {
      Handle handle;
      const auto faulty = budget(true);
      EXPECT_TRUE(open(handle, faulty));
      files_->fail_at(nth, GetParam().fault);
      progress = run(handle, 0, faulty);
    }
    const bool was_hit = files_->has_failed();
    files_->heal();
    if (GetParam().loses_power) files_->lose_power();
    check_and_finish(progress);
    return was_hit;
  }

  testing_support::TempDir dir_;
  const std::vector<Step> script_ = script();
  std::shared_ptr<FaultyFileSystem> files_, sound_files_;
  std::vector<std::string> dumps_;
};

// Every operation takes minutes on two cores; SIGHTLINE_FAULT_STEP=1 takes them all.
TEST_P(StorageFaults, LoseNothingThatWasAcknowledged) {
  const char* wanted = std::getenv("SIGHTLINE_FAULT_STEP");
  const std::uint64_t step =
      wanted == nullptr ? 7 : std::max(1UL, std::strtoul(wanted, nullptr, 10));
  std::uint64_t nth = 1;
  while (true) {
    SCOPED_TRACE("fault at operation " + std::to_string(nth));
    const bool was_hit = run_with_fault_at(nth);
    if (HasFailure() || !was_hit) break;
    nth += step;
  }
  EXPECT_GT(nth, 50U);  // The script does that much.
  RecordProperty("operations", static_cast<int>(nth));
}

INSTANTIATE_TEST_SUITE_P(Cases, StorageFaults,
                         testing::ValuesIn(std::vector<FaultCase>{
                             {"OneOperationFails", Fault::kOnce, false},
                             {"AllFailFromThere", Fault::kDead, false},
                             {"TheDiskIsFull", Fault::kFull, false},
                             {"PowerIsLost", Fault::kDead, true},
                             {"PowerIsLostAfterAFault", Fault::kOnce, true},
                         }),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace sightline::storage
