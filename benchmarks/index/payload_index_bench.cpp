// Filters of 1M slots by payload indexes in memory: ms until the bitmap is there, with the share of
// slots found ("found"); put() a second, merges included, and the longest of them; bytes of memory
// per value.
//
// Data: random integers below 1M, 1,000 even keywords, 10 even categories, unique strings of 40
// bytes, random places. Arguments are shares in thousandths. One thread.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <random>
#include <string>

#include "index/payload_index.h"

namespace sightline::index {
namespace {

constexpr Slot kSlots = 1'000'000;

class NoFallback final : public PayloadIndexView::Fallback {
 public:
  Result<Bitmap> scan(const Condition&, const Bitmap&, const Deadline&) const override {
    return internal_error("a payload was read");
  }
  Result<std::optional<Slot>> find(const PointId&) const override { return std::optional<Slot>(); }
  Result<Bitmap> with_vector(std::string_view) const override { return Bitmap(); }
};

FieldPath path_of(std::string_view text) { return FieldPath::parse(text).value(); }

Json payload_of(Slot slot, std::mt19937& random) {
  return {{"number", random() % kSlots},
          {"keyword", "keyword " + std::to_string(random() % 1000)},
          {"category", "category " + std::to_string(random() % 10)},
          {"unique", std::to_string(1'000'000 + slot) + "-0123456789abcdef0123456789abcdef"},
          {"place",
           {{"lon", static_cast<double>(random() % 36'000) / 100 - 180},
            {"lat", static_cast<double>(random() % 18'000) / 100 - 90}}}};
}

const std::map<std::string, FieldType> kFields = {{"number", FieldType::kInteger},
                                                  {"keyword", FieldType::kKeyword},
                                                  {"category", FieldType::kKeyword},
                                                  {"unique", FieldType::kKeyword},
                                                  {"place", FieldType::kGeo}};

std::unique_ptr<PayloadIndex> empty_index(const std::map<std::string, FieldType>& fields) {
  auto index = std::make_unique<PayloadIndex>();
  for (const auto& [name, type] : fields) {
    index->add_field(path_of(name), type, [](const auto&) { return Result<void>(); }).value();
  }
  return index;
}

/// All slots put, and 30,000 of them once more: logs are nearly full.
const PayloadIndexView& million() {
  static const PayloadIndexView view = [] {
    const auto index = empty_index(kFields);
    std::mt19937 random(1);
    for (Slot slot = 0; slot < kSlots; ++slot) index->put(slot, payload_of(slot, random));
    for (int i = 0; i < 30'000; ++i) {
      const Slot slot = random() % kSlots;
      index->put(slot, payload_of(slot, random));
    }
    return index->view();
  }();
  return view;
}

void evaluate(benchmark::State& state, const Filter& filter) {
  const PayloadIndexView& view = million();
  Bitmap live;
  live.add_range(0, kSlots);
  std::uint64_t found = 0;
  for (auto _ : state) {
    found = view.evaluate(filter, live, NoFallback(), Deadline::never())->slots.count();
  }
  state.counters["found"] = static_cast<double>(found) / kSlots;
  state.counters["estimate"] = static_cast<double>(view.estimate(filter, kSlots)) / kSlots;
}

Condition keyword() {
  return FieldCondition{path_of("keyword"), MatchValue{std::string("keyword 7")}};
}
Condition category() {
  return FieldCondition{path_of("category"), MatchValue{std::string("category 7")}};
}
Condition range(double share) {
  return FieldCondition{path_of("number"), NumberRange{share * kSlots, {}, {}, 0.0}};
}

void BM_Keyword(benchmark::State& state) { evaluate(state, Filter{{keyword()}, {}, {}, {}}); }
void BM_Category(benchmark::State& state) { evaluate(state, Filter{{category()}, {}, {}, {}}); }
void BM_UniqueKeyword(benchmark::State& state) {
  const std::string value = "1500000-0123456789abcdef0123456789abcdef";
  evaluate(state, Filter{{FieldCondition{path_of("unique"), MatchValue{value}}}, {}, {}, {}});
}
void BM_Range(benchmark::State& state) {
  const double share = static_cast<double>(state.range(0)) / 1000;
  evaluate(state, Filter{{range(share)}, {}, {}, {}});
}
void BM_Radius(benchmark::State& state) {
  const GeoRadius circle{{10, 50}, static_cast<double>(state.range(0)) * 1000};
  evaluate(state, Filter{{FieldCondition{path_of("place"), circle}}, {}, {}, {}});
}
void BM_CategoryAndRange(benchmark::State& state) {
  evaluate(state, Filter{{category(), range(0.1)}, {}, {keyword()}, {}});
}
void BM_Estimate(benchmark::State& state) {
  const PayloadIndexView& view = million();
  const Filter filter{{category(), range(0.1)}, {}, {}, {}};
  std::uint64_t estimate = 0;
  for (auto _ : state) benchmark::DoNotOptimize(estimate = view.estimate(filter, kSlots));
  state.counters["estimate"] = static_cast<double>(estimate) / kSlots;
}

/// New slots into one field, from none to a million; the payloads are made before.
void put(benchmark::State& state, const std::string& field) {
  std::mt19937 random(1);
  std::vector<Json> payloads;
  for (Slot slot = 0; slot < kSlots; ++slot) {
    payloads.push_back({{field, payload_of(slot, random).at(field)}});
  }
  using Clock = std::chrono::steady_clock;
  std::uint64_t bytes = 0;
  Clock::duration longest{};
  for (auto _ : state) {
    const auto index = empty_index({{field, kFields.at(field)}});
    Clock::time_point before = Clock::now();
    for (Slot slot = 0; slot < kSlots; ++slot) {
      index->put(slot, payloads[slot]);
      const Clock::time_point now = Clock::now();
      longest = std::max(longest, now - before);
      before = now;
    }
    bytes = index->memory_bytes();
  }
  state.counters["longest_ms"] = std::chrono::duration<double, std::milli>(longest).count();
  state.SetItemsProcessed(state.iterations() * std::int64_t{kSlots});
  state.counters["bytes_per_value"] = static_cast<double>(bytes) / kSlots;
}
void BM_PutNumber(benchmark::State& state) { put(state, "number"); }
void BM_PutKeyword(benchmark::State& state) { put(state, "keyword"); }
void BM_PutUnique(benchmark::State& state) { put(state, "unique"); }

BENCHMARK(BM_Keyword)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Category)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_UniqueKeyword)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Range)->Arg(10)->Arg(100)->Arg(500)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Radius)->Arg(50)->Arg(1000)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_CategoryAndRange)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Estimate)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_PutNumber)->Unit(benchmark::kMillisecond)->Iterations(1);
BENCHMARK(BM_PutKeyword)->Unit(benchmark::kMillisecond)->Iterations(1);
BENCHMARK(BM_PutUnique)->Unit(benchmark::kMillisecond)->Iterations(1);

}  // namespace
}  // namespace sightline::index

BENCHMARK_MAIN();
