#include "pipeline/internal/read_gate.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace sightline::pipeline {
namespace {

TEST(ReadGate, AReaderMayReadAgain) {
  ReadGate gate;
  const auto outer = gate.enter();
  const auto inner = gate.enter();
  auto moved = gate.enter();
  const ReadGate::Pass owner(std::move(moved));
}

TEST(ReadGate, AChangeRunsAloneAndReturnsItsValue) {
  ReadGate gate;
  int value = 0;
  std::atomic<bool> done{false};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!done) {
        const auto pass = gate.enter();
        ASSERT_EQ(value % 2, 0);
      }
    });
  }
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(gate.change([&] {
      ++value;
      std::this_thread::yield();
      return ++value;
    }),
              2 * (i + 1));
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
}

TEST(ReadGate, AReaderMayReadAgainWhileAChangeWaits) {
  ReadGate gate;
  std::atomic<bool> changed{false};
  std::thread changer;
  {
    const auto outer = gate.enter();
    changer = std::thread([&] { gate.change([&] { changed = true; }); });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const auto inner = gate.enter();
    EXPECT_FALSE(changed);
  }
  changer.join();
  EXPECT_TRUE(changed);
}

TEST(ReadGate, WhoHoldsAPassCanTryAndGiveUp) {
  ReadGate gate;
  {
    const auto pass = gate.enter();
    EXPECT_FALSE(gate.change_within(std::chrono::milliseconds(5), [] { return 1; }));
    const auto still_open = gate.enter();
  }
  EXPECT_EQ(gate.change_within(std::chrono::milliseconds(5), [] { return 1; }), 1);
}

TEST(ReadGate, AChangeThatThrowsOpensTheGate) {
  ReadGate gate;
  EXPECT_THROW(gate.change([]() -> int { throw 1; }), int);
  const auto pass = gate.enter();
}

}  // namespace
}  // namespace sightline::pipeline
