#include "settings/library_setup.h"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <omp.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>
#include <string>
#include <thread>

namespace sightline::settings {
namespace {

/// Threads that a parallel loop of LibTorch and one of OpenMP take here.
std::pair<int, int> widths() {
  std::atomic<int> torch_threads{0};
  at::parallel_for(0, 64, 1, [&](std::int64_t, std::int64_t) { ++torch_threads; });
  int omp_threads = 0;
#pragma omp parallel
  {
#pragma omp single
    omp_threads = omp_get_num_threads();
  }
  return {torch_threads.load(), omp_threads};
}

TEST(SetUpThread, ANewThreadComputesAlone) {
  std::thread([] {
    set_up_thread();
    EXPECT_EQ(widths(), std::pair(1, 1));
    EXPECT_EQ(at::get_num_threads(), 1);
  }).join();
}

TEST(SetThreadWidth, HoldsForTheCallingThreadAlone) {
  std::thread([] {
    set_up_thread();
    set_thread_width(3);
    EXPECT_EQ(widths(), std::pair(3, 3));
    std::thread([] {
      set_up_thread();
      EXPECT_EQ(widths(), std::pair(1, 1));
    }).join();
    EXPECT_EQ(widths(), std::pair(3, 3));
    set_thread_width(1);
    EXPECT_EQ(widths(), std::pair(1, 1));
  }).join();
}

TEST(PoolOptions, ShortWorkIsSingleThreadedAndWideWorkTakesAll) {
  set_up_process();
  ComputePool pool(pool_options(2));
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(pool.submit(Priority::kDecode, widths).get(), std::pair(1, 1));
    EXPECT_EQ(pool.run_wide(Priority::kDecode, widths), std::pair(2, 2));
  }
}

TEST(SetUpProcess, OpenMpThreadsSleepWhileTheyWait) {
  set_up_process();
  if (omp_get_num_procs() < 2) GTEST_SKIP() << "with one core libgomp never spins";
  ComputePool pool(pool_options(0));
  constexpr int kRounds = 50;
  pool.run_wide(Priority::kDecode, widths);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));  // OpenBLAS's threads go to sleep
  const std::clock_t before = std::clock();                     // CPU time of all threads
  for (int i = 0; i < kRounds; ++i) {
    pool.run_wide(Priority::kDecode, widths);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  const double seconds = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
  EXPECT_LT(seconds / kRounds, 0.0015);  // 3 ms and more when they spin
}

TEST(LibraryFacts, NamesVersionsAndOpenBlas) {
  std::map<std::string, std::string> facts;
  for (const auto& [name, value] : library_facts()) {
    EXPECT_FALSE(value.empty()) << name;
    facts[name] = value;
  }
  EXPECT_THAT(facts["libtorch"], testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+.*"));
  EXPECT_THAT(facts["faiss"], testing::MatchesRegex("1\\.[0-9]+\\.[0-9]+"));
  EXPECT_THAT(facts["rocksdb"], testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
  EXPECT_THAT(facts["opencv"], testing::StartsWith("4."));
  EXPECT_THAT(facts["blas"], testing::StartsWith("OpenBLAS"))
      << "the reference BLAS is ten times slower; scripts/setup chooses OpenBLAS";
  EXPECT_THAT(facts["cpu_level"], testing::AnyOf("generic", "avx2", "avx512"));
}

#ifndef __SANITIZE_ADDRESS__  // its shadow counts, too
TEST(AddressSpace, OfALimitTooSmallForTheThreadsIsNamed) {
  EXPECT_TRUE(check_address_space(2));
  const auto limited = [] {
    const rlimit limit{std::size_t{64} << 30, RLIM_INFINITY};
    setrlimit(RLIMIT_AS, &limit);
    const auto few = check_address_space(2);
    const auto many = check_address_space(1000);
    std::fputs(many ? "there is room" : many.error().message.c_str(), stderr);
    std::_Exit(few ? 3 : 4);
  };
  EXPECT_EXIT(limited(), testing::ExitedWithCode(3), "67108864 kB .ulimit -v.; 1000 threads");
}
#endif

}  // namespace
}  // namespace sightline::settings
