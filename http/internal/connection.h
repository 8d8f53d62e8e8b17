// http/internal/connection.h: one client's requests, one after the other.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "http/internal/answer.h"
#include "http/internal/body_budget.h"
#include "http/internal/body_receiver.h"
#include "http/internal/gate.h"
#include "http/internal/lanes.h"
#include "http/internal/request_reader.h"
#include "http/internal/transport.h"
#include "http/metrics.h"

namespace sightline::http::internal {

class Connection;

/// What connections share; the server.
struct Hub {
  const ServerOptions& options;
  const Gate& gate;
  const Lanes& lanes;
  Metrics& metrics;
  BodyBudget& json_budget;
  std::atomic<bool> stopping{false};
  std::atomic<std::size_t> num_connections{0};
  std::atomic<std::size_t> num_requests{0};  ///< In work now.
};

/// The sink of a streamed answer: a lane's thread writes into it, the connection's sends.
class StreamSink;

/// Lives as long as an operation of it is in flight. Thread-safety: all methods are called on the
/// thread of `io` alone.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Hub& hub, boost::asio::io_context& io, std::unique_ptr<Transport> transport);
  ~Connection();

  void start();
  /// Closes now if nothing is in work, otherwise after the answer.
  void shut_down();
  /// Asks what is in work to end early.
  void call_off() { stop_.request_stop(); }
  void close();

 private:
  friend class StreamSink;
  using Time = std::chrono::steady_clock::time_point;

  enum class Phase {
    kHead,      ///< Waits for a request, or reads its head.
    kContinue,  ///< Sends "100 Continue".
    kBody,
    kWorking,  ///< The handler runs.
    kWriting,
    kDiscard,  ///< The answer is out, the rest of the body is read and forgotten.
    kLinger,   ///< Nothing more is sent; what the client still sends is read and forgotten.
    kClosed,
  };

  static constexpr std::size_t kSmallRead = 16 * 1024;  // a query's; idle connections hold no more
  static constexpr std::size_t kMaxPipelined = 64 * 1024;

  void read_more();
  void on_read(ErrorCode error, std::size_t bytes);
  void advance();
  bool read_head();
  bool read_body();
  void begin_request();
  void begin_body();
  void send_continue();
  void dispatch();
  Result<Response> call_handler();
  void run_on_lane(std::shared_ptr<Connection> self);  // on the lane's thread
  // The next three may run on the lane's thread while the phase is kWorking: nothing that they read
  // changes meanwhile.
  void release_body();
  Response respond(Result<Response> result) const;
  Answer prepare(Response response, bool may_keep_alive) const;
  void answer(Response response, bool may_keep_alive = true);
  void send(Answer answer, std::size_t bytes_sent, std::shared_ptr<StreamSink> sink);
  void write_rest();
  bool fill_from_file();
  void write_chunk(std::string bytes);
  void end_stream(bool is_complete);
  void after_answer();
  void record_request();
  void next_request();

  void expire_at(Time time);
  void expire_never();
  void wait_for_timer();
  void on_timer();
  double seconds_since_start() const;
  ErrorStyle error_style() const;

  Hub& hub_;
  boost::asio::io_context& io_;
  std::unique_ptr<Transport> transport_;
  Peer peer_;

  Phase phase_ = Phase::kHead;
  RequestReader reader_;
  std::vector<char> read_buffer_;
  std::string pending_;  // read, not yet taken
  bool read_is_pending_ = false;
  bool peer_has_ended_ = false;

  // Of the request.
  Time started_{};  // zero: nothing of it has come
  Time started_body_{};
  const Route* route_ = nullptr;
  Request request_;
  std::string method_, log_target_;
  std::chrono::milliseconds timeout_{0};
  int version_ = 11;
  bool keep_alive_ = true;
  std::unique_ptr<BodyReceiver> receiver_;
  Headers cors_;
  std::stop_source stop_;

  // Of the answer.
  Answer answer_;
  std::size_t head_sent_ = 0, text_sent_ = 0;
  std::uint64_t bytes_sent_ = 0;
  std::shared_ptr<StreamSink> sink_;

  boost::asio::steady_timer timer_;
  Time expires_ = Time::max();
  Time timer_at_ = Time::max();  // max: the timer does not run
};

}  // namespace sightline::http::internal
