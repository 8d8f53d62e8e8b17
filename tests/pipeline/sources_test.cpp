// Folders, names to leave out, and tars: what becomes a source.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/file_uri.h"
#include "pipeline/internal/folder_walk.h"
#include "pipeline/internal/name_filter.h"
#include "pipeline/internal/source_reader.h"
#include "pipeline/internal/tar_reader.h"
#include "tests/pipeline/pictures.h"
#include "tests/pipeline/recording_sink.h"
#include "tests/support/temp_dir.h"

namespace sightline::pipeline {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::make_tar;
using testing_support::TempDir;

struct FilterCase {
  std::string name, pattern, path;
  bool is_folder, excluded;
};
class NameFilterCases : public testing::TestWithParam<FilterCase> {};

TEST_P(NameFilterCases, MatchesPathOrLastName) {
  const FilterCase& c = GetParam();
  EXPECT_EQ(NameFilter({c.pattern}).excludes(c.path, c.is_folder), c.excluded);
}
INSTANTIATE_TEST_SUITE_P(Cases, NameFilterCases,
                         testing::ValuesIn(std::vector<FilterCase>{
                             {"LastName", "*.gif", "a/b/c.gif", false, true},
                             {"LastNameOfFolder", "thumbs", "a/thumbs", true, true},
                             {"WholePath", "a/*.gif", "a/b.gif", false, true},
                             {"PathIsAnchored", "a/*.gif", "x/a/b.gif", false, false},
                             {"StarCrossesSlash", "a/*.gif", "a/b/c.gif", false, true},
                             {"DoubleStarMayBeNothing", "**/thumbs/*", "thumbs/1.jpg", false, true},
                             {"DoubleStarMayBeMuch", "**/thumbs/*", "x/y/thumbs/1.jpg", false,
                              true},
                             {"SlashMeansFolder", "cache/", "cache", true, true},
                             {"SlashSparesFiles", "cache/", "cache", false, false},
                             {"QuestionMark", "img?.png", "img1.png", false, true},
                             {"Brackets", "img[0-4].png", "img7.png", false, false},
                         }),
                         [](const auto& test) { return test.param.name; });

TEST(NameFilterBelow, AFolderTakesAllBelowItAlong) {
  const NameFilter filter({"thumbs"});
  EXPECT_TRUE(filter.excludes_below("a/thumbs/x/1.jpg"));
  EXPECT_FALSE(filter.excludes_below("a/thumbs2/x/1.jpg"));
}

class FolderWalk : public testing::Test {
 protected:
  RecordingSink walk(const WalkOptions& options = {}) {
    RecordingSink sink;
    walk_folder(root_.path().string(), options, sink);
    return sink;
  }
  std::string uri(const std::string& below) { return to_file_uri((root_ / below).string()); }
  TempDir root_;
};

TEST_F(FolderWalk, TakesPicturesInOrderOfNames) {
  for (const char* name : {"b.PNG", "a/z.jpg", "a/b/1.webp", "c.txt", "B.jpg", "a.jpg", "d.jpeg"}) {
    root_.write(name, "x");
  }
  const RecordingSink sink = walk();
  EXPECT_THAT(sink.uris(), ElementsAre(uri("B.jpg"), uri("a/b/1.webp"), uri("a/z.jpg"),
                                       uri("a.jpg"), uri("b.PNG"), uri("d.jpeg")));
  EXPECT_EQ(sink.sources[0].size, 1u);
  EXPECT_GT(sink.sources[0].mtime_ns, 0);
  EXPECT_FALSE(sink.sources[0].payload);
}

TEST_F(FolderWalk, LeavesHiddenAndExcludedOnes) {
  for (const char* name : {".h.jpg", ".hidden/a.jpg", "keep/a.jpg", "keep/b.gif", "cache/a.jpg"}) {
    root_.write(name, "x");
  }
  WalkOptions options;
  options.filter = NameFilter({"*.gif", "cache/"});
  EXPECT_THAT(walk(options).uris(), ElementsAre(uri("keep/a.jpg")));
  options.hidden = true;
  EXPECT_THAT(walk(options).uris(),
              ElementsAre(uri(".h.jpg"), uri(".hidden/a.jpg"), uri("keep/a.jpg")));
}

TEST_F(FolderWalk, FollowsLinksOnlyWhenTold) {
  TempDir elsewhere;
  const fs::path target = elsewhere.write("real.jpg", "x");
  root_.write("d/a.jpg", "x");
  fs::create_symlink(target, root_ / "link.jpg");
  fs::create_directory_symlink(root_.path(), root_ / "d/loop");
  fs::create_symlink(root_ / "nowhere", root_ / "broken.jpg");
  EXPECT_THAT(walk().uris(), ElementsAre(uri("d/a.jpg")));
  WalkOptions options;
  options.follow_symlinks = true;
  EXPECT_THAT(walk(options).uris(),
              ElementsAre(uri("d/a.jpg"), to_file_uri(fs::canonical(target).string())));
}

TEST_F(FolderWalk, OddNamesAndSpecialFiles) {
  const std::vector<std::string> names{"a b.jpg", "it's \"q\".jpg", "l\ni\tne.jpg",
                                       "gr\xC3\xBC\xC3\x9F.jpg", "\xFF\xFE.jpg"};
  for (const std::string& name : names) root_.write(name, "x");
  ASSERT_EQ(mkfifo((root_ / "pipe.jpg").c_str(), 0600), 0);
  fs::create_directory(root_ / "folder.jpg");
  const RecordingSink sink = walk();
  ASSERT_EQ(sink.sources.size(), names.size());
  for (const Source& source : sink.sources) {
    EXPECT_EQ(parse_source_uri(source.uri).value().path, source.path);
    EXPECT_TRUE(fs::exists(source.path)) << source.uri;
  }
}

TEST_F(FolderWalk, StopsWhenTheSinkHasEnough) {
  for (int i = 0; i < 10; ++i) root_.write(std::to_string(i) + ".jpg", "x");
  RecordingSink sink;
  sink.limit = 3;
  walk_folder(root_.path().string(), {}, sink);
  EXPECT_EQ(sink.sources.size(), 3u);
}

TEST_F(FolderWalk, GoesOnBesideAnUnreadableFolder) {
  root_.write("a/1.jpg", "x");
  root_.write("locked/2.jpg", "x");
  root_.write("z/3.jpg", "x");
  fs::permissions(root_ / "locked", fs::perms::none);
  // Root reads everything: a child that is nobody looks.
  fs::permissions(root_.path(), static_cast<fs::perms>(0755));
  const pid_t child = fork();
  if (child == 0) {
    if (getuid() == 0 && setuid(65534) != 0) _exit(3);
    const RecordingSink sink = walk();
    const bool good = sink.uris() == std::vector<std::string>{uri("a/1.jpg"), uri("z/3.jpg")} &&
                      sink.unreadable == std::vector<std::string>{(root_ / "locked").string()};
    _exit(good ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  fs::permissions(root_ / "locked", fs::perms::owner_all);
  EXPECT_EQ(WEXITSTATUS(status), 0) << "1: walked otherwise, 3: cannot become nobody";
}

class Tar : public testing::Test {
 protected:
  RecordingSink scan(const std::string& path, const NameFilter& filter = {}) {
    RecordingSink sink;
    const auto whole = scan_tar(path, filter, sink);
    EXPECT_TRUE(whole) << whole.error().message;
    whole_ = whole && *whole;
    return sink;
  }
  std::string content(const Source& source) {
    auto reader = open_source(source);
    EXPECT_TRUE(reader) << reader.error().message;
    if (!reader) return {};
    std::vector<std::byte> bytes;
    const auto head = (*reader)->read_to(3, bytes);  // in two steps, as ingest does
    const auto rest = (*reader)->read_to((*reader)->size(), bytes);
    if (!head || !rest) return "error: " + (head ? rest : head).error().message;
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  TempDir root_;
  bool whole_ = false;
};

TEST_F(Tar, MembersOfOneKeyAreOneSample) {
  const std::string path =
      root_
          .write("set.tar", make_tar({{"./train/1.jpg", "first picture"},
                                      {"./train/1.json", R"({"label": "cat", "n": 3})"},
                                      {"./train/1.cls", "7"},
                                      {"./train/2.txt", "two views\n"},
                                      {"./train/2.left.jpg", "left"},
                                      {"./train/2.right.jpg", "right"},
                                      {"./train/2.json", R"({"label": "dog"})"},
                                      {"./train/3.png", std::string(200'000, 'p')},
                                      {"./notes.txt", "about"}}))
          .string();
  const RecordingSink sink = scan(path);
  EXPECT_TRUE(whole_);
  EXPECT_THAT(
      sink.uris(),
      ElementsAre(to_member_uri(path, "train/1.jpg"), to_member_uri(path, "train/2.left.jpg"),
                  to_member_uri(path, "train/2.right.jpg"), to_member_uri(path, "train/3.png")));
  EXPECT_EQ(sink.present_uris, sink.uris());
  EXPECT_EQ(*sink.sources[0].payload, (Json{{"label", "cat"}, {"n", 3}}));
  const Json both{{"label", "dog"}, {"caption", "two views"}};
  EXPECT_EQ(*sink.sources[1].payload, both);
  EXPECT_EQ(*sink.sources[2].payload, both);
  EXPECT_EQ(*sink.sources[3].payload, Json::object());
  EXPECT_EQ(sink.sources[3].payload_hash, "");

  EXPECT_EQ(content(sink.sources[0]), "first picture");
  EXPECT_EQ(content(sink.sources[2]), "right");
  EXPECT_EQ(content(sink.sources[3]), std::string(200'000, 'p'));
}

TEST_F(Tar, BadSideFilesMakeBadRows) {
  const std::string path = root_
                               .write("set.tar", make_tar({{"1.jpg", "a"},
                                                           {"1.json", "{broken"},
                                                           {"2.jpg", "b"},
                                                           {"2.json", "[1]"},
                                                           {"3.jpg", "c"},
                                                           {"3.json", R"({"_image": {}})"},
                                                           {"4.jpg", "d"},
                                                           {"4.json", "{}"}}))
                               .string();
  const RecordingSink sink = scan(path);
  ASSERT_EQ(sink.sources.size(), 4u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(sink.sources[static_cast<std::size_t>(i)].problem, "bad_row");
    EXPECT_THAT(sink.sources[static_cast<std::size_t>(i)].problem_message,
                HasSubstr("set.tar#" + std::to_string(i + 1) + ".json"));
  }
  EXPECT_EQ(sink.sources[3].problem, "");
}

TEST_F(Tar, ExcludedMembersAreStillPresent) {
  const std::string path =
      root_.write("set.tar", make_tar({{"thumbs/1.jpg", "a"}, {"2.jpg", "b"}})).string();
  const RecordingSink sink = scan(path, NameFilter({"thumbs"}));
  EXPECT_THAT(sink.uris(), ElementsAre(to_member_uri(path, "2.jpg")));
  EXPECT_EQ(sink.present_uris.size(), 2u);
}

TEST_F(Tar, NamesOfAnyBytesInAnyLocale) {
  const std::string long_name = std::string(150, 'd') + "/" + std::string(120, 'n') + ".jpg";
  const std::string path = root_
                               .write("odd #1.tar", make_tar({{"gr\xC3\xBC\xC3\x9F e.jpg", "a"},
                                                              {"new\nline.jpg", "b"},
                                                              {long_name, "c"}}))
                               .string();
  const RecordingSink sink = scan(path);
  ASSERT_EQ(sink.sources.size(), 3u);
  EXPECT_EQ(sink.sources[0].member, "gr\xC3\xBC\xC3\x9F e.jpg");
  EXPECT_EQ(sink.sources[1].member, "new\nline.jpg");
  EXPECT_EQ(sink.sources[2].member, long_name);
  EXPECT_EQ(content(sink.sources[0]), "a");
  EXPECT_EQ(content(sink.sources[2]), "c");
}

TEST_F(Tar, CutAnywhereIsOneDamage) {
  const std::string whole = make_tar({{"1.jpg", std::string(5000, 'a')},
                                      {"2.jpg", std::string(90'000, 'b')},
                                      {"3.json", std::string(200, ' ') + "{}"},
                                      {"3.jpg", std::string(300, 'c')}});
  ASSERT_EQ(whole.find(std::string(90'000, 'b')), 6'144u);
  const std::size_t end_of_2 = 6'144 + 90'000;
  // Within a header, contents, the filling behind them.
  for (const std::size_t length : {5'900U, 6'144U, 8'000U, 38'912U, 60'000U, 71'680U, 96'143U,
                                   96'200U, 96'700U, 96'900U, 97'500U, 97'900U}) {
    SCOPED_TRACE(length);
    const std::string path = root_.write("cut.tar", whole.substr(0, length)).string();
    const RecordingSink sink = scan(path);
    EXPECT_FALSE(whole_);
    ASSERT_EQ(sink.sources.size(), length < end_of_2 ? 2u : 3u);
    EXPECT_EQ(content(sink.sources[0]), std::string(5000, 'a'));
    EXPECT_EQ(sink.sources.back().uri, to_file_uri(path));
    EXPECT_EQ(sink.sources.back().problem, "corrupt");
    EXPECT_THAT(sink.sources.back().problem_message, HasSubstr("cut.tar: damaged tar: "));
    if (length == 60'000) {
      EXPECT_THAT(sink.sources.back().problem_message, HasSubstr("it ends within \"2.jpg\""));
    }
  }
}

TEST_F(Tar, CutAfterItWasScanned) {
  const std::string bytes = make_tar({{"1.jpg", std::string(5000, 'a')}});
  const fs::path path = root_.write("cut.tar", bytes);
  const RecordingSink sink = scan(path.string());
  fs::resize_file(path, 3000);
  ASSERT_EQ(sink.sources.size(), 1u);
  const auto reader = open_source(sink.sources[0]);
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().code, StatusCode::kCorruption);
  EXPECT_THAT(reader.error().message, HasSubstr("cut.tar"));
}

TEST_F(Tar, DamageInTheMiddleIsReportedOnce) {
  std::string bytes = make_tar({{"1.jpg", std::string(600, 'a')},
                                {"2.jpg", std::string(600, 'b')},
                                {"3.jpg", std::string(600, 'c')}});
  bytes.replace(1536, 512, std::string(512, 'X'));  // the header of the second
  const RecordingSink sink = scan(root_.write("bad.tar", bytes).string());
  EXPECT_FALSE(whole_);
  ASSERT_EQ(sink.sources.size(), 2u);
  EXPECT_EQ(sink.sources[0].problem, "");
  EXPECT_EQ(sink.sources[1].problem, "corrupt");
  EXPECT_THAT(sink.sources[1].problem_message, HasSubstr("bad.tar"));
}

TEST_F(Tar, NotATarAndEmpty) {
  const RecordingSink text = scan(root_.write("text.tar", std::string(2000, 'x')).string());
  ASSERT_EQ(text.sources.size(), 1u);
  EXPECT_EQ(text.sources[0].problem, "corrupt");
  EXPECT_FALSE(whole_);
  EXPECT_THAT(scan(root_.write("empty.tar", make_tar({})).string()).sources, IsEmpty());
  EXPECT_TRUE(whole_);
  const RecordingSink nothing = scan(root_.write("nothing.tar", "").string());
  ASSERT_EQ(nothing.sources.size(), 1u);
  EXPECT_EQ(nothing.sources[0].problem, "empty");
  EXPECT_FALSE(whole_);
  RecordingSink sink;
  const auto missing = scan_tar((root_ / "none.tar").string(), {}, sink);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, StatusCode::kNotFound);
}

}  // namespace
}  // namespace sightline::pipeline
