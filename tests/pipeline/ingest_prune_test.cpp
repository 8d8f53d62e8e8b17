// What --prune forgets, and what it spares.
#include <sys/wait.h>
#include <unistd.h>

#include "pipeline/file_uri.h"
#include "tests/pipeline/ingest_fixture.h"
#include "tests/pipeline/pictures.h"

namespace sightline::pipeline {
namespace {

namespace fs = std::filesystem;
using testing_support::make_png;
using testing_support::make_tar;
using testing_support::touch;

class Prune : public IngestTest {
 protected:
  IngestReport prune(const std::string& below = "") {
    IngestOptions with_prune = options({path_of(below)});
    with_prune.prune = true;
    return index(with_prune);
  }
};

TEST_F(Prune, OnlyWhenAskedAndOnlyBelowThePaths) {
  for (const char* name : {"b/1.png", "b/x/2.png", "bc/3.png", "4.png"}) picture(name, 1);
  picture("b/keep.png", 2);
  index();
  for (const char* name : {"b/1.png", "b/x/2.png", "bc/3.png", "4.png"})
    fs::remove(pictures_ / name);
  EXPECT_EQ(index().pruned, 0u);
  EXPECT_EQ(count(), 5u);
  EXPECT_EQ(prune("b").pruned, 2u);
  EXPECT_FALSE(point_of("b/1.png"));
  EXPECT_FALSE(store_->find_source(uri_of("b/1.png")).value());
  EXPECT_TRUE(point_of("bc/3.png"));  // "/b" is no prefix of "/bc"
  EXPECT_TRUE(point_of("4.png"));
  EXPECT_EQ(prune().pruned, 2u);
  EXPECT_EQ(count(), 1u);
}

TEST_F(Prune, SparesWhatIsThereButUnwanted) {
  picture("a.png", 1);
  picture("b.png", 2);
  index();
  IngestOptions with_exclude = options({path_of("")});
  with_exclude.prune = true;
  with_exclude.exclude = {"a.png"};
  EXPECT_EQ(index(with_exclude).pruned, 0u);
  EXPECT_EQ(count(), 2u);
}

TEST_F(Prune, ForgetsSkippedOnesWithoutCountingThem) {
  pictures_.write("bad.png", "x");
  picture("a.png", 1);
  index();
  fs::remove(pictures_ / "bad.png");
  EXPECT_EQ(prune().pruned, 0u);
  EXPECT_FALSE(store_->find_source(uri_of("bad.png")).value());
  EXPECT_EQ(store_->info().value().num_sources, 1u);
}

TEST_F(Prune, AMovedFileKeepsItsVector) {
  picture("a.png", 1);
  index();
  const auto vector = point_of("a.png")->vectors[0].values;
  fs::rename(pictures_ / "a.png", pictures_ / "b.png");
  const IngestReport report = prune();
  EXPECT_EQ(report.indexed, 1u);
  EXPECT_EQ(report.pruned, 1u);
  EXPECT_EQ(encoder_.num_pictures, 0u);
  EXPECT_EQ(count(), 1u);
  EXPECT_EQ(point_of("b.png")->vectors[0].values, vector);
}

TEST_F(Prune, MembersGoneFromATar) {
  const auto tar = pictures_.write(
      "set.tar",
      make_tar({{"1.png", make_png(1)}, {"2.png", make_png(2)}, {"3.png", make_png(3)}}));
  index(tar);
  pictures_.write("set.tar", make_tar({{"1.png", make_png(1)}, {"3.png", make_png(3)}}));
  touch(tar, 5);
  EXPECT_EQ(prune().pruned, 0u);  // the folder does not look into tars
  EXPECT_EQ(prune("set.tar").pruned, 1u);
  EXPECT_EQ(count(), 2u);
  std::string cut = make_tar({{"1.png", make_png(1)}, {"3.png", std::string(9000, 'x')}});
  cut.replace(cut.find("3.png"), 5, "?????");  // damages a header
  pictures_.write("set.tar", cut);
  EXPECT_EQ(prune("set.tar").pruned, 0u);  // what a damaged tar lacks may only be unreadable
  fs::remove(tar);
  EXPECT_EQ(prune().pruned, 2u);  // a vanished file, with all its members
}

TEST_F(Prune, RowsWhoseFileIsGone) {
  picture("img/a.png", 1);
  picture("img/b.png", 2);
  pictures_.write("lists/m.csv", "image,id\n../img/a.png,1\n../img/b.png,2\n");
  index(pictures_ / "lists/m.csv");
  fs::remove(pictures_ / "img/a.png");
  pictures_.write("lists/m.csv", "image,id\n../img/a.png,1\n");
  const IngestReport report = prune("lists/m.csv");
  EXPECT_EQ(report.pruned, 1u);
  EXPECT_FALSE(point(PointId(1)));
  EXPECT_TRUE(point(PointId(2)));  // its row is gone, its file is not
}

TEST_F(Prune, NotAfterAnInterruptedRun) {
  for (std::uint32_t i = 0; i < 50; ++i) picture(std::to_string(i) + ".png", i);
  index();
  fs::remove(pictures_ / "3.png");
  IngestOptions with_prune = options({path_of("")});
  with_prune.prune = true;
  std::stop_source stop;
  stop.request_stop();
  const auto report = try_index(with_prune, stop.get_token());
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->interrupted);
  EXPECT_EQ(report->pruned, 0u);
  EXPECT_EQ(count(), 50u);
}

TEST_F(Prune, SparesWhatLiesBelowAnUnreadableFolder) {
  picture("locked/a.png", 1);
  picture("open/b.png", 2);
  picture("open/c.png", 3);
  index();
  fs::remove(pictures_ / "locked/a.png");
  fs::remove(pictures_ / "open/b.png");
  // Listing is forbidden, looking a name up is not: only the sparing rule protects the point.
  fs::permissions(pictures_ / "locked", static_cast<fs::perms>(0711));
  fs::permissions(pictures_.path(), static_cast<fs::perms>(0755));
  fs::permissions(data_.path(), static_cast<fs::perms>(0777));
  for (const auto& entry : fs::recursive_directory_iterator(data_.path()))
    fs::permissions(entry.path(), static_cast<fs::perms>(0777));
  close();
  pool_.reset();  // its threads would not be there in the child
  const pid_t child = fork();
  if (child == 0) {
    if (getuid() == 0 && setuid(65534) != 0) _exit(3);
    pool_ = std::make_unique<ComputePool>(ComputePoolOptions{});
    open();
    const IngestReport report = prune();
    const bool good = report.pruned == 1 && report.unreadable_folders == 1 && count() == 2;
    close();
    _exit(good && !HasFailure() ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  pool_ = std::make_unique<ComputePool>(ComputePoolOptions{});
  open();
  if (getuid() != 0) return;  // the owner may list it in any case
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0) << "1: pruned otherwise, 3: cannot become nobody";
}

}  // namespace
}  // namespace sightline::pipeline
