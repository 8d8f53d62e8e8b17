#include "index/internal/parallel_scan.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <new>
#include <numeric>
#include <stdexcept>
#include <vector>

namespace sightline::index {
namespace {

using testing::HasSubstr;

class Part final : public ScanPart {
 public:
  using Scan = std::function<Result<void>(std::size_t)>;
  Part(const Scan& scan, std::vector<std::size_t>& chunks) : scan_(scan), all_(chunks) {}
  Result<void> scan(std::size_t chunk) override {
    own_.push_back(chunk);
    return scan_(chunk);
  }
  void finish() override { all_.insert(all_.end(), own_.begin(), own_.end()); }

 private:
  const Scan& scan_;
  std::vector<std::size_t>& all_;
  std::vector<std::size_t> own_;
};

TEST(ParallelScan, EveryChunkIsScannedOnce) {
  ComputePool pool({.num_threads = 3, .init_thread = {}, .set_width = {}});
  const Part::Scan scan = [](std::size_t) { return Result<void>(); };
  for (ComputePool* helpers : {static_cast<ComputePool*>(nullptr), &pool}) {
    for (const std::size_t num_chunks : {0, 1, 2, 1000}) {
      for (const std::size_t max_threads : {0, 1, 2, 100}) {
        std::vector<std::size_t> chunks;
        const auto scanned =
            scan_in_parts(num_chunks, max_threads, helpers, Priority::kQueryEncoding,
                          [&] { return std::make_unique<Part>(scan, chunks); });
        ASSERT_TRUE(scanned);
        std::sort(chunks.begin(), chunks.end());
        std::vector<std::size_t> expected(num_chunks);
        std::iota(expected.begin(), expected.end(), std::size_t{0});
        ASSERT_EQ(chunks, expected);
      }
    }
  }
}

TEST(ParallelScan, OneThreadIsNotHelped) {
  ComputePool pool({.num_threads = 3, .init_thread = {}, .set_width = {}});
  std::vector<std::size_t> chunks;
  std::atomic<int> num_parts{0};
  const Part::Scan scan = [](std::size_t) { return Result<void>(); };
  ASSERT_TRUE(scan_in_parts(1000, 1, &pool, Priority::kBuild, [&] {
    ++num_parts;
    return std::make_unique<Part>(scan, chunks);
  }));
  EXPECT_EQ(num_parts, 1);
}

TEST(ParallelScan, AFailureEndsIt) {
  ComputePool pool({.num_threads = 3, .init_thread = {}, .set_width = {}});
  std::atomic<int> num_scanned{0};
  const Part::Scan scan = [&](std::size_t chunk) -> Result<void> {
    ++num_scanned;
    if (chunk == 3) return not_found("chunk 3");
    return {};
  };
  std::vector<std::size_t> chunks;
  const auto scanned = scan_in_parts(1'000'000, 3, &pool, Priority::kQueryEncoding,
                                     [&] { return std::make_unique<Part>(scan, chunks); });
  ASSERT_FALSE(scanned);
  EXPECT_EQ(scanned.error().code, StatusCode::kNotFound);
  EXPECT_LT(num_scanned, 1'000'000);
}

TEST(ParallelScan, ExceptionsBecomeAStatus) {
  ComputePool pool({.num_threads = 3, .init_thread = {}, .set_width = {}});
  const Part::Scan scan = [](std::size_t chunk) -> Result<void> {
    if (chunk % 2 == 0) throw std::runtime_error("no luck");
    return {};
  };
  std::vector<std::size_t> chunks;
  const auto scanned = scan_in_parts(50, 3, &pool, Priority::kQueryEncoding,
                                     [&] { return std::make_unique<Part>(scan, chunks); });
  ASSERT_FALSE(scanned);
  EXPECT_EQ(scanned.error().code, StatusCode::kInternal);
  EXPECT_THAT(scanned.error().message, HasSubstr("no luck"));

  const auto unmade = scan_in_parts(50, 3, &pool, Priority::kQueryEncoding,
                                    []() -> std::unique_ptr<ScanPart> { throw std::bad_alloc(); });
  EXPECT_EQ(unmade.error().code, StatusCode::kInternal);
}

}  // namespace
}  // namespace sightline::index
