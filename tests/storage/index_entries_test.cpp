// Payload indexes, the shard list and the configuration in RocksDB.
#include <random>

#include "storage/internal/collection_families.h"
#include "tests/storage/collection_fixture.h"

namespace sightline::storage {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

using PayloadIndexTest = CollectionFixture;
using Text = std::string;

TEST_F(PayloadIndexTest, EntriesComeInOrderOfValueThenSlot) {
  const Text with_zero("a\0b", 3);
  for (const auto& [id, city, age] :
       {std::tuple{1, Text("ab"), 3}, {2, Text("a"), -5}, {3, with_zero, 300}, {4, Text("a"), 3}}) {
    must_write({upsert(id, {{"city", city}, {"age", age}})});
  }
  ASSERT_TRUE(writer_->put_payload_index("city", FieldType::kKeyword));
  ASSERT_TRUE(writer_->put_payload_index("age", FieldType::kInteger));
  EXPECT_THAT(entries("city", FieldType::kKeyword),
              ElementsAre(Pair(IndexedValue(Text("a")), 1), Pair(IndexedValue(Text("a")), 3),
                          Pair(IndexedValue(with_zero), 2), Pair(IndexedValue(Text("ab")), 0)));
  EXPECT_THAT(
      entries("age", FieldType::kInteger),
      ElementsAre(Pair(IndexedValue(std::int64_t{-5}), 1), Pair(IndexedValue(std::int64_t{3}), 0),
                  Pair(IndexedValue(std::int64_t{3}), 3),
                  Pair(IndexedValue(std::int64_t{300}), 2)));
}

TEST_F(PayloadIndexTest, ADefinitionIsACommitAndComesBack) {
  must_write({upsert(1, {{"city", "Oslo"}})});
  auto before = now();
  ASSERT_TRUE(writer_->put_payload_index("city", FieldType::kKeyword));
  EXPECT_EQ(writer_->counters().commit, 2U);
  EXPECT_THAT(db_->payload_indexes(*before).value(), IsEmpty());
  ASSERT_TRUE(writer_->put_payload_index("city", FieldType::kKeyword));  // As it is.
  EXPECT_EQ(writer_->counters().commit, 2U);
  must_write({upsert(2, {{"city", "Bergen"}})});
  EXPECT_EQ(now()->counters().commit, 3U);
  before.reset();
  reopen();
  EXPECT_THAT(db_->payload_indexes(*now()).value(), ElementsAre(Pair("city", FieldType::kKeyword)));
  must_write({upsert(3, {{"city", "Oslo"}})});
  EXPECT_EQ(entries("city", FieldType::kKeyword).size(), 3U);
  expect_indexes_in_step();
}

TEST_F(PayloadIndexTest, AnOlderOneIsNotReadAndMadeAnewByTheWriter) {
  must_write({upsert(1, {{"n", 5}}), upsert(2, {{"n", 2.5}})});
  ASSERT_TRUE(writer_->put_payload_index("n", FieldType::kInteger));
  must_write({upsert(3, {{"n", "x"}})});
  close();
  {
    auto database =
        RocksDatabase::open(folder(), OpenMode::kWrite, collection_families(), budget_).value();
    for (const Slot slot : {1U, 2U}) {  // Revision 1 had no entry for another value.
      const std::string key = index_key("n", FieldType::kInteger, OtherValue(), slot);
      ASSERT_TRUE(database->get(kPayloadIndex, key).value()) << slot;
      ASSERT_TRUE(database->db().Delete({}, database->family(kPayloadIndex), key).ok());
    }
    ASSERT_TRUE(database->db().Put({}, database->family(kMeta), "payload_index:n", "integer").ok());
  }
  {
    const auto reader = CollectionDb::open(folder(), OpenMode::kRead, budget_).value();
    const auto at = reader->snapshot().value();
    EXPECT_THAT(reader->payload_indexes(*at).value(), IsEmpty());
    EXPECT_THAT(reader->verify(*at).value(), IsEmpty());
  }
  open();
  EXPECT_THAT(db_->payload_indexes(*now()).value(), ElementsAre(Pair("n", FieldType::kInteger)));
  EXPECT_EQ(entries("n", FieldType::kInteger).size(), 3U);
  expect_indexes_in_step();
  const Version commit = writer_->counters().commit;
  reopen();
  EXPECT_EQ(writer_->counters().commit, commit);  // Once.
}

TEST_F(PayloadIndexTest, AnotherTypeReplacesAndDroppingLeavesNothing) {
  must_write({upsert(1, {{"n", 5}}), upsert(2, {{"n", 2.5}})});
  ASSERT_TRUE(writer_->put_payload_index("n", FieldType::kInteger));
  EXPECT_EQ(entries("n", FieldType::kInteger).size(), 2U);
  ASSERT_TRUE(writer_->put_payload_index("n", FieldType::kFloat));
  EXPECT_THAT(entries("n", FieldType::kInteger), IsEmpty());
  EXPECT_THAT(entries("n", FieldType::kFloat),
              ElementsAre(Pair(IndexedValue(2.5), 1), Pair(IndexedValue(5.0), 0)));
  EXPECT_THAT(db_->payload_indexes(*now()).value(), ElementsAre(Pair("n", FieldType::kFloat)));
  EXPECT_EQ(writer_->counters().commit, 3U);

  EXPECT_TRUE(writer_->drop_payload_index("n").value());
  EXPECT_EQ(writer_->counters().commit, 4U);
  EXPECT_THAT(entries("n", FieldType::kFloat), IsEmpty());
  EXPECT_THAT(db_->payload_indexes(*now()).value(), IsEmpty());
  EXPECT_FALSE(writer_->drop_payload_index("n").value());
  must_write({upsert(3, {{"n", 1.5}})});
  EXPECT_THAT(entries("n", FieldType::kFloat), IsEmpty());
}

TEST_F(PayloadIndexTest, OneFieldHasOneSpelling) {
  must_write({upsert(1, {{"a", {{"b", true}}}})});
  ASSERT_TRUE(writer_->put_payload_index("\"a\".b", FieldType::kBool));
  ASSERT_TRUE(writer_->put_payload_index("a.b", FieldType::kBool));
  EXPECT_EQ(writer_->counters().commit, 2U);
  EXPECT_THAT(entries("a.b", FieldType::kBool), ElementsAre(Pair(IndexedValue(true), 0)));
  EXPECT_TRUE(writer_->drop_payload_index("\"a\".b").value());
}

TEST_F(PayloadIndexTest, WhatIsNoFieldIsRefused) {
  for (const std::string_view field :
       {std::string_view(""), std::string_view("a..b"), std::string_view("a\0b", 3)}) {
    const auto put = writer_->put_payload_index(field, FieldType::kKeyword);
    ASSERT_FALSE(put) << field;
    EXPECT_EQ(put.error().code, StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(writer_->counters().commit, 0U);
}

TEST_F(PayloadIndexTest, LeftoversOfACrashAreGoneBeforeItIsFilled) {
  must_write({upsert(1, {{"city", "Oslo"}})});
  close();
  {
    auto database =
        RocksDatabase::open(folder(), OpenMode::kWrite, collection_families(), budget_).value();
    const std::string stale = index_key("city", FieldType::kKeyword, Text("Bergen"), 7);
    ASSERT_TRUE(database->db().Put({}, database->family(kPayloadIndex), stale, "").ok());
  }
  open();
  ASSERT_TRUE(writer_->put_payload_index("city", FieldType::kKeyword));
  EXPECT_THAT(entries("city", FieldType::kKeyword),
              ElementsAre(Pair(IndexedValue(Text("Oslo")), 0)));
}

TEST_F(PayloadIndexTest, ALargeOneIsFilledInSeveralBatches) {
  constexpr std::uint64_t kNumPoints = 3000;  // of 4 KiB each: three batches
  const Text filler(4096, 'x');
  std::vector<Operation> ops;
  for (std::uint64_t id = 0; id < kNumPoints; ++id)
    ops.emplace_back(upsert(id, {{"text", std::to_string(id % 10) + filler}}));
  must_write(std::move(ops));
  ASSERT_TRUE(writer_->put_payload_index("text", FieldType::kKeyword));
  EXPECT_EQ(writer_->counters().commit, 2U);
  expect_indexes_in_step();
  EXPECT_EQ(entries("text", FieldType::kKeyword).size(), kNumPoints);
  reopen();
  expect_indexes_in_step();
}

TEST_F(PayloadIndexTest, ContentIsFoundWithAndWithoutAnIndexOfItsField) {
  const Text hash = "sha256:1";
  const auto find = [&] { return db_->find_content(*now(), hash).value(); };
  must_write({upsert(1, {{"_image", {{"content_hash", hash}}}})});
  EXPECT_EQ(find(), 0U);
  ASSERT_TRUE(writer_->put_payload_index(kContentHashField, FieldType::kKeyword));
  EXPECT_EQ(find(), 0U);
  EXPECT_EQ(entries(kContentHashField, FieldType::kKeyword).size(), 1U);
  EXPECT_TRUE(writer_->drop_payload_index(kContentHashField).value());
  EXPECT_EQ(find(), 0U);
  must_write({DeletePointOp{PointId(1)}});
  EXPECT_EQ(find(), std::nullopt);
}

TEST_F(PayloadIndexTest, TheShardListAndTheConfigurationAreCommits) {
  EXPECT_EQ(db_->shards(*now()).value(), Json::object());
  auto before = now();
  const Json shards = {{"", {"0001", "0002"}}}, config = {{"answer", 43}};
  ASSERT_TRUE(writer_->put_shards(shards));
  ASSERT_TRUE(writer_->put_config(config));
  EXPECT_EQ(now()->counters().commit, 2U);
  EXPECT_EQ(db_->shards(*before).value(), Json::object());
  EXPECT_EQ(db_->shards(*now()).value(), shards);
  EXPECT_EQ(db_->config(), config);
  before.reset();
  reopen();
  EXPECT_EQ(db_->shards(*now()).value(), shards);
  EXPECT_EQ(db_->config(), config);
}

TEST_F(PayloadIndexTest, AReaderFollows) {
  auto reader = CollectionDb::open(folder(), OpenMode::kRead, budget_).value();
  must_write({upsert(1, {{"city", "Oslo"}})});
  ASSERT_TRUE(writer_->put_payload_index("city", FieldType::kKeyword));
  ASSERT_TRUE(writer_->put_config({{"answer", 43}}));
  ASSERT_TRUE(writer_->put_shards({{"", {"0001"}}}));
  EXPECT_EQ(reader->config(), (Json{{"answer", 42}}));
  ASSERT_TRUE(reader->catch_up());
  const auto at = reader->snapshot().value();
  EXPECT_EQ(at->counters().commit, 4U);
  EXPECT_EQ(reader->config(), (Json{{"answer", 43}}));
  EXPECT_EQ(reader->shards(*at).value(), (Json{{"", {"0001"}}}));
  EXPECT_EQ(reader->payload_indexes(*at).value().size(), 1U);
  std::size_t num_entries = 0;
  ASSERT_TRUE(reader->visit_payload_index(*at, "city", FieldType::kKeyword,
                                          [&](const IndexedValue&, Slot) { ++num_entries; }));
  EXPECT_EQ(num_entries, 1U);
}

TEST_F(PayloadIndexTest, PayloadsAreVisitedInOrderUntilEnough) {
  must_write({upsert(1, {{"a", 1}}), upsert(2), upsert(3, {{"a", 3}}), upsert(4, {{"a", 4}})});
  std::vector<Slot> slots;
  ASSERT_TRUE(db_->visit_payloads(*now(), [&](Slot slot, const Json& payload) {
    slots.push_back(slot);
    return payload["a"] != 3;
  }));
  EXPECT_THAT(slots, ElementsAre(0, 2));
}

TEST_F(PayloadIndexTest, ADamagedPayloadIsNamedAndNothingIsDefined) {
  must_write({upsert(1, {{"city", "Oslo"}}), upsert(2, {{"city", "Oslo"}})});
  close();
  {
    auto database =
        RocksDatabase::open(folder(), OpenMode::kWrite, collection_families(), budget_).value();
    ASSERT_TRUE(database->db().Put({}, database->family(kPayload), encode_slot(1), "\xFF").ok());
  }
  open();
  const auto put = writer_->put_payload_index("city", FieldType::kKeyword);
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().code, StatusCode::kCorruption);
  EXPECT_THAT(put.error().message, HasSubstr("slot 1"));
  EXPECT_THAT(db_->payload_indexes(*now()).value(), IsEmpty());
}

/// tests/data/storage_v1: see tests/pipeline/local_store_survival_test.cpp.
TEST_F(PayloadIndexTest, AWriterRaisesFormatOneAndAReaderLeavesIt) {
  const auto old = dir_ / "old";
  std::filesystem::copy(
      std::filesystem::path(SIGHTLINE_TEST_DATA) / "storage_v1" / "collections" / "c" / "db", old);
  const auto format = [&] {
    auto database =
        RocksDatabase::open(old, OpenMode::kRead, collection_families(), budget_).value();
    return decode_number(*database->get(kMeta, kFormatKey).value()).value();
  };
  {
    auto reader = CollectionDb::open(old, OpenMode::kRead, budget_);
    ASSERT_TRUE(reader) << reader.error().message;
    EXPECT_EQ((*(*reader)->snapshot())->counters().commit, 23U);
  }
  EXPECT_EQ(format(), 1U);
  close();
  {
    auto opened = CollectionDb::open(old, OpenMode::kWrite, budget_);
    ASSERT_TRUE(opened) << opened.error().message;
    db_ = *std::move(opened);
    writer_ = CollectionWriter::create(*db_).value();
    ASSERT_TRUE(writer_->put_payload_index("commit", FieldType::kInteger));
    expect_indexes_in_step();
    EXPECT_THAT(entries("commit", FieldType::kInteger), testing::Not(IsEmpty()));
    close();
  }
  EXPECT_EQ(format(), kFormatVersion);
}

// --- in step, whatever is written ----------------------------------------------------------------

class RandomWrites {
 public:
  explicit RandomWrites(std::uint32_t seed) : random_(seed) {}

  std::vector<Operation> request() {
    std::vector<Operation> ops;
    for (std::size_t n = 1 + below(3); n > 0; --n) ops.push_back(operation());
    return ops;
  }

 private:
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  Json value() {
    switch (below(6)) {
      case 0:
        return below(5);
      case 1:
        return 0.5 * static_cast<double>(below(5));
      case 2:
        return "w" + std::to_string(below(4)) + " and w" + std::to_string(below(4));
      case 3:
        return below(2) == 0;
      case 4:
        return Json::array({below(3), "w" + std::to_string(below(4)), nullptr});
      default:
        return {{"b", below(5)}};
    }
  }
  Json payload() {
    Json result = Json::object();
    for (const char* key : {"a", "text", "n"})
      if (below(3) != 0) result[key] = value();
    if (below(4) == 0) result["_image"] = {{"content_hash", "sha256:" + std::to_string(below(9))}};
    return result;
  }
  Operation operation() {
    const PointId id(below(12));
    switch (below(8)) {
      case 0:
        return DeletePointOp{id};
      case 1:
        return OverwritePayloadOp{id, payload()};
      case 2:
        return SetPayloadOp{id, payload(), below(2) == 0 ? "" : "a"};
      case 3:
        return DeletePayloadKeysOp{id, {"a.b", "n", "_image"}};
      case 4:
        return ClearPayloadOp{id};
      case 5:
        return DeleteSourceOp{"file:///" + id.to_string()};
      default:
        UpsertOp op;
        op.id = id;
        op.payload = payload();
        op.mode = static_cast<UpsertOp::Mode>(below(3));
        return op;
    }
  }
  std::mt19937 random_;
};

TEST_F(PayloadIndexTest, IndexesStayInStepWithRandomWrites) {
  const std::map<std::string, FieldType> types = {
      {"a", FieldType::kInteger},   {"a.b", FieldType::kInteger},
      {"text", FieldType::kText},   {"n", FieldType::kFloat},
      {"n[]", FieldType::kKeyword}, {"_image.content_hash", FieldType::kKeyword}};
  for (const auto& [field, type] : types) ASSERT_TRUE(writer_->put_payload_index(field, type));
  constexpr std::uint32_t kSeed = 7;
  RandomWrites writes(kSeed);
  for (int i = 0; i < 400; ++i) {
    SCOPED_TRACE("seed " + std::to_string(kSeed) + ", request " + std::to_string(i));
    must_write(writes.request());
    if (i % 10 == 0) expect_indexes_in_step();
    if (i % 100 == 50) reopen();
    if (HasFailure()) return;
  }
  expect_indexes_in_step();
}

}  // namespace
}  // namespace sightline::storage
