// What each operation changes, and what it tells the indexes.
#include "tests/storage/collection_fixture.h"

namespace sightline::storage {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using OperationsTest = CollectionFixture;
using Kind = RowEffect::Kind;

// --- payloads ------------------------------------------------------------------------------------

struct PayloadCase {
  std::string name;
  Json before;
  Operation operation;  // on point 1
  Json after;
};
class PayloadOperation : public CollectionFixture,
                         public testing::WithParamInterface<PayloadCase> {};

TEST_P(PayloadOperation, ChangesThePayloadAlone) {
  const PayloadCase& c = GetParam();
  ASSERT_TRUE(writer_->put_payload_index("a", FieldType::kInteger));
  UpsertOp point = upsert(1, c.before);
  point.thumbnail = "jpeg";
  must_write({point, PutSourceOp{{"file:///1", 0, 0, "", "", PointId(1), "", ""}}});
  const auto outcome = write({c.operation});
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(payload_of(1), c.after);
  EXPECT_EQ(outcome->num_updated, 1U);
  EXPECT_EQ(outcome->num_inserted + outcome->num_deleted, 0U);
  ASSERT_EQ(effects_.size(), 1U);
  EXPECT_EQ(effects_[0].kind, Kind::kPayload);
  EXPECT_EQ(effects_[0].slot, 0U);
  EXPECT_EQ(effects_[0].payload, c.after);
  const auto record = db_->slot_record(*now(), 0).value();
  EXPECT_EQ(record->version, outcome->commit);
  EXPECT_EQ(record->vectors.at(""), 2U);
  EXPECT_EQ(record->source_uri, "file:///1");
  EXPECT_EQ(db_->thumbnail(*now(), 0).value(), "jpeg");
  expect_indexes_in_step();
}

const Json kFacts = {{"width", 3}};
INSTANTIATE_TEST_SUITE_P(
    Cases, PayloadOperation,
    testing::ValuesIn(std::vector<PayloadCase>{
        {"OverwriteReplaces",
         {{"a", 1}, {"b", 2}},
         OverwritePayloadOp{PointId(1), {{"c", 3}}},
         {{"c", 3}}},
        {"OverwriteKeepsFacts",
         {{"a", 1}, {"_image", kFacts}},
         OverwritePayloadOp{PointId(1), {{"c", 3}}},
         {{"c", 3}, {"_image", kFacts}}},
        {"OverwriteTakesNewFacts",
         {{"_image", kFacts}},
         OverwritePayloadOp{PointId(1), {{"_image", 1}}},
         {{"_image", 1}}},
        {"SetMergesByKey",
         {{"a", 1}, {"b", {{"x", 1}}}},
         SetPayloadOp{PointId(1), {{"b", {{"y", 2}}}, {"c", 3}}, ""},
         {{"a", 1}, {"b", {{"y", 2}}}, {"c", 3}}},
        {"SetNullRemoves",
         {{"a", 1}, {"b", 2}},
         SetPayloadOp{PointId(1), {{"a", nullptr}}, ""},
         {{"b", 2}}},
        {"SetAtAKey",
         {{"a", {{"b", {{"x", 1}}}}}},
         SetPayloadOp{PointId(1), {{"y", 2}}, "a.b"},
         {{"a", {{"b", {{"x", 1}, {"y", 2}}}}}}},
        {"SetMakesObjects",
         {{"a", 1}},
         SetPayloadOp{PointId(1), {{"y", 2}}, "c.d.e"},
         {{"a", 1}, {"c", {{"d", {{"e", {{"y", 2}}}}}}}}},
        {"SetInEachElement",
         {{"a", Json::array({{{"x", 1}}, {{"x", 2}}})}},
         SetPayloadOp{PointId(1), {{"y", 0}}, "a[]"},
         {{"a", Json::array({{{"x", 1}, {"y", 0}}, {{"x", 2}, {"y", 0}}})}}},
        {"SetKeepsFacts",
         {{"_image", kFacts}},
         SetPayloadOp{PointId(1), {{"_image", 1}, {"a", 2}}, ""},
         {{"_image", kFacts}, {"a", 2}}},
        {"SetCannotReachFacts",
         {{"_image", kFacts}},
         SetPayloadOp{PointId(1), {{"width", 9}}, "_image"},
         {{"_image", kFacts}}},
        {"SetMakesNoFacts", {{"a", 1}}, SetPayloadOp{PointId(1), {{"_image", 1}}, ""}, {{"a", 1}}},
        {"DeleteKeys",
         {{"a", 1}, {"b", {{"x", 1}, {"y", 2}}}, {"c", 3}},
         DeletePayloadKeysOp{PointId(1), {"a", "b.x", "none.z"}},
         {{"b", {{"y", 2}}}, {"c", 3}}},
        {"DeleteKeysKeepsFacts",
         {{"a", 1}, {"_image", kFacts}},
         DeletePayloadKeysOp{PointId(1), {"_image", "_image.width", "a"}},
         {{"_image", kFacts}}},
        {"Clear", {{"a", 1}}, ClearPayloadOp{PointId(1)}, Json::object()},
        {"ClearKeepsFacts",
         {{"a", 1}, {"_image", kFacts}},
         ClearPayloadOp{PointId(1)},
         {{"_image", kFacts}}},
    }),
    [](const auto& test) { return test.param.name; });

TEST_F(OperationsTest, BadPayloadOperationsLeaveTheGroupAsItWas) {
  must_write({upsert(1, {{"a", 1}})});
  std::string deep = "a";
  for (int i = 0; i < 1000; ++i) deep += ".a";
  const std::vector<Operation> bad = {
      SetPayloadOp{PointId(1), {{"b", 1}}, "a..b"}, SetPayloadOp{PointId(1), {{"b", 1}}, deep},
      SetPayloadOp{PointId(1), Json::array(), ""}, DeletePayloadKeysOp{PointId(1), {"a", "["}},
      DeletePayloadKeysOp{PointId(1), {deep}}};
  for (const Operation& operation : bad) {
    std::vector<Operation> request = {upsert(2), operation};
    const auto added = writer_->add(request);
    ASSERT_FALSE(added);
    EXPECT_EQ(added.error().code, StatusCode::kInvalidArgument);
  }
  must_write({upsert(3)});
  EXPECT_EQ(payload_of(1), (Json{{"a", 1}}));
  EXPECT_EQ(slot_of(2), std::nullopt);
  EXPECT_EQ(slot_of(3), 1U);
}

TEST_F(OperationsTest, ARefusedRequestTakesItsVectorsWithIt) {
  const auto refused_with = [](Operation first) {
    return std::vector<Operation>{std::move(first), SetPayloadOp{PointId(1), {{"b", 1}}, "a..b"}};
  };
  std::vector<Operation> sound = {upsert(1, Json::object(), {1, 2})};
  auto changes = refused_with(UpdateVectorsOp{PointId(1), {{"", {3, 4}}}});
  auto adds = refused_with(upsert(2, Json::object(), {5, 6}));
  std::vector<Operation> last = {upsert(3, Json::object(), {7, 8})};
  ASSERT_TRUE(writer_->add(sound));
  ASSERT_FALSE(writer_->add(changes));
  ASSERT_FALSE(writer_->add(adds));
  ASSERT_TRUE(writer_->add(last));
  ASSERT_TRUE(writer_->commit(Sync::kNo));
  EXPECT_THAT(db_->vector(*now(), "", *slot_of(1)).value()->values, ElementsAre(1, 2));
  EXPECT_EQ(slot_of(2), std::nullopt);
  EXPECT_THAT(db_->vector(*now(), "", *slot_of(3)).value()->values, ElementsAre(7, 8));
}

// --- upserts under a condition -------------------------------------------------------------------

struct ConditionCase {
  std::string name;
  UpsertOp::Mode mode;
  std::optional<Version> expected_version;  // The point is of version 1, if it is there.
  bool is_there;
  bool is_done;
};
class ConditionalUpsert : public CollectionFixture,
                          public testing::WithParamInterface<ConditionCase> {};

TEST_P(ConditionalUpsert, IsDoneOrDoesNothing) {
  const ConditionCase& c = GetParam();
  must_write({upsert(c.is_there ? 1 : 2, {{"a", 1}})});
  UpsertOp op = upsert(1, {{"a", 2}}, {3, 4});
  op.mode = c.mode;
  op.expected_version = c.expected_version;
  const auto outcome = write({op}).value();
  EXPECT_EQ(outcome.num_updated, c.is_done && c.is_there ? 1U : 0U);
  EXPECT_EQ(outcome.num_inserted, c.is_done && !c.is_there ? 1U : 0U);
  EXPECT_EQ(effects_.empty(), !c.is_done);
  ASSERT_EQ(slot_of(1).has_value(), c.is_there || c.is_done);
  if (slot_of(1)) {
    EXPECT_EQ(payload_of(1), (Json{{"a", c.is_done ? 2 : 1}}));
  }
  EXPECT_EQ(now()->counters().next_slot, c.is_done && !c.is_there ? 2U : 1U);
}

using Mode = UpsertOp::Mode;
INSTANTIATE_TEST_SUITE_P(Cases, ConditionalUpsert,
                         testing::ValuesIn(std::vector<ConditionCase>{
                             {"InsertMissing", Mode::kInsertOnly, {}, false, true},
                             {"InsertPresent", Mode::kInsertOnly, {}, true, false},
                             {"UpdateMissing", Mode::kUpdateOnly, {}, false, false},
                             {"UpdatePresent", Mode::kUpdateOnly, {}, true, true},
                             {"VersionOfMissing", Mode::kUpsert, 1, false, false},
                             {"SameVersion", Mode::kUpsert, 1, true, true},
                             {"OtherVersion", Mode::kUpsert, 2, true, false},
                             {"UpdateSameVersion", Mode::kUpdateOnly, 1, true, true},
                             {"InsertSameVersion", Mode::kInsertOnly, 1, true, false},
                         }),
                         [](const auto& test) { return test.param.name; });

TEST_F(OperationsTest, TheVersionMovesWithinAGroup) {
  must_write({upsert(1)});
  std::vector<Operation> first = {SetPayloadOp{PointId(1), {{"a", 1}}, ""}};
  UpsertOp op = upsert(1, {{"a", 2}});
  op.expected_version = 1;
  std::vector<Operation> second = {op};
  ASSERT_TRUE(writer_->add(first));
  EXPECT_EQ(writer_->add(second)->num_updated, 0U);  // `first` made it version 2.
  ASSERT_TRUE(writer_->commit(Sync::kNo));
  EXPECT_EQ(payload_of(1), (Json{{"a", 1}}));
}

// --- vectors -------------------------------------------------------------------------------------

TEST_F(OperationsTest, VectorsAreReplacedByName) {
  UpsertOp point = upsert(1, {{"a", 1}});
  point.vectors.push_back({"caption", {7}});
  must_write({point});
  EXPECT_EQ(write({UpdateVectorsOp{PointId(1), {{"caption", {8}}}}})->num_updated, 1U);
  ASSERT_EQ(effects_.size(), 1U);
  EXPECT_EQ(effects_[0].kind, Kind::kPut);
  EXPECT_EQ(effects_[0].vector_name, "caption");
  EXPECT_EQ(effects_[0].version, 2U);
  EXPECT_THAT(effects_[0].values, ElementsAre(8));
  const auto record = db_->slot_record(*now(), 0).value();
  EXPECT_EQ(record->version, 2U);
  EXPECT_THAT(record->vectors, ElementsAre(testing::Pair("", 1), testing::Pair("caption", 2)));
  EXPECT_THAT(db_->vector(*now(), "caption", 0).value()->values, ElementsAre(8));
  EXPECT_THAT(db_->vector(*now(), "", 0).value()->values, ElementsAre(1, 2));
  EXPECT_EQ(payload_of(1), (Json{{"a", 1}}));
}

TEST_F(OperationsTest, VectorsAreDeletedByName) {
  UpsertOp point = upsert(1, {{"a", 1}});
  point.vectors.push_back({"caption", {7}});
  must_write({point});
  EXPECT_EQ(write({DeleteVectorsOp{PointId(1), {"caption", "none"}}})->num_updated, 1U);
  ASSERT_EQ(effects_.size(), 1U);
  EXPECT_EQ(effects_[0].kind, Kind::kRemove);
  EXPECT_EQ(effects_[0].vector_name, "caption");
  EXPECT_EQ(db_->vector(*now(), "caption", 0).value().has_value(), false);
  EXPECT_EQ(write({DeleteVectorsOp{PointId(1), {"caption"}}})->num_updated, 0U);
  EXPECT_EQ(db_->slot_record(*now(), 0).value()->version, 2U);
}

TEST_F(OperationsTest, MissingPointsArePassedOver) {
  const auto outcome =
      write({SetPayloadOp{PointId(9), {{"a", 1}}, ""}, DeletePayloadKeysOp{PointId(9), {"a"}},
             ClearPayloadOp{PointId(9)}, UpdateVectorsOp{PointId(9), {{"", {1}}}},
             DeleteVectorsOp{PointId(9), {""}}});
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(outcome->num_inserted + outcome->num_updated + outcome->num_deleted, 0U);
  EXPECT_THAT(effects_, IsEmpty());
}

// --- slots ---------------------------------------------------------------------------------------

TEST_F(OperationsTest, APointMovesToAFreeSlotWhole) {
  ASSERT_TRUE(writer_->put_payload_index("a", FieldType::kInteger));
  UpsertOp point = upsert(2, {{"a", 7}, {"_image", {{"content_hash", "sha256:1"}}}});
  point.vectors.push_back({"s", {0.5F, 2}, VectorKind::kSparse, {3, 9}});
  point.vectors.push_back({"m", {1, 2, 3, 4}, VectorKind::kMulti, {}, 2});
  point.thumbnail = "jpeg";
  must_write({upsert(1, {{"a", 1}}), point, upsert(3, {{"a", 3}}),
              PutSourceOp{{"file:///2", 0, 0, "", "", PointId(2), "", ""}}});
  must_write({DeletePointOp{PointId(1)}});
  const Version version = db_->slot_record(*now(), 1).value()->version;

  const auto moved = write({MovePointOp{PointId(3), 2, 0}}).value();
  EXPECT_EQ(moved.num_inserted + moved.num_updated + moved.num_deleted, 0U);
  EXPECT_EQ(slot_of(3), 0U);
  must_write({DeletePointOp{PointId(3)}});
  const auto outcome = write({MovePointOp{PointId(2), 1, 0}}).value();
  EXPECT_EQ(slot_of(2), 0U);
  EXPECT_EQ(payload_of(2), point.payload);
  EXPECT_EQ(db_->thumbnail(*now(), 0).value(), "jpeg");
  EXPECT_EQ(db_->find_content(*now(), "sha256:1").value(), 0U);
  const auto record = db_->slot_record(*now(), 0).value();
  EXPECT_EQ(record->version, version);  // conditions on it hold as before
  EXPECT_EQ(record->source_uri, "file:///2");
  EXPECT_THAT(record->vectors,
              ElementsAre(testing::Pair("", outcome.commit), testing::Pair("m", outcome.commit),
                          testing::Pair("s", outcome.commit)));
  for (const VectorValue& vector : point.vectors) {
    const auto row = db_->vector(*now(), vector.name, 0).value();
    ASSERT_TRUE(row) << vector.name;
    EXPECT_EQ(row->version, outcome.commit);
    EXPECT_EQ(row->kind, vector.kind);
    EXPECT_EQ(row->values, vector.values);
    EXPECT_EQ(row->indices, vector.indices);
    EXPECT_EQ(row->num_rows, vector.num_rows);
    EXPECT_FALSE(db_->vector(*now(), vector.name, 1).value()) << vector.name;
  }
  EXPECT_EQ(db_->slot_record(*now(), 1).value(), std::nullopt);
  EXPECT_EQ(db_->payload(*now(), 1).value(), Json::object());
  EXPECT_EQ(db_->thumbnail(*now(), 1).value(), std::nullopt);
  expect_indexes_in_step();
  EXPECT_EQ(effects_.back().kind, Kind::kGone);
  EXPECT_EQ(effects_.back().slot, 1U);

  EXPECT_EQ(now()->counters().renumberings, 2U);
  ASSERT_TRUE(writer_->trim_slots(1));
  EXPECT_EQ(now()->counters().renumberings, 3U);
  EXPECT_EQ(now()->counters().next_slot, 1U);
  reopen();
  EXPECT_EQ(now()->counters().renumberings, 3U);
  EXPECT_THAT(db_->verify(*now()).value(), IsEmpty());
  must_write({upsert(4)});
  EXPECT_EQ(slot_of(4), 1U);
  EXPECT_THAT(db_->verify(*now()).value(), IsEmpty());
}

TEST_F(OperationsTest, ATakenSlotStaysWhoseItIs) {
  must_write({upsert(1), upsert(2), upsert(3)});
  must_write({DeletePointOp{PointId(1)}});
  for (const Slot to : {1U, 9U}) {  // another point's; never given out
    const auto refused = write({MovePointOp{PointId(3), 2, to}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, StatusCode::kCorruption);
    EXPECT_THAT(refused.error().message, HasSubstr("slot " + std::to_string(to)));
  }
  const auto trimmed = writer_->trim_slots(2);
  ASSERT_FALSE(trimmed);
  EXPECT_EQ(trimmed.error().code, StatusCode::kCorruption);
  EXPECT_EQ(slot_of(2), 1U);
  EXPECT_EQ(slot_of(3), 2U);
  EXPECT_EQ(now()->counters().next_slot, 3U);
  EXPECT_THAT(db_->verify(*now()).value(), IsEmpty());
}

TEST_F(OperationsTest, APointThatIsElsewhereByNowStaysThere) {
  must_write({upsert(1), upsert(2)});
  must_write({DeletePointOp{PointId(1)}, DeletePointOp{PointId(2)}});
  must_write({upsert(2)});
  EXPECT_EQ(slot_of(2), 2U);
  must_write({MovePointOp{PointId(2), 1, 0}, MovePointOp{PointId(1), 0, 1}});
  EXPECT_EQ(slot_of(2), 2U);
  EXPECT_EQ(slot_of(1), std::nullopt);
  EXPECT_THAT(effects_, IsEmpty());
}

// --- what the indexes are told -------------------------------------------------------------------

std::vector<std::pair<Kind, Slot>> kinds(const std::vector<RowEffect>& effects) {
  std::vector<std::pair<Kind, Slot>> result;
  for (const RowEffect& effect : effects) result.emplace_back(effect.kind, effect.slot);
  return result;
}

TEST_F(OperationsTest, EffectsComeInOrder) {
  using testing::Pair;
  UpsertOp bare = upsert(2);
  bare.vectors.clear();
  must_write({upsert(1, {{"a", 1}}), bare});
  EXPECT_THAT(kinds(effects_),
              ElementsAre(Pair(Kind::kPut, 0), Pair(Kind::kPayload, 0), Pair(Kind::kPayload, 1)));
  EXPECT_EQ(effects_[2].id, PointId(2));
  for (const RowEffect& effect : effects_) EXPECT_TRUE(effect.payload.is_null());

  must_write({DeletePointOp{PointId(1)}, upsert(1)});
  EXPECT_THAT(kinds(effects_), ElementsAre(Pair(Kind::kRemove, 0), Pair(Kind::kGone, 0),
                                           Pair(Kind::kPut, 2), Pair(Kind::kPayload, 2)));

  ASSERT_TRUE(writer_->put_payload_index("a", FieldType::kInteger));
  UpsertOp empty = upsert(1, {{"a", 5}});
  empty.vectors.clear();
  must_write({empty});
  EXPECT_THAT(kinds(effects_), ElementsAre(Pair(Kind::kRemove, 2), Pair(Kind::kPayload, 2)));
  EXPECT_EQ(effects_[1].payload, (Json{{"a", 5}}));
  must_write({PutSourceOp{{"u", 0, 0, "", "", PointId(1), "", ""}}});
  EXPECT_THAT(effects_, IsEmpty());
  must_write({DeleteSourceOp{"u"}});
  EXPECT_THAT(kinds(effects_), ElementsAre(Pair(Kind::kGone, 2)));
}

}  // namespace
}  // namespace sightline::storage
