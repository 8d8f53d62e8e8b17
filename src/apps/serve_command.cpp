#include <csignal>
#include <memory>
#include <string>

#include "apps/commands.h"
#include "apps/inputs.h"
#include "apps/signal_wait.h"
#include "core/log.h"
#include "http/keys.h"
#include "http/metrics.h"
#include "http/routes.h"
#include "http/server.h"
#include "pipeline/data_folder.h"

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

Result<int> run_serve(CommandContext& context) {
  const settings::Settings& settings = context.settings();
  SignalWait signals({SIGINT, SIGTERM, SIGHUP});
  SIGHTLINE_TRY(const std::string url, http::url_of(settings.server.listen));
  SIGHTLINE_TRY(const auto keys, http::KeyRing::load(key_options(settings)));
  SIGHTLINE_TRY(const auto folder, open_data_folder_to_serve(context, url));

  http::Metrics metrics;
  http::RouteTable routes;
  http::add_core_routes(routes, *folder, metrics, *keys);
  http::add_page_routes(routes, http::page_folder());
  SIGHTLINE_TRY(const auto server,
                http::Server::start(server_options(settings), routes, *keys, metrics));
  log_info("serve", "listening", {{"url", server->url()}, {"data", folder->path().string()}});
  context.note("serving " + folder->path().string() + " at " + server->url() + "/");

  for (int signal = 0; (signal = signals.wait()) == SIGHUP;) reload(*keys);
  context.note("stopping: requests in work are finished (again: stop at once)");
  signals.end_at_next();
  server->stop();
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
