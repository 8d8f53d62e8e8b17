#include "pipeline/data_folder.h"

#include <gmock/gmock.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <future>
#include <thread>

#include "storage/catalog.h"
#include "tests/pipeline/child_process.h"
#include "tests/pipeline/local_store_fixture.h"

namespace sightline::pipeline {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class DataFolderTest : public testing::Test {
 protected:
  std::unique_ptr<DataFolder> open(Access access = Access::kWrite) {
    auto opened = DataFolder::open(dir_ / "data", access, {}, pool_);
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? *std::move(opened) : nullptr;
  }
  std::vector<std::string> entries() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(dir_ / "data/collections"))
      names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
  }

  testing_support::TempDir dir_;
  ComputePool pool_{{.num_threads = 1, .init_thread = {}, .set_width = {}}};
};

TEST_F(DataFolderTest, CollectionsAreMadeListedOpenedAndDeleted) {
  auto folder = open();
  EXPECT_THAT(folder->list_collections().value(), IsEmpty());
  const auto made = folder->create_collection("b", config_of(2)).value();
  ASSERT_TRUE(folder->create_collection("a \xC3\xA9", config_of(3)));
  EXPECT_THAT(folder->list_collections().value(), ElementsAre("a \xC3\xA9", "b"));
  EXPECT_EQ(folder->open_collection("b").value(), made);
  EXPECT_EQ(folder->create_collection("b", config_of(2)).error().code, StatusCode::kAlreadyExists);
  const auto missing = folder->open_collection("x");
  EXPECT_EQ(missing.error().code, StatusCode::kNotFound);
  EXPECT_THAT(missing.error().message, AllOf(HasSubstr("\"x\""), HasSubstr("\"b\"")));
  EXPECT_TRUE(folder->delete_collection("b").value());
  EXPECT_FALSE(folder->delete_collection("b").value());
  EXPECT_FALSE(std::filesystem::exists(folder->collection_folder("b")));
  folder.reset();
  folder = open(Access::kRead);
  EXPECT_THAT(folder->list_collections().value(), ElementsAre("a \xC3\xA9"));
  EXPECT_EQ(folder->open_collection("a \xC3\xA9").value()->info()->config.vectors.at("").dim, 3U);
}

std::string shown(const DataFolder& folder) {
  std::string text;
  const auto aliases = folder.list_aliases();
  if (!aliases) return aliases.error().message;
  for (const auto& [alias, collection] : *aliases) text += alias + ">" + collection + " ";
  return text;
}

TEST_F(DataFolderTest, AServiceKeepsCollectionsOpen) {
  StoreOptions options;
  options.keep_open = true;
  auto folder = DataFolder::open(dir_ / "data", Access::kWrite, options, pool_).value();
  const std::weak_ptr<CollectionStore> made = folder->create_collection("a", config_of(2)).value();
  EXPECT_EQ(folder->open_collection("a").value(), made.lock());
  // Handles that come and go on many threads find the one that is open.
  std::vector<std::jthread> threads;
  std::atomic<int> failed{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) failed += folder->open_collection("a") ? 0 : 1;
    });
  }
  threads.clear();
  EXPECT_EQ(failed, 0);
  EXPECT_TRUE(folder->delete_collection("a").value());
  EXPECT_TRUE(made.expired());
}
TEST_F(DataFolderTest, AnOpenCollectionWaitsForNoOtherToBeOpened) {
  auto folder = open();
  ASSERT_TRUE(folder->create_collection("a", config_of(2)));
  ASSERT_TRUE(folder->create_collection("slow", config_of(2)));
  folder.reset();
  folder = open();
  const auto a = folder->open_collection("a").value();
  // Reading it waits for a writer.
  const auto pipe = folder->collection_folder("slow") / "db" / "CURRENT";
  std::filesystem::remove(pipe);
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  auto slow = std::async(std::launch::async, [&] { return folder->open_collection("slow"); });
  int writer = -1;
  while ((writer = ::open(pipe.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC)) < 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));

  auto others = std::async(std::launch::async, [&] {
    EXPECT_EQ(folder->open_collection("a").value(), a);
    EXPECT_EQ(folder->resolve_collection("a").value(), "a");
    EXPECT_EQ(folder->open_collection("none").error().code, StatusCode::kNotFound);
    EXPECT_THAT(folder->list_collections().value(), ElementsAre("a", "slow"));
    EXPECT_THAT(folder->list_aliases().value(), IsEmpty());
  });
  EXPECT_EQ(others.wait_for(std::chrono::seconds(20)), std::future_status::ready);
  EXPECT_NE(slow.wait_for(std::chrono::seconds(0)), std::future_status::ready);
  ::close(writer);
  while (slow.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) {
    const int next = ::open(pipe.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (next >= 0) ::close(next);
  }
  EXPECT_FALSE(slow.get());
}

TEST_F(DataFolderTest, AliasesOpenTheirCollections) {
  auto folder = open();
  const auto a = folder->create_collection("a", config_of(2)).value();
  const auto b = folder->create_collection("b", config_of(3)).value();
  const auto change = [&](std::vector<AliasAction> actions) {
    return folder->change_aliases(actions);
  };
  ASSERT_TRUE(change({CreateAlias{"x", "a"}, CreateAlias{"y", "b"}}));
  EXPECT_EQ(shown(*folder), "x>a y>b ");
  EXPECT_EQ(folder->open_collection("x").value(), a);
  EXPECT_EQ(folder->resolve_collection("y").value(), "b");
  EXPECT_EQ(folder->resolve_collection("b").value(), "b");
  EXPECT_EQ(folder->resolve_collection("z").error().code, StatusCode::kNotFound);
  EXPECT_THAT(folder->list_collections().value(), ElementsAre("a", "b"));
  // One moves, one gets another name: both or none.
  ASSERT_TRUE(change({CreateAlias{"x", "b"}, RenameAlias{"y", "z"}, DeleteAlias{"none"}}));
  EXPECT_EQ(shown(*folder), "x>b z>b ");
  EXPECT_EQ(folder->open_collection("x").value(), b);

  EXPECT_EQ(change({DeleteAlias{"x"}, CreateAlias{"y", "c"}}).error().code, StatusCode::kNotFound);
  EXPECT_EQ(change({DeleteAlias{"x"}, RenameAlias{"y", "q"}}).error().code, StatusCode::kNotFound);
  for (const char* taken : {"a", "", "a/b"}) {
    EXPECT_EQ(change({DeleteAlias{"x"}, CreateAlias{taken, "b"}}).error().code,
              StatusCode::kInvalidArgument);
    EXPECT_EQ(change({DeleteAlias{"z"}, RenameAlias{"x", taken}}).error().code,
              StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(shown(*folder), "x>b z>b ");
  EXPECT_EQ(folder->create_collection("x", config_of(2)).error().code,
            StatusCode::kInvalidArgument);

  auto reader = open(Access::kRead);
  EXPECT_EQ(shown(*reader), "x>b z>b ");
  EXPECT_EQ(reader->open_collection("x").value()->info()->name, "b");
  EXPECT_EQ(reader->change_aliases({}).error().code, StatusCode::kFailedPrecondition);
  EXPECT_FALSE(folder->delete_collection("z").value()) << "an alias is not followed";
  ASSERT_TRUE(change({CreateAlias{"w", "a"}}));
  EXPECT_EQ(reader->open_collection("w").value()->info()->name, "a");
  ASSERT_TRUE(folder->delete_collection("b").value());
  EXPECT_EQ(shown(*folder), "w>a ");
  reader.reset();
  folder.reset();
  folder = open();
  EXPECT_EQ(shown(*folder), "w>a ");
  ASSERT_TRUE(folder->create_collection("x", config_of(2))) << "the name is free again";
}

TEST_F(DataFolderTest, AReaderSeesWhatTheWriterMakes) {
  auto writer = open();
  auto reader = open(Access::kRead);
  EXPECT_THAT(reader->list_collections().value(), IsEmpty());
  const auto store = writer->create_collection("a", config_of(2)).value();
  ASSERT_TRUE(store->write({point(1, {1, 0})}));
  EXPECT_THAT(reader->list_collections().value(), ElementsAre("a"));
  EXPECT_EQ(reader->open_collection("a").value()->count().value(), 1U);
  ASSERT_TRUE(writer->delete_collection("a").value());
  EXPECT_THAT(reader->list_collections().value(), IsEmpty());
}

TEST_F(DataFolderTest, OneProcessWritesAndTheOtherIsToldWho) {
  ChildProcess holder({SIGHTLINE_STORE_PROCESS, "hold", (dir_ / "data").string()});
  ASSERT_EQ(holder.read_line(), "held");
  const auto second = DataFolder::open(dir_ / "data", Access::kWrite, {}, pool_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, StatusCode::kFailedPrecondition);
  EXPECT_THAT(second.error().message,
              AllOf(HasSubstr("is in use by pid " + std::to_string(holder.pid()) +
                              " (store_process hold) on "),
                    HasSubstr(" since 20")));
  EXPECT_NE(open(Access::kRead), nullptr);
  // The lock goes with its holder, whatever text it leaves.
  holder.send(SIGKILL);
  EXPECT_EQ(holder.wait(), -SIGKILL);
  EXPECT_NE(open(), nullptr);
}

TEST_F(DataFolderTest, AMissingFolderIsMadeByAWriterOnly) {
  const auto reader = DataFolder::open(dir_ / "data", Access::kRead, {}, pool_);
  EXPECT_EQ(reader.error().code, StatusCode::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(dir_ / "data"));
  std::filesystem::create_directory(dir_ / "data");
  const auto empty = DataFolder::open(dir_ / "data", Access::kRead, {}, pool_);
  EXPECT_EQ(empty.error().code, StatusCode::kNotFound);
  EXPECT_THAT(empty.error().message, HasSubstr("no data folder"));
  EXPECT_NE(open(), nullptr);
  EXPECT_NE(open(Access::kRead), nullptr);
  dir_.write("file", "text");
  EXPECT_FALSE(DataFolder::open(dir_ / "file", Access::kWrite, {}, pool_));
}

TEST_F(DataFolderTest, WhatACrashLeftIsTidiedUp) {
  {
    auto folder = open();
    for (const char* name : {"kept", "unlisted"})
      ASSERT_TRUE(folder->create_collection(name, config_of(2)));
  }
  const auto collections = dir_ / "data/collections";
  // A crash while a collection was removed, and a folder that came by hand.
  std::filesystem::create_directories(collections / "trash:2/db");
  std::filesystem::create_directories(collections / "notes");
  {
    auto folder = open();
    ASSERT_TRUE(folder->delete_collection("unlisted").value());
    ASSERT_TRUE(folder->create_collection("other", config_of(2)));
  }
  std::filesystem::copy(collections / "other", collections / "copied",
                        std::filesystem::copy_options::recursive);
  {
    // Crashes after the catalog was told, before the folder was made whole or taken away.
    auto budget = storage::SharedBudget::create({1 << 20, 1 << 20});
    auto catalog = storage::Catalog::open(dir_ / "data/catalog", storage::OpenMode::kWrite, budget);
    ASSERT_TRUE(catalog) << catalog.error().message;
    ASSERT_TRUE((*catalog)->mark_incomplete("half"));
    std::filesystem::copy(collections / "other", collections / "half",
                          std::filesystem::copy_options::recursive);
    ASSERT_TRUE((*catalog)->mark_incomplete("nothing"));
  }
  auto folder = open();
  EXPECT_THAT(entries(), ElementsAre("copied", "kept", "notes", "other"));
  EXPECT_THAT(folder->list_collections().value(), ElementsAre("copied", "kept", "other"));
  ASSERT_TRUE(folder->open_collection("copied"));
}

TEST_F(DataFolderTest, AFolderThatVanishedIsNamedWhenItsCollectionIsOpened) {
  {
    auto folder = open();
    ASSERT_TRUE(folder->create_collection("a", config_of(2)));
  }
  std::filesystem::remove_all(dir_ / "data/collections/a");
  auto folder = open();
  const auto opened = folder->open_collection("a");
  EXPECT_EQ(opened.error().code, StatusCode::kNotFound);
  EXPECT_THAT(opened.error().message, HasSubstr("collections/a"));
  EXPECT_TRUE(folder->delete_collection("a").value());
  EXPECT_TRUE(folder->create_collection("a", config_of(2)));
}

struct NameCase {
  std::string name;
  std::string text;
  bool valid;
};
class CollectionName : public testing::TestWithParam<NameCase> {};

TEST_P(CollectionName, IsChecked) {
  const auto result = validate_collection_name(GetParam().text);
  EXPECT_EQ(result.has_value(), GetParam().valid);
  if (!result) {
    EXPECT_EQ(result.error().code, StatusCode::kInvalidArgument);
    EXPECT_THAT(result.error().message, HasSubstr("collection name"));
  }
}
INSTANTIATE_TEST_SUITE_P(Cases, CollectionName,
                         testing::ValuesIn(std::vector<NameCase>{
                             {"Plain", "photos", true},
                             {"SpaceAndDots", " a..b ", true},
                             {"Utf8",
                              "b\xC3\xBC"
                              "cher",
                              true},
                             {"Longest", std::string(255, 'x'), true},
                             {"TooLong", std::string(256, 'x'), false},
                             {"Empty", "", false},
                             {"Dot", ".", false},
                             {"DotDot", "..", false},
                             {"Slash", "a/b", false},
                             {"Backslash", "a\\b", false},
                             {"Colon", "trash:1", false},
                             {"Newline", "a\nb", false},
                             {"Zero", std::string("a\0b", 3), false},
                             {"Delete", "a\x7f", false},
                             {"Latin1",
                              "b\xFC"
                              "cher",
                              false},
                             {"Overlong", "a\xC0\xAF", false},
                             {"Surrogate", "\xED\xA0\x80", false},
                             {"CutShort", "a\xE2\x82", false},
                         }),
                         [](const auto& test) { return test.param.name; });

TEST_F(DataFolderTest, BadConfigurationsAreRefused) {
  auto folder = open();
  EXPECT_THAT(folder->create_collection("a", config_of(0)).error().message,
              HasSubstr("dim of the default vector is 0; it must be 1..65536"));
  EXPECT_FALSE(folder->create_collection("a", config_of(65'537)));
  CollectionConfig config;
  config.vectors[std::string("a\0b", 3)] = {2, Metric::kDot, {}};
  EXPECT_FALSE(folder->create_collection("a", config));
  EXPECT_THAT(entries(), IsEmpty());
  for (const Metric metric : {Metric::kCosine, Metric::kDot, Metric::kEuclid, Metric::kManhattan})
    EXPECT_EQ(parse_metric(metric_name(metric)).value(), metric);
  EXPECT_THAT(parse_metric("Cosine").error().message,
              HasSubstr("cosine, dot, euclid or manhattan"));
}

}  // namespace
}  // namespace sightline::pipeline
