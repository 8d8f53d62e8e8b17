#include "storage/data_lock.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <cerrno>

#include "tests/support/temp_dir.h"

namespace sightline::storage {
namespace {

using testing::HasSubstr;

TEST(DataLock, IsHeldByOneAndSaysByWhom) {
  const testing_support::TempDir dir;
  auto first = DataLock::acquire(dir.path(), "sightline index /photos");
  ASSERT_TRUE(first) << first.error().message;
  const auto second = DataLock::acquire(dir.path(), "other");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, StatusCode::kFailedPrecondition);
  EXPECT_THAT(second.error().message,
              HasSubstr("data folder " + dir.path().string() + " is in use by pid " +
                        std::to_string(getpid()) + " (sightline index /photos) on "));
  EXPECT_THAT(second.error().message, HasSubstr(" since 20"));
  const auto third = DataLock::acquire(dir.path(), "another");
  ASSERT_FALSE(third);
  EXPECT_THAT(third.error().message, HasSubstr("(sightline index /photos)")) << "the text stays";
  first->reset();
  EXPECT_TRUE(DataLock::acquire(dir.path(), ""));
}

TEST(DataLock, ATextThatWasLeftBehindLocksNobodyOut) {
  const testing_support::TempDir dir;
  dir.write("LOCK", "pid 1 (sightline index /photos) on elsewhere since 2020-01-01T00:00:00Z\n");
  EXPECT_TRUE(DataLock::acquire(dir.path(), "me"));
}

TEST(DataLock, AFolderThatIsNotThere) {
  const testing_support::TempDir dir;
  EXPECT_EQ(DataLock::acquire(dir / "none", "me").error().code, StatusCode::kNotFound);
}

TEST(SystemError, CodesFollowErrno) {
  EXPECT_EQ(system_error(ENOSPC, "/x", "write").code, StatusCode::kResourceExhausted);
  EXPECT_EQ(system_error(EROFS, "/x", "write").code, StatusCode::kPermissionDenied);
  EXPECT_EQ(system_error(ENOENT, "/x", "write").code, StatusCode::kNotFound);
  EXPECT_EQ(system_error(EIO, "/x", "write").code, StatusCode::kIoError);
  EXPECT_EQ(system_error(EIO, "/x", "write").message, "cannot write /x: Input/output error");
}

}  // namespace
}  // namespace sightline::storage
