#include "pipeline/collection_archive.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "tests/support/temp_dir.h"

namespace sightline::pipeline {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void overwrite(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

class CollectionArchive : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(dir_.path() / "in/db");
    overwrite(dir_.path() / "in/db/000001.sst", std::string(3 << 20, 'x') + "end");
    overwrite(dir_.path() / "in/empty", "");
    overwrite(dir_.path() / "in/a name\nof two lines", "text");
    const auto written =
        write_archive(dir_.path() / "in", tar(), {{"collection", "c"}}, {}, Deadline::never());
    ASSERT_TRUE(written) << written.error().message;
  }
  fs::path tar() const { return dir_.path() / "c.tar"; }
  fs::path out() const { return dir_.path() / "out"; }
  Result<Json> extract() const { return extract_archive(tar(), out(), {}, Deadline::never()); }

  testing_support::TempDir dir_;
};

TEST_F(CollectionArchive, GivesBackEveryFile) {
  const auto manifest = extract();
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->at("about").at("collection"), "c");
  EXPECT_EQ(manifest->at("files").size(), 3U);
  for (const char* name : {"db/000001.sst", "empty", "a name\nof two lines"})
    EXPECT_EQ(content(out() / name), content(dir_.path() / "in" / name)) << name;
  EXPECT_EQ(*read_archive_manifest(tar()), *manifest);
  EXPECT_FALSE(fs::exists(tar().string() + ".part"));
}

TEST_F(CollectionArchive, OverwritesNothing) {
  const auto again = write_archive(dir_.path() / "in", tar(), {}, {}, Deadline::never());
  EXPECT_EQ(again.error().code, StatusCode::kAlreadyExists);
  fs::create_directory(out());
  EXPECT_EQ(extract().error().code, StatusCode::kAlreadyExists);
}

TEST_F(CollectionArchive, TellsWhereItStandsAndStopsWhenAsked) {
  double last = 0;
  ASSERT_TRUE(extract_archive(
      tar(), out(), [&](double share) { last = share; }, Deadline::never()));
  EXPECT_DOUBLE_EQ(last, 1.0);
  std::stop_source stop;
  stop.request_stop();
  const auto stopped = extract_archive(tar(), dir_.path() / "other", {},
                                       Deadline::never().with_stop(stop.get_token()));
  EXPECT_EQ(stopped.error().code, StatusCode::kCancelled);
  EXPECT_FALSE(fs::exists(dir_.path() / "other"));
}

TEST_F(CollectionArchive, NoticesEveryFlippedByteOfContentAndManifest) {
  const std::string sound = content(tar());
  // Headers of a tar have fields that mean nothing here; what was put in must come out or not at
  // all.
  for (std::size_t at = 0; at < sound.size(); at += 40'009) {
    std::string damaged = sound;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    overwrite(tar(), damaged);
    const auto extracted = extract();
    if (extracted) {
      EXPECT_EQ(content(out() / "db/000001.sst"), content(dir_.path() / "in/db/000001.sst")) << at;
      fs::remove_all(out());
    } else {
      EXPECT_THAT(extracted.error().message, HasSubstr(tar().string())) << at;
      EXPECT_FALSE(fs::exists(out())) << at;
    }
  }
}

TEST_F(CollectionArchive, NoticesTruncation) {
  const std::string sound = content(tar());
  for (const std::size_t length : {std::size_t{0}, std::size_t{100}, std::size_t{1024},
                                   sound.size() / 2, sound.size() - (16 << 10)}) {
    overwrite(tar(), sound.substr(0, length));
    EXPECT_EQ(extract().error().code, StatusCode::kCorruption) << length;
    EXPECT_FALSE(fs::exists(out())) << length;
  }
}

struct ManifestCase {
  std::string name, from, to, message;
};
class ForeignManifest : public CollectionArchive,
                        public testing::WithParamInterface<ManifestCase> {};

TEST_P(ForeignManifest, IsRefused) {
  std::string bytes = content(tar());
  const auto at = bytes.find(GetParam().from);
  ASSERT_NE(at, std::string::npos);
  ASSERT_EQ(GetParam().from.size(), GetParam().to.size());
  bytes.replace(at, GetParam().from.size(), GetParam().to);
  overwrite(tar(), bytes);
  const auto extracted = extract();
  ASSERT_FALSE(extracted);
  EXPECT_THAT(extracted.error().message, HasSubstr(GetParam().message));
  EXPECT_FALSE(fs::exists(out()));
}
INSTANTIATE_TEST_SUITE_P(
    Cases, ForeignManifest,
    testing::Values(ManifestCase{"LeadsOut", "\"db/000001.sst\"", "\"../000001.sst\"",
                                 "not a name within a folder"},
                    ManifestCase{"Absolute", "\"db/000001.sst\"", "\"/b/000001.sst\"",
                                 "not a name within a folder"},
                    ManifestCase{"OtherName", "\"db/000001.sst\"", "\"db/000002.sst\"",
                                 "where manifest.json says"},
                    ManifestCase{"NewerFormat", "\"format\":1", "\"format\":2", "format 2"},
                    ManifestCase{"NoJson", "{\"about\"", "[\"about\"", "manifest.json"}),
    [](const auto& info) { return info.param.name; });

struct TarCase {
  std::string name, command, message;  ///< Of tar, in a folder of what the tar holds.
};
class OtherTar : public CollectionArchive, public testing::WithParamInterface<TarCase> {};

TEST_P(OtherTar, IsRefused) {
  ASSERT_TRUE(extract());
  overwrite(out() / "manifest.json", read_archive_manifest(tar())->dump());
  const std::string command =
      "cd '" + out().string() + "' && rm '" + tar().string() + "' && " + GetParam().command;
  ASSERT_EQ(std::system(command.c_str()), 0);
  fs::rename(out() / "c.tar", tar());
  fs::remove_all(out());
  const auto extracted = extract();
  ASSERT_FALSE(extracted);
  EXPECT_EQ(extracted.error().code, StatusCode::kCorruption);
  EXPECT_THAT(extracted.error().message, HasSubstr(GetParam().message));
  EXPECT_FALSE(fs::exists(out()));
}
INSTANTIATE_TEST_SUITE_P(
    Cases, OtherTar,
    testing::Values(
        TarCase{"EndsEarly", "tar -cf c.tar manifest.json a* db/000001.sst",
                "ends before \"empty\""},
        TarCase{"HoldsOneTwice",
                "tar --hard-dereference -cf c.tar manifest.json a* db/000001.sst empty && tar -rf "
                "c.tar empty",
                "\"empty\" comes twice"},
        TarCase{"HoldsAnother",
                "touch other && tar -cf c.tar manifest.json a* db/000001.sst empty other",
                "\"other\" is not in manifest.json"},
        TarCase{"HoldsALink",
                "ln -sf /etc/passwd empty && tar -cf c.tar manifest.json a* db/000001.sst empty",
                "\"empty\" is a link"},
        TarCase{"NamesOneTwice",
                "sed -i 's/\"empty\"/\"db\\/000001.sst\"/' manifest.json && tar -cf c.tar "
                "manifest.json a* db/000001.sst empty",
                "is there twice"}),
    [](const auto& info) { return info.param.name; });

TEST_F(CollectionArchive, RefusesOtherFiles) {
  overwrite(tar(), "hello, not a tar");
  EXPECT_EQ(extract().error().code, StatusCode::kCorruption);
  fs::remove(tar());
  EXPECT_EQ(extract().error().code, StatusCode::kNotFound);
  EXPECT_EQ(read_archive_manifest(tar()).error().code, StatusCode::kNotFound);
}

}  // namespace
}  // namespace sightline::pipeline
