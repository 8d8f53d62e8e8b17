// Identity, and what counts as new, changed, unchanged, moved and skipped.
#include "pipeline/ingest.h"

#include <fstream>

#include "pipeline/file_uri.h"
#include "pipeline/query.h"
#include "tests/pipeline/ingest_fixture.h"
#include "tests/pipeline/pictures.h"

namespace sightline::pipeline {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing_support::make_jpeg;
using testing_support::make_png;
using testing_support::touch;

Json expected(std::uint64_t indexed, std::uint64_t unchanged, Json skipped = Json::object(),
              std::uint64_t pruned = 0) {
  return Json{{"indexed", indexed},
              {"unchanged", unchanged},
              {"skipped", std::move(skipped)},
              {"pruned", pruned}};
}

TEST_F(IngestTest, AFolderBecomesPointsWithFactsAndThumbnails) {
  picture("a b.png", 1);
  pictures_.write("sub/c.jpg", make_jpeg(2, 60, 20));
  pictures_.write("notes.txt", "not seen");
  const IngestReport report = index();
  EXPECT_EQ(counts(report), expected(2, 0));
  EXPECT_GT(report.images_per_second, 0);
  EXPECT_EQ(report.seen, 2u);

  const auto found = point_of("sub/c.jpg");
  ASSERT_TRUE(found);
  const Json& facts = found->payload.at("_image");
  EXPECT_EQ(facts.at("uri"), uri_of("sub/c.jpg"));
  EXPECT_EQ(facts.at("name"), "c.jpg");
  EXPECT_EQ(facts.at("width"), 60);
  EXPECT_EQ(facts.at("height"), 20);
  EXPECT_EQ(facts.at("format"), "jpeg");
  EXPECT_EQ(found->payload.size(), 1u);
  ASSERT_EQ(found->vectors.size(), 1u);
  EXPECT_EQ(found->vectors[0].values.size(), encoder_.info().dim);
  EXPECT_TRUE(store_->thumbnail(found->id).value().starts_with("\xFF\xD8"));

  const auto record = store_->find_source(uri_of("sub/c.jpg")).value();
  ASSERT_TRUE(record);
  EXPECT_EQ(record->id, found->id);
  EXPECT_EQ(record->size, fs::file_size(pictures_ / "sub/c.jpg"));
  EXPECT_EQ(Json(record->content_hash), facts.at("content_hash"));
  for (const char* stage : {"scan_s", "read_s", "decode_s", "preprocess_s", "encode_s", "store_s"})
    EXPECT_GT(report.stages.at(stage), 0) << stage;
}

TEST_F(IngestTest, TheStoredVectorIsTheEncodersForThatPicture) {
  for (std::uint32_t i = 0; i < 21; ++i) picture(std::to_string(i) + ".png", i);  // 2.6 batches
  index();
  auto pipeline = QueryPipeline::create(*store_, &tiny_encoder(), {}, *pool_).value();
  for (std::uint32_t i = 0; i < 21; i += 5) {
    Query query;
    query.operands = {{ImageOperand{pictures_ / (std::to_string(i) + ".png")}}};
    query.top_k = 1;
    const auto answer = pipeline.search(query, Deadline::never()).value();
    EXPECT_EQ(answer.hits.at(0).path, fs::canonical(path_of(std::to_string(i) + ".png")).string());
    EXPECT_NEAR(answer.hits.at(0).score, 1, 1e-4);
  }
}

TEST_F(IngestTest, RunningAgainReadsNothing) {
  picture("a.png", 1);
  picture("b.png", 2);
  index();
  fs::permissions(pictures_ / "a.png", fs::perms::none);
  EXPECT_EQ(counts(index()), expected(0, 2));
  EXPECT_EQ(encoder_.num_pictures, 0u);
  fs::permissions(pictures_ / "a.png", fs::perms::owner_all);
}

TEST_F(IngestTest, NewOnesAreAddedAndChangedOnesReplaced) {
  picture("a.png", 1);
  picture("b.png", 2);
  index();
  const auto before = point_of("a.png");
  picture("a.png", 3);
  touch(pictures_ / "a.png", 5);
  picture("c.png", 4);
  EXPECT_EQ(counts(index()), expected(2, 1));
  EXPECT_EQ(encoder_.num_pictures, 2u);
  const auto after = point_of("a.png");
  EXPECT_EQ(after->id, before->id);
  EXPECT_NE(after->vectors[0].values, before->vectors[0].values);
  EXPECT_EQ(count(), 3u);
}

TEST_F(IngestTest, ATouchedFileIsUnchangedAndItsRecordRenewed) {
  picture("a.png", 1);
  index();
  touch(pictures_ / "a.png", 60);
  EXPECT_EQ(counts(index()), expected(0, 1));
  EXPECT_EQ(encoder_.num_pictures, 0u);
  const auto stat_mtime = fs::last_write_time(pictures_ / "a.png");
  const auto record = store_->find_source(uri_of("a.png")).value();
  const auto seconds = std::chrono::file_clock::to_sys(stat_mtime).time_since_epoch();
  EXPECT_EQ(record->mtime_ns,
            std::chrono::duration_cast<std::chrono::nanoseconds>(seconds).count());
}

TEST_F(IngestTest, TheSameBytesElsewhereAreNotEncodedAgain) {
  picture("a.png", 1);
  index();
  fs::copy_file(pictures_ / "a.png", pictures_ / "copy.png");
  fs::create_directory(pictures_ / "d");
  fs::copy_file(pictures_ / "a.png", pictures_ / "d/moved.png");
  EXPECT_EQ(counts(index()), expected(2, 1));
  EXPECT_EQ(encoder_.num_pictures, 0u);
  const auto original = point_of("a.png"), copy = point_of("d/moved.png");
  ASSERT_TRUE(copy);
  EXPECT_NE(copy->id, original->id);
  EXPECT_EQ(copy->vectors[0].values, original->vectors[0].values);
  Json facts = original->payload.at("_image");
  facts["uri"] = uri_of("d/moved.png");
  facts["name"] = "moved.png";
  EXPECT_EQ(copy->payload.at("_image"), facts);
  EXPECT_EQ(store_->thumbnail(copy->id).value(), store_->thumbnail(original->id).value());
}

TEST_F(IngestTest, CopiesWithinOneRunAreEncodedOnce) {
  for (int i = 0; i < 300; ++i) picture("copy" + std::to_string(i) + ".png", 1);
  picture("other.png", 2);
  EXPECT_EQ(counts(index()), expected(301, 0));
  EXPECT_EQ(encoder_.num_pictures, 2u);
  EXPECT_EQ(count(), 301u);
}

TEST_F(IngestTest, CopiesOfABrokenPictureAreEachSkipped) {
  std::string cut = make_png(1, 200, 200);
  cut.resize(cut.size() / 2);
  for (int i = 0; i < 20; ++i) pictures_.write(std::to_string(i) + ".png", cut);
  EXPECT_EQ(counts(index()), expected(0, 0, {{"corrupt", 20}}));
  EXPECT_EQ(counts(index()), expected(0, 0, {{"corrupt", 20}}));
}

TEST_F(IngestTest, AUriThatComesTwiceIsADuplicate) {
  picture("d/a.png", 1);
  picture("b.png", 2);
  const IngestReport report = index(options({path_of(""), path_of("d"), path_of("b.png")}));
  EXPECT_EQ(counts(report), expected(2, 0, {{"duplicate", 2}}));
  EXPECT_EQ(counts(index(options({path_of(""), path_of("d")}))),
            expected(0, 2, {{"duplicate", 1}}));
  const auto lines = skipped_lines();
  ASSERT_EQ(lines.size(), 1u);  // of the latest run
  EXPECT_EQ(lines[0].at("uri"), uri_of("d/a.png"));
  EXPECT_EQ(lines[0].at("reason"), "duplicate");
  EXPECT_EQ(lines[0].at("path"), fs::canonical(path_of("d/a.png")).string());
}

TEST_F(IngestTest, PicturesGivenDirectlyMayHaveAnyName) {
  pictures_.write("picture.dat", make_png(1));
  pictures_.write("text", "hello");
  EXPECT_EQ(counts(index(options({path_of("picture.dat"), path_of("text")}))),
            expected(1, 0, {{"not_a_picture", 1}}));
}

TEST_F(IngestTest, SymlinksGivenDirectlyAreResolved) {
  picture("a.png", 1);
  fs::create_symlink(pictures_ / "a.png", pictures_ / "link.png");
  index(options({path_of("link.png")}));
  EXPECT_TRUE(point_of("a.png"));
  EXPECT_EQ(counts(index()), expected(0, 1));
}

TEST_F(IngestTest, OddNamesSurviveTheWholeWay) {
  const std::vector<std::string> names{
      "a b.png",    "it's \"q\".png", "l\ni\tne.png", "gr\xC3\xBC\xC3\x9F.png",
      "100%#1.png", "\xFF\xFE.png",   "-n.png",       "*?[x].png"};
  for (std::uint32_t i = 0; i < names.size(); ++i) picture(names[i], i);
  EXPECT_EQ(counts(index()), expected(names.size(), 0));
  auto pipeline = QueryPipeline::create(*store_, &tiny_encoder(), {}, *pool_).value();
  for (const std::string& name : names) {
    Query query;
    query.operands = {{ImageOperand{pictures_ / name}}};
    query.top_k = 1;
    const auto answer = pipeline.search(query, Deadline::never()).value();
    EXPECT_EQ(answer.hits.at(0).path, fs::canonical(path_of(name)).string());
    EXPECT_EQ(answer.hits.at(0).payload["_image"]["name"], to_valid_utf8(name));
  }
  EXPECT_EQ(counts(index()), expected(0, names.size()));
}

TEST_F(IngestTest, UnusablePicturesAreNamedAndRemembered) {
  picture("good.png", 1);
  std::string cut = make_jpeg(2, 40, 40);
  cut.resize(cut.size() / 2);
  pictures_.write("cut.jpg", cut);
  pictures_.write("empty.png", "");
  pictures_.write("text.jpg", "this is no picture");
  IngestOptions small = options({path_of("")});
  small.decode.max_pixels = 2000;
  picture("large.png", 3);
  pictures_.write("larger.png", make_png(4, 100, 100));
  const Json skips{{"corrupt", 1}, {"empty", 1}, {"not_a_picture", 1}, {"too_large", 1}};
  EXPECT_EQ(counts(index(small)), expected(2, 0, skips));
  for (const Json& line : skipped_lines()) {
    EXPECT_THAT(line.at("message").get<std::string>(),
                HasSubstr(line.at("path").get<std::string>()));
    if (line.at("reason") != "too_large") continue;
    EXPECT_THAT(line.at("message").get<std::string>(),
                HasSubstr("png of 100 x 100 = 10000 pixels; the limit image.max_pixels is 2000"));
  }
  const auto record = store_->find_source(uri_of("cut.jpg")).value();
  ASSERT_TRUE(record);
  EXPECT_EQ(record->skip_reason, "corrupt");
  EXPECT_FALSE(record->id);

  fs::permissions(pictures_ / "cut.jpg", fs::perms::none);  // it is not read again
  EXPECT_EQ(counts(index(small)), expected(0, 2, skips));
  fs::permissions(pictures_ / "cut.jpg", fs::perms::owner_all);
  EXPECT_EQ(counts(index()),  // another limit
            expected(1, 2, {{"corrupt", 1}, {"empty", 1}, {"not_a_picture", 1}}));
}

TEST_F(IngestTest, ATinyFileThatClaimsTooManyPixelsIsTooLarge) {
  std::string png = make_png(1, 10, 10);
  for (const std::size_t at : {16U, 20U}) png.replace(at, 4, std::string("\0\0\x4E\x20", 4));
  pictures_.write("claims.png", png);
  EXPECT_EQ(counts(index()), expected(0, 0, {{"too_large", 1}}));
  EXPECT_THAT(skipped_lines().at(0).at("message").get<std::string>(),
              HasSubstr("20000 x 20000 = 400000000 pixels; the limit image.max_pixels is"));
  EXPECT_EQ(counts(index()), expected(0, 0, {{"too_large", 1}}));
}

TEST_F(IngestTest, ARepairedPictureIsIndexed) {
  pictures_.write("a.png", "broken");
  index();
  picture("a.png", 1);
  EXPECT_EQ(counts(index()), expected(1, 0));
  EXPECT_EQ(store_->find_source(uri_of("a.png")).value()->skip_reason, "");
}

TEST_F(IngestTest, ABrokenSuccessorTakesThePointAway) {
  picture("a.png", 1);
  index();
  std::string cut = make_png(2, 200, 200);
  cut.resize(cut.size() / 2);
  pictures_.write("a.png", cut);
  EXPECT_EQ(counts(index()), expected(0, 0, {{"corrupt", 1}}));
  EXPECT_EQ(count(), 0u);
  EXPECT_EQ(store_->find_source(uri_of("a.png")).value()->skip_reason, "corrupt");
}

TEST_F(IngestTest, ThePayloadOfAPictureInAFolderIsTheUsersOwn) {
  picture("a.png", 1);
  index();
  const PointId id = id_of(uri_of("a.png"));
  ASSERT_TRUE(store_->write({OverwritePayload{id, {{"mine", 1}}}}));
  picture("a.png", 2);
  touch(pictures_ / "a.png", 5);
  EXPECT_EQ(counts(index()), expected(1, 0));
  EXPECT_EQ(point(id)->payload.at("mine"), 1);
}

TEST_F(IngestTest, ADeletedPointIsIndexedAgain) {
  picture("a.png", 1);
  index();
  ASSERT_TRUE(store_->write({DeletePoint{id_of(uri_of("a.png"))}}));
  EXPECT_EQ(counts(index()), expected(1, 0));
}

TEST_F(IngestTest, ExcludedOnesAreNotSeen) {
  for (const char* name : {"a.png", "thumbs/b.png", "c.gif"}) picture(name, 1);
  IngestOptions some = options({path_of("")});
  some.exclude = {"thumbs", "*.gif"};
  EXPECT_EQ(counts(index(some)), expected(1, 0));
}

TEST_F(IngestTest, PathsAreCheckedBeforeAnythingIsWritten) {
  picture("a.png", 1);
  pictures_.write("m.json", "{}");
  pictures_.write("bad.csv", "picture\n");
  const auto refused = [&](const std::string& path) {
    const auto report = try_index(options({path_of("a.png"), path_of(path)}));
    EXPECT_FALSE(report) << path;
    return report ? Status{} : report.error();
  };
  EXPECT_EQ(refused("none").code, StatusCode::kNotFound);
  EXPECT_THAT(refused("none").message, HasSubstr(path_of("none")));
  EXPECT_THAT(refused("m.json").message, HasSubstr(".jsonl"));
  EXPECT_THAT(refused("bad.csv").message, HasSubstr("image"));
  EXPECT_EQ(try_index(options({})).error().code, StatusCode::kInvalidArgument);
  EXPECT_EQ(count(), 0u);
}

TEST_F(IngestTest, AnotherModelIsRefusedWithBothNames) {
  picture("a.png", 1);
  index();
  const auto other =
      open_or_create_for(*folder_, "default", other_encoder().info(), codecs::AlphaRule::kWhite);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, StatusCode::kFailedPrecondition);
  EXPECT_THAT(other.error().message, HasSubstr("clip-vit-tiny ("));
  EXPECT_THAT(other.error().message, HasSubstr("clip-vit-tiny-gelu ("));
  EXPECT_THAT(other.error().message, HasSubstr(tiny_encoder().info().checksum.substr(0, 8)));
  const auto alpha =
      open_or_create_for(*folder_, "default", tiny_encoder().info(), codecs::AlphaRule::kDrop);
  ASSERT_FALSE(alpha);
  EXPECT_THAT(alpha.error().message, HasSubstr("alpha white"));
  EXPECT_THAT(alpha.error().message, HasSubstr("alpha drop"));
  EXPECT_TRUE(
      open_or_create_for(*folder_, "default", tiny_encoder().info(), codecs::AlphaRule::kWhite));
  const auto model = store_->info().value().config.vectors.at("").model;
  EXPECT_EQ(model.name, "clip-vit-tiny");
  EXPECT_TRUE(fs::path(model.path_hint).is_absolute());
  EXPECT_EQ(model.precision, "fp32");
}

TEST_F(IngestTest, ProgressAddsUpAndEnds) {
  for (std::uint32_t i = 0; i < 200; ++i) picture(std::to_string(i) + ".png", i);
  std::vector<IngestProgress> seen;
  const auto report = ingest(*store_, encoder_, *pool_, options({path_of("")}),
                             [&](const IngestProgress& progress) { seen.push_back(progress); }, {});
  ASSERT_TRUE(report);
  ASSERT_FALSE(seen.empty());
  for (const IngestProgress& progress : seen) {
    EXPECT_EQ(progress.seen, progress.indexed + progress.unchanged + progress.skipped);
    EXPECT_LE(progress.seen, progress.found);
  }
  EXPECT_TRUE(seen.back().walk_done);
  EXPECT_EQ(seen.back().seen, 200u);
  EXPECT_EQ(seen.back().found, 200u);
}

TEST_F(IngestTest, NothingToDoIsFine) { EXPECT_EQ(counts(index()), expected(0, 0)); }

TEST_F(IngestTest, AFixedBatchSizeAndNoThumbnails) {
  for (std::uint32_t i = 0; i < 10; ++i) picture(std::to_string(i) + ".png", i);
  IngestOptions fixed = options({path_of("")});
  fixed.batch_size = 3;
  fixed.thumbnail_edge = 0;
  EXPECT_EQ(counts(index(fixed)), expected(10, 0));
  EXPECT_EQ(store_->thumbnail(id_of(uri_of("3.png"))).error().code, StatusCode::kNotFound);
  fixed.batch_size = encoder_.info().max_batch + 1;
  EXPECT_EQ(try_index(fixed).error().code, StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace sightline::pipeline
