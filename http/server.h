// http/server.h: the listening socket, the connections and the threads behind them.
//
// Asio's threads read and write bytes, each with connections of its own; a handler runs on the lane
// its route names (route.h), so that a slow one never keeps bytes from moving.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/result.h"
#include "http/keys.h"
#include "http/metrics.h"
#include "http/route.h"

namespace sightline::http {

struct ServerOptions {
  std::string listen = "127.0.0.1:6333";  ///< ADDRESS:PORT; "[::1]:6333"; port 0: any free one.
  /// Without keys, an address that others can reach is refused unless this says otherwise.
  bool allow_public = false;
  /// Names that requests without a key may call this server by, beside those of loopback.
  std::vector<std::string> allowed_hosts;
  /// Origins of other sites whose pages may call: "https://example.org"; "*": all.
  std::vector<std::string> cors_origins;
  std::filesystem::path spool_folder;  ///< Uploads on their way; made, and emptied at start.

  std::size_t io_threads = 0;     ///< 0: one per core, at most 4.
  std::size_t query_threads = 0;  ///< 0: 16 and two per core: most of them wait.
  std::size_t write_threads = 0;  ///< 0: 16 and one per core.
  std::size_t long_threads = 0;   ///< 0: 8.
  std::size_t queue_size = 1024;  ///< Requests that may wait for each lane; more get 429.

  std::uint64_t max_json_bytes = std::uint64_t{32} << 20;
  /// Of all that are read or worked on at once, one of the largest size at least; more get 429.
  std::uint64_t max_json_in_flight_bytes = std::uint64_t{512} << 20;
  std::uint64_t max_upload_bytes = std::uint64_t{16} << 30;
  std::size_t max_connections = 4096;
  std::chrono::milliseconds keep_alive{90'000};      ///< An idle connection is closed after it.
  std::chrono::milliseconds header_timeout{10'000};  ///< From a header's first byte to its last.
  std::uint64_t min_body_bytes_per_s = 1024;         ///< Averaged; slower bodies get 408.
  std::chrono::milliseconds body_grace{10'000};      ///< Before the rate counts.
  std::chrono::milliseconds write_timeout{30'000};   ///< Without a byte taken by the client.
  std::chrono::milliseconds query_timeout{60'000};   ///< Of Lane::kQuery without `timeout`.
  /// What runs when the server stops is called off after this time.
  std::chrono::milliseconds shutdown_grace{20'000};
  bool access_log = true;
};

/// A socket that listens: connections wait in it until a server takes them.
class Listener {
 public:
  /// errors  kInvalidArgument: `options.listen` is no address, or one that needs keys or
  ///         `allow_public`; kFailedPrecondition: the address is in use; kPermissionDenied,
  ///         kIoError.
  static Result<Listener> open(const ServerOptions& options, const KeyRing& keys);
  Listener(Listener&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)), address_(std::move(other.address_)) {}
  ~Listener();

  /// "127.0.0.1:6333", with the port it really has.
  const std::string& address() const { return address_; }
  std::string url() const { return "http://" + address_; }
  int release() { return std::exchange(socket_, -1); }  ///< To whom closes it.

 private:
  Listener(int socket, std::string address) : socket_(socket), address_(std::move(address)) {}
  int socket_;
  std::string address_;
};

/// Thread-safety: all methods may be called from any thread; destroy it from one that no handler
/// runs on.
class Server {
 public:
  /// Starts the threads. What is given by reference is borrowed and outlives the server.
  /// errors  kIoError.
  static Result<std::unique_ptr<Server>> start(const ServerOptions& options, Listener listener,
                                               const RouteTable& routes, KeyRing& keys,
                                               Metrics& metrics);
  /// On a listener of its own. errors  also those of Listener::open().
  static Result<std::unique_ptr<Server>> start(const ServerOptions& options,
                                               const RouteTable& routes, KeyRing& keys,
                                               Metrics& metrics);
  virtual ~Server() = default;  ///< stop()

  /// "127.0.0.1:6333", with the port it really has.
  virtual std::string address() const = 0;
  std::string url() const { return "http://" + address(); }

  /// Stops accepting, lets what runs finish (after `shutdown_grace` it is called off), joins all
  /// threads. A second call waits for the first.
  virtual void stop() = 0;
};

}  // namespace sightline::http
