// Lists of captioned pictures: what counts as one, and what is wrong with a row.
#include "pipeline/captioned_manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/pipeline/pictures.h"
#include "tests/support/temp_dir.h"

namespace sightline::pipeline {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::TempDir;

TEST(CaptionedManifest, EqualCaptionsAndEqualPicturesAreOne) {
  TempDir root;
  std::filesystem::create_directories(root / "p");
  std::filesystem::copy_file(SIGHTLINE_TEST_DATA "/images/rgb.png", root / "p/a.png");
  const auto list = root.write("list.jsonl",
                               "{\"image\": \"p/a.png\", \"caption\": \"a cat\", \"x\": 1}\n"
                               "\n"
                               "{\"image\": \"p/b.png\", \"caption\": \"  a cat\\n\"}\n"
                               "{\"image\": \"./p/a.png\", \"caption\": \"one cat\"}\n"
                               "{\"image\": \"p/a.png\", \"caption\": \"a cat\"}\n"
                               "{\"image\": \"p/b.png\", \"caption\": \"A cat\"}\n");
  const auto manifest = CaptionedManifest::read(list);
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->num_pictures(), 2u);
  EXPECT_THAT(manifest->captions(), ElementsAre("a cat", "one cat", "A cat"));
  EXPECT_THAT(manifest->captions_of(0), ElementsAre(0, 1));
  EXPECT_THAT(manifest->captions_of(1), ElementsAre(0, 2));
  EXPECT_THAT(manifest->name(0), testing::EndsWith("/p/a.png"));

  const auto picture = manifest->load(0, {});
  ASSERT_TRUE(picture) << picture.error().message;
  EXPECT_GT(picture->width, 0u);
  const auto missing = manifest->load(1, {});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, StatusCode::kNotFound);
  EXPECT_THAT(missing.error().message, HasSubstr("p/b.png"));
}

TEST(CaptionedManifest, CellsThatReadLikeNumbersAreCaptions) {
  TempDir root;
  const auto list = root.write("list.csv", "caption,image\n7,a.png\ntrue,b.png\n\"a, b\",c.png\n");
  const auto manifest = CaptionedManifest::read(list);
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_THAT(manifest->captions(), ElementsAre("7", "true", "a, b"));
}

TEST(CaptionedManifest, ABrokenPictureIsNamedWhenItIsLoaded) {
  TempDir root;
  root.write("a.png", "no picture");
  const auto manifest = CaptionedManifest::read(root.write("list.csv", "image,caption\na.png,x\n"));
  ASSERT_TRUE(manifest);
  const auto picture = manifest->load(0, {});
  ASSERT_FALSE(picture);
  EXPECT_THAT(picture.error().message, HasSubstr("a.png"));
}

struct BadList {
  std::string name, file, text, message;
};
class CaptionedManifestErrors : public testing::TestWithParam<BadList> {};

TEST_P(CaptionedManifestErrors, NameRowAndRule) {
  TempDir root;
  const auto manifest = CaptionedManifest::read(root.write(GetParam().file, GetParam().text));
  ASSERT_FALSE(manifest);
  EXPECT_EQ(manifest.error().code, StatusCode::kInvalidArgument);
  EXPECT_THAT(manifest.error().message, HasSubstr(GetParam().message));
}
INSTANTIATE_TEST_SUITE_P(
    Cases, CaptionedManifestErrors,
    testing::ValuesIn(std::vector<BadList>{
        {"NoCaption", "l.jsonl", "{\"image\": \"a\", \"caption\": \"x\"}\n\n{\"image\": \"b\"}\n",
         "l.jsonl:3: has no \"caption\""},
        {"NullCaption", "l.jsonl", "{\"image\": \"a\", \"caption\": null}\n",
         "l.jsonl:1: has no \"caption\""},
        {"NumberCaption", "l.jsonl", "{\"image\": \"a\", \"caption\": 7}\n",
         "l.jsonl:1: \"caption\" is not a string"},
        {"BlankCaption", "l.jsonl", "{\"image\": \"a\", \"caption\": \" \\t\"}\n",
         "l.jsonl:1: \"caption\" is empty"},
        {"EmptyCell", "l.csv", "image,caption\na,x\nb,\n", "l.csv:3: has no \"caption\""},
        {"NoColumn", "l.csv", "image,title\na,x\n", "l.csv:2: has no \"caption\""},
        {"NoImage", "l.csv", "picture,caption\na,x\n", "no column \"image\""},
        {"BadJson", "l.jsonl", "{\"image\": \"a\", \"caption\": \"x\"}\n{\n", "l.jsonl:2: "},
        {"FieldsMissing", "l.csv", "image,caption\na\n", "l.csv:2: has 1 fields"},
        {"NoRows", "l.csv", "image,caption\n", "has no rows"},
        {"Empty", "l.jsonl", "", "has no rows"},
        {"OtherExtension", "l.txt", "a", ".jsonl, .ndjson or .csv"},
    }),
    [](const auto& info) { return info.param.name; });

TEST(CaptionedManifest, SaysThatThereIsNoFile) {
  TempDir root;
  const auto manifest = CaptionedManifest::read(root / "gone.csv");
  ASSERT_FALSE(manifest);
  EXPECT_EQ(manifest.error().code, StatusCode::kNotFound);
}

}  // namespace
}  // namespace sightline::pipeline
