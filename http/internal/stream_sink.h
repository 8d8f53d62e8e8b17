// http/internal/stream_sink.h: a lane's thread writes, the connection's thread sends.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "core/mutex.h"
#include "http/exchange.h"

namespace sightline::http::internal {

class Connection;

/// One piece is on its way at a time: a slow client holds the writer up.
class StreamSink final : public BodySink, public std::enable_shared_from_this<StreamSink> {
 public:
  StreamSink(std::shared_ptr<Connection> connection, boost::asio::io_context& io)
      : connection_(std::move(connection)), io_(io) {}

  // On the lane's thread.
  Result<void> write(std::string_view bytes) override;
  /// Runs the stream and tells the connection how it ended.
  void run(const StreamBody& stream);

  // On the connection's thread.
  void sent();  ///< The head, or the piece.
  void fail();  ///< The client is gone.

 private:
  Result<void> wait_until_sent();
  /// The connection, until it has failed.
  std::shared_ptr<Connection> connection() const;

  mutable Mutex mutex_;
  CondVar changed_;
  std::shared_ptr<Connection> connection_ GUARDED_BY(mutex_);
  bool is_sending_ GUARDED_BY(mutex_) = true;  // the head
  boost::asio::io_context& io_;
};

}  // namespace sightline::http::internal
