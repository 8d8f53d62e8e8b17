#include "pipeline/upload.h"

#include <atomic>
#include <thread>
#include <tuple>

#include "codecs/decode.h"
#include "codecs/facts.h"
#include "core/checksum.h"
#include "pipeline/upload_shelf.h"
#include "tests/pipeline/ingest_fixture.h"
#include "tests/pipeline/pictures.h"

namespace sightline::pipeline {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::UnorderedElementsAre;

std::vector<std::byte> bytes(const std::string& text) {
  const auto* data = reinterpret_cast<const std::byte*>(text.data());
  return {data, data + text.size()};
}
std::string hex_of(const std::string& text) {
  return to_hex(codecs::sha256(std::string_view(text)));
}
UploadItem item(std::string name, const std::string& content,
                std::optional<Json> payload = std::nullopt,
                std::optional<PointId> id = std::nullopt) {
  return {{std::move(name), bytes(content)}, id, std::move(payload)};
}

class UploadTest : public IngestTest {
 protected:
  UploadTest() {
    EncoderHostOptions options;
    options.default_model = std::string(SIGHTLINE_TEST_DATA) + "/clip-vit-tiny";
    options.device = encoders::Device::kCpu;
    options.decode_bytes = 64 << 20;
    host_ = std::make_unique<EncoderHost>(options, *pool_);
  }
  ~UploadTest() override { host_.reset(); }

  Uploader uploader(UploadOptions options = {}) {
    return Uploader::open(*folder_, "default", *host_, *pool_, options).value();
  }
  std::vector<UploadResult> upload(std::vector<UploadItem> items) {
    return uploader().upload(std::move(items), Deadline::never()).value();
  }
  UploadResult upload_one(UploadItem one) {
    std::vector<UploadItem> items;
    items.push_back(std::move(one));
    return upload(std::move(items)).at(0);
  }
  static std::vector<std::string> statuses(const std::vector<UploadResult>& results) {
    std::vector<std::string> found;
    for (const UploadResult& result : results) found.push_back(result.status);
    return found;
  }
  fs::path uploads() const { return folder_->collection_folder("default") / "uploads"; }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    if (!fs::exists(uploads())) return names;
    for (const auto& entry : fs::recursive_directory_iterator(uploads()))
      if (entry.is_regular_file()) names.push_back(entry.path().filename().string());
    return names;
  }
  void write(std::vector<WriteOp> ops) { ASSERT_TRUE(store_->write(std::move(ops))); }
  Result<PointPicture> original(const PointId& id, PointPictureOptions options = {}) {
    return point_picture(*store_, id, options, *host_, *pool_, Deadline::never());
  }

  const std::string png_ = testing_support::make_png(1);
  const std::string jpeg_ = testing_support::make_jpeg(2, 60, 20);
  std::unique_ptr<EncoderHost> host_;
};

TEST_F(UploadTest, StoresFileFactsThumbnailAndVector) {
  const auto result = upload_one(item("holiday/ä.png", png_, Json{{"city", "Oslo"}}));
  ASSERT_EQ(result.status, "indexed") << result.error->message;
  EXPECT_EQ(result.width, 40u);
  EXPECT_EQ(to_json(result)["error"], nullptr);
  const auto stored = point(*result.id);
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->payload["city"], "Oslo");
  const Json& facts = stored->payload["_image"];
  EXPECT_EQ(facts["uri"], "sha256:" + hex_of(png_));
  EXPECT_EQ(facts["name"], "ä.png");
  EXPECT_EQ(facts["width"], 40);
  EXPECT_EQ(facts["content_hash"], "sha256:" + hex_of(png_));
  EXPECT_TRUE(store_->thumbnail(*result.id));
  EXPECT_THAT(files(), ElementsAre(hex_of(png_)));
  EXPECT_EQ(testing_support::read_file(store_->uploads()->path_of(hex_of(png_))), png_);

  // The same picture from a folder has the same vector.
  pictures_.write("same.png", png_);
  index();
  const auto other = point_of("same.png");
  ASSERT_TRUE(other);
  EXPECT_EQ(other->vectors[0].values, stored->vectors[0].values);
}

TEST_F(UploadTest, OneBrokenPictureDoesNotFailTheOthers) {
  std::vector<UploadItem> items;
  items.push_back(item("a.png", png_));
  items.push_back(item("text.png", "no picture"));
  items.push_back(item("cut.png", png_.substr(0, png_.size() / 2)));
  items.push_back(item("empty.png", ""));
  items.push_back({{"gone.jpg", pictures_ / "part-17.tmp"}, std::nullopt, std::nullopt});
  items.push_back(item("reserved.png", testing_support::make_png(7), Json{{"_image", 1}}));
  items.push_back(item("list.png", testing_support::make_png(8), Json::array()));
  items.push_back({{"b.jpg", pictures_.write("spool.tmp", jpeg_)}, std::nullopt, std::nullopt});
  const auto results = upload(std::move(items));
  EXPECT_THAT(statuses(results), ElementsAre("indexed", "failed", "failed", "failed", "failed",
                                             "failed", "failed", "indexed"));
  EXPECT_THAT(results[1].error->message, HasSubstr("text.png"));
  EXPECT_EQ(results[2].error->code, StatusCode::kCorruption);
  EXPECT_THAT(results[3].error->message, HasSubstr("empty"));
  EXPECT_THAT(results[4].error->message, AllOf(HasSubstr("gone.jpg"), Not(HasSubstr("part-17"))));
  EXPECT_EQ(results[5].error->code, StatusCode::kValidation);
  EXPECT_EQ(results[6].error->code, StatusCode::kValidation);
  EXPECT_EQ(to_json(results[1])["id"], nullptr);
  EXPECT_EQ(count(), 2u);
  EXPECT_THAT(files(), UnorderedElementsAre(hex_of(png_), hex_of(jpeg_)));
}

TEST_F(UploadTest, TheSameBytesAgainAreTheSamePoint) {
  const auto first = upload_one(item("a.png", png_, Json{{"tag", 1}}));
  const auto again = upload_one(item("b.png", png_));
  EXPECT_EQ(again.status, "unchanged");
  EXPECT_EQ(again.id, first.id);
  EXPECT_EQ(again.width, 40u);
  EXPECT_EQ(upload_one(item("b.png", png_, Json{{"tag", 1}})).status, "unchanged");
  EXPECT_EQ(upload_one(item("b.png", png_, Json{{"tag", 2}})).status, "updated");
  EXPECT_EQ(point(*first.id)->payload["tag"], 2);
  EXPECT_EQ(point(*first.id)->payload["_image"]["name"], "a.png");
  EXPECT_EQ(count(), 1u);
  EXPECT_EQ(host_->statistics().pictures, 1u);

  // Also within one request; the last payload stays.
  std::vector<UploadItem> items;
  for (int i = 0; i < 3; ++i) items.push_back(item("c.jpg", jpeg_, Json{{"i", i}}));
  const auto results = upload(std::move(items));
  EXPECT_THAT(statuses(results), ElementsAre("indexed", "updated", "updated"));
  EXPECT_EQ(point(*results[0].id)->payload["i"], 2);
  EXPECT_EQ(count(), 2u);
}

TEST_F(UploadTest, CopiesAreStoredTogetherAndToldApart) {
  const auto upload_counted = [&](std::vector<UploadItem> items) {
    const std::uint64_t before = store_->info()->commit_number;
    auto results = upload(std::move(items));
    return std::pair(std::move(results), store_->info()->commit_number - before);
  };
  std::vector<UploadItem> items;
  for (int i = 0; i < 100; ++i) items.push_back(item("c.jpg", jpeg_, Json{{"i", i}}));
  const auto [first, num_commits] = upload_counted(std::move(items));
  EXPECT_LE(num_commits, 4u) << "one for each that is decoded at a time";
  EXPECT_EQ(first[0].status, "indexed");
  for (std::size_t i = 1; i < first.size(); ++i) {
    EXPECT_EQ(first[i].status, "updated") << i;
    EXPECT_EQ(first[i].id, first[0].id) << i;
    EXPECT_EQ(first[i].width, first[0].width) << i;
  }
  const PointId id = *first[0].id;
  EXPECT_EQ(point(id)->payload["i"], 99);
  EXPECT_EQ(point(id)->payload["_image"]["name"], "c.jpg");
  EXPECT_EQ(count(), 1u);
  EXPECT_EQ(host_->statistics().pictures, 1u);

  const Json there = Json{{"i", 99}}, other = Json{{"i", 7}};
  for (const auto& [payloads, told, stored] :
       std::vector<std::tuple<std::vector<std::optional<Json>>, std::vector<std::string>, Json>>{
           {{std::nullopt, there}, {"unchanged", "unchanged"}, there},
           {{std::nullopt, other, other, std::nullopt, there},
            {"unchanged", "updated", "unchanged", "unchanged", "updated"},
            there},
           {{other, there, other}, {"updated", "updated", "updated"}, other},
       }) {
    items.clear();
    for (const auto& payload : payloads) items.push_back(item("d.jpg", jpeg_, payload));
    const auto [results, commits] = upload_counted(std::move(items));
    EXPECT_EQ(statuses(results), told);
    EXPECT_LE(commits, 1u);
    Json found = point(id)->payload;
    EXPECT_EQ(found["_image"]["name"], "c.jpg");
    found.erase("_image");
    EXPECT_EQ(found, stored);
  }

  // What is no picture is none however often it comes.
  items.clear();
  for (const char* name : {"x.png", "y.png"}) items.push_back(item(name, png_.substr(0, 60)));
  items.push_back(item("a.png", png_, Json::array()));  // no payload
  items.push_back(item("b.png", png_));
  const auto broken = upload(std::move(items));
  EXPECT_THAT(statuses(broken), ElementsAre("failed", "failed", "failed", "indexed"));
  EXPECT_THAT(broken[0].error->message, testing::StartsWith("x.png: "));
  EXPECT_THAT(broken[1].error->message, testing::StartsWith("y.png: "));
  EXPECT_EQ(broken[0].error->code, broken[1].error->code);
}

TEST_F(UploadTest, GivenIdsMakePointsOfTheirOwn) {
  const PointId seven(std::uint64_t{7}), eight(std::uint64_t{8});
  EXPECT_EQ(upload_one(item("a.png", png_, Json{{"tag", 1}}, seven)).id, seven);
  EXPECT_EQ(upload_one(item("a.png", png_, std::nullopt, eight)).status, "indexed");
  EXPECT_EQ(upload_one(item("a.png", png_, std::nullopt, eight)).status, "unchanged");
  EXPECT_EQ(count(), 2u);
  EXPECT_EQ(host_->statistics().pictures, 1u);  // the same bytes are not encoded again
  EXPECT_EQ(point(eight)->vectors[0].values, point(seven)->vectors[0].values);
  EXPECT_THAT(files(), ElementsAre(hex_of(png_)));

  // Another picture for the point keeps what the user wrote to it.
  EXPECT_EQ(upload_one(item("b.jpg", jpeg_, std::nullopt, seven)).status, "indexed");
  EXPECT_EQ(point(seven)->payload["tag"], 1);
  EXPECT_EQ(point(seven)->payload["_image"]["format"], "jpeg");
  EXPECT_EQ(store_->info()->num_sources, 2u);
  EXPECT_THAT(files(), UnorderedElementsAre(hex_of(png_), hex_of(jpeg_)));
  upload_one(item("b.jpg", jpeg_, std::nullopt, eight));
  EXPECT_THAT(files(), ElementsAre(hex_of(jpeg_)));  // nobody names the other any more
}

TEST_F(UploadTest, FilesGoWithTheLastPointByEveryRoute) {
  const PointId a(std::uint64_t{1}), b(std::uint64_t{2});
  const auto filter = [](const char* json) {
    return std::make_shared<const Filter>(parse_filter(Json::parse(json)).value());
  };
  const auto both = [&] {
    upload_one(item("a.png", png_, Json{{"n", 1}}, a));
    upload_one(item("a.png", png_, Json{{"n", 2}}, b));
    EXPECT_THAT(files(), ElementsAre(hex_of(png_)));
  };
  both();
  write({DeletePoint{a}});
  EXPECT_THAT(files(), ElementsAre(hex_of(png_)));
  write({DeletePoint{b}});
  EXPECT_THAT(files(), ElementsAre());
  both();
  write({DeletePoints{{{}, filter(R"({"must": [{"key": "n", "range": {"gte": 1}}]})")}}});
  EXPECT_THAT(files(), ElementsAre());
  both();
  write({DeleteSource{upload_uri(hex_of(png_), a)}, DeletePoints{{{b}, nullptr}}});
  EXPECT_THAT(files(), ElementsAre());
  both();
  // Replaced by points that say nothing of a picture.
  const std::vector<float> vector = point(a)->vectors[0].values;
  write({UpsertPoint{a, {{"", vector}}, Json::object(), ""}});
  EXPECT_THAT(files(), ElementsAre(hex_of(png_)));
  EXPECT_EQ(original(a).error().code, StatusCode::kNotFound);
  write({UpsertPoint{b, {{"", vector}}, Json{{"_image", {{"uri", "file:///etc/passwd"}}}}, ""}});
  EXPECT_THAT(files(), ElementsAre());
  EXPECT_EQ(original(b).error().code, StatusCode::kNotFound);
}

TEST_F(UploadTest, DurabilityByIntervalRemovesFilesToo) {
  close();
  StoreOptions store;
  store.durability = Durability::kInterval;
  folder_ = DataFolder::open(data_.path(), Access::kWrite, store, *pool_).value();
  store_ = folder_->open_collection("default").value();
  const auto result = upload_one(item("a.png", png_));
  EXPECT_THAT(files(), ElementsAre(hex_of(png_)));
  write({DeletePoint{*result.id}});
  EXPECT_THAT(files(), ElementsAre());
}

TEST_F(UploadTest, OpeningSweepsWhatACrashLeft) {
  const auto kept = upload_one(item("a.png", png_));
  const std::string lost = hex_of("lost");
  fs::create_directories(uploads() / lost.substr(0, 2));
  for (const std::string& name : {lost, lost + ".3.tmp"})
    std::ofstream(uploads() / lost.substr(0, 2) / name) << "lost";
  open();
  EXPECT_THAT(files(), ElementsAre(hex_of(png_)));
  EXPECT_TRUE(original(*kept.id));
}

TEST_F(UploadTest, ALostFileComesBackWithTheSameUpload) {
  const auto result = upload_one(item("a.png", png_));
  fs::remove(store_->uploads()->path_of(hex_of(png_)));
  EXPECT_EQ(original(*result.id).error().code, StatusCode::kNotFound);
  EXPECT_EQ(upload_one(item("a.png", png_)).status, "unchanged");
  EXPECT_TRUE(original(*result.id));
}

TEST_F(UploadTest, SnapshotsContainUploads) {
  const auto result = upload_one(item("a.png", png_));
  upload_one(item("b.jpg", jpeg_));
  const auto never = Deadline::never();
  ASSERT_TRUE(folder_->snapshot_collection("default", data_ / "copy.tar", {}, never));
  write({DeletePoint{*result.id}});
  ASSERT_TRUE(folder_->restore_collection("restored", data_ / "copy.tar", {}, never));
  const auto restored = folder_->open_collection("restored").value();
  const auto picture = point_picture(*restored, *result.id, {}, *host_, *pool_, never);
  ASSERT_TRUE(picture) << picture.error().message;
  EXPECT_EQ(testing_support::read_file(std::get<fs::path>(picture->body)), png_);
  EXPECT_THAT(files(), ElementsAre(hex_of(jpeg_)));
}

TEST_F(UploadTest, MakesACollectionForTheDefaultModel) {
  const auto made = Uploader::open(*folder_, "fresh", *host_, *pool_, {}).value();
  const auto info = made.store()->info().value();
  EXPECT_EQ(info.config.vectors.at("").model.checksum, tiny_encoder().info().checksum);
  EXPECT_FALSE(Uploader::open(*folder_, "no/name", *host_, *pool_, {}));

  CollectionConfig config;
  config.vectors["outside"] = {.dim = 4};
  ASSERT_TRUE(folder_->create_collection("foreign", config));
  EXPECT_EQ(Uploader::open(*folder_, "foreign", *host_, *pool_, {}).error().code,
            StatusCode::kFailedPrecondition);

  config.vectors["picture"] = {
      .dim = tiny_encoder().info().dim,
      .model = identity_of(tiny_encoder().info(), codecs::AlphaRule::kDrop)};
  ASSERT_TRUE(folder_->create_collection("named", config));
  const auto named = Uploader::open(*folder_, "named", *host_, *pool_, {}).value();
  std::vector<UploadItem> items;
  items.push_back(item("a.png", png_));
  const auto results = named.upload(std::move(items), Deadline::never()).value();
  const auto points = named.store()->get({&*results[0].id, 1}, {true, true}).value();
  ASSERT_EQ(points[0]->vectors.size(), 1u);
  EXPECT_EQ(points[0]->vectors[0].name, "picture");
}

TEST_F(UploadTest, TakesTheSamplesOfATar) {
  const std::string second = testing_support::make_png(5);
  const auto tar = pictures_.write(
      "spool-9.tmp", testing_support::make_tar({{"train/1.png", png_},
                                                {"train/1.json", R"({"label": "cat"})"},
                                                {"2.jpg", jpeg_},
                                                {"2.txt", "two words\n"},
                                                {"3.png", "broken"},
                                                {"4.json", "{"},
                                                {"4.png", second},
                                                {"readme.md", "ignored"}}));
  std::vector<UploadResult> results;
  const auto summary = uploader().upload_tar(
      tar, [&](const UploadResult& result) { results.push_back(result); }, Deadline::never());
  ASSERT_TRUE(summary) << summary.error().message;
  EXPECT_THAT(statuses(results), ElementsAre("indexed", "indexed", "failed", "failed"));
  EXPECT_EQ(summary->indexed, 2u);
  EXPECT_EQ(summary->failed, 2u);
  EXPECT_EQ(results[0].name, "train/1.png");
  EXPECT_EQ(point(*results[0].id)->payload["label"], "cat");
  EXPECT_EQ(point(*results[0].id)->payload["_image"]["name"], "1.png");
  EXPECT_EQ(point(*results[1].id)->payload["caption"], "two words");
  for (const UploadResult& result : results) {
    const std::string message = result.error ? result.error->message : "";
    EXPECT_THAT(message, Not(HasSubstr("spool-9")));
  }
  EXPECT_THAT(results[3].error->message, HasSubstr("4.json"));

  const auto not_a_tar = pictures_.write("spool-10.tmp", png_);
  const auto refused = uploader().upload_tar(not_a_tar, {}, Deadline::never());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, StatusCode::kInvalidArgument);
  EXPECT_THAT(refused.error().message, Not(HasSubstr("spool-10")));
}

TEST_F(UploadTest, ManyUploadersAndADeleterAgree) {
  std::vector<std::string> pictures;
  for (std::uint32_t i = 0; i < 6; ++i)
    pictures.push_back(testing_support::make_png(100 + i, 16, 16));
  std::atomic<bool> done{false};
  std::atomic<int> num_failed{0};
  std::thread deleter([&] {
    while (!done) {
      for (const std::string& picture : pictures)
        if (!store_->write({DeleteSource{upload_uri(hex_of(picture), std::nullopt)}})) ++num_failed;
    }
  });
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      const Uploader own = uploader();
      for (std::size_t i = 0; i < 20; ++i) {
        std::vector<UploadItem> items;
        items.push_back(item("x.png", pictures[(t + i) % pictures.size()]));
        items.push_back(item("y.png", pictures[(t + i * 3 + 1) % pictures.size()]));
        const auto results = own.upload(std::move(items), Deadline::never());
        if (!results || (*results)[0].error || (*results)[1].error) ++num_failed;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  done = true;
  deleter.join();
  EXPECT_EQ(num_failed, 0);
  // Every point has its file, every file its point.
  std::vector<std::string> named;
  ASSERT_TRUE(store_->visit_sources("sha256:", [&](const SourceRecord& record) {
    named.push_back(*upload_hash(record.uri));
    return true;
  }));
  EXPECT_THAT(files(), testing::UnorderedElementsAreArray(named));
}

// --- originals -----------------------------------------------------------------------------------

TEST_F(UploadTest, GivesTheOriginalBack) {
  const auto uploaded = upload_one(item("a.png", png_));
  const auto picture = original(*uploaded.id).value();
  EXPECT_EQ(picture.content_type, "image/png");
  EXPECT_EQ(picture.etag, hex_of(png_));
  EXPECT_EQ(testing_support::read_file(std::get<fs::path>(picture.body)), png_);

  pictures_.write("b.jpg", jpeg_);
  pictures_.write("c.tar", testing_support::make_tar({{"x/c.png", testing_support::make_png(3)}}));
  index();
  const auto file = original(id_of(uri_of("b.jpg"))).value();
  EXPECT_EQ(file.content_type, "image/jpeg");
  EXPECT_EQ(file.name, "b.jpg");
  EXPECT_EQ(testing_support::read_file(std::get<fs::path>(file.body)), jpeg_);
  EXPECT_EQ(original(PointId(std::uint64_t{99})).error().code, StatusCode::kNotFound);

  index(pictures_ / "c.tar");
  PointId member;
  ASSERT_TRUE(store_->visit_sources("file://", [&](const SourceRecord& record) {
    if (record.uri.ends_with("#x/c.png")) member = *record.id;
    return true;
  }));
  const auto in_tar = original(member).value();
  EXPECT_EQ(in_tar.content_type, "image/png");
  EXPECT_EQ(in_tar.name, "c.png");
  EXPECT_EQ(std::get<std::string>(in_tar.body), testing_support::make_png(3));
}

TEST_F(UploadTest, AFileThatWasChangedIsNotGiven) {
  const auto file = pictures_.write("a.png", png_);
  index();
  const PointId id = id_of(uri_of("a.png"));
  testing_support::touch(file, 10);
  EXPECT_TRUE(original(id));  // the same bytes still
  std::string other = png_;
  other.back() = static_cast<char>(other.back() ^ 1);
  pictures_.write("a.png", other);
  testing_support::touch(file, 20);
  EXPECT_EQ(original(id).error().code, StatusCode::kNotFound);
  fs::remove(file);
  EXPECT_EQ(original(id).error().code, StatusCode::kNotFound);
}

TEST_F(UploadTest, FormatsThatBrowsersDoNotShowComeAsPreviews) {
  const std::string tiff =
      testing_support::read_file(std::string(SIGHTLINE_TEST_DATA) + "/images/gray16.tif");
  const auto uploaded = upload_one(item("scan.tif", tiff));
  ASSERT_EQ(uploaded.status, "indexed") << uploaded.error->message;
  const auto picture = original(*uploaded.id, {.preview_edge = 16}).value();
  EXPECT_EQ(picture.content_type, "image/jpeg");
  EXPECT_EQ(picture.etag, hex_of(tiff) + "-16");
  const auto header = codecs::parse_header(bytes(std::get<std::string>(picture.body))).value();
  EXPECT_EQ(header.format, codecs::Format::kJpeg);
  EXPECT_EQ(std::max(header.width, header.height), 16u);
  const auto raw = original(*uploaded.id, {.original = true}).value();
  EXPECT_EQ(raw.content_type, "image/tiff");
  EXPECT_EQ(testing_support::read_file(std::get<fs::path>(raw.body)), tiff);
}

}  // namespace
}  // namespace sightline::pipeline
