#include "core/bitmap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <random>
#include <set>
#include <thread>

namespace sightline {
namespace {

using testing::ElementsAre;
using Values = std::vector<std::uint32_t>;

Bitmap make(const Values& values) {
  Bitmap bitmap;
  for (const std::uint32_t value : values) bitmap.add(value);
  return bitmap;
}

TEST(Bitmap, AddRemoveContains) {
  Bitmap bitmap;
  EXPECT_TRUE(bitmap.empty());
  bitmap.add(5);
  bitmap.add(5);
  bitmap.add(0xffffffff);
  EXPECT_EQ(bitmap.count(), 2U);
  EXPECT_TRUE(bitmap.contains(5));
  bitmap.remove(5);
  bitmap.remove(6);
  EXPECT_THAT(bitmap.to_vector(), ElementsAre(0xffffffff));
}

TEST(Bitmap, RangesReachTheLastValue) {
  Bitmap bitmap;
  bitmap.add_range(0xfffffffe, std::uint64_t{1} << 32);
  EXPECT_THAT(bitmap.to_vector(), ElementsAre(0xfffffffe, 0xffffffff));
  bitmap.add_range(9, 9);
  bitmap.add_range(9, 3);
  EXPECT_EQ(bitmap.count(), 2U);
  bitmap.add_range(0, std::uint64_t{1} << 32);
  EXPECT_EQ(bitmap.count(), std::uint64_t{1} << 32);
}

TEST(Bitmap, CopiesAndMoves) {
  Bitmap a = make({1, 2});
  Bitmap b = a;
  b.add(3);
  EXPECT_EQ(a.count(), 2U);
  a = b;
  EXPECT_TRUE(a == b);
  const Bitmap c = std::move(b);
  EXPECT_EQ(c.count(), 3U);
  b.add(7);  // NOLINT: a moved-from Bitmap can be used
  a = std::move(b);
  EXPECT_TRUE(a.contains(7));
}

TEST(Bitmap, WithItself) {
  Bitmap a = make({1, 2});
  const Bitmap& same = a;
  a &= same;
  a |= same;
  EXPECT_EQ(a.count(), 2U);
  a -= same;
  EXPECT_TRUE(a.empty());
}

TEST(Bitmap, FromSorted) {
  EXPECT_TRUE(Bitmap::from_sorted({}).empty());
  const Values values = {0, 1, 65'535, 65'536, 1'000'000, 0xffffffff};
  EXPECT_EQ(Bitmap::from_sorted(values).to_vector(), values);
  EXPECT_TRUE(Bitmap::from_sorted(values) == make(values));
}

TEST(Bitmap, ForEachGoesUpwardsAndCanEndEarly) {
  const Bitmap bitmap = make({70'000, 3, 9});
  Values seen;
  EXPECT_TRUE(bitmap.for_each([&](std::uint32_t value) { seen.push_back(value); }));
  EXPECT_THAT(seen, ElementsAre(3, 9, 70'000));
  seen.clear();
  const auto first_two = [&](std::uint32_t value) {
    seen.push_back(value);
    return seen.size() < 2;
  };
  EXPECT_FALSE(bitmap.for_each(first_two));
  EXPECT_THAT(seen, ElementsAre(3, 9));
  EXPECT_TRUE(Bitmap().for_each([](std::uint32_t) { return false; }));
}

TEST(Bitmap, MemoryFollowsTheValues) {
  Bitmap runs;
  for (std::uint32_t value = 0; value < 1'000'000; ++value) runs.add(value);
  const Bitmap same = runs;
  const std::uint64_t before = runs.memory_bytes();
  EXPECT_GE(before, 1'000'000U / 8);
  EXPECT_LT(before, 1'000'000U / 4);
  runs.optimize();
  EXPECT_LT(runs.memory_bytes(), before / 20);
  EXPECT_TRUE(runs == same);
}

TEST(Bitmap, AgreesWithAStdSet) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::mt19937 random(seed);
    // Sparse, dense and run-like values, so that all kinds of containers meet.
    const auto draw = [&](std::set<std::uint32_t>& set, Bitmap& bitmap) {
      for (int i = 0; i < 3000; ++i) {
        const std::uint32_t value = i % 3 == 0 ? random() : random() % 20'000;
        set.insert(value);
        bitmap.add(value);
      }
      const std::uint32_t first = random() % 100'000;
      bitmap.add_range(first, std::uint64_t{first} + 70'000);
      for (std::uint32_t value = first; value < first + 70'000; ++value) set.insert(value);
    };
    std::set<std::uint32_t> s1, s2;
    Bitmap b1, b2;
    draw(s1, b1);
    draw(s2, b2);
    const auto check = [&](const Bitmap& bitmap, const Values& expected, const char* what) {
      ASSERT_EQ(bitmap.to_vector(), expected) << what << ", seed " << seed;
      ASSERT_EQ(bitmap.count(), expected.size()) << what << ", seed " << seed;
    };
    Values expected;
    std::ranges::set_intersection(s1, s2, std::back_inserter(expected));
    EXPECT_EQ(b1.and_count(b2), expected.size()) << "seed " << seed;
    Bitmap both = b1;
    check(both &= b2, expected, "and");
    expected.clear();
    std::ranges::set_union(s1, s2, std::back_inserter(expected));
    Bitmap either = b1;
    check(either |= b2, expected, "or");
    expected.clear();
    std::ranges::set_difference(s1, s2, std::back_inserter(expected));
    Bitmap rest = b1;
    check(rest -= b2, expected, "and not");

    const auto back = Bitmap::deserialize(b1.serialize());
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_TRUE(*back == b1);
  }
}

TEST(BitmapDeserialize, RejectsEveryCutAndNoise) {
  Bitmap bitmap = make({1, 5, 70'000, 1'000'000});
  bitmap.add_range(200'000, 290'000);
  const std::string bytes = bitmap.serialize();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto cut = Bitmap::deserialize(std::string_view(bytes).substr(0, size));
    ASSERT_FALSE(cut) << size;
    EXPECT_EQ(cut.error().code, StatusCode::kCorruption);
  }
  EXPECT_FALSE(Bitmap::deserialize(bytes + "x"));
  EXPECT_FALSE(Bitmap::deserialize("hello, this is not a bitmap"));
}

TEST(BitmapDeserialize, FlippedBitsGiveAnErrorOrAConsistentSet) {
  Bitmap bitmap = make({1, 5, 9, 70'000, 1'000'000});
  bitmap.add_range(200'000, 201'000);
  for (std::uint32_t value = 400'000; value < 420'000; value += 2) bitmap.add(value);
  const std::string bytes = bitmap.serialize();
  std::mt19937 random(11);
  int accepted = 0, rejected = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string damaged = bytes;
    const std::size_t at = i < 800 ? random() % 80 : random() % bytes.size();
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << random() % 8));
    const auto got = Bitmap::deserialize(damaged);
    if (!got) {
      ++rejected;
      continue;
    }
    ++accepted;
    const Values values = got->to_vector();
    EXPECT_TRUE(std::ranges::is_sorted(values));
    EXPECT_EQ(values.size(), got->count());
    EXPECT_EQ(values.empty(), got->empty());
  }
  EXPECT_GT(rejected, 100);
  EXPECT_GT(accepted, 100);
}

TEST(Bitmap, ReadsRunOnManyThreads) {
  Bitmap shared;
  shared.add_range(10, 100'000);
  std::vector<std::thread> threads;
  for (std::uint32_t t = 0; t < 4; ++t) {
    threads.emplace_back([&shared, t] {
      Bitmap own = make({t, 50'000 + t});
      own &= shared;
      EXPECT_EQ(own.count(), 1U);
      EXPECT_EQ(Bitmap(shared).count(), 99'990U);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace sightline
