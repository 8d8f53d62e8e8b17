#include "tests/pipeline/ingest_fixture.h"

#include "codecs/facts.h"
#include "pipeline/file_uri.h"
#include "settings/library_setup.h"
#include "tests/pipeline/pictures.h"

namespace sightline::pipeline {
namespace {

const encoders::Encoder& load(const char* name) {
  encoders::EncoderOptions options;
  options.model = std::string(SIGHTLINE_TEST_DATA) + "/" + name;
  options.device = encoders::Device::kCpu;
  // Never destroyed: LibTorch's own statics may be gone by then.
  return *encoders::load_encoder(options).value().release();
}

}  // namespace

const encoders::Encoder& tiny_encoder() {
  static const encoders::Encoder& encoder = load("clip-vit-tiny");
  return encoder;
}

const encoders::Encoder& other_encoder() {
  static const encoders::Encoder& encoder = load("clip-vit-tiny-gelu");
  return encoder;
}

IngestTest::IngestTest()
    : pool_(std::make_unique<ComputePool>(settings::pool_options(2))), encoder_(tiny_encoder()) {
  open();
}

IngestTest::~IngestTest() { close(); }

void IngestTest::open(Access access) {
  close();
  StoreOptions store;
  store.cache_bytes = 8 << 20;
  store.memtable_bytes = 8 << 20;
  store.owner = "ingest test";
  folder_ = DataFolder::open(data_.path(), access, store, *pool_).value();
  if (access == Access::kWrite) {
    store_ =
        open_or_create_for(*folder_, "default", encoder_.info(), codecs::AlphaRule::kWhite).value();
  } else {
    store_ = folder_->open_collection("default").value();
  }
}

void IngestTest::close() {
  store_.reset();
  folder_.reset();
}

IngestOptions IngestTest::options(std::vector<std::string> paths) const {
  IngestOptions options;
  options.paths = std::move(paths);
  options.decode_bytes = 64 << 20;
  options.skipped_file = folder_->collection_folder("default") / "skipped.jsonl";
  return options;
}

Result<IngestReport> IngestTest::try_index(const IngestOptions& options, std::stop_token stop) {
  encoder_.num_pictures = 0;
  return ingest(*store_, encoder_, *pool_, options, {}, std::move(stop));
}

IngestReport IngestTest::index(const IngestOptions& options) {
  auto report = try_index(options);
  EXPECT_TRUE(report) << report.error().message;
  if (!report) return {};
  std::uint64_t skipped = 0;
  for (const auto& [reason, count] : report->skipped) skipped += count;
  EXPECT_EQ(report->seen, report->indexed + report->unchanged + skipped);
  EXPECT_EQ(skipped_lines().size(), skipped);
  EXPECT_FALSE(report->interrupted);
  return *report;
}

std::filesystem::path IngestTest::picture(const std::string& name, std::uint32_t seed) {
  return pictures_.write(name, testing_support::make_png(seed));
}

std::string IngestTest::uri_of(const std::string& name) const {
  return to_file_uri(std::filesystem::canonical(pictures_.path()).string() + "/" + name);
}

PointId IngestTest::id_of(const std::string& uri) const {
  return PointId::from_digest(codecs::sha256(std::string_view(uri)));
}

std::optional<StoredPoint> IngestTest::point(const PointId& id) const {
  auto points = store_->get({&id, 1}, {true, true}).value();
  return points.at(0);
}

std::vector<Json> IngestTest::skipped_lines() const {
  std::vector<Json> lines;
  std::ifstream file(folder_->collection_folder("default") / "skipped.jsonl");
  for (std::string line; std::getline(file, line);) lines.push_back(Json::parse(line));
  return lines;
}

Json counts(const IngestReport& report) {
  Json json = to_json(report);
  return Json{{"indexed", json["indexed"]},
              {"unchanged", json["unchanged"]},
              {"skipped", json["skipped"]},
              {"pruned", json["pruned"]}};
}

}  // namespace sightline::pipeline
