// The main() of a program of many tests. Called by the name of one of its files (`shard_test`), as
// through the links in build/*/tests, it runs the cases of that file alone; by its own
// (`index_tests`), all.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

namespace {

/// `filter` without the cases of other files than `file`, e.g. "shard_test".
std::string within_file(const std::string& filter, const std::string& file) {
  std::string others;
  const testing::UnitTest& all = *testing::UnitTest::GetInstance();
  for (int i = 0; i < all.total_test_suite_count(); ++i) {
    const testing::TestSuite& suite = *all.GetTestSuite(i);
    for (int k = 0; k < suite.total_test_count(); ++k) {
      const testing::TestInfo& test = *suite.GetTestInfo(k);
      if (std::filesystem::path(test.file()).stem() != file) {
        others += std::string(":") + suite.name() + "." + test.name();
      }
    }
  }
  // What follows a '-' is left out.
  if (!others.empty() && filter.find('-') == std::string::npos) others.front() = '-';
  return filter + others;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string file = std::filesystem::path(argv[0]).filename();
  testing::InitGoogleMock(&argc, argv);
  if (file.ends_with("_test")) GTEST_FLAG_SET(filter, within_file(GTEST_FLAG_GET(filter), file));
  return RUN_ALL_TESTS();
}
