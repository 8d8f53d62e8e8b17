// One committer changes payloads and publishes views; readers evaluate them meanwhile, and each
// view answers its moment.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <thread>

#include "core/mutex.h"
#include "index/payload_index.h"
#include "tests/index/payload_index_fixture.h"

namespace sightline::index {
namespace {

constexpr Slot kSlots = 500;
constexpr std::uint32_t kGone = 0;

/// What the change of a number made of a slot: nothing else need be kept for comparison.
Json payload_of(Slot slot, std::uint32_t change) {
  const std::uint32_t mixed = (slot * 2654435761U) ^ (change * 40503U);
  return {{"n", mixed % 50},
          {"word", mixed % 7 == 0 ? "red" : "blue"},
          {"text", mixed % 3 == 0 ? "a small tree" : "a tall tree"}};
}

struct Moment {
  PayloadIndexView view;
  std::array<std::uint32_t, kSlots> changes{};  // last change of a slot
};

class Published {
 public:
  void set(std::shared_ptr<const Moment> moment) {
    const MutexLock lock(mutex_);
    moment_ = std::move(moment);
  }
  std::shared_ptr<const Moment> get() const {
    const MutexLock lock(mutex_);
    return moment_;
  }

 private:
  mutable Mutex mutex_;
  std::shared_ptr<const Moment> moment_ GUARDED_BY(mutex_);
};

void check_moment(const Moment& moment, const Filter& filter) {
  Points points;
  for (Slot slot = 0; slot < kSlots; ++slot) {
    if (moment.changes[slot] == kGone) continue;
    points[slot] = {PointId(slot), payload_of(slot, moment.changes[slot]), {}};
  }
  const PointsFallback fallback(points);
  const auto got = moment.view.evaluate(filter, slots_of(points), fallback, Deadline::never());
  ASSERT_TRUE(got) << got.error().message;
  ASSERT_EQ(got->slots.to_vector(), satisfying(points, filter).to_vector());
  EXPECT_LE(moment.view.estimate(filter, points.size()), points.size());
}

TEST(PayloadIndexThreads, ReadersSeeTheMomentOfTheirView) {
  PayloadIndex index;
  const std::map<std::string, FieldType> fields = {
      {"n", FieldType::kInteger}, {"word", FieldType::kKeyword}, {"text", FieldType::kText}};
  for (const auto& [name, type] : fields) {
    ASSERT_TRUE(index.add_field(path_of(name), type, entries_of({}, path_of(name), type)));
  }
  std::vector<Filter> filters;
  for (const char* text : {R"({"must": {"key": "n", "range": {"gte": 3, "lt": 10}}})",
                           R"({"must": {"key": "word", "match": {"value": "red"}}})",
                           R"({"must": {"key": "text", "match": {"text": "small tree"}}})"}) {
    filters.push_back(parse_filter(parse_json(text, "filter").value()).value());
  }

  Published published;
  published.set(std::make_shared<const Moment>(Moment{index.view(), {}}));
  std::atomic<bool> done{false};
  std::atomic<int> num_checks{0};
  std::vector<std::thread> readers;
  for (int r = 0; r < 3; ++r) {
    readers.emplace_back([&, r] {
      for (int i = r; !done.load(); ++i) {
        const auto moment = published.get();
        check_moment(*moment, filters[static_cast<std::size_t>(i) % filters.size()]);
        EXPECT_GT(index.memory_bytes(), 0U);
        ++num_checks;
      }
    });
  }

  Moment next;
  std::uint32_t change = 0;
  // Enough for two merges, and for the readers to be there meanwhile.
  while ((change < 12'000 || num_checks < 60) && !testing::Test::HasFatalFailure()) {
    ++change;
    const Slot slot = (change * 7919U) % kSlots;
    if ((change + change / kSlots) % 5 == 0) {
      index.remove(slot);
      next.changes[slot] = kGone;
    } else {
      index.put(slot, payload_of(slot, change));
      next.changes[slot] = change;
    }
    if (change % 20 != 0) continue;
    next.view = index.view();
    published.set(std::make_shared<const Moment>(next));
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace sightline::index
