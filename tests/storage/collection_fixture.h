// tests/storage/collection_fixture.h: a collection in a temporary folder, and what tests ask of it.
#pragma once

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage/collection_db.h"
#include "storage/collection_writer.h"
#include "tests/storage/faulty_file_system.h"
#include "tests/support/temp_dir.h"

namespace sightline::storage {

class CollectionFixture : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(dir_ / "attic");
    auto made = CollectionDb::create(folder(), {{"answer", 42}}, budget_);
    ASSERT_TRUE(made) << made.error().message;
    db_ = *std::move(made);
    writer_ = CollectionWriter::create(*db_).value();
  }

  std::filesystem::path folder() const { return dir_ / "db"; }

  void close() {
    writer_.reset();
    db_.reset();
  }
  void open() {
    auto opened = CollectionDb::open(folder(), OpenMode::kWrite, budget_);
    ASSERT_TRUE(opened) << opened.error().message;
    db_ = *std::move(opened);
    writer_ = CollectionWriter::create(*db_).value();
  }
  void reopen() {
    close();
    open();
  }

  /// One request, one commit.
  Result<RequestOutcome> write(std::vector<Operation> operations) {
    SIGHTLINE_TRY(const RequestOutcome outcome, writer_->add(operations));
    SIGHTLINE_TRY(effects_, writer_->commit(Sync::kNo));
    return outcome;
  }
  void must_write(std::vector<Operation> operations) {
    const auto outcome = write(std::move(operations));
    ASSERT_TRUE(outcome) << outcome.error().message;
  }

  static UpsertOp upsert(std::uint64_t id, Json payload = Json::object(),
                         std::vector<float> values = {1, 2}) {
    UpsertOp op;
    op.id = PointId(id);
    op.vectors = {{"", std::move(values)}};
    op.payload = std::move(payload);
    return op;
  }

  SnapshotPtr now() const { return db_->snapshot().value(); }
  std::optional<Slot> slot_of(std::uint64_t id) const {
    return db_->find_slot(*now(), PointId(id)).value();
  }
  Json payload_of(std::uint64_t id) const { return db_->payload(*now(), *slot_of(id)).value(); }

  std::vector<std::pair<IndexedValue, Slot>> entries(std::string_view field, FieldType type) const {
    std::vector<std::pair<IndexedValue, Slot>> found;
    const auto visited = db_->visit_payload_index(
        *now(), field, type,
        [&](const IndexedValue& value, Slot slot) { found.emplace_back(value, slot); });
    EXPECT_TRUE(visited) << visited.error().message;
    return found;
  }

  /// What each index holds is what the payloads say, in order of value, then slot; an OtherValue
  /// may come at any time.
  void expect_indexes_in_step() const {
    const auto types = db_->payload_indexes(*now()).value();
    for (const auto& [field, type] : types) {
      std::vector<std::pair<IndexedValue, Slot>> wanted;
      const auto path = FieldPath::parse(field).value();
      ASSERT_TRUE(db_->visit_payloads(*now(), [&](Slot slot, const Json& payload) {
        for (const IndexedValue& value : indexed_values(payload, path, type))
          wanted.emplace_back(value, slot);
        return true;
      }));
      std::sort(wanted.begin(), wanted.end());
      auto found = entries(field, type);
      std::stable_partition(found.begin(), found.end(), [](const auto& entry) {
        return !std::holds_alternative<OtherValue>(entry.first);
      });
      EXPECT_EQ(found, wanted) << field;
    }
  }

  testing_support::TempDir dir_;
  /// Without faults: saves the time of syncing.
  std::shared_ptr<FaultyFileSystem> files_ = std::make_shared<FaultyFileSystem>(dir_ / "attic");
  std::shared_ptr<SharedBudget> budget_ = budget_on(files_);
  std::unique_ptr<CollectionDb> db_;
  std::unique_ptr<CollectionWriter> writer_;
  std::vector<RowEffect> effects_;  ///< Of the last write().
};

}  // namespace sightline::storage
