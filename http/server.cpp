#include "http/server.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <charconv>
#include <thread>
#include <utility>

#include "core/compute_pool.h"
#include "core/log.h"
#include "http/internal/body_budget.h"
#include "http/internal/connection.h"
#include "http/internal/gate.h"
#include "http/internal/lanes.h"

namespace sightline::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using internal::Connection;
using internal::ErrorCode;

constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr std::chrono::seconds kCallOffTime{4};

/// "[::1]:6333" -> address and port.
Result<tcp::endpoint> parse_endpoint(const std::string& listen) {
  const auto bad = [&](const std::string& why) {
    return invalid_argument("listen address \"" + listen + "\": " + why +
                            "; it must be ADDRESS:PORT, such as 127.0.0.1:6333 or [::1]:6333");
  };
  const std::size_t colon = listen.rfind(':');
  if (colon == listen.npos) return bad("there is no port");
  std::string host = listen.substr(0, colon);
  const std::string_view digits = std::string_view(listen).substr(colon + 1);
  unsigned port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size() || port > 65535) {
    return bad("the port is not 0..65535");
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  ErrorCode failed;
  const auto address = asio::ip::make_address(host, failed);
  if (failed) return bad("\"" + host + "\" is not an IP address");
  return tcp::endpoint(address, static_cast<std::uint16_t>(port));
}

std::string endpoint_text(const tcp::endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + address + "]" : address) + ":" +
         std::to_string(endpoint.port());
}

/// Every connection is a descriptor.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

std::size_t or_default(std::size_t value, std::size_t fallback) {
  return value > 0 ? value : fallback;
}

/// One thread of Asio's with connections of its own, so that none of them needs a lock.
struct IoThread {
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  std::vector<std::weak_ptr<Connection>> connections;
  std::size_t prune_at = 64;
  std::thread thread;

  void add(const std::shared_ptr<Connection>& connection) {
    if (connections.size() >= prune_at) {
      std::erase_if(connections, [](const auto& weak) { return weak.expired(); });
      prune_at = 64 + 2 * connections.size();
    }
    connections.push_back(connection);
  }
  template <typename F>
  void for_all(F what) {
    asio::post(io, [this, what] {
      const auto copy = connections;
      for (const auto& weak : copy) {
        if (const auto connection = weak.lock()) what(*connection);
      }
    });
  }
};

class AsioServer final : public Server {
 public:
  AsioServer(ServerOptions options, const RouteTable& routes, KeyRing& keys, Metrics& metrics)
      : options_(std::move(options)),
        gate_(options_, routes, keys),
        lanes_(std::make_shared<internal::Lanes>(options_.query_threads, options_.write_threads,
                                                 options_.long_threads, options_.queue_size)),
        json_budget_(std::make_shared<internal::BodyBudget>(
            std::max(options_.max_json_in_flight_bytes, options_.max_json_bytes))),
        hub_(new internal::Hub{options_, gate_, *lanes_, metrics, *json_budget_}) {
    for (std::size_t i = 0; i < options_.io_threads; ++i) {
      threads_.push_back(std::make_unique<IoThread>());
    }
    acceptor_ = std::make_unique<tcp::acceptor>(threads_.front()->io);
    pause_ = std::make_unique<asio::steady_timer>(threads_.front()->io);
  }
  ~AsioServer() override { stop(); }

  Result<void> take(Listener listener) {
    SIGHTLINE_TRY(const tcp::endpoint endpoint, parse_endpoint(listener.address()));
    address_ = listener.address();
    ErrorCode error;
    acceptor_->assign(endpoint.protocol(), listener.release(), error);
    if (error) return io_error("cannot listen on " + address_ + ": " + error.message());
    return {};
  }

  void run() {
    accept();
    for (const auto& thread : threads_) {
      thread->thread = std::thread([io = &thread->io] { io->run(); });
    }
  }

  std::string address() const override { return address_; }

  void stop() override {
    const MutexLock lock(stop_mutex_);
    if (is_stopped_) return;
    is_stopped_ = true;
    hub_->stopping.store(true);
    asio::post(threads_.front()->io, [this] {
      ErrorCode ignored;
      acceptor_->close(ignored);
      pause_->cancel();
    });
    for (const auto& thread : threads_) {
      thread->for_all([](Connection& connection) { connection.shut_down(); });
    }
    if (!wait_for_end(options_.shutdown_grace)) {
      for (const auto& thread : threads_) {
        thread->for_all([](Connection& connection) { connection.call_off(); });
      }
      wait_for_end(kCallOffTime);
    }
    for (const auto& thread : threads_) {
      thread->for_all([](Connection& connection) { connection.close(); });
    }
    lanes_->stop();
    for (const auto& thread : threads_) thread->work.reset();
    for (const auto& thread : threads_) {
      if (thread->thread.joinable()) thread->thread.join();
    }
  }

  /// Counts that the server itself keeps. They outlive it, as the metrics do.
  void register_values(Metrics& metrics) const {
    const auto add = [&](std::string_view name, std::string_view help, Metrics::Labels labels,
                         std::function<std::size_t()> read) {
      metrics.add_value(Metrics::Kind::kGauge, name, help, std::move(labels),
                        [read = std::move(read)] { return static_cast<double>(read()); });
    };
    add("http_connections", "Open connections.", {},
        [hub = hub_] { return hub->num_connections.load(); });
    add("http_requests_in_work", "Requests that are not answered yet.", {},
        [hub = hub_] { return hub->num_requests.load(); });
    add("http_json_bytes_in_flight", "Bytes of JSON bodies that are held.", {},
        [budget = json_budget_] { return budget->used(); });
    for (const auto& [lane, name] : {std::pair<Lane, std::string>{Lane::kQuery, "query"},
                                     {Lane::kWrite, "write"},
                                     {Lane::kLong, "long"}}) {
      const internal::WorkQueue* queue = lanes_->queue(lane);
      add("lane_waiting", "Requests that wait for a thread.", {{"lane", name}},
          [lanes = lanes_, queue] { return queue->waiting(); });
      add("lane_running", "Threads that run a request.", {{"lane", name}},
          [lanes = lanes_, queue] { return queue->running(); });
    }
  }

 private:
  bool wait_for_end(std::chrono::milliseconds time) const {
    const auto end = std::chrono::steady_clock::now() + time;
    while (hub_->num_connections.load() > 0) {
      if (std::chrono::steady_clock::now() >= end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
  }

  void accept() {
    IoThread& thread = *threads_[next_thread_++ % threads_.size()];
    acceptor_->async_accept(thread.io, [this, &thread](ErrorCode error, tcp::socket socket) {
      if (hub_->stopping.load() || error == asio::error::operation_aborted) return;
      if (error) {
        // Out of descriptors, most likely: some come back as connections end.
        log_warning("http", "cannot accept a connection: " + error.message());
        pause_->expires_after(kAcceptPause);
        pause_->async_wait([this](ErrorCode aborted) {
          if (!aborted && !hub_->stopping.load()) accept();
        });
        return;
      }
      if (hub_->num_connections.load() < options_.max_connections) {
        asio::post(thread.io, [this, &thread, socket = std::move(socket)]() mutable {
          auto connection = std::make_shared<Connection>(
              *hub_, thread.io, internal::make_tcp_transport(std::move(socket)));
          thread.add(connection);
          connection->start();
          if (hub_->stopping.load()) connection->shut_down();
        });
      }
      accept();
    });
  }

  const ServerOptions options_;
  const internal::Gate gate_;
  std::shared_ptr<internal::Lanes> lanes_;
  std::shared_ptr<internal::BodyBudget> json_budget_;
  std::shared_ptr<internal::Hub> hub_;
  std::vector<std::unique_ptr<IoThread>> threads_;
  std::unique_ptr<tcp::acceptor> acceptor_;
  std::unique_ptr<asio::steady_timer> pause_;
  std::string address_;
  std::size_t next_thread_ = 0;
  Mutex stop_mutex_;
  bool is_stopped_ GUARDED_BY(stop_mutex_) = false;
};

}  // namespace

Result<Listener> Listener::open(const ServerOptions& options, const KeyRing& keys) {
  SIGHTLINE_TRY(const tcp::endpoint endpoint, parse_endpoint(options.listen));
  if (!endpoint.address().is_loopback() && !keys.has_keys() && !options.allow_public) {
    return invalid_argument(
        "listen address \"" + options.listen +
        "\" can be reached by others, and there are no keys: set server.keys_file or "
        "server.api_key, or allow it with --allow-public (only the page and health checks are "
        "answered to others then)");
  }
  asio::io_context io;
  tcp::acceptor acceptor(io);
  ErrorCode error;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  const tcp::endpoint own = error ? endpoint : acceptor.local_endpoint(error);
  if (error) {
    const std::string message =
        "cannot listen on " + endpoint_text(endpoint) + ": " + error.message();
    if (error == asio::error::address_in_use) return failed_precondition(message);
    if (error == asio::error::access_denied) return Status{StatusCode::kPermissionDenied, message};
    return io_error(message);
  }
  return Listener(acceptor.release(), endpoint_text(own));
}

Listener::~Listener() {
  if (socket_ >= 0) ::close(socket_);
}

Result<std::unique_ptr<Server>> Server::start(const ServerOptions& options,
                                              const RouteTable& routes, KeyRing& keys,
                                              Metrics& metrics) {
  SIGHTLINE_TRY(Listener listener, Listener::open(options, keys));
  return start(options, std::move(listener), routes, keys, metrics);
}

Result<std::unique_ptr<Server>> Server::start(const ServerOptions& given, Listener listener,
                                              const RouteTable& routes, KeyRing& keys,
                                              Metrics& metrics) {
  ServerOptions options = given;
  const std::size_t cores = usable_cores();
  options.io_threads = or_default(options.io_threads, std::min<std::size_t>(cores, 4));
  options.query_threads = or_default(options.query_threads, 16 + 2 * cores);
  options.write_threads = or_default(options.write_threads, 16 + cores);
  options.long_threads = or_default(options.long_threads, 8);
  raise_descriptor_limit();
  SIGHTLINE_TRY_DO(internal::prepare_spool_folder(options.spool_folder));

  auto server = std::make_unique<AsioServer>(std::move(options), routes, keys, metrics);
  SIGHTLINE_TRY_DO(server->take(std::move(listener)));
  server->register_values(metrics);
  server->run();
  return std::unique_ptr<Server>(std::move(server));
}

}  // namespace sightline::http
