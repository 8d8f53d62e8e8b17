#include "benchmarks/http/load_service.h"

#include <algorithm>
#include <cstdio>
#include <random>
#include <utility>

#include "core/log.h"
#include "core/mutex.h"
#include "http/routes.h"
#include "http/service_metrics.h"
#include "pipeline/query_encoder.h"
#include "settings/library_setup.h"
#include "settings/logging.h"

namespace sightline::benchmarks {
namespace {

using pipeline::CollectionConfig;
using pipeline::CollectionStore;
using pipeline::VectorConfig;

constexpr std::size_t kNumCentres = 1000;
constexpr std::size_t kNumShifts = 65'537;
constexpr float kNoise = 0.8F;
constexpr std::size_t kWriteRows = 1000;

/// The log of a server costs what it costs, but is not read here.
void log_into(const std::filesystem::path& file) {
  struct Sink {
    explicit Sink(const std::filesystem::path& path) : out(std::fopen(path.c_str(), "w")) {}
    ~Sink() {
      if (out != nullptr) std::fclose(out);
    }
    Sink(const Sink&) = delete;
    Sink& operator=(const Sink&) = delete;
    std::FILE* out;
    Mutex mutex;
  };
  const auto sink = std::make_shared<Sink>(file);
  set_log_sink(
      [sink](LogLevel level, std::string_view component, std::string_view message,
             std::span<const LogField> fields) {
        const std::string line = settings::format_text_line(component, message, fields) + "\n";
        const MutexLock lock(sink->mutex);
        for (std::FILE* to : {sink->out, level >= LogLevel::kWarning ? stderr : nullptr}) {
          if (to == nullptr) continue;
          std::fputs(line.c_str(), to);
          std::fflush(to);  // as stderr, which is not buffered
        }
      },
      LogLevel::kInfo);
}

/// What indexing writes for a picture.
Json picture_payload(std::size_t i) {
  const std::string name = "picture-" + std::to_string(i) + ".jpg";
  char hash[72];
  std::snprintf(hash, sizeof hash, "sha256:%064zx", i);
  return {{"title", "Picture number " + std::to_string(i)},
          {"_image",
           {{"uri", "file:///srv/photos/2024/" + name},
            {"name", name},
            {"width", 1280},
            {"height", 960},
            {"format", "jpeg"},
            {"bytes", 150'000 + i},
            {"content_hash", hash},
            {"taken_at", "2024-05-17T10:12:40Z"}}}};
}

Json vector_payload(std::size_t i) {
  return {{"title", "Item number " + std::to_string(i)}, {"year", 1990 + i % 35}};
}

void fill(CollectionStore& store, const ClusteredRows& rows, std::size_t num_points,
          Json (*payload)(std::size_t)) {
  for (std::size_t first = 1; first <= num_points; first += kWriteRows) {
    std::vector<pipeline::WriteOp> ops;
    for (std::size_t i = first; i < std::min(first + kWriteRows, num_points + 1); ++i) {
      pipeline::UpsertPoint point;
      point.id = PointId(i);
      point.vectors.push_back({"", rows.row(i)});
      point.payload = payload(i);
      ops.emplace_back(std::move(point));
    }
    store.write(std::move(ops)).value();
  }
  store.optimize({}, Deadline::never()).value();
}

}  // namespace

ClusteredRows::ClusteredRows(std::size_t dim)
    : dim_(dim), centres_(kNumCentres * dim), noise_(kNumShifts + dim) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (float& value : centres_) value = normal(random);
  for (float& value : noise_) value = normal(random);
}

std::vector<float> ClusteredRows::row(std::size_t i) const {
  std::mt19937_64 random(i);
  random.discard(1);
  const float* centre = &centres_[random() % kNumCentres * dim_];
  const float* shift = &noise_[random() % kNumShifts];
  std::vector<float> row(dim_);
  for (std::size_t d = 0; d < dim_; ++d) row[d] = centre[d] + kNoise * shift[d];
  return row;
}

LoadService::LoadService(std::size_t num_points) : num_points_(num_points) {
  log_into(temp_ / "log");
  pool_ = std::make_unique<ComputePool>(settings::pool_options(0));
  pipeline::StoreOptions store_options;
  store_options.keep_open = true;
  folder_ =
      pipeline::DataFolder::open(temp_ / "data", pipeline::Access::kWrite, store_options, *pool_)
          .value();
  encoders_ = std::make_unique<pipeline::EncoderHost>(pipeline::EncoderHostOptions(), *pool_);
  images_ = std::make_unique<pipeline::ImageSource>(pipeline::ImageSourceOptions());
  jobs_ = std::make_unique<pipeline::JobBoard>(*folder_, *encoders_, *pool_,
                                               pipeline::JobBoardOptions());
  fill_vectors();
  fill_pictures();

  services_ = std::make_unique<http::Services>(
      http::Services{*folder_, *encoders_, *images_, *jobs_, *pool_, settings_, metrics_});
  http::register_service_metrics(*services_);
  keys_ = http::KeyRing::load({}).value();
  http::add_all_routes(routes_, *services_, *keys_, http::page_folder());
  http::ServerOptions options;
  options.listen = "127.0.0.1:0";
  options.spool_folder = temp_ / "data" / "spool";
  server_ = http::Server::start(options, routes_, *keys_, metrics_).value();
}

LoadService::~LoadService() { server_->stop(); }

int LoadService::port() const {
  const std::string address = server_->address();
  return std::stoi(address.substr(address.rfind(':') + 1));
}

void LoadService::fill_vectors() {
  CollectionConfig config;
  config.vectors[""].dim = kVectorDim;
  fill(*folder_->create_collection(kVectors, config).value(), rows_, num_points_, vector_payload);
}

void LoadService::fill_pictures() {
  const auto model = encoders_->find("").value();
  CollectionConfig config;
  VectorConfig& vector = config.vectors[""];
  vector.dim = model->info().dim;
  vector.model = pipeline::identity_of(model->info(), codecs::AlphaRule::kWhite);
  fill(*folder_->create_collection(kPictures, config).value(), ClusteredRows(vector.dim),
       num_points_, picture_payload);
}

void LoadService::empty_writes() {
  folder_->delete_collection(kWrites).value();
  CollectionConfig config;
  config.vectors[""].dim = kVectorDim;
  folder_->create_collection(kWrites, config).value();
}

Json LoadService::describe() const {
  Json setup{{"cores", usable_cores()},
             {"cpu", settings::cpu_level()},
             {"points", num_points_},
             {"dim", kVectorDim}};
  for (const char* name : {kVectors, kPictures}) {
    const auto info = folder_->open_collection(name).value()->info().value();
    Json shards = Json::array();
    for (const auto& shard : info.shards) {
      shards.push_back(shard.type + " of " + std::to_string(shard.num_live));
    }
    setup[std::string("shards of ") + name] = std::move(shards);
  }
  return setup;
}

}  // namespace sightline::benchmarks
