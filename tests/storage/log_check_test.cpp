#include "storage/internal/log_check.h"

#include <gmock/gmock.h>

#include <cstring>

#include "tests/support/temp_dir.h"

namespace sightline::storage {
namespace {

constexpr std::size_t kBlock = 32768, kHeader = 7;

TEST(Crc32c, MatchesKnownValues) {
  // RFC 3720, B.4.
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43U);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c(""), 0U);
}

/// A log of records with these lengths, in RocksDB's format.
class LogWriter {
 public:
  void add(std::size_t length) {
    starts_.push_back(bytes_.size());
    bool is_first = true;
    do {
      std::size_t room = kBlock - bytes_.size() % kBlock;
      if (room < kHeader) {
        bytes_.append(room, '\0');
        room = kBlock;
      }
      const std::size_t part = std::min(length, room - kHeader);
      length -= part;
      add_part(part, length == 0 ? (is_first ? 1 : 4) : (is_first ? 2 : 3));
      is_first = false;
    } while (length > 0);
  }
  std::string& bytes() { return bytes_; }
  std::uint64_t start(std::size_t record) const { return starts_[record]; }

 private:
  void add_part(std::size_t length, char type) {
    std::string body(1, type);
    for (std::size_t i = 0; i < length; ++i) body.push_back(static_cast<char>(1 + i % 250));
    const std::uint32_t crc = crc32c(body);
    const std::uint32_t masked = ((crc >> 15) | (crc << 17)) + 0xA282EAD8U;
    const auto length16 = static_cast<std::uint16_t>(length);
    bytes_.append(reinterpret_cast<const char*>(&masked), 4);
    bytes_.append(reinterpret_cast<const char*>(&length16), 2);
    bytes_ += body;
  }
  std::string bytes_;
  std::vector<std::uint64_t> starts_;
};

class LogCheck : public testing::Test {
 protected:
  LogCheck() {
    for (const std::size_t length : {100U, 40000U, 200U, 60U, 20000U, 300U}) log_.add(length);
  }
  std::optional<std::uint64_t> check(bool is_closed = false) {
    const auto found = find_log_damage(dir_.write("1.log", log_.bytes()), is_closed);
    EXPECT_TRUE(found) << found.error().message;
    return found ? *found : std::nullopt;
  }
  testing_support::TempDir dir_;
  LogWriter log_;
};

TEST_F(LogCheck, AWholeLogIsWhole) {
  EXPECT_EQ(check(), std::nullopt);
  EXPECT_EQ(check(true), std::nullopt);
  log_.bytes().clear();
  EXPECT_EQ(check(true), std::nullopt);
}

TEST_F(LogCheck, AFlippedBitAnywhereButInTheLastRecordIsFound) {
  for (std::size_t record = 0; record < 5; ++record) {
    for (const std::size_t at : {0U, 4U, 5U, 6U, 8U, 50U}) {
      log_.bytes()[log_.start(record) + at] ^= 0x10;
      EXPECT_EQ(check(), log_.start(record)) << record << " " << at;
      log_.bytes()[log_.start(record) + at] ^= 0x10;
    }
  }
}

TEST_F(LogCheck, TheLastRecordMayBeTornUnlessTheFileIsClosed) {
  log_.bytes()[log_.start(5) + 50] ^= 1;
  EXPECT_EQ(check(), std::nullopt);
  EXPECT_EQ(check(true), log_.start(5));
}

TEST_F(LogCheck, ACutIsWhatACrashLeaves) {
  while (!log_.bytes().empty()) {
    log_.bytes().resize(log_.bytes().size() - std::min<std::size_t>(log_.bytes().size(), 997));
    ASSERT_EQ(check(), std::nullopt) << log_.bytes().size();
  }
}

TEST_F(LogCheck, APageThatNeverReachedTheDiskIsNoDamage) {
  const std::size_t page = (log_.start(1) / 4096 + 2) * 4096;  // within the second record
  std::memset(log_.bytes().data() + page, 0, 4096);
  EXPECT_EQ(check(), std::nullopt);
}

TEST_F(LogCheck, AFileThatIsNotThere) {
  EXPECT_EQ(find_log_damage(dir_ / "none", false).error().code, StatusCode::kIoError);
}

}  // namespace
}  // namespace sightline::storage
