#include <gmock/gmock.h>

#include "tests/pipeline/local_store_fixture.h"

namespace sightline::pipeline {
namespace {

using testing::ElementsAre;

class LocalStoreSources : public LocalStoreTest {
 protected:
  std::vector<std::string> uris(std::string_view prefix = "") {
    std::vector<std::string> found;
    const auto visited = store_->visit_sources(prefix, [&](const SourceRecord& record) {
      found.push_back(record.uri);
      return true;
    });
    EXPECT_TRUE(visited) << visited.error().message;
    EXPECT_TRUE(!prefix.empty() || store_->info()->num_sources == found.size());
    return found;
  }
};

TEST_F(LocalStoreSources, EveryFieldComesBack) {
  SourceRecord record = source("file:///a b/\xC3\xA9");
  record.size = 1ULL << 60;
  write({PutSource{record}});
  reopen();
  const auto found = store_->find_source(record.uri).value();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->uri, record.uri);
  EXPECT_EQ(found->size, record.size);
  EXPECT_EQ(found->mtime_ns, record.mtime_ns);
  EXPECT_EQ(found->content_hash, record.content_hash);
  EXPECT_EQ(found->payload_hash, record.payload_hash);
  EXPECT_EQ(found->id, std::nullopt);
  EXPECT_EQ(found->skip_reason, "corrupt");
  EXPECT_EQ(found->skip_message, "it is corrupt");
  EXPECT_EQ(store_->find_source("file:///").value().has_value(), false);
}

TEST_F(LocalStoreSources, AreVisitedByPrefixInOrderUntilToldToStop) {
  write({PutSource{source("file:///b/1")}, PutSource{source("file:///a/2")},
         PutSource{source("file:///a/1")}, PutSource{source("file:///a")}});
  EXPECT_THAT(uris(), ElementsAre("file:///a", "file:///a/1", "file:///a/2", "file:///b/1"));
  EXPECT_THAT(uris("file:///a/"), ElementsAre("file:///a/1", "file:///a/2"));
  std::size_t num_visits = 0;
  ASSERT_TRUE(store_->visit_sources("", [&](const SourceRecord&) { return ++num_visits < 2; }));
  EXPECT_EQ(num_visits, 2U);
}

TEST_F(LocalStoreSources, AVisitSeesOneSnapshotAndMayWrite) {
  write({PutSource{source("file:///a")}, PutSource{source("file:///b")}});
  std::vector<std::string> found;
  ASSERT_TRUE(store_->visit_sources("", [&](const SourceRecord& record) {
    found.push_back(record.uri);
    write({DeleteSource{"file:///b"}, PutSource{source("file:///c")}});
    EXPECT_FALSE(store_->find_source("file:///b")->has_value());
    return true;
  }));
  EXPECT_THAT(found, ElementsAre("file:///a", "file:///b"));
  EXPECT_THAT(uris(), ElementsAre("file:///a", "file:///c"));
}

TEST_F(LocalStoreSources, DeletingAPointDeletesItsSourceAndTheOtherWayRound) {
  write({point(1, {1, 0}), PutSource{source("file:///1", PointId(1))}, point(2, {0, 1}),
         PutSource{source("file:///2", PointId(2))}});
  write({DeletePoint{PointId(1)}});
  EXPECT_THAT(uris(), ElementsAre("file:///2"));
  EXPECT_EQ(write({DeleteSource{"file:///2"}, DeleteSource{"file:///none"}}).num_deleted, 1U);
  EXPECT_THAT(uris(), ElementsAre());
  EXPECT_EQ(store_->count().value(), 0U);
  write({PutSource{source("file:///skipped")}});
  EXPECT_EQ(write({DeleteSource{"file:///skipped"}}).num_deleted, 0U);
  EXPECT_THAT(uris(), ElementsAre());
}

TEST_F(LocalStoreSources, APointAndItsSourceComeInEitherOrder) {
  const auto check = [&](const std::string& what) {
    EXPECT_THAT(uris(), ElementsAre("file:///1")) << what;
    EXPECT_EQ(store_->find_source("file:///1").value()->id, PointId(1)) << what;
  };
  const UpsertPoint upsert = point(1, {1, 0});
  const PutSource put{source("file:///1", PointId(1))};
  write({put, upsert});
  check("new, source first");
  write({put, upsert});
  check("again, source first");
  write({upsert, put});
  check("again, point first");
  write({DeletePoint{PointId(1)}, put, upsert});
  check("deleted before");
  write({DeletePoint{PointId(1)}});
  EXPECT_THAT(uris(), ElementsAre());
}

TEST_F(LocalStoreSources, AnUpsertWithoutItsSourceDropsTheSource) {
  write({point(1, {1, 0}), PutSource{source("file:///1", PointId(1))}});
  write({OverwritePayload{PointId(1), Json::object()}});
  EXPECT_THAT(uris(), ElementsAre("file:///1"));
  write({point(1, {0, 1})});
  EXPECT_THAT(uris(), ElementsAre());
  EXPECT_EQ(store_->count().value(), 1U);
}

TEST_F(LocalStoreSources, APointHasOneSource) {
  write({point(1, {1, 0}), PutSource{source("file:///old", PointId(1))}});
  write({PutSource{source("file:///new", PointId(1))}});
  EXPECT_THAT(uris(), ElementsAre("file:///new"));
  write({point(2, {0, 1}), PutSource{source("file:///x", PointId(2))},
         PutSource{source("file:///y", PointId(2))}});
  EXPECT_THAT(uris(), ElementsAre("file:///new", "file:///y"));
  write({PutSource{source("file:///z1", PointId(3))}, PutSource{source("file:///z2", PointId(3))},
         point(3, {1, 1})});
  EXPECT_THAT(uris(), ElementsAre("file:///new", "file:///y", "file:///z2"));
}

TEST_F(LocalStoreSources, ASourceThatTurnsIntoASkippedOneLetsItsPointGo) {
  write({point(1, {1, 0}), PutSource{source("file:///1", PointId(1))}});
  write({DeletePoint{PointId(1)}, PutSource{source("file:///1")}});
  EXPECT_THAT(uris(), ElementsAre("file:///1"));
  EXPECT_EQ(store_->count().value(), 0U);

  write({point(2, {1, 0}), PutSource{source("file:///2", PointId(2))}});
  write({PutSource{source("file:///2")}, DeletePoint{PointId(2)}});
  EXPECT_THAT(uris(), ElementsAre("file:///1", "file:///2"));
  EXPECT_EQ(store_->count().value(), 0U);
}

TEST_F(LocalStoreSources, ASourceMovesToAnotherPoint) {
  write({point(1, {1, 0}), PutSource{source("file:///a", PointId(1))}, point(2, {0, 1})});
  write({PutSource{source("file:///a", PointId(2))}});
  EXPECT_EQ(store_->find_source("file:///a").value()->id, PointId(2));
  write({DeletePoint{PointId(1)}});
  EXPECT_THAT(uris(), ElementsAre("file:///a"));
  write({DeletePoint{PointId(2)}});
  EXPECT_THAT(uris(), ElementsAre());
}

}  // namespace
}  // namespace sightline::pipeline
