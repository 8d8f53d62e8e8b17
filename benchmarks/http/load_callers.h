// benchmarks/http/load_callers.h: closed loops that call: over HTTP, and directly.
//
// Every connection (or thread) begins its next call when the last one has been answered.
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace sightline::benchmarks {

/// What a round of calls took.
struct RoundTimes {
  double seconds = 0;              ///< Of the whole round.
  std::vector<double> latency_ms;  ///< Of each call.

  double rate() const { return static_cast<double>(latency_ms.size()) / seconds; }
};

/// Connections to a server on this machine, served by the calling thread alone, so that they take
/// little of what is measured. Throws on any answer but 200. Thread-safety: one thread at a time.
class HttpCallers {
 public:
  HttpCallers(int port, std::size_t num_connections);
  ~HttpCallers();
  HttpCallers(const HttpCallers&) = delete;
  HttpCallers& operator=(const HttpCallers&) = delete;

  /// Sends all of `requests`, which are whole, as connections become free. The time of a call is
  /// from the first byte sent to the last one received.
  RoundTimes run(std::span<const std::string> requests);
  /// The body of the answer to one request.
  std::string call(const std::string& request);

 private:
  struct Connection;
  std::vector<std::unique_ptr<Connection>> connections_;
  int poll_ = -1;
};

/// Threads that are set up as those of handlers are.
class DirectCallers {
 public:
  /// `call` is given the number of the call; what it throws reaches run().
  DirectCallers(std::size_t num_threads, std::function<void(std::size_t)> call);
  ~DirectCallers();
  DirectCallers(const DirectCallers&) = delete;
  DirectCallers& operator=(const DirectCallers&) = delete;

  /// Calls `first` .. `first + count - 1`, each once.
  RoundTimes run(std::size_t first, std::size_t count);

 private:
  struct Round;
  void work();

  const std::function<void(std::size_t)> call_;
  std::unique_ptr<Round> round_;
  std::vector<std::thread> threads_;
};

}  // namespace sightline::benchmarks
