// Bit flips and cuts in every kind of file, and records that do not fit together: named by
// verify(), the rest stays readable, repair() keeps what is whole and lists the points that are
// lost.
#include <fstream>
#include <random>
#include <set>

#include "storage/internal/collection_families.h"
#include "storage/internal/index_keys.h"
#include "storage/internal/manifest.h"
#include "tests/storage/collection_fixture.h"

namespace sightline::storage {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

namespace fs = std::filesystem;

constexpr std::uint64_t kNumPoints = 300;

std::string random_text(std::mt19937& random, std::size_t length) {
  std::string text;
  while (text.size() < length) text.push_back(static_cast<char>('a' + random() % 26));
  return text;
}

class StorageDamage : public CollectionFixture {
 protected:
  /// Points 0..299 with vector, payload, thumbnail and source, in tables; three more commits of 20
  /// of them in the log.
  void SetUp() override {
    CollectionFixture::SetUp();
    ASSERT_TRUE(writer_->put_payload_index("city", FieldType::kKeyword));
    ASSERT_TRUE(writer_->put_payload_index("n", FieldType::kInteger));
    put(0, kNumPoints);
    must_write({PutSourceOp{{"file:///skipped", 1, 0, "", "", {}, "corrupt", "no picture"}}});
    reopen();  // The log becomes tables.
    for (std::uint64_t first = 0; first < 60; first += 20) put(first, first + 20);
    before_ = points();
    ASSERT_EQ(before_.size(), kNumPoints);
    close();
    fs::copy(folder(), dir_ / "sound");
  }

  void put(std::uint64_t first, std::uint64_t end) {
    std::vector<Operation> ops;
    for (std::uint64_t id = first; id < end; ++id) {
      std::vector<float> values(64);
      for (float& value : values) value = static_cast<float>(random_() % 1000);
      UpsertOp op = upsert(id,
                           {{"city", random_text(random_, 8)},
                            {"n", random_() % 50},
                            {"text", random_text(random_, 300)}},
                           values);
      op.thumbnail = random_text(random_, 200);
      ops.emplace_back(std::move(op));
      ops.emplace_back(
          PutSourceOp{{uri(id), id, 0, random_text(random_, 40), "", PointId(id), "", ""}});
    }
    must_write(std::move(ops));
    ASSERT_TRUE(writer_->sync_log());
  }
  static std::string uri(std::uint64_t id) { return "file:///" + std::to_string(id); }

  /// Point -> all that is stored of it, or what reading it says.
  std::map<PointId, std::string> points() const {
    std::map<PointId, std::string> found;
    for (std::uint64_t id = 0; id < kNumPoints; ++id) {
      auto text = read_point(PointId(id));
      if (!text || !text->empty()) found[PointId(id)] = text ? *text : "! " + text.error().message;
    }
    return found;
  }
  Result<std::string> read_point(const PointId& id) const {
    const auto at = now();
    SIGHTLINE_TRY(const auto slot, db_->find_slot(*at, id));
    if (!slot) return std::string();
    SIGHTLINE_TRY(const auto record, db_->slot_record(*at, *slot));
    SIGHTLINE_TRY(const Json payload, db_->payload(*at, *slot));
    SIGHTLINE_TRY(const auto row, db_->vector(*at, "", *slot));
    SIGHTLINE_TRY(const auto thumbnail, db_->thumbnail(*at, *slot));
    SIGHTLINE_TRY(const auto source, db_->source(*at, uri(id.number())));
    if (!record || !row || !thumbnail || !source) return corruption("something is missing");
    return Json{*slot,       record->version, record->source_uri,  payload,
                row->values, *thumbnail,      source->content_hash}
        .dump();
  }

  /// Names of the tables of a family.
  std::vector<std::string> tables(const std::string& family) const {
    auto database =
        RocksDatabase::open(dir_ / "sound", OpenMode::kRead, collection_families(), budget_)
            .value();
    std::vector<rocksdb::LiveFileMetaData> files;
    database->db().GetLiveFilesMetaData(&files);
    std::vector<std::string> names;
    for (const auto& file : files)
      if (file.column_family_name == family) names.push_back(file.relative_filename);
    return names;
  }
  /// The one file whose name starts and ends so.
  std::string file(std::string_view start, std::string_view end = "") const {
    std::string found;
    for (const auto& entry : fs::directory_iterator(folder())) {
      const std::string name = entry.path().filename();
      if (name.starts_with(start) && name.ends_with(end) && name > found) found = name;
    }
    EXPECT_FALSE(found.empty());
    return found;
  }
  std::uintmax_t size(const std::string& name) const { return fs::file_size(folder() / name); }
  void flip(const std::string& name, std::uintmax_t at) const {
    std::fstream bytes(folder() / name, std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekg(static_cast<std::streamoff>(at));
    const char byte = static_cast<char>(bytes.get() ^ 0x04);
    bytes.seekp(static_cast<std::streamoff>(at));
    bytes.put(byte);
    ASSERT_TRUE(bytes.flush());
  }
  void cut(const std::string& name, std::uintmax_t to) const {
    fs::resize_file(folder() / name, to);
  }
  void restore() {
    close();
    for (const char* name : {"db", "db.damaged", "db.damaged.2"}) fs::remove_all(dir_ / name);
    fs::copy(dir_ / "sound", folder());
  }

  Status open_error(OpenMode mode) const {
    const auto opened = CollectionDb::open(folder(), mode, budget_);
    EXPECT_FALSE(opened);
    return opened ? Status{} : opened.error();
  }
  void open_reader() {
    close();
    // What an earlier copy of the file left there must not answer.
    budget_ = budget_on(files_);
    auto opened = CollectionDb::open(folder(), OpenMode::kRead, budget_);
    ASSERT_TRUE(opened) << opened.error().message;
    db_ = *std::move(opened);
  }
  std::vector<std::string> verify() const { return db_->verify(*now()).value(); }

  std::vector<std::string> repair() {
    close();
    budget_ = budget_on(files_);
    const auto lost = CollectionDb::repair(folder(), budget_);
    EXPECT_TRUE(lost) << lost.error().message;
    return lost ? *lost : std::vector<std::string>();
  }
  /// The repaired collection holds what it held, but for the points that `lost` names.
  void expect_all_but(const std::vector<std::string>& lost) {
    std::map<PointId, std::string> wanted = before_;
    for (const std::string& line : lost) {
      if (!line.starts_with("point ")) break;  // Points first.
      EXPECT_THAT(line, testing::EndsWith(": lost"));
      EXPECT_EQ(wanted.erase(PointId::parse(line.substr(6, line.find(':') - 6)).value()), 1U);
    }
    open();
    EXPECT_THAT(verify(), IsEmpty());
    EXPECT_EQ(points(), wanted);
    expect_indexes_in_step();
    EXPECT_EQ(now()->counters().num_points, wanted.size());
    EXPECT_EQ(now()->counters().next_slot, kNumPoints);
    put(0, 3);  // It takes writes again.
    EXPECT_THAT(verify(), IsEmpty());
  }

  std::mt19937 random_{7};
  std::map<PointId, std::string> before_;
};

TEST_F(StorageDamage, ASoundCollectionIsSoundAndLeftAlone) {
  open_reader();
  EXPECT_THAT(verify(), IsEmpty());
  EXPECT_THAT(repair(), IsEmpty());
  EXPECT_FALSE(fs::exists(dir_ / "db.damaged"));
  expect_all_but({});
  EXPECT_THAT(db_->payload_indexes(*now()).value().size(), 2U);
}

TEST_F(StorageDamage, TheManifestIsReadAsRocksDbReadsIt) {
  auto database =
      RocksDatabase::open(folder(), OpenMode::kWrite, collection_families(), budget_).value();
  rocksdb::CompactRangeOptions all;
  for (const Family family : {kVectors, kPayload})
    ASSERT_TRUE(database->db().CompactRange(all, database->family(family), nullptr, nullptr).ok());
  std::vector<rocksdb::LiveFileMetaData> files;
  database->db().GetLiveFilesMetaData(&files);
  std::map<std::string, ListedTable> wanted;
  for (const auto& table : files) {
    wanted[table.relative_filename] = {table.size, table.column_family_name, table.smallestkey,
                                       table.largestkey};
  }
  EXPECT_EQ(listed_tables(folder()).value(), wanted);
  EXPECT_THAT(damaged_tables(folder()), IsEmpty());
}

// --- tables --------------------------------------------------------------------------------------

struct TableCase {
  std::string family;
  bool loses_points;  ///< A damaged block takes points with it.
};
class DamagedTable : public StorageDamage, public testing::WithParamInterface<TableCase> {};

TEST_P(DamagedTable, AFlippedBitIsNamedAndTheRestIsReadAndRepaired) {
  for (const std::string& table : tables(GetParam().family)) {
    restore();
    flip(table, size(table) * 6 / 10);
    open_reader();
    EXPECT_THAT(verify(), Contains(AllOf(HasSubstr(table), HasSubstr(GetParam().family))));
    std::set<PointId> unreadable;
    for (const auto& [id, text] : points()) {
      if (text.starts_with("! ")) {
        unreadable.insert(id);
        EXPECT_THAT(text, HasSubstr(table));
      } else {
        EXPECT_EQ(text, before_[id]);
      }
    }
    EXPECT_LT(unreadable.size(), kNumPoints);
    const auto lost = repair();
    if (GetParam().loses_points) {
      EXPECT_FALSE(unreadable.empty());
      EXPECT_EQ(std::count_if(lost.begin(), lost.end(),
                              [](const auto& line) { return line.starts_with("point "); }),
                static_cast<std::ptrdiff_t>(unreadable.size()));
      expect_all_but(lost);
    } else {
      open();
      EXPECT_THAT(verify(), IsEmpty());
      EXPECT_EQ(now()->counters().num_points, kNumPoints);
    }
    EXPECT_TRUE(fs::exists(dir_ / "db.damaged" / table));
  }
}

TEST_P(DamagedTable, ACutIsNamedAndTheRestIsReadAndRepaired) {
  const std::string table = tables(GetParam().family).front();
  const std::uintmax_t end = size(table);
  for (const std::uintmax_t to : {end / 2, end - 1, std::uintmax_t{0}}) {
    restore();
    cut(table, to);
    EXPECT_EQ(open_error(OpenMode::kWrite).code, StatusCode::kCorruption);
    EXPECT_THAT(open_error(OpenMode::kWrite).message, HasSubstr(table));
    open_reader();
    EXPECT_THAT(verify(), Contains(AllOf(HasSubstr(table), HasSubstr(GetParam().family))));
    // Points 0..59 were written again since, and are in other tables.
    std::size_t num_readable = 0;
    for (const auto& [id, text] : points()) num_readable += text == before_[id] ? 1 : 0;
    EXPECT_GE(num_readable, GetParam().family == "ids" ? 0U : 60U);
    const auto lost = repair();
    if (GetParam().loses_points) {
      expect_all_but(lost);
    } else {
      open();
      EXPECT_THAT(verify(), IsEmpty());
      EXPECT_EQ(now()->counters().num_points, kNumPoints);
    }
  }
}

TEST_P(DamagedTable, AMissingOneIsNamedAndTheRestIsRepaired) {
  for (const std::string& table : tables(GetParam().family)) {
    restore();
    fs::remove(folder() / table);
    const auto lost = repair();
    EXPECT_THAT(lost, Contains(HasSubstr(table + " is missing")));
    if (GetParam().loses_points) {
      EXPECT_THAT(lost.front(), testing::StartsWith("point "));
      expect_all_but(lost);
    } else {
      open();
      EXPECT_THAT(verify(), IsEmpty());
      EXPECT_EQ(now()->counters().num_points, kNumPoints);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Families, DamagedTable,
                         testing::ValuesIn(std::vector<TableCase>{{"vectors", true},
                                                                  {"payload", true},
                                                                  {"slots", true},
                                                                  {"ids", false},
                                                                  {"payload_index", false},
                                                                  {"sources", false},
                                                                  {"blobs", false}}),
                         [](const auto& test) { return test.param.family; });

TEST_F(StorageDamage, AConfigurationThatIsLostCannotBeRepaired) {
  for (const std::string& table : tables("meta")) flip(table, 10);
  const auto lost = CollectionDb::repair(folder(), budget_on(files_));
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, StatusCode::kCorruption);
  EXPECT_FALSE(fs::exists(dir_ / "db.damaged"));
  EXPECT_FALSE(fs::exists(dir_ / "db.repair"));
  EXPECT_FALSE(fs::exists(dir_ / "db.copy"));
}

// --- logs, MANIFEST, CURRENT, OPTIONS ------------------------------------------------------------

TEST_F(StorageDamage, AFlippedBitWithinALogIsNamedAndRepaired) {
  const std::string log = file("", ".log");
  ASSERT_GT(size(log), 30000U);
  const std::uintmax_t end = size(log);
  for (const std::uintmax_t at : {std::uintmax_t{0}, std::uintmax_t{5}, end / 4, end / 2}) {
    SCOPED_TRACE(at);
    restore();
    flip(log, at);
    for (const OpenMode mode : {OpenMode::kWrite, OpenMode::kRead}) {
      EXPECT_EQ(open_error(mode).code, StatusCode::kCorruption);
      EXPECT_THAT(open_error(mode).message, AllOf(HasSubstr(log), HasSubstr("damaged at byte")));
    }
    EXPECT_THAT(repair(), Contains(HasSubstr(log)));
    open();
    EXPECT_THAT(verify(), IsEmpty());
    EXPECT_EQ(now()->counters().num_points, kNumPoints);
    // RocksDB passes over the rest of a block: one or two commits of 20 points are lost, each
    // whole.
    const auto after = points();
    std::size_t num_lost = 0;
    for (std::uint64_t first = 0; first < 60; first += 20) {
      std::size_t num_same = 0;
      for (std::uint64_t id = first; id < first + 20; ++id)
        num_same += after.at(PointId(id)) == before_[PointId(id)] ? 1 : 0;
      EXPECT_TRUE(num_same == 0 || num_same == 20) << first;
      num_lost += num_same == 0 ? 1 : 0;
    }
    EXPECT_GE(num_lost, 1U);
    EXPECT_LE(num_lost, 2U);
  }
}

TEST_F(StorageDamage, ADamagedLastRecordOfTheLogIsAsIfItWasNeverWritten) {
  const std::string log = file("", ".log");
  for (const bool is_cut : {false, true}) {
    restore();
    if (is_cut) {
      cut(log, size(log) - 1);
    } else {
      flip(log, size(log) - 1);
    }
    open();
    EXPECT_THAT(verify(), IsEmpty());
    EXPECT_EQ(now()->counters().commit, 6U);
    std::size_t num_same = 0;
    for (const auto& [id, text] : points()) num_same += text == before_[id] ? 1 : 0;
    EXPECT_EQ(num_same, kNumPoints - 20);
  }
}

TEST_F(StorageDamage, AnOlderLogThatIsDamagedIsNamed) {
  {
    auto database =
        RocksDatabase::open(folder(), OpenMode::kWrite, collection_families(), budget_).value();
    rocksdb::DB& db = database->db();
    const auto put = [&](Family family, const std::string& key) {
      rocksdb::WriteOptions options;
      options.sync = true;
      ASSERT_TRUE(db.Put(options, database->family(family), key, std::string(5000, 'x')).ok());
    };
    put(kMeta, "test:1");
    put(kBlobs, "test:2");
    // A family in a table begins a new log; the rest stays in the old one.
    ASSERT_TRUE(db.Flush(rocksdb::FlushOptions(), database->family(kMeta)).ok());
    put(kBlobs, "test:3");
  }
  std::string older = file("", ".log");
  for (const auto& entry : fs::directory_iterator(folder())) {
    const std::string name = entry.path().filename();
    if (name.ends_with(".log")) older = std::min(older, name);
  }
  ASSERT_NE(older, file("", ".log"));
  fs::remove_all(dir_ / "sound");
  fs::copy(folder(), dir_ / "sound");
  const std::uintmax_t end = size(older);
  for (const std::uintmax_t to : {end - 1, end / 2, std::uintmax_t{0}}) {
    restore();
    cut(older, to);
    EXPECT_EQ(open_error(OpenMode::kWrite).code, StatusCode::kCorruption);
    EXPECT_THAT(open_error(OpenMode::kWrite).message, HasSubstr(std::to_string(std::stoi(older))));
  }
  restore();
  flip(older, end - 1);
  for (const OpenMode mode : {OpenMode::kWrite, OpenMode::kRead}) {
    EXPECT_EQ(open_error(mode).code, StatusCode::kCorruption);
    EXPECT_THAT(open_error(mode).message, AllOf(HasSubstr(older), HasSubstr("damaged at byte")));
  }
}

TEST_F(StorageDamage, ADamagedManifestIsNamedAndMadeAnew) {
  const std::string manifest = file("MANIFEST-");
  const std::uintmax_t end = size(manifest);
  for (std::uintmax_t at = 0; at < end; at += end / 7) {
    SCOPED_TRACE(at);
    restore();
    flip(manifest, at);
    EXPECT_EQ(open_error(OpenMode::kWrite).code, StatusCode::kCorruption);
    EXPECT_THAT(open_error(OpenMode::kWrite).message, HasSubstr("MANIFEST"));
    EXPECT_THAT(repair(), AllOf(Contains(HasSubstr("MANIFEST")),
                                Contains(HasSubstr("may be back as it was"))));
    expect_all_but({});
  }
}

TEST_F(StorageDamage, AManifestThatWasCutIsNamedAndMadeAnew) {
  const std::string manifest = file("MANIFEST-");
  const std::uintmax_t end = size(manifest);
  for (std::uintmax_t to = 0; to < end; to += 1 + end / 11) {
    SCOPED_TRACE(to);
    restore();
    cut(manifest, to);
    for (const OpenMode mode : {OpenMode::kWrite, OpenMode::kRead}) {
      EXPECT_EQ(open_error(mode).code, StatusCode::kCorruption);
      EXPECT_THAT(open_error(mode).message, HasSubstr(manifest));
    }
    EXPECT_THAT(repair(), Contains(HasSubstr(manifest)));
    expect_all_but({});
  }
}

TEST_F(StorageDamage, APointThatIsBackThoughItWasDeletedIsSpokenOf) {
  const PointId id(100);
  const std::string slot = encode_slot(100);
  const std::vector<std::pair<Family, std::string>> keys = {
      {kIds, id.encode()}, {kSlots, slot}, {kVectors, vector_key("", 100)}, {kPayload, slot}};
  const auto raw = [&] {
    return RocksDatabase::open(folder(), OpenMode::kWrite, collection_families(), budget_).value();
  };
  std::vector<std::string> values;
  for (const auto& [family, key] : keys) values.push_back(raw()->get(family, key).value().value());
  open();
  must_write({DeletePointOp{id}});
  close();
  {
    const auto database = raw();
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const auto& [family, key] = keys[i];
      ASSERT_TRUE(database->db().Put({}, database->family(family), key, values[i]).ok());
    }
  }
  EXPECT_THAT(repair(), Contains(HasSubstr("points that were deleted may be back")));
  open();
  EXPECT_EQ(now()->counters().num_points, kNumPoints);
  EXPECT_THAT(verify(), IsEmpty());
}

TEST_F(StorageDamage, ADamagedCurrentIsNamedAndMadeAnew) {
  for (const std::string text : {"", "MANIFEST-0", "MANIFEST-000999\n", "\xFF\xFF\n"}) {
    restore();
    std::ofstream(folder() / "CURRENT") << text;
    EXPECT_THAT(open_error(OpenMode::kWrite).code,
                testing::AnyOf(StatusCode::kCorruption, StatusCode::kIoError));
    repair();
    expect_all_but({});
  }
}

TEST_F(StorageDamage, ALostManifestOrCurrentIsNamedAndMadeAnew) {
  struct Loss {
    std::vector<std::string> names;
    std::string named;
  };
  const std::string manifest = file("MANIFEST-");
  for (const Loss& loss : {Loss{{manifest}, manifest}, Loss{{"CURRENT"}, "CURRENT"},
                           Loss{{manifest, "CURRENT"}, "CURRENT"},
                           Loss{{manifest, "CURRENT", "manifest-size"}, "CURRENT"}}) {
    SCOPED_TRACE(loss.names.size());
    SCOPED_TRACE(loss.names[0]);
    restore();
    for (const std::string& name : loss.names) fs::remove(folder() / name);
    for (const OpenMode mode : {OpenMode::kWrite, OpenMode::kRead}) {
      EXPECT_EQ(open_error(mode).code, StatusCode::kCorruption) << open_error(mode).message;
      EXPECT_THAT(open_error(mode).message, HasSubstr((folder() / loss.named).string()));
    }
    EXPECT_THAT(repair(), Contains(HasSubstr(loss.named)));
    expect_all_but({});
  }
}

// The list is made anew of the tables that are there, and one of them is damaged as well.
TEST_F(StorageDamage, ALostManifestBesideADamagedTableLosesWhatTheTableLost) {
  const std::string manifest = file("MANIFEST-");
  for (const std::string family :
       {"ids", "slots", "vectors", "payload", "payload_index", "sources", "blobs"}) {
    for (const bool with_current : {false, true}) {
      SCOPED_TRACE(family + (with_current ? ", CURRENT lost" : ""));
      restore();
      for (const std::string& name : tables(family)) {
        const std::string table = fs::path(name).filename();
        flip(table, size(table) / 3);
      }
      fs::remove(folder() / manifest);
      if (with_current) {
        fs::remove(folder() / "CURRENT");
        fs::remove(folder() / "manifest-size");
      }
      const auto lost = repair();
      EXPECT_THAT(lost, Contains(HasSubstr("may be back as it was")));
      EXPECT_THAT(lost, Contains(HasSubstr("table of `" + family + "` cannot be read")));
      if (family == "sources" || family == "blobs") {  // The points stay.
        const std::string of = family == "sources" ? ": source file:///" : ": a thumbnail";
        EXPECT_THAT(lost, Contains(HasSubstr(of)));
        EXPECT_THAT(lost, Not(Contains(testing::StartsWith("point "))));
        open();
        EXPECT_EQ(now()->counters().num_points, kNumPoints);
        EXPECT_THAT(verify(), IsEmpty());
        continue;
      }
      const auto num_lost = std::count_if(lost.begin(), lost.end(), [](const std::string& line) {
        return line.starts_with("point ");
      });
      EXPECT_LT(num_lost, 100) << "one block of several is damaged";
      EXPECT_EQ(num_lost > 0, family == "slots" || family == "vectors" || family == "payload");
      expect_all_but(lost);
    }
  }
}

TEST_F(StorageDamage, OptionsAndIdentityDoNotMatter) {
  for (const std::string& name :
       {file("OPTIONS-"), std::string("IDENTITY"), std::string("manifest-size")}) {
    for (const bool is_cut : {false, true}) {
      restore();
      if (is_cut) {
        cut(name, 1);
      } else {
        flip(name, size(name) / 2);
      }
      expect_all_but({});
    }
  }
}

// --- records that do not fit together ------------------------------------------------------------

struct Edit {
  Family family;
  std::string key;
  std::optional<std::string> value;  ///< Absent: the key is deleted.
};
struct MisfitCase {
  std::string name;
  std::vector<Edit> edits;
  std::string told;
  bool loses_point_200 = false;
};
class Misfit : public StorageDamage, public testing::WithParamInterface<MisfitCase> {};

TEST_P(Misfit, IsToldAndRepaired) {
  {
    auto database =
        RocksDatabase::open(folder(), OpenMode::kWrite, collection_families(), budget_).value();
    for (const Edit& edit : GetParam().edits) {
      auto* family = database->family(edit.family);
      ASSERT_TRUE((edit.value ? database->db().Put({}, family, edit.key, *edit.value)
                              : database->db().Delete({}, family, edit.key))
                      .ok());
    }
  }
  open_reader();
  EXPECT_THAT(verify(), Contains(HasSubstr(GetParam().told)));
  const auto lost = repair();
  open();
  EXPECT_THAT(verify(), IsEmpty());
  expect_indexes_in_step();
  EXPECT_EQ(slot_of(200).has_value(), !GetParam().loses_point_200);
  EXPECT_EQ(now()->counters().num_points, kNumPoints - (GetParam().loses_point_200 ? 1 : 0));
  EXPECT_EQ(!lost.empty() && lost[0] == "point 200: lost", GetParam().loses_point_200);
}

std::string id_key(std::uint64_t id) { return PointId(id).encode(); }

INSTANTIATE_TEST_SUITE_P(
    Cases, Misfit,
    testing::ValuesIn(std::vector<MisfitCase>{
        {"NoIdEntry", {{kIds, id_key(200), {}}}, "point 200: `ids`: "},
        {"IdEntryOfAnotherSlot", {{kIds, id_key(200), encode_slot(7)}}, "`ids` names point 200"},
        {"IdEntryCutShort", {{kIds, id_key(200), "x"}}, "point 200"},
        {"IdWithoutARecord",
         {{kIds, id_key(999), encode_slot(999)}},
         "slot 999: point 999: record"},
        {"NoRecord", {{kSlots, encode_slot(200), {}}}, "point 200: record: ", true},
        {"RecordCutShort", {{kSlots, encode_slot(200), "abc"}}, "point 200: record: ", true},
        {"NoVector",
         {{kVectors, vector_key("", 200), {}}},
         "point 200: vector \"\": missing",
         true},
        {"VectorOfAnotherCommit",
         {{kVectors, vector_key("", 200), encode_vector(1, std::vector<float>(64))}},
         "point 200: vector \"\": of commit 1 instead of 3",
         true},
        {"VectorOfNobody",
         {{kVectors, vector_key("x", 200), std::nullopt},
          {kVectors, vector_key("", 777), encode_vector(1, std::vector<float>())}},
         "a row of slot 777"},
        {"PayloadDamaged", {{kPayload, encode_slot(200), "\xFF"}}, "point 200: payload", true},
        {"PayloadOfNobody",
         {{kPayload, encode_slot(777), encode_payload(Json::object())}},
         "a row of slot 777"},
        {"ThumbnailOfNobody", {{kBlobs, thumbnail_key(777), "x"}}, "a row of slot 777"},
        {"NoSource", {{kSources, "file:///200", {}}}, "source file:///200: missing"},
        {"SourceDamaged", {{kSources, "file:///200", "x"}}, "file:///200"},
        {"SourceOfNobody",
         {{kSources, "file:///x",
           encode_source({"file:///x", 0, 0, "", "", PointId(999), "", ""})}},
         "source file:///x: names point 999, which does not exist"},
        {"StaleIndexEntry",
         {{kPayloadIndex, index_key("n", FieldType::kInteger, std::int64_t{777}, 200), ""}},
         "an entry of \"n\" for slot 200: not in the payload"},
        {"PayloadChangedAlone",
         {{kPayload, encode_slot(200), encode_payload({{"n", 777}})}},
         "for slot 200: missing"},
        {"WrongCount",
         {{kMeta, std::string(kNumPointsKey), encode_number(5)}},
         "num_points is 5, but there are 300"},
        {"SlotsTaken", {{kMeta, std::string(kNextSlotKey), encode_number(5)}}, "next_slot is 5"},
        {"UnknownIndexType",
         {{kMeta, std::string(kPayloadIndexPrefix) + "x", "what"}},
         "is not known"},
    }),
    [](const auto& test) { return test.param.name; });

TEST_F(StorageDamage, AnOlderRecordOfAPointThatMovedIsDropped) {
  open();
  const auto record = db_->slot_record(*now(), 200).value();
  must_write({DeletePointOp{PointId(200)}, upsert(200, {{"n", 1}})});
  close();
  {
    auto database =
        RocksDatabase::open(folder(), OpenMode::kWrite, collection_families(), budget_).value();
    ASSERT_TRUE(
        database->db()
            .Put({}, database->family(kSlots), encode_slot(200), encode_slot_record(*record))
            .ok());
  }
  open_reader();
  EXPECT_THAT(verify(), Contains(HasSubstr("an older record; it lives in slot 300")));
  const auto lost = repair();
  ASSERT_FALSE(lost.empty());
  EXPECT_THAT(lost[0], Not(testing::StartsWith("point ")));
  open();
  EXPECT_EQ(slot_of(200), 300U);
  EXPECT_EQ(now()->counters().num_points, kNumPoints);
  EXPECT_THAT(verify(), IsEmpty());
}

TEST_F(StorageDamage, TwoRepairsKeepBothOldOnes) {
  for (const char* kept : {"db.damaged", "db.damaged.2"}) {
    std::ofstream(folder() / "CURRENT") << "";
    EXPECT_THAT(repair(), Not(IsEmpty()));
    EXPECT_TRUE(fs::exists(dir_ / kept / "CURRENT"));
  }
  expect_all_but({});
}

// --- young collections ---------------------------------------------------------------------------

/// Families of which there is no table yet: all their rows are in the log.
class YoungCollection : public CollectionFixture, public testing::WithParamInterface<bool> {
 protected:
  /// What each point holds, or why it cannot be read.
  std::map<std::uint64_t, std::string> points() const {
    std::map<std::uint64_t, std::string> found;
    for (std::uint64_t id = 0; id < 12; ++id) {
      const auto slot = db_->find_slot(*now(), PointId(id)).value();
      if (!slot) continue;
      const auto row = db_->vector(*now(), "", *slot);
      const auto payload = db_->payload(*now(), *slot);
      found[id] = row && *row && payload ? Json{(*row)->values, *payload}.dump() : "damaged";
    }
    return found;
  }
};

TEST_P(YoungCollection, ThatLosesItsManifestOrCurrentLosesNoPoint) {
  const bool has_some_tables = GetParam();
  ASSERT_TRUE(writer_->put_payload_index("n", FieldType::kInteger));
  if (has_some_tables) {  // of points without thumbnails and sources
    for (std::uint64_t id = 0; id < 4; ++id) must_write({upsert(id, Json::object())});
    reopen();
  }
  for (std::uint64_t id = 4; id < 8; ++id) {
    UpsertOp op = upsert(id, {{"n", id}}, {1, static_cast<float>(id)});
    op.thumbnail = "a picture";
    must_write({std::move(op)});
  }
  must_write({PutSourceOp{{"file:///4", 4, 0, "hash", "", PointId(4), "", ""}}});
  ASSERT_TRUE(writer_->sync_log());
  const auto before = points();
  ASSERT_EQ(before.size(), has_some_tables ? 8U : 4U);
  close();
  std::string manifest;
  std::ifstream(folder() / "CURRENT") >> manifest;
  fs::copy(folder(), dir_ / "sound");
  for (const std::vector<std::string>& names :
       {std::vector<std::string>{manifest}, std::vector<std::string>{"CURRENT"},
        std::vector<std::string>{manifest, "CURRENT", "manifest-size"}}) {
    SCOPED_TRACE(testing::PrintToString(names));
    close();
    for (const char* name : {"db", "db.damaged", "db.damaged.2"}) fs::remove_all(dir_ / name);
    fs::copy(dir_ / "sound", folder());
    for (const std::string& name : names) fs::remove(folder() / name);
    budget_ = budget_on(files_);
    const auto lost = CollectionDb::repair(folder(), budget_);
    ASSERT_TRUE(lost) << lost.error().message;
    EXPECT_THAT(*lost, Not(Contains(testing::StartsWith("point "))));
    open();
    EXPECT_EQ(points(), before);
    EXPECT_THAT(db_->verify(*now()).value(), IsEmpty());
    expect_indexes_in_step();
    EXPECT_EQ(db_->payload_indexes(*now()).value().size(), 1U);
    EXPECT_EQ(db_->thumbnail(*now(), *slot_of(5)).value(), "a picture");
    EXPECT_TRUE(db_->source(*now(), "file:///4").value());
    must_write({upsert(9)});
  }
}

INSTANTIATE_TEST_SUITE_P(Tables, YoungCollection, testing::Bool(),
                         [](const auto& info) { return info.param ? "OfSomeFamilies" : "OfNone"; });

}  // namespace
}  // namespace sightline::storage
