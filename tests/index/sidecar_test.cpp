#include "index/sidecar.h"

#include <gmock/gmock.h>

#include <cstring>
#include <string>

#include "index/internal/mapped_file.h"
#include "tests/index/shard_rows.h"
#include "tests/support/temp_dir.h"

namespace sightline::index {
namespace {

using testing::HasSubstr;
using testing_support::read_file;
using testing_support::TempDir;

constexpr SidecarKind kKind{"codes", 3};
const std::string kSource(32, 'a');
const std::string kPayload = "sixty-four bytes aligned";

std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string text(std::span<const std::byte> payload) {
  return {reinterpret_cast<const char*>(payload.data()), payload.size()};
}

void write(const std::filesystem::path& path, const SidecarKind& kind = kKind,
           const std::string& source = kSource, const std::string& payload = kPayload) {
  const auto writer = SidecarWriter::create(path, kind, source).value();
  ASSERT_TRUE(writer->append(bytes(payload)));
  ASSERT_TRUE(writer->finish());
}

TEST(Sidecar, GivesBackWhatWasWritten) {
  const TempDir dir;
  const auto writer = SidecarWriter::create(dir / "s", kKind, kSource).value();
  ASSERT_TRUE(writer->append(bytes("sixty-four ")));
  ASSERT_TRUE(writer->append(bytes("bytes aligned")));
  const auto written = writer->finish().value();
  const std::string file = read_file(dir / "s");
  EXPECT_EQ(written.header, region_of(bytes(file.substr(0, kSidecarHeaderBytes))));
  EXPECT_EQ(written.payload, region_of(bytes(kPayload)));
  const auto sidecar = open_sidecar(dir / "s", kKind, kSource, SidecarCheck::kAll);
  ASSERT_TRUE(sidecar) << sidecar.error().message;
  EXPECT_EQ(text(sidecar->payload), kPayload);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(sidecar->payload.data()) % 64, 0U);
}

// docs/sidecar_format.md
TEST(Sidecar, LiesAsItsPageSays) {
  const TempDir dir;
  write(dir / "s");
  const std::string file = read_file(dir / "s");
  std::string expected = "SLSIDCAR";
  expected += std::string("\1\0\0\0\3\0\0\0", 8);
  expected += "codes" + std::string(11, '\0');
  expected += std::string("\x18\0\0\0\0\0\0\0", 8);
  expected += region_of(bytes(kPayload)).checksum + kSource + std::string(56, '\0');
  expected += region_of(bytes(expected)).checksum;
  EXPECT_EQ(file, expected + kPayload);
}

struct UseCase {
  std::string name;
  SidecarKind written;
  std::string source;
  StatusCode code;
  std::string message;
};
class SidecarUse : public testing::TestWithParam<UseCase> {};

TEST_P(SidecarUse, IsRefusedByName) {
  const UseCase& c = GetParam();
  const TempDir dir;
  write(dir / "s", c.written, c.source);
  const auto sidecar = open_sidecar(dir / "s", kKind, kSource, SidecarCheck::kAll);
  ASSERT_FALSE(sidecar);
  EXPECT_EQ(sidecar.error().code, c.code);
  EXPECT_THAT(sidecar.error().message, HasSubstr((dir / "s").string()));
  EXPECT_THAT(sidecar.error().message, HasSubstr(c.message));
}
INSTANTIATE_TEST_SUITE_P(
    Cases, SidecarUse,
    testing::ValuesIn(std::vector<UseCase>{
        {"Stale", kKind, std::string(32, 'b'), StatusCode::kCorruption, "is stale"},
        {"Older", {"codes", 2}, kSource, StatusCode::kCorruption, "older version 2 of \"codes\""},
        {"Newer", {"codes", 4}, kSource, StatusCode::kFailedPrecondition, "version 4 of \"codes\""},
        {"Kind", {"rows", 3}, kSource, StatusCode::kCorruption, "kind \"rows\", not \"codes\""},
    }),
    [](const auto& info) { return info.param.name; });

TEST(Sidecar, RefusesAHeaderOfALaterVersion) {
  const TempDir dir;
  write(dir / "s");
  std::string file = read_file(dir / "s");
  file[8] = 2;
  file.replace(160, 32, region_of(bytes(file.substr(0, 160))).checksum);
  put_file(dir / "s", file);
  const auto sidecar = open_sidecar(dir / "s", kKind, kSource, SidecarCheck::kHeader);
  ASSERT_FALSE(sidecar);
  EXPECT_EQ(sidecar.error().code, StatusCode::kFailedPrecondition);
  EXPECT_THAT(sidecar.error().message, HasSubstr("version 2 of the header"));
}

TEST(Sidecar, NoticesEveryDamagedByte) {
  const TempDir dir;
  write(dir / "s");
  const std::string file = read_file(dir / "s");
  for (std::size_t at = 0; at < file.size(); ++at) {
    std::string damaged = file;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << at % 8));
    put_file(dir / "s", damaged);
    const auto sidecar = open_sidecar(dir / "s", kKind, kSource, SidecarCheck::kAll);
    ASSERT_FALSE(sidecar) << at;
    EXPECT_EQ(sidecar.error().code, StatusCode::kCorruption) << at << sidecar.error().message;
    // The header alone tells of all but the payload.
    EXPECT_EQ(open_sidecar(dir / "s", kKind, kSource, SidecarCheck::kHeader).has_value(),
              at >= kSidecarHeaderBytes);
  }
  for (std::size_t size = 0; size < file.size(); ++size) {
    put_file(dir / "s", file.substr(0, size));
    const auto sidecar = open_sidecar(dir / "s", kKind, kSource, SidecarCheck::kHeader);
    ASSERT_FALSE(sidecar) << size;
    EXPECT_EQ(sidecar.error().code, StatusCode::kCorruption) << size;
  }
  put_file(dir / "s", file + "x");
  EXPECT_FALSE(open_sidecar(dir / "s", kKind, kSource, SidecarCheck::kHeader));
}

class SidecarRebuild : public testing::Test {
 protected:
  Result<Sidecar> open(FileCalls& calls = FileCalls::system(), const std::string& payload = "new") {
    return open_or_build_sidecar(
        dir_ / "s", kKind, kSource, SidecarCheck::kAll,
        [&](SidecarWriter& writer) {
          ++num_built_;
          return writer.append(bytes(payload));
        },
        calls);
  }

  TempDir dir_;
  int num_built_ = 0;
};

TEST_F(SidecarRebuild, HappensOnceWhenItIsMissing) {
  EXPECT_EQ(text(open().value().payload), "new");
  EXPECT_EQ(text(open().value().payload), "new");
  EXPECT_EQ(num_built_, 1);
  EXPECT_FALSE(std::filesystem::exists(dir_ / "s.tmp"));
}

TEST_F(SidecarRebuild, ReplacesWhatIsStaleOlderOrDamaged) {
  write(dir_ / "s", kKind, std::string(32, 'b'));
  EXPECT_EQ(text(open().value().payload), "new");
  std::filesystem::remove(dir_ / "s");
  write(dir_ / "s", {"codes", 1});
  EXPECT_EQ(text(open().value().payload), "new");
  put_file(dir_ / "s", "rubbish");
  put_file(dir_ / "s.tmp", "of a crash");
  EXPECT_EQ(text(open().value().payload), "new");
  EXPECT_EQ(num_built_, 3);
}

TEST_F(SidecarRebuild, LeavesANewerOneAlone) {
  write(dir_ / "s", {"codes", 4});
  const std::string before = read_file(dir_ / "s");
  EXPECT_EQ(open().error().code, StatusCode::kFailedPrecondition);
  EXPECT_EQ(num_built_, 0);
  EXPECT_EQ(read_file(dir_ / "s"), before);
}

TEST_F(SidecarRebuild, ThatFailsLeavesNothingHalf) {
  for (std::size_t call = 0;; ++call) {
    put_file(dir_ / "s", "rubbish");
    FailingCalls calls(call, true);
    const auto opened = open(calls);
    const bool whole = open_sidecar(dir_ / "s", kKind, kSource, SidecarCheck::kAll).has_value();
    EXPECT_TRUE(whole || read_file(dir_ / "s") == "rubbish") << call;
    if (opened) {
      EXPECT_GE(call, 8U);
      break;
    }
  }
}

}  // namespace
}  // namespace sightline::index
