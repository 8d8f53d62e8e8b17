#include "index/file_writer.h"

#include <gmock/gmock.h>

#include <cerrno>
#include <string>

#include "core/checksum.h"
#include "index/internal/mapped_file.h"
#include "tests/index/shard_rows.h"
#include "tests/support/temp_dir.h"

namespace sightline::index {
namespace {

using testing::HasSubstr;
using testing_support::read_file;
using testing_support::TempDir;

std::string checksum(std::string_view text) {
  Checksum128 sum;
  sum.update(text);
  return sum.hex();
}

TEST(FileWriter, WritesPiecesOfAllSizesAndKnowsTheirRegions) {
  const TempDir dir;
  std::string head, bulk;
  const auto file = FileWriter::create(dir / "file").value();
  for (const std::size_t size : {0, 1, 100, 300'000, 262'144, 7, 262'143, 1, 1'000'000}) {
    const std::string piece(size, static_cast<char>('a' + size % 26));
    ASSERT_TRUE(file->append(piece));
    head += piece;
  }
  EXPECT_EQ(file->end_region(), (FileRegion{head.size(), checksum(head)}));
  bulk = "the rest";
  ASSERT_TRUE(file->append(bulk));
  ASSERT_TRUE(file->overwrite(0, std::as_bytes(std::span("HEAD", 4))));
  EXPECT_EQ(file->size(), head.size() + bulk.size());
  EXPECT_EQ(file->end_region(), (FileRegion{bulk.size(), checksum(bulk)}));
  ASSERT_TRUE(file->finish());
  EXPECT_EQ(read_file(dir / "file"), "HEAD" + head.substr(4) + bulk);
}

TEST(FileWriter, DoesNotWriteOverAFile) {
  const TempDir dir;
  dir.write("file", "mine");
  const auto file = FileWriter::create(dir / "file");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, StatusCode::kIoError);
  EXPECT_THAT(file.error().message, HasSubstr((dir / "file").string()));
  EXPECT_EQ(read_file(dir / "file"), "mine");
}

Result<void> write_something(const std::filesystem::path& path, FileCalls& calls) {
  SIGHTLINE_TRY(const auto file, FileWriter::create(path, calls));
  SIGHTLINE_TRY_DO(file->append(std::string(600'000, 'x')));
  SIGHTLINE_TRY_DO(file->append(std::string("end")));
  return file->finish();
}

TEST(FileWriter, ReportsEveryCallThatFails) {
  struct Case {
    int error;
    StatusCode code;
  };
  for (const auto& [error, code] :
       {Case{ENOSPC, StatusCode::kResourceExhausted}, Case{EDQUOT, StatusCode::kResourceExhausted},
        Case{EROFS, StatusCode::kPermissionDenied}, Case{EIO, StatusCode::kIoError}}) {
    std::size_t call = 0;
    for (;; ++call) {
      const TempDir dir;
      FailingCalls calls(call, false, error);
      const auto written = write_something(dir / "file", calls);
      if (written) break;
      EXPECT_EQ(written.error().code, code) << written.error().message;
      EXPECT_THAT(written.error().message, HasSubstr((dir / "file").string()));
    }
    EXPECT_GE(call, 5U);  // create, two writes, sync, close
  }
}

TEST(FileWriter, AFullDiskIsNoticedWithinAWrite) {
  const TempDir dir;
  FailingCalls calls(FailingCalls::kNever);
  calls.set_capacity(400'000);
  const auto written = write_something(dir / "file", calls);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, StatusCode::kResourceExhausted);
}

class FolderCalls : public testing::Test {
 protected:
  Result<void> make(FileCalls& calls) {
    SIGHTLINE_TRY(const auto folder, FolderWriter::create(dir_ / "new", calls));
    SIGHTLINE_TRY_DO(write_something(folder->temporary() / "file", calls));
    return folder->publish();
  }
  bool exists(const char* name) const { return std::filesystem::exists(dir_ / name); }

  TempDir dir_;
};

TEST_F(FolderCalls, PublishesTheWholeFolder) {
  ASSERT_TRUE(make(FileCalls::system()));
  EXPECT_EQ(read_file(dir_ / "new/file").size(), 600'003U);
  EXPECT_FALSE(exists("new.tmp"));
  const auto again = make(FileCalls::system());
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, StatusCode::kAlreadyExists);
}

TEST_F(FolderCalls, AFailureLeavesNothing) {
  for (std::size_t call = 0;; ++call) {
    FailingCalls calls(call);
    if (make(calls)) {
      EXPECT_GE(call, 10U);
      break;
    }
    EXPECT_FALSE(exists("new")) << call;
    EXPECT_FALSE(exists("new.tmp")) << call;
  }
}

TEST_F(FolderCalls, ACrashLeavesTheWholeOrATemporaryFolder) {
  for (std::size_t call = 0;; ++call) {
    FailingCalls calls(call, true);
    const bool made = make(calls).has_value();
    if (exists("new")) {
      EXPECT_EQ(read_file(dir_ / "new/file").size(), 600'003U) << call;
      EXPECT_FALSE(exists("new.tmp"));
      if (made) break;
      std::filesystem::remove_all(dir_ / "new");
    } else {
      EXPECT_FALSE(made);
    }
    // What was left under the temporary name is in nobody's way.
    ASSERT_TRUE(make(FileCalls::system())) << call;
    std::filesystem::remove_all(dir_ / "new");
  }
}

TEST(VerifyRegion, NamesFilePartAndDamage) {
  const TempDir dir;
  const auto path = dir.write("file", "0123456789");
  EXPECT_TRUE(verify_region(path, 2, {3, checksum("234")}, "its middle"));
  EXPECT_TRUE(verify_region(path, 10, {0, checksum("")}, "nothing"));
  const auto other = verify_region(path, 2, {3, checksum("235")}, "its middle");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, StatusCode::kCorruption);
  EXPECT_THAT(other.error().message, HasSubstr("its middle (bytes 2 to 5)"));
  const auto beyond = verify_region(path, 8, {3, checksum("89")}, "its end");
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().code, StatusCode::kCorruption);
  EXPECT_THAT(beyond.error().message, HasSubstr("it ends at byte 10"));
}

TEST(MappedFile, ShowsTheBytesOrSaysWhyNot) {
  const TempDir dir;
  const auto file = MappedFile::open(dir.write("file", "abc"));
  ASSERT_TRUE(file);
  EXPECT_EQ((*file)->bytes().size(), 3U);
  EXPECT_EQ((*file)->bytes()[2], std::byte{'c'});
  EXPECT_TRUE(MappedFile::open(dir.write("empty", "")).value()->bytes().empty());
  EXPECT_EQ(MappedFile::open(dir / "missing").error().code, StatusCode::kNotFound);
  EXPECT_EQ(MappedFile::open(dir.path()).error().code, StatusCode::kIoError);
}

}  // namespace
}  // namespace sightline::index
