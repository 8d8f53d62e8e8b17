// http/internal/io_loop.h: what moves the bytes of some connections.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "http/internal/lanes.h"

namespace sightline::http::internal {

class Connection;

/// An io_context with connections of its own. One thread at a time runs it, so that none of them
/// needs a lock; which one changes: a thread that has read a request goes on with its handler if
/// another is there to run the loop.
/// Thread-safety: methods are called by what the loop runs, but for those that say otherwise.
class IoLoop {
 public:
  /// `queue` is the lane whose threads run the loop; it outlives it.
  explicit IoLoop(WorkQueue& queue) : queue_(queue) {}

  boost::asio::io_context& io() { return io_; }
  void start();    ///< From any thread.
  void release();  ///< From any thread: the loop ends when its connections have.

  void add(const std::shared_ptr<Connection>& connection);
  /// From any thread; the loop calls `what` with each connection.
  void for_all(std::function<void(Connection&)> what);

  /// Whether `task`, one of `queue`'s, is left to the thread that runs the loop. False: it is to be
  /// posted.
  bool keep(Task& task);

 private:
  Task run();

  WorkQueue& queue_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
      io_.get_executor()};
  std::vector<std::weak_ptr<Connection>> connections_;
  std::size_t prune_at_ = 64;
  Task kept_;
};

}  // namespace sightline::http::internal
