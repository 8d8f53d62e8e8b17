// What a batch says of itself over a database, against a std::map.
#include "storage/internal/indexed_batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>

#include "tests/support/temp_dir.h"

namespace sightline::storage {
namespace {

using testing::Optional;
using testing_support::TempDir;

class IndexedBatchTest : public testing::Test {
 protected:
  IndexedBatchTest()
      : database_(RocksDatabase::open(dir_ / "db", OpenMode::kCreate, collection_families(),
                                      SharedBudget::create({1 << 20, 1 << 20}))
                      .value()),
        batch_(*database_) {}

  std::optional<std::string> value(Family family, const std::string& key) const {
    return batch_.get(family, key).value();
  }
  void write() {
    ASSERT_TRUE(database_->db().Write({}, &batch_.batch()).ok());
    batch_.clear();
  }

  TempDir dir_;
  std::unique_ptr<RocksDatabase> database_;
  IndexedBatch batch_;
};

TEST_F(IndexedBatchTest, FamiliesHaveTheirOwnKeys) {
  ASSERT_TRUE(batch_.put(kIds, "a", "1"));
  ASSERT_TRUE(batch_.put(kSlots, "a", "2"));
  EXPECT_THAT(value(kIds, "a"), Optional(std::string("1")));
  EXPECT_THAT(value(kSlots, "a"), Optional(std::string("2")));
  EXPECT_EQ(value(kPayload, "a"), std::nullopt);
}

TEST_F(IndexedBatchTest, PartsAreStoredEndToEnd) {
  ASSERT_TRUE(batch_.put_parts(kVectors, "v", {"one ", "", "two"}));
  ASSERT_TRUE(batch_.put(kIds, "a", std::string("\0z", 2)));
  EXPECT_THAT(value(kIds, "a"), Optional(std::string("\0z", 2)));
  write();
  EXPECT_THAT(database_->get(kVectors, "v").value(), Optional(std::string("one two")));
}

TEST_F(IndexedBatchTest, SaysWhatAMapSaysThroughRollBacksAndWrites) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto below = [&](unsigned limit) { return static_cast<std::size_t>(random() % limit); };
  using Model = std::map<std::pair<Family, std::string>, std::string>;
  constexpr Family kFamilies[] = {kIds, kSlots, kPayload, kSources};
  Model model;
  for (int request = 0; request < 100; ++request) {
    const Model before = model;
    batch_.mark();
    for (std::size_t left = below(12); left > 0; --left) {
      const Family family = kFamilies[below(4)];
      const std::string key(1 + below(20), static_cast<char>('a' + below(3)));
      if (below(3) == 0) {
        ASSERT_TRUE(batch_.erase(family, key));
        model.erase({family, key});
      } else {
        const std::string text(below(300), static_cast<char>(below(256)));
        ASSERT_TRUE(batch_.put(family, key, text));
        model[{family, key}] = text;
      }
    }
    if (below(3) == 0) {
      ASSERT_TRUE(batch_.roll_back());
      model = before;
    } else {
      batch_.keep();
    }
    if (below(10) == 0) write();
    for (const Family family : kFamilies) {
      for (std::size_t length = 1; length <= 20; ++length) {
        for (const char letter : {'a', 'b', 'c'}) {
          const std::string key(length, letter);
          const auto wanted = model.find({family, key});
          ASSERT_EQ(value(family, key), wanted == model.end() ? std::optional<std::string>()
                                                              : std::optional(wanted->second));
        }
      }
    }
  }
}

}  // namespace
}  // namespace sightline::storage
