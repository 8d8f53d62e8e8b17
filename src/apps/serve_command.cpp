#include <atomic>
#include <csignal>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "apps/commands.h"
#include "apps/inputs.h"
#include "apps/signal_wait.h"
#include "core/log.h"
#include "http/keys.h"
#include "http/metrics.h"
#include "http/routes.h"
#include "http/server.h"
#include "http/service_metrics.h"
#include "pipeline/data_folder.h"
#include "pipeline/encoder_host.h"
#include "pipeline/image_source.h"
#include "pipeline/job_board.h"

namespace sightline::apps {
namespace {

http::ServerOptions server_options(const settings::Settings& settings) {
  const settings::Settings::Server& from = settings.server;
  http::ServerOptions options;
  options.listen = from.listen;
  options.allow_public = from.allow_public;
  options.allowed_hosts = from.allowed_hosts;
  options.cors_origins = from.cors_origins;
  options.spool_folder = settings.data_dir / "spool";
  options.io_threads = from.io_threads;
  options.query_threads = from.query_threads;
  options.write_threads = from.write_threads;
  options.long_threads = from.long_threads;
  options.queue_size = from.queue_size;
  options.max_json_bytes = from.max_json_bytes;
  options.max_json_in_flight_bytes = from.max_json_in_flight_bytes;
  options.max_upload_bytes = from.max_upload_bytes;
  options.max_connections = from.max_connections;
  options.keep_alive = from.keep_alive;
  options.header_timeout = from.header_timeout;
  options.min_body_bytes_per_s = from.min_body_bytes_per_s;
  options.query_timeout = from.query_timeout;
  options.shutdown_grace = from.shutdown_grace;
  options.access_log = from.access_log;
  return options;
}

http::KeyOptions key_options(const settings::Settings& settings) {
  const settings::Settings::Server& from = settings.server;
  return {from.api_key, from.read_only_api_key, from.keys_file, from.anonymous_read};
}

/// What can change while the server runs.
void reload(http::KeyRing& keys) {
  const auto done = keys.reload();
  if (done) {
    log_info("serve", "keys were read again");
  } else {
    log(LogLevel::kError, "serve", "keys stay as they were: " + done.error().message);
  }
}

/// What routes work with. Ends in the opposite order: jobs first, the folder last.
struct Parts {
  std::unique_ptr<pipeline::DataFolder> folder;
  std::unique_ptr<pipeline::EncoderHost> encoders;
  std::unique_ptr<pipeline::ImageSource> images;
  std::unique_ptr<pipeline::JobBoard> jobs;
};

Result<Parts> make_parts(CommandContext& context, const std::string& url) {
  const settings::Settings& settings = context.settings();
  const settings::Settings::Server& from = settings.server;
  pipeline::EncoderHostOptions encoders;
  encoders.default_model = settings.model;
  encoders.roots = from.allowed_roots;
  SIGHTLINE_TRY(encoders.precision, encoders::parse_precision(settings.precision));
  encoders.device = settings.device == "cpu"    ? encoders::Device::kCpu
                    : settings.device == "cuda" ? encoders::Device::kCuda
                                                : encoders::Device::kAuto;
  SIGHTLINE_TRY(encoders.decode, decode_options(settings));
  encoders.decode_bytes = settings.image.decode_bytes;
  encoders.batch_size = from.batch_size;
  encoders.batch_wait = from.batch_wait;
  encoders.cached_texts = from.cached_texts;
  pipeline::ImageSourceOptions images;
  images.roots = from.allowed_roots;
  images.allow_http = from.fetch_urls;
  images.max_bytes = from.max_picture_bytes;
  pipeline::JobBoardOptions jobs;
  jobs.roots = from.allowed_roots;
  jobs.num_parallel = from.parallel_jobs;
  jobs.decode_bytes = settings.image.decode_bytes;
  jobs.thumbnail_edge = settings.image.thumbnail_edge;

  Parts parts;
  SIGHTLINE_TRY(parts.folder, open_data_folder_to_serve(context, url));
  parts.encoders = std::make_unique<pipeline::EncoderHost>(std::move(encoders), context.pool());
  parts.images = std::make_unique<pipeline::ImageSource>(std::move(images));
  parts.jobs = std::make_unique<pipeline::JobBoard>(*parts.folder, *parts.encoders, context.pool(),
                                                    std::move(jobs));
  return parts;
}

/// Opens all collections, so that nobody's first request has to.
class WarmUp {
 public:
  explicit WarmUp(pipeline::DataFolder& folder) : folder_(folder), thread_([this] { run(); }) {}
  ~WarmUp() {
    ends_.store(true);
    thread_.join();
  }
  WarmUp(const WarmUp&) = delete;
  WarmUp& operator=(const WarmUp&) = delete;

  Result<void> check() const {
    if (is_done_.load()) return {};
    return Status{StatusCode::kOverloaded, "collections are being opened"};
  }

 private:
  void run() {
    if (const auto names = folder_.list_collections()) {
      for (const std::string& name : *names) {
        if (ends_.load()) return;
        const auto opened = folder_.open_collection(name);
        if (opened || opened.error().code == StatusCode::kNotFound) continue;
        log(LogLevel::kError, "serve", "collection " + name + ": " + opened.error().message);
      }
    }
    is_done_.store(true);
  }

  pipeline::DataFolder& folder_;
  std::atomic<bool> is_done_{false}, ends_{false};
  std::thread thread_;  // last: it uses the others
};

/// Everything acknowledged is on disk before the process ends.
void flush_all(pipeline::DataFolder& folder) {
  const auto names = folder.list_collections();
  if (!names) return;
  for (const std::string& name : *names) {
    auto store = folder.open_collection(name);
    const auto flushed = store ? (*store)->flush() : Result<void>(store.error());
    if (!flushed) log(LogLevel::kError, "serve", name + ": " + flushed.error().message);
  }
}

Result<int> run_serve(CommandContext& context) {
  const settings::Settings& settings = context.settings();
  SignalWait signals({SIGINT, SIGTERM, SIGHUP});
  SIGHTLINE_TRY(const auto keys, http::KeyRing::load(key_options(settings)));
  // First of all: whoever finds the folder locked is told the address, with the port it has.
  SIGHTLINE_TRY(auto listener, http::Listener::open(server_options(settings), *keys));
  http::Metrics metrics;
  SIGHTLINE_TRY(const Parts parts, make_parts(context, listener.url()));
  const http::Services services{*parts.folder,  *parts.encoders, *parts.images, *parts.jobs,
                                context.pool(), settings,        metrics};
  http::register_service_metrics(services);
  http::RouteTable routes;
  const WarmUp warm_up(*parts.folder);
  http::add_all_routes(routes, services, *keys, http::page_folder(),
                       [&warm_up] { return warm_up.check(); });
  SIGHTLINE_TRY(
      const auto server,
      http::Server::start(server_options(settings), std::move(listener), routes, *keys, metrics));
  log_info("serve", "listening", {{"url", server->url()}, {"data", parts.folder->path().string()}});
  context.note("serving " + parts.folder->path().string() + " at " + server->url() + "/");

  for (int signal = 0; (signal = signals.wait()) == SIGHUP;) reload(*keys);
  context.note("stopping: requests in work are finished (again: stop at once)");
  signals.end_at_next();
  std::thread jobs_end([&] { parts.jobs->shut_down(); });
  server->stop();
  jobs_end.join();
  flush_all(*parts.folder);
  return kExitOk;
}

}  // namespace

void add_serve_command(CommandLine& line) {
  CLI::App& command = line.add_command(
      {"serve", "Serve the collections: the page, sightline's API and Qdrant's.",
       "  sightline serve\n"
       "  sightline serve --data /srv/photos --listen 127.0.0.1:8080\n"
       "  SIGHTLINE_SERVER_API_KEY=... sightline serve --listen 0.0.0.0:6333\n"
       "  sightline serve --keys keys.toml --roots /srv/photos,/srv/models\n"
       "\n"
       "Then open http://127.0.0.1:6333/ in a browser. Without keys only this machine is\n"
       "answered. SIGTERM ends it in good order, SIGHUP reads the keys again. Everything else:\n"
       "docs/server.md and [server] in config/sightline.toml."},
      [](CommandContext& context) { return run_serve(context); });
  line.add_setting(command, "--listen", "server.listen", "Address and port to listen on.")
      ->type_name("ADDR:PORT");
  line.add_setting_switch(command, "--allow-public", "server.allow_public",
                          "Listen where others can reach the server though it has no keys.");
  line.add_setting(command, "--keys", "server.keys_file", "File of keys.")->type_name("FILE");
  line.add_setting(command, "--roots", "server.allowed_roots",
                   "Folders that requests may name files and models in.")
      ->type_name("DIR,DIR");
  line.add_setting(command, "--cors", "server.cors_origins", "Origins whose pages may call.")
      ->type_name("ORIGIN,...");
  line.add_model_flags(command);
}

}  // namespace sightline::apps
