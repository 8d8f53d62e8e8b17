#include "core/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>
#include <thread>
#include <vector>

namespace sightline {
namespace {

class LogTest : public testing::Test {
 protected:
  ~LogTest() override { set_log_sink(nullptr, LogLevel::kInfo); }

  void collect(LogLevel level) {
    set_log_sink(
        [this](LogLevel, std::string_view component, std::string_view message,
               std::span<const LogField> fields) {
          std::string line = std::string(component) + "|" + std::string(message);
          for (const LogField& field : fields) line += "|" + std::string(field.key) + field.value;
          const std::lock_guard lock(mutex_);
          lines_.push_back(line);
        },
        level);
  }

  std::mutex mutex_;
  std::vector<std::string> lines_;
};

TEST_F(LogTest, SinkGetsWhatTheLevelLetsThrough) {
  collect(LogLevel::kWarning);
  EXPECT_EQ(log_level(), LogLevel::kWarning);
  log_info("ingest", "quiet");
  log_warning("ingest", "skipped", {{"path", "/a b"}, {"bytes", "3"}});
  log(LogLevel::kError, "storage", "full");
  EXPECT_THAT(lines_, testing::ElementsAre("ingest|skipped|path/a b|bytes3", "storage|full"));
}

TEST_F(LogTest, OffSilencesEverything) {
  collect(LogLevel::kOff);
  log(LogLevel::kError, "a", "b");
  log(LogLevel::kOff, "a", "b");
  EXPECT_THAT(lines_, testing::IsEmpty());
}

TEST_F(LogTest, TakesManyThreads) {
  collect(LogLevel::kInfo);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 100; ++i) log_info("pool", "message");
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(lines_.size(), 400U);
}

TEST_F(LogTest, WithoutASinkLinesGoToStderr) {
  testing::internal::CaptureStderr();
  log_warning("ingest", "skipped", {{"path", "/a"}});
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "warning: ingest: skipped path=/a\n");
}

}  // namespace
}  // namespace sightline
