#include "storage/collection_db.h"

#include <gmock/gmock.h>

#include <chrono>
#include <set>
#include <thread>

#include "storage/catalog.h"
#include "storage/collection_writer.h"
#include "storage/internal/collection_families.h"
#include "tests/support/temp_dir.h"

namespace sightline::storage {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class CollectionDbTest : public testing::Test {
 protected:
  void create() {
    auto db = CollectionDb::create(folder(), {{"answer", 42}}, budget_);
    ASSERT_TRUE(db) << db.error().message;
  }
  std::unique_ptr<CollectionDb> open(OpenMode mode = OpenMode::kWrite) {
    auto db = CollectionDb::open(folder(), mode, budget_);
    EXPECT_TRUE(db) << db.error().message;
    return db ? *std::move(db) : nullptr;
  }
  Status error_of(OpenMode mode) {
    auto db = CollectionDb::open(folder(), mode, budget_);
    EXPECT_FALSE(db);
    return db ? Status{} : db.error();
  }
  /// Changes `meta` behind the program's back.
  void put_meta(std::string_view key, const std::string& value) {
    auto database = RocksDatabase::open(folder(), OpenMode::kWrite, collection_families(), budget_);
    ASSERT_TRUE(database) << database.error().message;
    ASSERT_TRUE((*database)
                    ->db()
                    .Put({}, (*database)->family(kMeta), RocksDatabase::slice(key), value)
                    .ok());
  }
  std::filesystem::path folder() const { return dir_ / "db"; }

  static std::vector<Operation> upsert(std::uint64_t id, std::vector<float> values) {
    UpsertOp op;
    op.id = PointId(id);
    op.vectors = {{"", std::move(values)}};
    return {std::move(op)};
  }

  testing_support::TempDir dir_;
  std::shared_ptr<SharedBudget> budget_ = SharedBudget::create({8 << 20, 8 << 20});
};

TEST_F(CollectionDbTest, ItsConfigurationComesBackAndItIsMadeOnce) {
  create();
  for (const OpenMode mode : {OpenMode::kWrite, OpenMode::kRead}) {
    const auto db = open(mode);
    ASSERT_NE(db, nullptr);
    EXPECT_EQ(db->config(), (Json{{"answer", 42}}));
    EXPECT_EQ(db->is_writer(), mode == OpenMode::kWrite);
    EXPECT_EQ((*db->snapshot())->counters().commit, 0U);
  }
  EXPECT_EQ(CollectionDb::create(folder(), {}, budget_).error().code, StatusCode::kAlreadyExists);
}

TEST_F(CollectionDbTest, WhatIsNotThereIsNotFound) {
  for (const OpenMode mode : {OpenMode::kWrite, OpenMode::kRead}) {
    EXPECT_EQ(error_of(mode).code, StatusCode::kNotFound);
    EXPECT_THAT(error_of(mode).message, HasSubstr(folder().string()));
  }
  EXPECT_FALSE(std::filesystem::exists(folder()));
}

TEST_F(CollectionDbTest, ANewerFormatIsRefusedAndNamed) {
  create();
  put_meta(kFormatKey, encode_number(kFormatVersion + 1));
  for (const OpenMode mode : {OpenMode::kWrite, OpenMode::kRead}) {
    EXPECT_EQ(error_of(mode).code, StatusCode::kFailedPrecondition);
    EXPECT_THAT(error_of(mode).message,
                AllOf(HasSubstr(folder().string() + " has format 5"),
                      HasSubstr("this program reads up to 4"), HasSubstr("use a newer one")));
  }
}

TEST_F(CollectionDbTest, AFormatThatNeverWasIsCorruption) {
  create();
  put_meta(kFormatKey, encode_number(0));
  EXPECT_EQ(error_of(OpenMode::kWrite).code, StatusCode::kCorruption);
  put_meta(kFormatKey, "short");
  EXPECT_EQ(error_of(OpenMode::kWrite).code, StatusCode::kCorruption);
}

TEST_F(CollectionDbTest, AColumnFamilyOfANewerProgramIsRefused) {
  create();
  {
    auto families = collection_families();
    families.push_back({"sparse", ColumnFamily::Kind::kSmall});
    ASSERT_TRUE(RocksDatabase::open(folder(), OpenMode::kCreate, families, budget_));
  }
  const Status error = error_of(OpenMode::kWrite);
  EXPECT_EQ(error.code, StatusCode::kFailedPrecondition);
  EXPECT_THAT(error.message, AllOf(HasSubstr("\"sparse\""), HasSubstr("use a newer one")));
  EXPECT_NE(open(OpenMode::kRead), nullptr);  // Reads what it knows.
}

TEST_F(CollectionDbTest, AGroupIsOneBatchOfNumberedCommitsAndTellsItsEffects) {
  create();
  const auto db = open();
  auto writer = CollectionWriter::create(*db).value();
  auto first = upsert(10, {1, 2}), second = upsert(20, {3, 4}), third = upsert(10, {5, 6});
  std::vector<Operation> bad = {DeletePointOp{PointId(10)},
                                PutSourceOp{{"u", 0, 0, "", "", PointId(99), "", ""}}};
  EXPECT_EQ(writer->add(first)->commit, 1U);
  EXPECT_EQ(writer->add(bad).error().code, StatusCode::kInvalidArgument);
  EXPECT_EQ(writer->add(second)->commit, 2U);
  EXPECT_EQ(writer->add(third)->num_updated, 1U);
  EXPECT_EQ((*db->snapshot())->counters().commit, 0U);
  const auto effects = writer->commit(Sync::kYes).value();
  ASSERT_EQ(effects.size(), 6U);  // A row and a payload each.
  EXPECT_EQ(effects[0].slot, 0U);
  EXPECT_EQ(effects[0].version, 1U);
  EXPECT_EQ(effects[2].slot, 1U);
  EXPECT_EQ(effects[4].slot, 0U);
  EXPECT_EQ(effects[4].version, 3U);
  EXPECT_THAT(effects[4].values, ElementsAre(5, 6));

  const auto snapshot = db->snapshot().value();
  EXPECT_EQ(snapshot->counters().commit, 3U);
  EXPECT_EQ(snapshot->counters().num_points, 2U);
  EXPECT_EQ(snapshot->counters().next_slot, 2U);
  const auto row = db->vector(*snapshot, "", 0).value();
  ASSERT_TRUE(row);
  EXPECT_EQ(row->version, 3U);
  EXPECT_EQ(db->slot_record(*snapshot, 0).value()->vectors.at(""), 3U);
}

TEST_F(CollectionDbTest, ASlotIsNotUsedAgain) {
  create();
  const auto db = open();
  auto writer = CollectionWriter::create(*db).value();
  for (Slot expected = 0; expected < 3; ++expected) {
    auto ops = upsert(10, {1, 2});
    ASSERT_TRUE(writer->add(ops));
    ASSERT_TRUE(writer->commit(Sync::kNo));
    EXPECT_EQ(db->find_slot(**db->snapshot(), PointId(10)).value(), expected);
    std::vector<Operation> removal = {DeletePointOp{PointId(10)}};
    ASSERT_TRUE(writer->add(removal));
    ASSERT_TRUE(writer->commit(Sync::kNo));
  }
  ASSERT_TRUE(writer->sync_log());
}

TEST_F(CollectionDbTest, NumbersAboveAllOthersAreNewAndNoOthers) {
  create();
  auto db = open();
  auto writer = CollectionWriter::create(*db).value();
  const auto inserts = [&](std::uint64_t id) {
    auto ops = upsert(id, {1, 2});
    return writer->add(ops).value().num_inserted == 1;
  };
  EXPECT_TRUE(inserts(5));
  EXPECT_TRUE(inserts(9));
  EXPECT_FALSE(inserts(9));
  std::vector<Operation> refused = upsert(100, {1, 2});
  refused.emplace_back(RequirePointOp{PointId(7)});
  EXPECT_FALSE(writer->add(refused));
  EXPECT_TRUE(inserts(100));
  EXPECT_FALSE(inserts(5));
  std::vector<Operation> removal = {DeletePointOp{PointId(100)}};
  ASSERT_TRUE(writer->add(removal));
  EXPECT_TRUE(inserts(50));
  EXPECT_TRUE(inserts(100));
  ASSERT_TRUE(writer->commit(Sync::kYes));
  writer.reset();
  db.reset();
  db = open();
  writer = CollectionWriter::create(*db).value();
  for (const std::uint64_t there : {5, 9, 50, 100}) EXPECT_FALSE(inserts(there)) << there;
  for (const std::uint64_t fresh : {7, 101, 0}) EXPECT_TRUE(inserts(fresh)) << fresh;
  ASSERT_TRUE(writer->commit(Sync::kYes));
  EXPECT_EQ(writer->counters().num_points, 7U);
}

TEST_F(CollectionDbTest, TheDigestOfSlotsAddsUp) {
  create();
  const auto db = open();
  auto writer = CollectionWriter::create(*db).value();
  const auto check = [&] {
    const auto snapshot = db->snapshot().value();
    std::vector<Slot> slots;
    const auto digest =
        db->visit_slots(*snapshot, [&](Slot slot, const SlotRecord&) { slots.push_back(slot); });
    EXPECT_EQ(digest.value(), snapshot->counters().slots_digest);
    return slots;
  };
  EXPECT_THAT(check(), IsEmpty());
  for (std::uint64_t id : {1U, 2U, 1U, 3U}) {
    auto ops = upsert(id, {1, 2});
    ASSERT_TRUE(writer->add(ops));
    ASSERT_TRUE(writer->commit(Sync::kNo));
  }
  EXPECT_THAT(check(), ElementsAre(0, 1, 2));
  std::vector<Operation> removal = {DeletePointOp{PointId(2)}};
  ASSERT_TRUE(writer->add(removal));
  ASSERT_TRUE(writer->commit(Sync::kNo));
  EXPECT_THAT(check(), ElementsAre(0, 2));
}

TEST_F(CollectionDbTest, VectorsAreVisitedBySlotAndAMissingOneIsSaid) {
  create();
  const auto db = open();
  auto writer = CollectionWriter::create(*db).value();
  for (std::uint64_t id = 0; id < 10; ++id) {
    auto ops = upsert(id, {static_cast<float>(id)});
    ASSERT_TRUE(writer->add(ops));
  }
  ASSERT_TRUE(writer->commit(Sync::kNo));
  const auto snapshot = db->snapshot().value();
  std::vector<float> found;
  std::vector<Slot> missing;
  const std::vector<Slot> wanted = {0, 1, 2, 5, 9, 12};
  ASSERT_TRUE(db->visit_vectors(*snapshot, "", wanted, [&](Slot slot, const auto& row) {
    if (row) {
      found.push_back(row->values[0]);
    } else {
      EXPECT_EQ(row.error().code, StatusCode::kCorruption);
      missing.push_back(slot);
    }
  }));
  EXPECT_THAT(found, ElementsAre(0, 1, 2, 5, 9));
  EXPECT_THAT(missing, ElementsAre(12));
}

TEST_F(CollectionDbTest, TablesAreWrittenAnewForOldVersionsAlone) {
  create();
  const auto db = open();
  const auto writer = CollectionWriter::create(*db).value();
  const auto write = [&](std::uint64_t num_points) {
    std::vector<Operation> operations;
    for (std::uint64_t id = 0; id < num_points; ++id)
      operations.push_back(std::move(upsert(id % 100, {1, 2})[0]));
    ASSERT_TRUE(writer->add(operations));
    ASSERT_TRUE(writer->commit(Sync::kNo));
  };
  const auto tables = [this] {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder()))
      if (entry.path().extension() == ".sst") names.insert(entry.path().filename());
    return names;
  };
  write(100);
  ASSERT_TRUE(db->checkpoint(dir_ / "flushed"));
  const auto before = tables();
  ASSERT_FALSE(before.empty());
  for (int i = 0; i < 3; ++i) {
    SnapshotPtr snapshot = db->snapshot().value();
    write(1);
    snapshot.reset();  // older than nothing that is there
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_EQ(tables(), before);
  write(5000);
  for (int i = 0; i < 1000 && tables() == before; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_NE(tables(), before);
}

TEST_F(CollectionDbTest, ACheckpointIsACollectionOfItsOwn) {
  create();
  const auto copy = dir_ / "copy";
  {
    const auto db = open();
    auto writer = CollectionWriter::create(*db).value();
    auto first = upsert(1, {1, 2});
    ASSERT_TRUE(writer->add(first));
    ASSERT_TRUE(writer->commit(Sync::kNo));
    ASSERT_TRUE(db->checkpoint(copy));
    EXPECT_EQ(db->checkpoint(copy).error().code, StatusCode::kAlreadyExists);
    auto second = upsert(2, {3, 4});
    ASSERT_TRUE(writer->add(second));
    ASSERT_TRUE(writer->commit(Sync::kNo));
  }
  EXPECT_EQ(open(OpenMode::kRead)->checkpoint(dir_ / "other").error().code,
            StatusCode::kFailedPrecondition);
  for (const OpenMode mode : {OpenMode::kRead, OpenMode::kWrite}) {
    const auto db = CollectionDb::open(copy, mode, budget_).value();
    const auto at = db->snapshot().value();
    EXPECT_EQ(at->counters().num_points, 1U);
    EXPECT_THAT(db->vector(*at, "", 0).value()->values, ElementsAre(1, 2));
    EXPECT_THAT(db->verify(*at).value(), IsEmpty());
  }
  const auto db = open();
  EXPECT_EQ((*db->snapshot())->counters().num_points, 2U);
}

TEST_F(CollectionDbTest, TheCatalogKnowsWhatIsThereAndWhatIsNotWhole) {
  const auto path = dir_ / "catalog";
  EXPECT_EQ(Catalog::open(path, OpenMode::kRead, budget_).error().code, StatusCode::kNotFound);
  {
    auto catalog = Catalog::open(path, OpenMode::kCreate, budget_).value();
    ASSERT_TRUE(catalog->add("b"));
    ASSERT_TRUE(catalog->add("a"));
    ASSERT_TRUE(catalog->add("gone"));
    ASSERT_TRUE(catalog->mark_incomplete("gone"));
    ASSERT_TRUE(catalog->mark_incomplete("b"));
    ASSERT_TRUE(catalog->forget("gone"));
  }
  auto catalog = Catalog::open(path, OpenMode::kRead, budget_).value();
  EXPECT_THAT(catalog->collections().value(), ElementsAre("a"));
  EXPECT_THAT(catalog->incomplete().value(), ElementsAre("b"));
  EXPECT_TRUE(catalog->contains("a").value());
  EXPECT_FALSE(catalog->contains("b").value());
  EXPECT_FALSE(catalog->contains("gone").value());
}

}  // namespace
}  // namespace sightline::storage
