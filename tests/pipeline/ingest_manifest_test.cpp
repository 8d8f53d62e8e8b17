// Manifests and tars through the whole of ingest.
#include "pipeline/file_uri.h"
#include "tests/pipeline/ingest_fixture.h"
#include "tests/pipeline/pictures.h"

namespace sightline::pipeline {
namespace {

using testing::HasSubstr;
using testing_support::make_png;
using testing_support::make_tar;
using testing_support::touch;

class ManifestIngest : public IngestTest {
 protected:
  IngestReport manifest(const std::string& text, const std::string& name = "m.jsonl") {
    return index(pictures_.write(name, text));
  }
};

TEST_F(ManifestIngest, RowsBecomePointsWithColumns) {
  picture("a.png", 1);
  picture("b.png", 2);
  const Json result = counts(manifest(R"({"image": "a.png", "id": 7, "label": "cat"})"
                                      "\n"
                                      R"({"image": "b.png", "label": "dog"})"));
  EXPECT_EQ(result["indexed"], 2);
  EXPECT_EQ(point(PointId(7))->payload.at("label"), "cat");
  EXPECT_EQ(point(PointId(7))->payload.at("_image").at("uri"), uri_of("a.png") + "#id=7");
  EXPECT_EQ(point_of("b.png")->payload.at("label"), "dog");
}

TEST_F(ManifestIngest, ChangedColumnsAreUpdatedWithoutEncoding) {
  picture("a.png", 1);
  picture("b.png", 2);
  manifest("image,label\na.png,cat\nb.png,dog\n", "m.csv");
  const auto before = point_of("a.png");
  const Json result = counts(manifest("image,label,year\na.png,lynx,1999\nb.png,dog,\n", "m.csv"));
  EXPECT_EQ(result["indexed"], 1);
  EXPECT_EQ(result["unchanged"], 1);
  EXPECT_EQ(encoder_.num_pictures, 0u);
  const auto after = point_of("a.png");
  EXPECT_EQ(after->payload.at("label"), "lynx");
  EXPECT_EQ(after->payload.at("year"), 1999);
  EXPECT_EQ(after->payload.at("_image"), before->payload.at("_image"));
  EXPECT_EQ(after->vectors[0].values, before->vectors[0].values);
  EXPECT_EQ(
      counts(manifest("image,label,year\na.png,lynx,1999\nb.png,dog,\n", "m.csv"))["unchanged"], 2);
}

TEST_F(ManifestIngest, ChangedColumnsOfATouchedPicture) {
  picture("a.png", 1);
  manifest("image,label\na.png,cat\n", "m.csv");
  touch(pictures_ / "a.png", 9);
  EXPECT_EQ(counts(manifest("image,label\na.png,dog\n", "m.csv"))["indexed"], 1);
  EXPECT_EQ(encoder_.num_pictures, 0u);
  EXPECT_EQ(point_of("a.png")->payload.at("label"), "dog");
}

TEST_F(ManifestIngest, AFolderRunLeavesTheColumnsAlone) {
  picture("a.png", 1);
  manifest("image,label\na.png,cat\n", "m.csv");
  EXPECT_EQ(counts(index())["unchanged"], 1);
  picture("a.png", 2);
  touch(pictures_ / "a.png", 5);
  EXPECT_EQ(counts(index())["indexed"], 1);
  EXPECT_EQ(point_of("a.png")->payload.at("label"), "cat");
  EXPECT_EQ(counts(manifest("image,label\na.png,cat\n", "m.csv"))["unchanged"], 1);
}

TEST_F(ManifestIngest, OnePictureUnderTwoIdsIsTwoPointsEncodedOnce) {
  picture("a.png", 1);
  const Json result = counts(manifest(R"({"image": "a.png", "id": 1})"
                                      "\n"
                                      R"({"image": "a.png", "id": 2})"
                                      "\n"
                                      R"({"image": "a.png"})"));
  EXPECT_EQ(result["indexed"], 3);
  EXPECT_EQ(encoder_.num_pictures, 1u);
  EXPECT_EQ(count(), 3u);
}

TEST_F(ManifestIngest, RepeatedRowsAndIdsAreDuplicates) {
  picture("a.png", 1);
  picture("b.png", 2);
  const Json result = counts(manifest(R"({"image": "a.png", "id": 1})"
                                      "\n"
                                      R"({"image": "a.png", "id": 1})"
                                      "\n"
                                      R"({"image": "b.png", "id": 1})"
                                      "\n"
                                      R"({"image": "b.png"})"
                                      "\n"
                                      R"({"image": "b.png"})"));
  EXPECT_EQ(result["indexed"], 2);
  EXPECT_EQ(result["skipped"], (Json{{"duplicate", 3}}));
  EXPECT_EQ(point(PointId(1))->payload.at("_image").at("name"), "a.png");
}

TEST_F(ManifestIngest, AnIdMovesToAnotherPicture) {
  picture("a.png", 1);
  picture("b.png", 2);
  manifest(R"({"image": "a.png", "id": 5})");
  EXPECT_EQ(counts(manifest(R"({"image": "b.png", "id": 5})"))["indexed"], 1);
  EXPECT_EQ(count(), 1u);
  EXPECT_EQ(point(PointId(5))->payload.at("_image").at("name"), "b.png");
  EXPECT_FALSE(store_->find_source(uri_of("a.png") + "#id=5").value());
  EXPECT_EQ(counts(manifest(R"({"image": "b.png", "id": 5})"))["unchanged"], 1);
  EXPECT_EQ(counts(manifest(R"({"image": "a.png", "id": 5})"))["indexed"], 1);
  EXPECT_EQ(point(PointId(5))->payload.at("_image").at("name"), "a.png");
}

TEST_F(ManifestIngest, BadRowsAreCountedListedAndTheJobGoesOn) {
  picture("a.png", 1);
  const IngestReport report =
      manifest("{\"image\": \"gone.png\"}\n{broken\n{\"x\": 1}\n{\"image\": \"a.png\"}\n");
  EXPECT_EQ(counts(report)["indexed"], 1);
  EXPECT_EQ(counts(report)["skipped"], (Json{{"bad_row", 2}, {"missing", 1}}));
  const auto lines = skipped_lines();
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0].at("uri"), uri_of("gone.png"));
  EXPECT_EQ(lines[1].at("uri"), uri_of("m.jsonl") + "#line=2");
  EXPECT_THAT(lines[1].at("message").get<std::string>(), HasSubstr("m.jsonl:2: "));
  EXPECT_THAT(lines[2].at("message").get<std::string>(), HasSubstr("m.jsonl:3: "));
}

TEST_F(ManifestIngest, ReservedColumnsEndTheRunBeforeItBegins) {
  picture("a.png", 1);
  pictures_.write("m.jsonl", "{\"image\": \"a.png\"}\n{\"image\": \"a.png\", \"_image\": {}}\n");
  const auto report = try_index(options({path_of("m.jsonl")}));
  ASSERT_FALSE(report);
  EXPECT_THAT(report.error().message, HasSubstr("m.jsonl:2: "));
  EXPECT_EQ(count(), 0u);
}

TEST_F(ManifestIngest, ATarOfSamples) {
  const auto tar = pictures_.write("set.tar", make_tar({{"x/1.png", make_png(1)},
                                                        {"x/1.json", R"({"label": "cat"})"},
                                                        {"x/2.png", make_png(2)},
                                                        {"x/2.txt", "a dog"},
                                                        {"x/3.png", make_png(1)},
                                                        {"x/4.png", "no picture"}}));
  EXPECT_EQ(
      counts(index(tar)),
      (Json{{"indexed", 3}, {"unchanged", 0}, {"skipped", {{"not_a_picture", 1}}}, {"pruned", 0}}));
  EXPECT_EQ(encoder_.num_pictures, 2u);  // 1 and 3 have the same bytes
  const auto found = point(id_of(uri_of("set.tar") + "#x/1.png"));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->payload.at("label"), "cat");
  EXPECT_EQ(found->payload.at("_image").at("name"), "1.png");
  EXPECT_EQ(point(id_of(uri_of("set.tar") + "#x/2.png"))->payload.at("caption"), "a dog");
  EXPECT_EQ(counts(index(tar))["unchanged"], 3);
  touch(tar, 10);
  EXPECT_EQ(counts(index(tar))["unchanged"], 3);
  EXPECT_EQ(encoder_.num_pictures, 0u);
}

TEST_F(ManifestIngest, MembersThroughAManifestAreTheSameSources) {
  const auto tar = pictures_.write("set.tar", make_tar({{"1.png", make_png(1)}}));
  index(tar);
  const Json result = counts(manifest("image,label\nset.tar#1.png,cat\n", "m.csv"));
  EXPECT_EQ(result["indexed"], 1);
  EXPECT_EQ(encoder_.num_pictures, 0u);
  EXPECT_EQ(count(), 1u);
  EXPECT_EQ(point(id_of(uri_of("set.tar") + "#1.png"))->payload.at("label"), "cat");
}

TEST_F(ManifestIngest, ATruncatedTarGivesWhatIsThere) {
  std::string bytes = make_tar({{"1.png", make_png(1)}, {"2.png", make_png(2, 400, 400)}});
  bytes.resize(bytes.size() / 2);
  const auto tar = pictures_.write("cut.tar", bytes);
  EXPECT_EQ(counts(index(tar)),
            (Json{{"indexed", 1}, {"unchanged", 0}, {"skipped", {{"corrupt", 1}}}, {"pruned", 0}}));
  EXPECT_THAT(skipped_lines().back().at("message").get<std::string>(), HasSubstr("cut.tar"));
  pictures_.write("cut.tar", make_tar({{"1.png", make_png(1)}, {"2.png", make_png(2, 400, 400)}}));
  touch(tar, 5);
  EXPECT_EQ(counts(index(tar)),
            (Json{{"indexed", 1}, {"unchanged", 1}, {"skipped", Json::object()}, {"pruned", 0}}));
}

}  // namespace
}  // namespace sightline::pipeline
